//! The sandbox's network namespace, made ready: from here on every TCP connection in it comes to our listeners.
//!
//! Owns addresses, routes, rules and listeners inside. One process makes the namespace, starts in it whatever builds the
//! sandbox, and makes it ready meanwhile. Must not know the policy. The namespace has nothing but `lo`: what is not carried
//! by the gateway goes nowhere.
//!
//! - A route makes every address a local one, so packets to anywhere come in again by `lo`.
//! - A rule of nf_tables gives each TCP connection that is not for 127/8 or ::1 to a transparent listener, on which
//!   getsockname(2) tells the address that was meant. Without nf_tables there are listeners on the usual ports.
//! - Questions to any name server arrive at one socket.
//! - Beside them stand listeners for programs that want to be told of a proxy.

use super::mediated::Mediated;
use super::{inet_diag, rules};
use crate::broker;
use crate::system::netlink::{Batch, CREATE};
use crate::system::{namespaces, process, sockets};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// The port of the explicit HTTP proxy on the sandbox's 127.0.0.1. Each sandbox has its own loopback, so fixed numbers
/// collide with nothing but a program inside that insists on them.
pub const HTTP_PORT: u16 = 28128;
/// The port of the explicit SOCKS proxy.
pub const SOCKS_PORT: u16 = 28080;
/// Where the transparent listeners listen.
pub const TRANSPARENT_PORT: u16 = 28129;
/// Where programs usually connect to: the listeners where the kernel has no nf_tables.
const USUAL_PORTS: &[u16] = &[22, 80, 443, 8443, 9418];

/// How much arrives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every TCP connection.
    Every,
    /// Those to the usual ports.
    UsualPorts,
    /// None: programs have to be told of the proxy.
    Told,
}

/// The doors between inside and the gateway.
#[derive(Debug)]
pub struct Entrances {
    /// How much arrives by itself.
    pub reach: Reach,
    /// Listeners whose connections were meant for elsewhere.
    pub transparent: Vec<OwnedFd>,
    /// Listeners of the explicit proxy.
    pub explicit: Vec<OwnedFd>,
    /// Name servers' sockets.
    pub names: Vec<OwnedFd>,
    /// The door to which the gatekeeper connects what is inside, where that has no network of its own.
    pub mediated: Option<Mediated>,
    /// Where shims call the broker.
    pub broker: Option<OwnedFd>,
    /// Through which it is asked whether programs still hold their ends (`peers`).
    pub peers: Option<OwnedFd>,
    /// The network namespace.
    pub namespace: Option<OwnedFd>,
    /// The user namespace that owns it, if it is not ours.
    pub owner: Option<OwnedFd>,
}

const TRANSPARENT: u8 = b't';
const EXPLICIT: u8 = b'e';
const NAMES: u8 = b'n';
const BROKER: u8 = b'b';
const PEERS: u8 = b'p';
const NAMESPACE: u8 = b's';
const OWNER: u8 = b'o';

impl Entrances {
    /// None.
    pub fn none() -> Entrances {
        Entrances {
            reach: Reach::Told,
            transparent: Vec::new(),
            explicit: Vec::new(),
            names: Vec::new(),
            mediated: None,
            broker: None,
            peers: None,
            namespace: None,
            owner: None,
        }
    }

    /// The descriptors that the gateway waits on.
    pub fn doors(&self) -> impl Iterator<Item = &OwnedFd> {
        self.knocked().chain(&self.names)
    }

    /// Those of them to which one connects.
    pub fn knocked(&self) -> impl Iterator<Item = &OwnedFd> {
        let mediated = self.mediated.iter().flat_map(|mediated| &mediated.listeners);
        self.transparent.iter().chain(&self.explicit).chain(mediated)
    }

    /// Every descriptor.
    pub fn numbers(&self) -> Vec<RawFd> {
        self.doors()
            .chain(&self.broker)
            .chain(&self.peers)
            .chain(&self.namespace)
            .chain(&self.owner)
            .map(AsRawFd::as_raw_fd)
            .collect()
    }

