//! ssh's ProxyCommand inside: standard input and output joined with a host, through the sandbox's SOCKS listener.
//!
//! Owns asking the listener (RFC 1928). It is an ordinary program inside: what it may reach is the gateway's to say.

use crate::network::setup::SOCKS_PORT;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

/// Joins until the other side ends.
///
/// # Errors
/// One line that says what could not be reached and why.
pub fn main(host: &str, port: &str) -> Result<(), String> {
    let number: u16 = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    let stream = ask(host, number).map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    let upward = stream.try_clone().map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut &upward);
        let _ = upward.shutdown(Shutdown::Write);
    });
    io::copy(&mut &stream, &mut io::stdout().lock()).map_err(|error| error.to_string())?;
    io::stdout().flush().map_err(|error| error.to_string())
}

fn ask(host: &str, port: u16) -> io::Result<TcpStream> {
    let length = u8::try_from(host.len()).map_err(|_| io::Error::other("the name is too long"))?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, SOCKS_PORT))?;
    stream.write_all(&[5, 1, 0])?;
    stream.read_exact(&mut [0; 2])?;
    let request = [&[5, 1, 0, 3, length], host.as_bytes(), &port.to_be_bytes()].concat();
    stream.write_all(&request)?;
    // The gateway answers with an IPv4 address, always.
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    match reply {
        [_, 0, ..] => Ok(stream),
        [_, 2, ..] => Err(io::Error::other("sbsh does not allow it")),
        [_, code, ..] => Err(io::Error::other(format!("it cannot be reached (SOCKS code {code})"))),
    }
}
