//! A connection that a program made to the target itself. Owns having it decided while the program's first words
//! come in; what follows is `carry`'s.

use super::opening::{Opening, refuse};
use super::{Gate, Target, Way, carry};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves one connection to its end.
pub async fn serve<G: Gate>(gate: Rc<G>, inside: TcpStream, from: SocketAddr, target: Target) {
    let mut opening = Opening::default();
    // The answer may take a person minutes. A program that is gone by then withdraws the question.
    let decided = tokio::select! {
        biased;
        decided = gate.permit(target, Way::Transparent, from) => decided,
        () = opening.until_gone(&inside, false) => return,
    };
    match decided {
        Ok(permit) => carry::carry(gate.clone(), permit, inside, opening, None).await,
        Err(refusal) => Box::pin(refuse(inside, opening, &refusal)).await,
    }
}
