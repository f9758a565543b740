//! SOCKS4a and SOCKS5 (RFC 1928): names and addresses to connect to. Owns the protocol; BIND and UDP are refused in it.

use super::transparent::carry;
use super::{Gate, Refusal, Target, Way};
use crate::policy::{Host, host::HostError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECT: u8 = 1;
/// SOCKS5's "command not supported" and "general failure".
const UNSUPPORTED: u8 = 7;
const FAILURE: u8 = 1;
/// SOCKS4's "rejected".
const REJECTED: u8 = 91;
/// Longest SOCKS4 user or name; longer than any host name.
const LONGEST: usize = 512;

/// A version of the protocol, for the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Four,
    Five,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    version: Version,
    target: Result<Target, HostError>,
    /// CONNECT; BIND and UDP ASSOCIATE are not offered.
    supported: bool,
}

/// Serves one connection; `version` was read from it already.
pub async fn serve<G: Gate>(gate: Rc<G>, mut inside: TcpStream, version: u8) {
    let Ok(wanted) = negotiate(&mut inside, version).await else { return };
    let target = match (wanted.supported, wanted.target) {
        (false, _) => return answer(&mut inside, wanted.version, UNSUPPORTED).await,
        (true, Err(_)) => return answer(&mut inside, wanted.version, FAILURE).await,
        (true, Ok(target)) => target,
    };
    let permitted = async {
        let permit = gate.permit(target, Way::Socks).await?;
        let outside = if permit.target.port == 80 { None } else { Some(gate.dial(&permit).await?) };
        Ok::<_, Refusal>((permit, outside))
    };
    match permitted.await {
        Ok((permit, outside)) => {
            answer(&mut inside, wanted.version, 0).await;
            carry(gate, inside, Vec::new(), permit, outside).await;
        }
        Err(refusal) => answer(&mut inside, wanted.version, refusal.socks_code()).await,
    }
}

async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, version: u8) -> io::Result<Wanted> {
    match version {
        4 => four(stream).await,
        5 => five(stream).await,
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn five<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<Wanted> {
    const NO_AUTHENTICATION: u8 = 0;
    let mut methods = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        stream.write_all(&[5, 0xff]).await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    stream.write_all(&[5, NO_AUTHENTICATION]).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [5, command, _, kind] = head else { return Err(io::ErrorKind::InvalidData.into()) };
    let host = match kind {
        1 => Ok(Host::Address(IpAddr::V4(Ipv4Addr::from(stream.read_u32().await?)))),
        4 => Ok(Host::Address(IpAddr::V6(Ipv6Addr::from(stream.read_u128().await?)).to_canonical())),
        3 => {
            let mut name = vec![0; usize::from(stream.read_u8().await?)];
            stream.read_exact(&mut name).await?;
            Host::parse_bytes(&name)
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let port = stream.read_u16().await?;
    let target = host.map(|host| Target { host, port });
    Ok(Wanted { version: Version::Five, target, supported: command == CONNECT })
}

async fn four<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Wanted> {
    let command = stream.read_u8().await?;
    let port = stream.read_u16().await?;
    let address = Ipv4Addr::from(stream.read_u32().await?);
    let _user = read_text(stream).await?;
    // 4a: an address 0.0.0.x stands for a name that follows.
    let named = matches!(address.octets(), [0, 0, 0, last] if last != 0);
    let host = if named {
        Host::parse_bytes(&read_text(stream).await?)
    } else {
        Ok(Host::Address(IpAddr::V4(address)))
    };
    let target = host.map(|host| Target { host, port });
    Ok(Wanted { version: Version::Four, target, supported: command == CONNECT })
}

/// Bytes up to a NUL.
async fn read_text<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 => return Ok(text),
            _ if text.len() >= LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            byte => text.push(byte),
        }
    }
}

async fn answer(stream: &mut TcpStream, version: Version, code: u8) {
    let reply = match version {
        Version::Five => vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0],
        Version::Four => vec![0, if code == 0 { 90 } else { REJECTED }, 0, 0, 0, 0, 0, 0],
    };
    let _ = stream.write_all(&reply).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of these bytes, sent in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> io::Result<Wanted> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(64);
            let send = async {
                for part in bytes.chunks(piece.max(1)) {
                    if far.write_all(part).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                far.shutdown().await.ok();
                let mut rest = Vec::new();
                far.read_to_end(&mut rest).await.ok();
            };
            let read = async {
                let version = near.read_u8().await?;
                let wanted = negotiate(&mut near, version).await;
                drop(near);
                wanted
            };
            tokio::join!(send, read).1
        })
    }

    fn target(host: &str, port: u16) -> Result<Target, HostError> {
        Ok(Target { host: Host::parse(host).unwrap(), port })
    }

    #[test]
    fn names_and_addresses_of_both_versions() {
        for piece in [1, 3, 100] {
            let named = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb";
            assert_eq!(read(named, piece).unwrap().target, target("example.com", 443));
            let v4 = b"\x05\x02\x02\x00\x05\x01\x00\x01\xcb\x00\x71\x07\x00\x50";
            assert_eq!(read(v4, piece).unwrap().target, target("203.0.113.7", 80));
            let mapped = b"\x05\x01\x00\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\x00\x00\x01\x00\x16";
            assert_eq!(read(mapped, piece).unwrap().target, target("127.0.0.1", 22));
            let four = b"\x04\x01\x00\x50\xcb\x00\x71\x07me\x00";
            assert_eq!(read(four, piece).unwrap().target, target("203.0.113.7", 80));
            let four_a = b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00example.com\x00";
            assert_eq!(read(four_a, piece).unwrap().target, target("example.com", 80));
        }
    }

    #[test]
    fn bind_and_udp_are_not_offered_and_bad_names_are_no_targets() {
        for command in [2, 3] {
            let bytes = [5, 1, 0, 5, command, 0, 1, 203, 0, 113, 7, 0, 80];
            assert!(!read(&bytes, 100).unwrap().supported);
        }
        let nul = b"\x05\x01\x00\x05\x01\x00\x03\x05a\0.de\x01\xbb";
        assert!(read(nul, 100).unwrap().target.is_err());
        assert!(read(b"\x05\x01\x02", 100).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_are_read_alike_in_any_pieces(bytes: Vec<u8>, five: bool, piece in 1..9usize) {
            let mut bytes = bytes;
            bytes.insert(0, if five { 5 } else { 4 });
            prop_assert_eq!(read(&bytes, 1000).ok(), read(&bytes, piece).ok());
        }
    }
}
