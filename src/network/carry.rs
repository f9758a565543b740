//! An allowed connection, from its first words to its end. Owns the order of dialling, listening to the program and
//! listening to the server; what the words mean is `opening`'s, and HTTP is `http`'s.
//!
//! Nothing that the program says leaves before it is judged, also where the server speaks first.

use super::opening::{HTTP_PORT, Judged, Opening, refuse};
use super::{Cause, Gate, Permit, Refusal, http, tunnel};
use crate::policy::Host;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long the first words are awaited before dialling: programs that speak first have done so by then, and what is
/// refused or is HTTP never needs the dialled connection.
const FIRST_WORDS: Duration = Duration::from_millis(1);

/// How long undecided words rest before they go on, for protocols that wait for an answer to less than a line.
const REST: Duration = Duration::from_millis(300);

type Dialling = Pin<Box<dyn Future<Output = Result<TcpStream, Refusal>>>>;

/// How the first part ended.
enum Heard {
    /// The rest passes unjudged; this many bytes of the opening have gone already.
    Passes(TcpStream, usize),
    /// HTTP, on a connection that may be there already.
    Http(Option<TcpStream>),
    /// It ends.
    Refused(Refusal),
}

/// Carries an allowed connection; `line` is there if it was dialled already.
pub async fn carry<G: Gate>(
    gate: Rc<G>,
    permit: Rc<Permit>,
    inside: TcpStream,
    mut opening: Opening,
    line: Option<TcpStream>,
) {
    let Ok(heard) = listen(&gate, &permit, &inside, &mut opening, line).await else {
        tunnel::reset(&inside);
        return;
    };
    match heard {
        Heard::Passes(outside, gone) => {
            let first = opening.bytes.split_off(gone.min(opening.bytes.len()));
            drop(opening);
            // A failure has been passed on to both ends; there is nobody else to tell.
            let _ = tunnel::relay(inside, first, outside, &permit.tally).await;
        }
        Heard::Http(line) => Box::pin(http::origin(gate, permit, inside, opening.bytes, line)).await,
        Heard::Refused(refusal) => Box::pin(refuse(inside, opening, &refusal)).await,
    }
}

/// Waits for what decides; an error where either end is gone before.
async fn listen<G: Gate>(
    gate: &Rc<G>,
    permit: &Rc<Permit>,
    inside: &TcpStream,
    opening: &mut Opening,
    mut line: Option<TcpStream>,
) -> io::Result<Heard> {
    let mut dialling: Option<Dialling> = None;
    let mut gone = 0;
    let (mut server_spoke, mut server_ended) = (false, false);
    // What has gone is no text, and its line is not over: who answers that does not speak HTTP.
    let mut no_text = false;
    loop {
        // An answer to words that rested is no first word.
        server_spoke |= (gone == 0 || no_text) && permit.tally.received.get() > 0;
        let judged = match opening.judge(&permit.target, permit.check_name, server_spoke) {
            Judged::Refused(Cause::OtherName(Some(name)))
                if Host::parse(&name).is_ok_and(|name| permit.is_called(&name)) =>
            {
                Judged::Passes
            }
            judged => judged,
        };
        match judged {
            Judged::Open => {}
            Judged::Http if gone == 0 && !server_spoke => {
                // A connection that is still being dialled is given up: only the HTTP side knows how it is wanted.
                return Ok(Heard::Http(line));
            }
            Judged::Http => {
                let cause =
                    Cause::Malformed("an HTTP request that came in pieces cannot be judged".to_owned());
                return Ok(Heard::Refused(gate.refuse(&permit.target, permit.way, cause)));
            }
            Judged::Refused(cause) => {
                return Ok(Heard::Refused(gate.refuse(&permit.target, permit.way, cause)));
            }
            Judged::Passes => {
                return Ok(match (line, dialling) {
                    (Some(line), _) => Heard::Passes(line, gone),
                    (None, Some(dialling)) => dialled(dialling.await),
                    (None, None) => dialled(gate.dial(permit).await),
                });
            }
        }
        let waits = opening.bytes.len() > gone;
        if opening.is_no_text() {
            match &line {
                Some(line) if waits => {
                    gone = pass_on(opening, gone, line, permit).await?;
                    no_text = true;
                }
                None if dialling.is_none() => dialling = Some(dial(gate, permit)),
                _ => {}
            }
        }
        let waits = opening.bytes.len() > gone;
        tokio::select! {
            biased;
            more = opening.more(inside) => more?,
            // Once there is a line, the server may speak; nothing of it is kept here, so it may be cut off anywhere.
            ended = from_server(line.as_ref(), inside, permit), if line.is_some() && !server_ended => {
                ended?;
                server_ended = true;
            }
            outside = ready(&mut dialling) => match outside {
                Ok(outside) => {
                    (line, dialling) = (Some(outside), None);
                }
                Err(refusal) => return Ok(Heard::Refused(refusal)),
            },
            () = sleep(FIRST_WORDS), if line.is_none() && dialling.is_none() && permit.target.port != HTTP_PORT => {
                dialling = Some(dial(gate, permit));
            }
            () = sleep(REST), if waits && line.is_some() && !opening.is_tls() => {
                server_spoke |= gone == 0 && permit.tally.received.get() > 0;
                if let Some(line) = &line {
                    gone = pass_on(opening, gone, line, permit).await?;
                }
            }
        }
    }
}

fn dial<G: Gate>(gate: &Rc<G>, permit: &Rc<Permit>) -> Dialling {
    let (gate, permit) = (gate.clone(), permit.clone());
    Box::pin(async move { gate.dial(&permit).await })
}

/// Sends what has not gone yet; how much has gone then.
async fn pass_on(opening: &Opening, gone: usize, line: &TcpStream, permit: &Permit) -> io::Result<usize> {
    tunnel::write_all(line, opening.bytes.get(gone..).unwrap_or_default(), &permit.tally.sent).await?;
    Ok(opening.bytes.len())
}

fn dialled(outside: Result<TcpStream, Refusal>) -> Heard {
    match outside {
        Ok(outside) => Heard::Passes(outside, 0),
        Err(refusal) => Heard::Refused(refusal),
    }
}

/// The dialled connection; never, while there is nothing to wait for.
async fn ready(dialling: &mut Option<Dialling>) -> Result<TcpStream, Refusal> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

/// What the server says, until it ends or is cut off.
async fn from_server(line: Option<&TcpStream>, inside: &TcpStream, permit: &Permit) -> io::Result<()> {
    match line {
        Some(line) => tunnel::one_way(line, inside, &permit.tally.received).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
