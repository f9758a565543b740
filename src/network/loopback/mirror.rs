//! The mirror: ports on the host's loopback that stand for listeners inside.
//!
//! Owns which are open. Binds nothing but 127.0.0.1 and ::1, never a privileged port, and never beside a server of the
//! host: a port is open on both addresses or on none.

use super::Loopback;
use super::listeners::Served;
use crate::system::sockets;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};

/// Below it the host's own services stand.
const UNPRIVILEGED: u16 = 1024;

/// The open ports.
#[derive(Debug, Default)]
pub struct Mirror {
    open: RefCell<BTreeMap<u16, Vec<AbortHandle>>>,
    told: RefCell<BTreeSet<u16>>,
}

impl Mirror {
    /// Opens what is served and closes what is not any more.
    pub fn follow(&self, loopback: &Rc<Loopback>, served: &Served) {
        let mut open = self.open.borrow_mut();
        open.retain(|port, listeners| {
            let stays = served.contains_key(port);
            if !stays {
                listeners.iter().for_each(AbortHandle::abort);
            }
            stays
        });
        for &port in served.keys().filter(|port| **port >= UNPRIVILEGED) {
            if open.contains_key(&port) {
                continue;
            }
            match listeners(port) {
                Ok(listeners) => {
                    let accept = |listener| spawn_local(accept(Rc::clone(loopback), listener, port));
                    open.insert(port, listeners.into_iter().map(|l| accept(l).abort_handle()).collect());
                }
                // Tried again at every look: it may become free.
                Err(error) if self.told.borrow_mut().insert(port) => {
                    let why = match error.kind() {
                        io::ErrorKind::AddrInUse => "something is there already".to_owned(),
                        _ => error.to_string(),
                    };
                    loopback.say(format!("port {port} inside is not reachable from the host: {why}"));
                }
                Err(_) => {}
            }
        }
    }
}

/// Listeners on both of the loopback's addresses, as far as the host has them.
fn listeners(port: u16) -> io::Result<Vec<TcpListener>> {
    let v4 = sockets::listener(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let v6 = match sockets::listener(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(listener) => Some(listener),
        Err(nix::errno::Errno::EADDRNOTAVAIL | nix::errno::Errno::EAFNOSUPPORT) => None,
        Err(error) => return Err(error.into()),
    };
    std::iter::once(v4).chain(v6).map(adopt).collect()
}

fn adopt(listener: OwnedFd) -> io::Result<TcpListener> {
    TcpListener::from_std(listener.into())
}

async fn accept(loopback: Rc<Loopback>, listener: TcpListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let Some(place) = loopback.place().await else { return };
                let work = Rc::clone(&loopback).from_host(client, port);
                spawn_local(async move {
                    work.await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
