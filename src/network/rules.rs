//! The rules of nf_tables in the sandbox's namespace: which connections come to the transparent listeners.
//!
//! Owns the table and how it is said to the kernel; each function runs in a process that is in the namespace and has its
//! capabilities. Must not know the policy.

use super::setup::TRANSPARENT_PORT;
use crate::system::netlink::{APPEND, Batch, Body, CREATE};
use nix::sys::socket::SockProtocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const INET: u8 = 1; // NFPROTO_INET
const TABLE: &str = "sbsh";
/// What goes anywhere, and what the settings join of the host's loopback. At the priority of mangle.
const ARRIVALS: Chain = Chain { name: "arrivals", priority: -150 };
/// What other sandboxes of the session serve. A chain of its own, because its rules change.
const SESSION: Chain = Chain { name: "session", priority: -149 };

struct Chain {
    name: &'static str,
    priority: i32,
}

/// The mark (SO_MARK, socket(7)) of connections that the gateway itself makes inside: what nothing accepts is refused
/// and does not come back to the gateway. No program inside may set one.
pub const OWN_MARK: u32 = 0x7362_7368;

/// The table, the chain and the rules, in one batch: all of it holds, or none.
///
/// # Errors
/// What the kernel answers.
pub fn divert_everything() -> nix::Result<()> {
    nf_tables_batch(|batch| {
        batch.add(nf_tables(0), CREATE, |body| {
            body.header(&[INET, 0, 0, 0]).text(1, TABLE);
        });
        add_chain(batch, &ARRIVALS);
        for own in LOOPBACKS {
            add_rule(batch, &ARRIVALS, |rule| rule.protocol(TCP).not_for(own).divert(own));
            // A ping to anywhere would be answered by the sandbox itself, as if the other side were there.
            add_rule(batch, &ARRIVALS, |rule| {
                rule.protocol(if own.is_ipv4() { 1 } else { 58 }).not_for(own).echo(own).drop()
            });
        }
    })
}

/// After [`divert_everything`]: connections to 127/8 and ::1 on which nothing inside listens come to the transparent
/// listeners too.
///
/// # Errors
/// What the kernel answers.
pub fn divert_loopback() -> nix::Result<()> {
    nf_tables_batch(|batch| {
        add_exceptions(batch, &ARRIVALS);
        for own in LOOPBACKS {
            add_rule(batch, &ARRIVALS, |rule| rule.protocol(TCP).family(own).divert(own));
        }
    })
}

/// After [`divert_everything`]: the same for these ports alone, instead of those named before; `None`: for all.
///
/// # Errors
/// What the kernel answers; then what was named before holds.
pub fn divert_session(ports: Option<&[u16]>) -> nix::Result<()> {
    nf_tables_batch(|batch| {
        add_chain(batch, &SESSION);
        // All rules of the chain: none is named.
        batch.add(nf_tables(8), 0, |body| {
            body.header(&[INET, 0, 0, 0]).text(1, TABLE).text(2, SESSION.name);
        });
        add_exceptions(batch, &SESSION);
        for &port in ports.unwrap_or_default() {
            // Unanswered: some hundred answers do not fit into the socket. A failure comes before the last answer.
            batch.add_unanswered(nf_tables(6), CREATE | APPEND, |body| {
                write_rule(body, &SESSION, |rule| rule.protocol(TCP).port(port).divert_either());
            });
        }
        add_rule(batch, &SESSION, |rule| match ports {
            None => rule.protocol(TCP).divert_either(),
            Some(_) => rule.protocol(TCP).accept(),
        });
    })
}

/// What stands, what something inside listens for, and what the gateway itself connects stays as it is.
fn add_exceptions(batch: &mut Batch, chain: &Chain) {
    add_rule(batch, chain, |rule| rule.marked(OWN_MARK).accept());
    for own in LOOPBACKS {
        add_rule(batch, chain, |rule| rule.protocol(TCP).family(own).served().accept());
    }
}

fn add_chain(batch: &mut Batch, chain: &Chain) {
    batch.add(nf_tables(3), CREATE, |body| {
        let header = body.header(&[INET, 0, 0, 0]);
        header.text(1, TABLE).text(3, chain.name).nest(4, |hook| {
            hook.number(1, 0).bytes(2, &chain.priority.to_be_bytes()); // prerouting
        });
        header.text(7, "filter");
    });
}

/// The sandbox's own loopback, by family.
const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Messages that the kernel takes all together or not at all.
fn nf_tables_batch(write: impl FnOnce(&mut Batch)) -> nix::Result<()> {
    // NFNL_MSG_BATCH_BEGIN and _END name the subsystem, nf_tables (10), as their resource.
    let edge = |batch: &mut Batch, kind: u16| {
        batch.add_unanswered(kind, 0, |body| {
            body.header(&[0, 0, 0, 10]);
        });
    };
    let mut batch = Batch::default();
    edge(&mut batch, 16);
    write(&mut batch);
    edge(&mut batch, 17);
    batch.send(SockProtocol::NetlinkNetFilter)
}