    /// Enters the namespaces that they are in, if there are any, with every capability in them: for an errand.
    ///
    /// # Errors
    /// What setns(2) gives.
    pub fn enter(&self) -> nix::Result<()> {
        let owner = self.owner.as_ref().map(AsFd::as_fd);
        self.namespace.as_ref().map_or(Ok(()), |network| namespaces::join(owner, network.as_fd()))
    }

    /// Two Unix sockets of the sandbox's that are connected to each other, of packets in sequence.
    ///
    /// # Errors
    /// EPERM where the namespace is not ours; what the calls give.
    pub fn pair(&self) -> nix::Result<(OwnedFd, OwnedFd)> {
        self.namespace.as_ref().ok_or(Errno::EPERM)?;
        process::errand(|| self.enter().and_then(|()| sockets::packet_pair()))?
    }

    /// Sends them to the process outside.
    ///
    /// # Errors
    /// What sendmsg(2) gives.
    pub fn send(&self, over: RawFd) -> nix::Result<()> {
        let mut bytes = vec![match self.reach {
            Reach::Every => 2,
            Reach::UsualPorts => 1,
            Reach::Told => 0,
        }];
        bytes.extend(self.transparent.iter().map(|_| TRANSPARENT));
        bytes.extend(self.explicit.iter().map(|_| EXPLICIT));
        bytes.extend(self.names.iter().map(|_| NAMES));
        bytes.extend(self.broker.iter().map(|_| BROKER));
        bytes.extend(self.peers.iter().map(|_| PEERS));
        bytes.extend(self.namespace.iter().map(|_| NAMESPACE));
        bytes.extend(self.owner.iter().map(|_| OWNER));
        sockets::send_with_descriptors(over, &bytes, &self.numbers())
    }

    /// Receives them.
    ///
    /// # Errors
    /// The reason as the other side told it.
    pub fn receive(over: RawFd) -> Result<Entrances, String> {
        let mut buffer = [0; 256];
        let (length, descriptors) =
            sockets::receive_with_descriptors(over, &mut buffer).map_err(|e| e.desc().to_owned())?;
        let (reach, tags) = match buffer.get(..length).unwrap_or_default() {
            [] => return Err("the process that prepares it ended".into()),
            [b'!', why @ ..] => return Err(String::from_utf8_lossy(why).into_owned()),
            [2, tags @ ..] => (Reach::Every, tags),
            [1, tags @ ..] => (Reach::UsualPorts, tags),
            [_, tags @ ..] => (Reach::Told, tags),
        };
        if tags.len() != descriptors.len() {
            return Err("some of its descriptors were lost".into());
        }
        let mut all = Entrances { reach, ..Entrances::none() };
        for (tag, descriptor) in tags.iter().zip(descriptors) {
            match *tag {
                TRANSPARENT => all.transparent.push(descriptor),
                EXPLICIT => all.explicit.push(descriptor),
                NAMES => all.names.push(descriptor),
                BROKER => all.broker = Some(descriptor),
                PEERS => all.peers = Some(descriptor),
                NAMESPACE => all.namespace = Some(descriptor),
                _ => all.owner = Some(descriptor),
            }
        }
        Ok(all)
    }
}

/// This process's network namespace, which nobody else is in yet and has nothing but `lo`, which is down.
#[derive(Debug)]
pub struct Namespace(());

impl Namespace {
    /// Enters a new one, for good.
    ///
    /// # Errors
    /// Why there is none: then whatever builds the sandbox has to make an empty one.
    pub fn enter() -> Result<Namespace, String> {
        namespaces::enter_new_network()
            .map(|()| Namespace(()))
            .map_err(|e| format!("cannot make a network namespace: {}", e.desc()))
    }

    /// Makes it ready; by the process that has entered it. `lo` is what comes first, so that programs inside have it even if
    /// no more can be done.
    ///
    /// # Errors
    /// Why not: then programs inside have nothing but `lo`, or not even that.
    pub fn furnish(self) -> Result<Entrances, String> {
        loopback_up().map_err(not_set_up)?;
        let network = namespaces::own_network().map_err(not_set_up)?;
        let entrances = furniture().map_err(not_set_up)?;
        Ok(Entrances { namespace: Some(network), owner: namespaces::own_user().ok(), ..entrances })
    }
}

fn not_set_up(why: Errno) -> String {
    format!("cannot set up the network namespace: {}", why.desc())
}

