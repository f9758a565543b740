//! The entrances where the inside has no network namespace (Landlock): the gatekeeper makes each connection of the inside to
//! one door of the gateway's and announces there where it was meant to go (`gatekeeper::door`).
//!
//! Owns the listeners on the host's loopback, and hearing an announcement. Whoever cannot make one is nobody.

use super::setup::{Entrances, HTTP_PORT, SOCKS_PORT};
use crate::gatekeeper::door::{Door, LENGTH};
use crate::system::sockets;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where name servers are asked, at whatever address, and where programs find the proxies of which they are told.
const OWN: &[u16] = &[53, HTTP_PORT, SOCKS_PORT];

/// How long an announcement may take. It is sent as soon as the connection stands.
const PATIENCE: Duration = Duration::from_secs(2);

/// The door, and where connections come in.
#[derive(Debug)]
pub struct Mediated {
    /// For the gatekeeper.
    pub door: Door,
    /// Its listeners.
    pub listeners: Vec<OwnedFd>,
}

/// Opens the door.
///
/// # Errors
/// Why there is none: then the inside has no network.
pub fn entrances() -> Result<Entrances, String> {
    let made = || -> nix::Result<Mediated> {
        let on = |ip: IpAddr| {
            let listener = sockets::listener(SocketAddr::new(ip, 0))?;
            let address = sockets::address_of(&listener)?;
            Ok::<_, nix::errno::Errno>((listener, address))
        };
        let (listener, four) = on(Ipv4Addr::LOCALHOST.into())?;
        let six = on(Ipv6Addr::LOCALHOST.into()).ok();
        let addresses = [Some(four), six.as_ref().map(|(_, address)| *address)];
        let mut key = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut key))
            .map_err(|_| nix::errno::Errno::EIO)?;
        let listeners = std::iter::once(listener).chain(six.map(|(listener, _)| listener)).collect();
        Ok(Mediated { door: Door::new(addresses, OWN, key), listeners })
    };
    let mediated = made().map_err(|error| format!("cannot listen for the gatekeeper: {}", error.desc()))?;
    Ok(Entrances { mediated: Some(mediated), ..Entrances::none() })
}

/// Where a connection was meant to go; `None` for one that the gatekeeper did not make.
pub async fn hear(door: &Door, stream: &mut TcpStream, from: SocketAddr) -> Option<SocketAddr> {
    let mut said = [0; LENGTH];
    timeout(PATIENCE, stream.read_exact(&mut said)).await.ok()?.ok()?;
    door.meant(from, &said)
}