const TCP: u8 = 6;

/// A message of nf_tables (NFNL_SUBSYS_NFTABLES).
fn nf_tables(message: u16) -> u16 {
    10 << 8 | message
}

fn add_rule(batch: &mut Batch, chain: &Chain, write: impl FnOnce(&mut Rule) -> &mut Rule) {
    batch.add(nf_tables(6), CREATE | APPEND, |body| write_rule(body, chain, write));
}

fn write_rule(body: &mut Body, chain: &Chain, write: impl FnOnce(&mut Rule) -> &mut Rule) {
    let mut rule = Rule::default();
    write(&mut rule);
    body.header(&[INET, 0, 0, 0]).text(1, TABLE).text(2, chain.name).nest(4, |list| {
        rule.0.iter().for_each(|expression| {
            list.nest(1, |element| {
                element.text(1, expression.name).nest(2, |data| {
                    data.append(&expression.data);
                });
            });
        });
    });
}

struct Expression {
    name: &'static str,
    data: Body,
}

/// The expressions of one rule, in order; each goes on only if it matches. Numbers are those of linux/netfilter/nf_tables.h.
#[derive(Default)]
struct Rule(Vec<Expression>);

const REGISTER: u32 = 1; // NFT_REG_1
const VERDICT: u32 = 0; // NFT_REG_VERDICT

impl Rule {
    fn add(&mut self, name: &'static str, write: impl FnOnce(&mut Body)) -> &mut Rule {
        let mut data = Body::default();
        write(&mut data);
        self.0.push(Expression { name, data });
        self
    }

    fn compare(&mut self, equal: bool, value: &[u8]) -> &mut Rule {
        self.add("cmp", |d| {
            d.number(1, REGISTER).number(2, u32::from(!equal)).nest(3, |v| {
                v.bytes(1, value);
            });
        })
    }

    fn meta(&mut self, key: u32) -> &mut Rule {
        self.add("meta", |d| {
            d.number(1, REGISTER).number(2, key);
        })
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32) -> &mut Rule {
        self.add("payload", |d| {
            d.number(1, REGISTER).number(2, base).number(3, offset).number(4, length);
        })
    }

    fn protocol(&mut self, number: u8) -> &mut Rule {
        self.meta(16).compare(true, &[number]) // NFT_META_L4PROTO
    }

    fn family(&mut self, of: IpAddr) -> &mut Rule {
        self.meta(15).compare(true, &[nf_family(of)]) // NFT_META_NFPROTO
    }

    fn marked(&mut self, mark: u32) -> &mut Rule {
        self.meta(3).compare(true, &mark.to_ne_bytes()) // NFT_META_MARK
    }

    fn port(&mut self, port: u16) -> &mut Rule {
        self.payload(2, 2, 2).compare(true, &port.to_be_bytes())
    }

    /// The destination is not the sandbox's own loopback.
    fn not_for(&mut self, own: IpAddr) -> &mut Rule {
        self.family(own);
        match own {
            IpAddr::V4(_) => self.payload(1, 16, 1).compare(false, &[127]),
            IpAddr::V6(own) => self.payload(1, 24, 16).compare(false, &own.octets()),
        }
    }

    fn echo(&mut self, of: IpAddr) -> &mut Rule {
        self.payload(2, 0, 1).compare(true, &[if of.is_ipv4() { 8 } else { 128 }])
    }

    /// Something inside listens, or the connection stands.
    fn served(&mut self) -> &mut Rule {
        self.add("socket", |d| {
            d.number(1, 0).number(2, REGISTER); // NFT_SOCKET_TRANSPARENT: only that there is a socket counts
        })
    }

    fn divert(&mut self, of: IpAddr) -> &mut Rule {
        self.divert_family(u32::from(nf_family(of)))
    }

    fn divert_either(&mut self) -> &mut Rule {
        self.divert_family(0) // NFPROTO_UNSPEC
    }

    fn divert_family(&mut self, family: u32) -> &mut Rule {
        self.add("immediate", |d| {
            d.number(1, REGISTER).nest(2, |v| {
                v.bytes(1, &TRANSPARENT_PORT.to_be_bytes());
            });
        });
        self.add("tproxy", |d| {
            d.number(1, family).number(3, REGISTER);
        })
    }

    fn verdict(&mut self, code: u32) -> &mut Rule {
        self.add("immediate", |d| {
            d.number(1, VERDICT).nest(2, |v| {
                v.nest(2, |verdict| {
                    verdict.number(1, code);
                });
            });
        })
    }

    fn drop(&mut self) -> &mut Rule {
        self.verdict(0)
    }

    fn accept(&mut self) -> &mut Rule {
        self.verdict(1)
    }
}

/// NFPROTO_IPV4 and NFPROTO_IPV6.
fn nf_family(of: IpAddr) -> u8 {
    if of.is_ipv4() { 2 } else { 10 }
}
