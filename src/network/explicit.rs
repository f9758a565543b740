//! A connection that a program made to sbsh's own proxy. Owns telling SOCKS from HTTP; what they say is theirs.

use super::opening::Opening;
use super::{Gate, carry, http, socks};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a program may take to say anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves one connection to its end.
pub async fn serve<G: Gate>(gate: Rc<G>, inside: TcpStream, from: SocketAddr) {
    let mut opening = Opening::default();
    let heard = timeout(PATIENCE, opening.more(&inside)).await;
    match opening.bytes.first() {
        _ if !matches!(heard, Ok(Ok(()))) => {}
        None => {}
        Some(4 | 5) => Box::pin(socks::serve(gate, inside, from, opening)).await,
        Some(_) => {
            if let Some(connected) = Box::pin(http::proxy(gate.clone(), inside, from, opening.bytes)).await {
                let http::Connected { permit, inside, first, outside } = connected;
                let opening = Opening { bytes: first, ended: false };
                carry::carry(gate, permit, inside, opening, Some(outside)).await;
            }
        }
    }
}
