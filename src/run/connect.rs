//! ssh's ProxyCommand inside: standard input and output joined with a host, through the sandbox's SOCKS listener.
//!
//! Owns asking the listener (RFC 1928). It is an ordinary program inside: what it may reach is the gateway's to say.

use crate::network::setup::SOCKS_PORT;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsFd;

/// Joins until the other side ends.
///
/// # Errors
/// One line that says what could not be reached and why.
pub fn main(host: &str, port: &str) -> Result<(), String> {
    let number: u16 = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    let stream = ask(host, number).map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    let upward = stream.try_clone().map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        let _ = pass(io::stdin().lock(), &upward);
        let _ = upward.shutdown(Shutdown::Write);
    });
    // Not by `io::stdout()`: that keeps what comes after the last line's end, and ssh waits for it.
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    pass(&stream, File::from(output)).map_err(|error| error.to_string())
}

/// Passes on what comes, when it comes, until the end. `io::copy` would let the kernel do it by splice(2), which keeps
/// the pipe to ssh locked while it waits for the next bytes: ssh could not read those that are there.
fn pass(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
