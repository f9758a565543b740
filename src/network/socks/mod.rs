//! SOCKS towards programs inside. Owns the conversation up to the reply; what follows is `carry`'s.

pub mod message;

use super::opening::Opening;
use super::{Gate, Permit, Refusal, Way, asked, carry, tunnel};
use message::{Asked, NO_METHOD, NO_SUCH_ADDRESS, NO_SUCH_COMMAND, OPEN, Read, Reply};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a program may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves one connection whose first bytes are SOCKS4's or SOCKS5's.
pub async fn serve<G: Gate>(gate: Rc<G>, inside: TcpStream, from: SocketAddr, mut opening: Opening) {
    // Nothing is owed to a program that breaks off, is too slow, or speaks no SOCKS.
    if let Ok(Ok((asked, version))) = timeout(PATIENCE, ask(&inside, &mut opening)).await {
        // A program that is gone meanwhile withdraws its question.
        let connected = tokio::select! {
            biased;
            connected = connect(gate.as_ref(), from, asked) => connected,
            () = opening.until_gone(&inside, true) => return,
        };
        let reply = match &connected {
            Ok(_) => Reply::Connected,
            Err(code) => Reply::Refused(*code),
        };
        if answer(&inside, version, reply).await.is_ok() {
            match connected {
                Ok((permit, outside)) => carry::carry(gate, permit, inside, opening, Some(outside)).await,
                Err(_) => tunnel::hang_up(inside).await,
            }
            return;
        }
    }
    tunnel::reset(&inside);
}

/// What the program asks for, and in which version.
async fn ask(inside: &TcpStream, opening: &mut Opening) -> io::Result<(Asked, u8)> {
    if opening.bytes.first() == Some(&4) {
        return Ok((message(inside, opening, message::request4).await?, 4));
    }
    if !message(inside, opening, message::greeting).await? {
        say(inside, &NO_METHOD).await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    say(inside, &OPEN).await?;
    Ok((message(inside, opening, message::request).await?, 5))
}

/// Waits for one message and takes it.
async fn message<T>(inside: &TcpStream, opening: &mut Opening, read: fn(&[u8]) -> Read<T>) -> io::Result<T> {
    loop {
        match read(&opening.bytes) {
            Read::Whole(value, length) => {
                opening.bytes.drain(..length.min(opening.bytes.len()));
                return Ok(value);
            }
            Read::Broken => return Err(io::ErrorKind::InvalidData.into()),
            Read::More if opening.ended => return Err(io::ErrorKind::UnexpectedEof.into()),
            Read::More => opening.more(inside).await?,
        }
    }
}

/// Has the request decided on and the connection made; else SOCKS5's code for the reason.
async fn connect<G: Gate>(gate: &G, from: SocketAddr, asked: Asked) -> Result<(Rc<Permit>, TcpStream), u8> {
    let (name, port) = match asked {
        Asked::Connect(name, port) => (name, port),
        Asked::OtherCommand => return Err(NO_SUCH_COMMAND),
        Asked::OtherAddress => return Err(NO_SUCH_ADDRESS),
    };
    let code = |refusal: Refusal| refusal.socks_code();
    let target = asked::target(&name, port).map_err(|refusal| code(gate.record(refusal)))?;
    let permit = gate.permit(target, Way::Socks, from).await.map_err(code)?;
    let outside = gate.dial(&permit).await.map_err(code)?;
    Ok((permit, outside))
}

async fn answer(inside: &TcpStream, version: u8, reply: Reply) -> io::Result<()> {
    match version {
        4 => say(inside, &message::reply4(reply)).await,
        _ => say(inside, &message::reply(reply)).await,
    }
}

async fn say(inside: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    tunnel::write_all(inside, bytes, &Cell::new(0)).await
}

#[cfg(test)]
mod tests;
