//! A connection that a program made to its target itself, and what every tunnel does with its first bytes.
//!
//! Owns the order: permission, first bytes, the name in them, carrying. A server that speaks first is waited for, but
//! until it does, what the program says is looked at.

use super::sniff::{self, Talk};
use super::{Cause, Gate, Permit, Refusal, Target, Way, http, tunnel};
use crate::policy::Host;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a program that begins by speaking takes to begin.
const SILENCE: Duration = Duration::from_millis(300);
/// How long a refused program is listened to.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub async fn serve<G: Gate>(gate: Rc<G>, inside: TcpStream, target: Target) {
    match gate.permit(target, Way::Transparent).await {
        Ok(permit) => carry(gate, inside, Vec::new(), permit, None).await,
        Err(refusal) => decline(inside, Vec::new(), &refusal).await,
    }
}

/// Carries an allowed connection; `first` was read already, `outside` is there if somebody dialled already.
pub async fn carry<G: Gate>(
    gate: Rc<G>,
    inside: TcpStream,
    mut first: Vec<u8>,
    permit: Rc<Permit>,
    outside: Option<TcpStream>,
) {
    // Plain HTTP is not dialled ahead: an upstream proxy wants its requests, not a tunnel.
    let ahead = async {
        match outside {
            Some(stream) => Some(Ok(stream)),
            None if permit.target.port == 80 => None,
            None => Some(gate.dial(&permit).await),
        }
    };
    let (talk, dialled) = tokio::join!(sniff::listen(&inside, &mut first, SILENCE), ahead);
    let Ok(talk) = talk else { return };
    let dialled = match dialled {
        Some(Err(refusal)) => return decline(inside, first, &refusal).await,
        Some(Ok(stream)) => Some(stream),
        None => None,
    };
    if let Talk::Http = talk {
        return http::origin(gate, inside, first, permit, dialled).await;
    }
    if let Some(cause) = objection(&talk, &permit) {
        let refusal = gate.refuse(&permit.target, permit.way, cause);
        return decline(inside, first, &refusal).await;
    }
    let outside = match dialled {
        Some(stream) => stream,
        None => match gate.dial(&permit).await {
            Ok(stream) => stream,
            Err(refusal) => return decline(inside, first, &refusal).await,
        },
    };
    if talk == Talk::Silent {
        return wait(gate, inside, permit, outside).await;
    }
    let _ = tunnel::relay(inside, first, outside, &permit.tally).await;
}

/// Both sides are silent: whoever speaks first shows what it is.
async fn wait<G: Gate>(gate: Rc<G>, inside: TcpStream, permit: Rc<Permit>, outside: TcpStream) {
    let server_spoke = tokio::select! {
        biased;
        ready = inside.readable() => ready.is_err(),
        ready = outside.readable() => ready.is_ok(),
    };
    if server_spoke {
        let _ = tunnel::relay(inside, Vec::new(), outside, &permit.tally).await;
        return;
    }
    Box::pin(carry(gate, inside, Vec::new(), permit, Some(outside))).await;
}

/// What the first bytes have against the target.
fn objection(talk: &Talk, permit: &Permit) -> Option<Cause> {
    match talk {
        Talk::Tls(_) if !permit.check_name => None,
        Talk::Tls(Some(name)) => {
            let same = Host::parse(name).is_ok_and(|host| host == permit.target.host);
            (!same).then(|| Cause::OtherName(Some(name.clone())))
        }
        Talk::Tls(None) => matches!(permit.target.host, Host::Name(_)).then_some(Cause::OtherName(None)),
        Talk::Http2 => Some(Cause::Malformed("HTTP/2 without TLS cannot be looked into".into())),
        Talk::Malformed(why) => Some(Cause::Malformed((*why).into())),
        Talk::Http | Talk::Other | Talk::Silent => None,
    }
}

/// Refuses in the words of whatever the program talks: an HTTP answer, a TLS alert, else a reset.
pub async fn decline(mut inside: TcpStream, mut first: Vec<u8>, refusal: &Refusal) {
    /// A fatal alert (2) that says access_denied (49), RFC 8446, 6.2.
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];
    let answer = match sniff::listen(&inside, &mut first, SILENCE).await {
        Ok(Talk::Http) => http::raw(refusal).into_bytes(),
        Ok(Talk::Tls(_)) => ALERT.to_vec(),
        _ => {
            let _ = inside.set_zero_linger();
            return;
        }
    };
    let _ = say_last(&mut inside, &answer).await;
}

/// Unread bytes would turn the end of the connection into a reset that overtakes the answer.
async fn say_last(inside: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    inside.write_all(answer).await?;
    inside.shutdown().await?;
    let mut buffer = [0; 4096];
    let drained = async { while inside.read(&mut buffer).await.is_ok_and(|length| length > 0) {} };
    let _ = tokio::time::timeout(FAREWELL, drained).await;
    Ok(())
}