/// Tells the other side that there are no entrances.
pub fn say_why_not(over: RawFd, why: &str) {
    let _ = sockets::send_with_descriptors(over, format!("!{why}").as_bytes(), &[]);
}

/// In the namespace, with its capabilities.
fn furniture() -> nix::Result<Entrances> {
    let route = everything_local(libc::AF_INET);
    let ipv6 = everything_local(libc::AF_INET6).is_ok();
    let any = |port: u16| {
        let v6 = ipv6.then(|| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        std::iter::once(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).chain(v6)
    };
    let mut all = explicit()?;
    if route.is_err() {
        return Ok(all);
    }
    // Without it programs may go on as if they had no IPv4: it is for nothing else.
    let _ = own_address();
    all.names = any(53).filter_map(|address| sockets::datagrams(address).ok()).collect();
    let listeners = any(TRANSPARENT_PORT).map(sockets::transparent_listener).collect::<nix::Result<Vec<_>>>();
    match listeners.and_then(|listeners| rules::divert_everything().map(|()| listeners)) {
        Ok(listeners) => {
            all.transparent = listeners;
            all.reach = Reach::Every;
        }
        Err(_) => {
            let usual = USUAL_PORTS.iter().flat_map(|&port| any(port));
            all.transparent = usual.filter_map(|address| sockets::listener(address).ok()).collect();
            all.reach = Reach::UsualPorts;
        }
    }
    Ok(all)
}

/// The explicit proxy's listeners alone: all that can be had without capabilities.
///
/// # Errors
/// What the calls give.
pub fn explicit() -> nix::Result<Entrances> {
    let on = |port| sockets::listener(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    Ok(Entrances {
        explicit: vec![on(HTTP_PORT)?, on(SOCKS_PORT)?],
        broker: sockets::named_listener(broker::NAME).ok(),
        peers: inet_diag::open().ok(),
        ..Entrances::none()
    })
}

/// The index of `lo` in every namespace (LOOPBACK_IFINDEX).
const LO: u32 = 1;

/// Brings `lo` up, in the namespace that this process is in and has the capabilities of.
///
/// # Errors
/// What the kernel answers.
pub fn loopback_up() -> nix::Result<()> {
    const NEW_LINK: u16 = 16; // RTM_NEWLINK
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    let mut batch = Batch::default();
    batch.add(NEW_LINK, 0, |body| {
        // struct ifinfomsg: family, pad, type, index, flags, change.
        body.header(&[&[0, 0, 0, 0], LO.to_ne_bytes().as_slice(), &up, &up].concat());
    });
    batch.send(SockProtocol::NetlinkRoute)
}

/// An address that nobody has and no name stands for.
const OWN: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);

/// `ip address add 198.19.255.254 dev lo scope host`. getaddrinfo(3) finds no IPv4 with AI_ADDRCONFIG where there is only
/// 127.0.0.1. In this scope no connection begins at it.
fn own_address() -> nix::Result<()> {
    const NEW_ADDRESS: u16 = 20; // RTM_NEWADDR
    const SCOPE_HOST: u8 = 254;
    const ADDRESS: u16 = 1; // IFA_ADDRESS
    const LOCAL: u16 = 2; // IFA_LOCAL
    let mut batch = Batch::default();
    batch.add(NEW_ADDRESS, CREATE, |body| {
        // struct ifaddrmsg: family, length of the prefix, flags, scope, index.
        body.header(&[&[libc::AF_INET as u8, 32, 0, SCOPE_HOST], LO.to_ne_bytes().as_slice()].concat());
        body.bytes(LOCAL, &OWN.octets()).bytes(ADDRESS, &OWN.octets());
    });
    batch.send(SockProtocol::NetlinkRoute)
}

/// `ip route add local default dev lo`.
fn everything_local(family: i32) -> nix::Result<()> {
    const NEW_ROUTE: u16 = 24; // RTM_NEWROUTE
    const TABLE_LOCAL: u8 = 255;
    const BOOT: u8 = 3; // RTPROT_BOOT
    const SCOPE_HOST: u8 = 254;
    const LOCAL: u8 = 2; // RTN_LOCAL
    const OUTPUT: u16 = 4; // RTA_OIF
    let family = u8::try_from(family).unwrap_or(0);
    let mut batch = Batch::default();
    batch.add(NEW_ROUTE, CREATE, |body| {
        // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
        body.header(&[family, 0, 0, 0, TABLE_LOCAL, BOOT, SCOPE_HOST, LOCAL, 0, 0, 0, 0]);
        body.bytes(OUTPUT, &LO.to_ne_bytes());
    });
    batch.send(SockProtocol::NetlinkRoute)
}

/// What the loopback of the inside is joined to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    /// The host's loopback.
    pub host: bool,
    /// Those of other sandboxes of the session.
    pub session: Option<Others>,
}

