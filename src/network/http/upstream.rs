//! The connection to a server for requests. Owns opening it, keeping it for the next request to the same target, and
//! taking it back when it becomes a tunnel.

use super::super::{HttpLine, Permit, Target, tunnel};
use super::wire::{Account, Wire};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::HeaderValue;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

/// The connection once no more requests go over it, and what was read from it already.
pub type Rest = oneshot::Receiver<(TcpStream, Vec<u8>)>;

/// A connection over which requests go.
pub struct Upstream {
    /// Where it leads.
    pub target: Target,
    /// The other side is a proxy.
    pub absolute: bool,
    /// What that wants to know.
    pub authorization: Option<HeaderValue>,
    /// It has served a request before, so the server may just have closed it.
    pub used: bool,
    /// Takes the requests.
    pub sender: SendRequest<Incoming>,
    /// Gives the connection back.
    pub rest: Rest,
    account: Account,
}

impl Upstream {
    /// Begins HTTP on a connection.
    ///
    /// # Errors
    /// As hyper says it.
    pub async fn open(line: HttpLine, permit: &Rc<Permit>) -> hyper::Result<Upstream> {
        let account = Rc::new(RefCell::new(permit.clone()));
        let wire = TokioIo::new(Wire::outside(line.stream, account.clone()));
        let (sender, mut connection) = Builder::new()
            .preserve_header_case(true)
            .max_headers(super::MOST_HEADERS)
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(wire)
            .await?;
        let (give_back, rest) = oneshot::channel();
        spawn_local(async move {
            let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
            let parts = connection.into_parts();
            let Some((stream, read)) = parts.io.into_inner().into_parts(&parts.read_buf) else { return };
            if ended.is_err() {
                tunnel::reset(&stream);
            }
            let _ = give_back.send((stream, read)); // nobody waits where it does not become a tunnel
        });
        Ok(Upstream {
            target: permit.target.clone(),
            absolute: line.absolute,
            authorization: line.authorization.and_then(|text| HeaderValue::from_str(&text).ok()),
            used: false,
            sender,
            rest,
            account,
        })
    }

    /// Whether it can take a request of this permit; its bytes count there from now on.
    pub async fn serves(&mut self, permit: &Rc<Permit>) -> bool {
        if self.target != permit.target || self.sender.ready().await.is_err() {
            return false;
        }
        *self.account.borrow_mut() = permit.clone();
        true
    }
}