/// Where the others of a session are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// At the ports that they serve.
    Ports(Vec<u16>),
    /// At every port: it is not known yet what they serve.
    Anywhere,
}

/// Joins the loopback of the inside to the gateway: connections there that nothing inside accepts come to it too.
///
/// # Errors
/// Why not; without a transparent network there is nothing to be joined.
pub fn join_loopback(entrances: &Entrances, joined: &Joined) -> Result<(), String> {
    if entrances.namespace.is_none() || entrances.reach != Reach::Every {
        return Err("the network is not transparent here".into());
    }
    if !joined.host && joined.session.as_ref().is_none_or(|others| *others == Others::Ports(Vec::new())) {
        return Ok(());
    }
    let divert = || {
        entrances.enter()?;
        if joined.host {
            rules::divert_loopback()?;
        }
        match &joined.session {
            None => Ok(()),
            Some(Others::Ports(ports)) => rules::divert_session(Some(ports)),
            Some(Others::Anywhere) => rules::divert_session(None),
        }
    };
    process::errand(divert).and_then(|done| done).map_err(|error| error.desc().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_loopback_is_joined_from_outside() {
        let (near, far) = UnixStream::pair().unwrap();
        let child = match process::fork().unwrap() {
            process::Fork::Child => {
                let made = Namespace::enter().and_then(Namespace::furnish);
                made.unwrap().send(far.as_raw_fd()).unwrap();
                let mut go = [0];
                let _ = (&far).read(&mut go);
                let open = TcpStream::connect("127.0.0.1:4001").is_ok();
                let _ = (&far).write_all(if open { b"y" } else { b"n" });
                process::exit_now(0)
            }
            process::Fork::Parent(child) => child,
        };
        drop(far);
        let all = Entrances::receive(near.as_raw_fd()).unwrap();
        join_loopback(&all, &Joined { host: true, session: None }).unwrap();
        (&near).write_all(b"g").unwrap();
        let mut told = [0];
        (&near).read_exact(&mut told).unwrap();
        process::reap(child);
        assert_eq!(&told, b"y");
    }

    /// In a child process, because a namespace is entered for good.
    fn in_a_namespace(check: impl FnOnce(Entrances) -> Result<(), String>) {
        let (near, far) = UnixStream::pair().unwrap();
        match crate::system::process::fork().unwrap() {
            crate::system::process::Fork::Child => {
                let told = Namespace::enter().and_then(Namespace::furnish).and_then(check);
                let _ = (&far).write_all(format!("{told:?}").as_bytes());
                crate::system::process::exit_now(0);
            }
            crate::system::process::Fork::Parent(child) => {
                drop(far);
                crate::system::process::reap(child);
                let mut told = String::new();
                { &near }.read_to_string(&mut told).unwrap();
                assert_eq!(told, "Ok(())");
            }
        }
    }

    /// Where the connection that waits at a diverting listener (0: version 4, 1: version 6) was meant for.
    fn arrived_for(all: &Entrances, index: usize) -> Result<String, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let listener = all.transparent.get(index).ok_or("no listener")?.try_clone().map_err(|e| text(&e))?;
        let (arrived, _) = TcpListener::from(listener).accept().map_err(|e| text(&e))?;
        Ok(arrived.local_addr().map_err(|e| text(&e))?.to_string())
    }

    #[test]
    fn connections_to_anywhere_arrive_and_tell_where_they_were_meant_for() {
        in_a_namespace(|all| {
            let text = |e: &dyn std::fmt::Display| e.to_string();
            if all.reach != Reach::Every {
                return Err(format!("{:?}", all.reach));
            }
            let own = TcpListener::bind("127.0.0.1:4000").map_err(|e| text(&e))?;
            TcpStream::connect("127.0.0.1:4000").map_err(|e| text(&e))?;
            own.accept().map_err(|e| text(&e))?;
            for (index, target) in ["203.0.113.7:4000", "[2001:db8::7]:443"].into_iter().enumerate() {
                let _client = TcpStream::connect(target).map_err(|e| text(&e))?;
                let meant = arrived_for(&all, index)?;
                if meant != target {
                    return Err(meant);
                }
            }
            if TcpStream::connect("127.0.0.1:4001").is_ok() {
                return Err("a closed port of the loopback is open".into());
            }
            Ok(())
        });
    }

    #[test]
    fn questions_to_any_name_server_arrive_and_are_answered_from_there() {
        in_a_namespace(|all| {
            let text = |e: &dyn std::fmt::Display| e.to_string();
            for (index, server) in ["192.0.2.53:53", "[2001:db8::53]:53"].into_iter().enumerate() {
                let any = if index == 0 { "0.0.0.0:0" } else { "[::]:0" };
                let client = UdpSocket::bind(any).map_err(|e| text(&e))?;
                client.connect(server).map_err(|e| text(&e))?;
                client.send(b"who").map_err(|e| text(&e))?;
                let socket = all.names.get(index).ok_or("no socket")?;
                let mut buffer = [0; 64];
                let envelope =
                    sockets::receive_datagram(socket.as_fd(), &mut buffer).map_err(|e| text(&e))?;
                sockets::answer_datagram(socket.as_fd(), b"me", envelope).map_err(|e| text(&e))?;
                let length = client.recv(&mut buffer).map_err(|e| text(&e))?;
                if buffer.get(..length) != Some(b"me") {
                    return Err("another answer".into());
                }
            }
            Ok(())
        });
    }

    #[test]
    fn with_the_loopback_diverted_a_server_inside_still_comes_first() {
        in_a_namespace(|all| {
            let text = |e: &dyn std::fmt::Display| e.to_string();
            rules::divert_loopback().map_err(|e| text(&e))?;
            let own = TcpListener::bind("127.0.0.1:4000").map_err(|e| text(&e))?;
            let mut client = TcpStream::connect("127.0.0.1:4000").map_err(|e| text(&e))?;
            let (mut server, _) = own.accept().map_err(|e| text(&e))?;
            client.write_all(b"hello").map_err(|e| text(&e))?;
            let mut buffer = [0; 5];
            server.read_exact(&mut buffer).map_err(|e| text(&e))?;
            let _client = TcpStream::connect("127.0.0.1:4001").map_err(|e| text(&e))?;
            let meant = arrived_for(&all, 0)?;
            if meant == "127.0.0.1:4001" { Ok(()) } else { Err(meant) }
        });
    }

    #[test]
    fn a_session_diverts_the_named_ports_and_leaves_the_others_closed() {
        in_a_namespace(|all| {
            let text = |e: &dyn std::fmt::Display| e.to_string();
            let own = TcpListener::bind("127.0.0.1:4000").map_err(|e| text(&e))?;
            let ports: Vec<u16> = (4000..4256).collect();
            for ports in [None, Some(ports.as_slice())] {
                rules::divert_session(ports).map_err(|e| text(&e))?;
                let _client = TcpStream::connect("127.0.0.1:4000").map_err(|e| text(&e))?;
                own.accept().map_err(|e| text(&e))?;
                for (index, target) in ["127.0.0.1:4001", "[::1]:4255"].into_iter().enumerate() {
                    let _client = TcpStream::connect(target).map_err(|e| text(&e))?;
                    let meant = arrived_for(&all, index)?;
                    if meant != target {
                        return Err(meant);
                    }
                }
                if ports.is_some() && TcpStream::connect("127.0.0.1:4256").is_ok() {
                    return Err("a port that was not named is open".into());
                }
            }
            rules::divert_session(Some(&[])).map_err(|e| text(&e))?;
            if TcpStream::connect("127.0.0.1:4001").is_ok() {
                return Err("a port that is served no longer is open".into());
            }
            Ok(())
        });
    }
}
