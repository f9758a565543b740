//! The program inside: connects, says what it wants of the server, counts, and prints one number. Must not know how
//! its connection is carried, but for the way that it was told to take.

use super::server::{Wish, send};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, Question, TYPE};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// Connections before any counts.
const WARM_UP: usize = 20;
/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// How it reaches the server.
enum Way {
    /// connect(2) to this.
    Straight(SocketAddr),
    /// CONNECT at a proxy, with what it wants as authorization.
    Proxy { at: SocketAddr, request: String },
}

/// `what way host port count`.
///
/// # Errors
/// Whatever fails; the text says what.
pub fn main(arguments: &[String]) -> Result<(), String> {
    let [what, way, host, port, count] = arguments else {
        return Err("client: what way host port count".into());
    };
    let way = Way::read(way, host, port)?;
    let count: u64 = count.parse().map_err(|_| "client: the count is no number".to_owned())?;
    super::place::raise_descriptors();
    let answer = match what.as_str() {
        "send" | "receive" => way.open().and_then(|mut first| {
            // The first connection starts the gateway; that is not what is measured here.
            one_byte(&mut first)?;
            if what == "send" { bulk_out(&way, count) } else { bulk_in(&way, count) }
        }),
        "set-up" => set_up(&way, count),
        "hold" => return hold(&way, count).map_err(|e| format!("client: hold: {e}")),
        _ => return Err(format!("client: '{what}' is not known")),
    };
    say(answer.map_err(|e| format!("client: {what}: {e}"))?).map_err(|e| e.to_string())
}

fn say(number: f64) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{number:.9}")?;
    out.flush()
}

impl Way {
    fn read(way: &str, host: &str, port: &str) -> Result<Way, String> {
        let address = |text: &str| {
            let found = text.to_socket_addrs().map_err(|e| format!("client: {text}: {e}"))?;
            found.into_iter().next().ok_or_else(|| format!("client: {text} has no address"))
        };
        let target = format!("{host}:{port}");
        if way == "straight" {
            return address(&target).map(Way::Straight);
        }
        if way == "asked" {
            let port = port.parse().map_err(|_| "client: the port is no number".to_owned())?;
            let found = query(host).map_err(|e| format!("client: no answer about {host}: {e}"))?;
            return Ok(Way::Straight(SocketAddr::from((found, port))));
        }
        let url = match way.strip_prefix("proxy:") {
            Some(at) => at.to_owned(),
            None => {
                std::env::var("HTTPS_PROXY").map_err(|_| "client: HTTPS_PROXY names no proxy".to_owned())?
            }
        };
        let at = url.strip_prefix("http://").unwrap_or(&url).trim_end_matches('/');
        let (login, at) = at.rsplit_once('@').map_or((None, at), |(login, at)| (Some(login), at));
        let login = login.map(|login| format!("Proxy-Authorization: Basic {}\r\n", base64(login.as_bytes())));
        let request =
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}\r\n", login.unwrap_or_default());
        let at = address(at)?;
        // srt starts what listens there beside the command.
        for _ in 0..100 {
            if TcpStream::connect(at).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Way::Proxy { at, request })
    }

    /// A connection that may carry anything.
    fn open(&self) -> std::io::Result<TcpStream> {
        match self {
            Way::Straight(address) => TcpStream::connect(address),
            Way::Proxy { at, request } => {
                let mut stream = TcpStream::connect(at)?;
                stream.write_all(request.as_bytes())?;
                let mut head = Vec::new();
                let mut buffer = [0; 1024];
                // The server says nothing before we do, so nothing of its own is in here.
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer)? {
                        0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                        length => head.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                    }
                }
                let accepted = head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.0 200");
                if accepted { Ok(stream) } else { Err(wrong(&String::from_utf8_lossy(&head))) }
            }
        }
    }
}

/// Asks a name server, any: /etc/hosts, which is read first otherwise, has the address itself.
fn query(host: &str) -> Result<Ipv4Addr, Box<dyn std::error::Error>> {
    let mut packet = Packet::new_query(1);
    packet.questions.push(Question::new(Name::new(host)?, TYPE::A.into(), CLASS::IN.into(), false));
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.send_to(&packet.build_bytes_vec()?, "192.0.2.53:53")?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer)?;
    let answer = Packet::parse(buffer.get(..length).unwrap_or_default())?;
    let found = answer.answers.iter().find_map(|record| match record.rdata {
        RData::A(ref a) => Some(Ipv4Addr::from(a.address)),
        _ => None,
    });
    found.ok_or_else(|| "it holds no address".into())
}

fn one_byte(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&[Wish::Echo as u8])?;
    stream.read_exact(&mut [0])
}

fn ask(way: &Way, wish: Wish, count: u64) -> std::io::Result<TcpStream> {
    let mut stream = way.open()?;
    let mut head = vec![wish as u8];
    head.extend(count.to_be_bytes());
    stream.write_all(&head)?;
    Ok(stream)
}

/// Seconds until the server says that it has them all.
fn bulk_out(way: &Way, count: u64) -> std::io::Result<f64> {
    let mut stream = ask(way, Wish::Take, count)?;
    let started = Instant::now();
    send(&mut stream, count)?;
    let mut arrived = [0; 8];
    stream.read_exact(&mut arrived)?;
    let took = started.elapsed();
    same(u64::from_be_bytes(arrived), count)?;
    Ok(took.as_secs_f64())
}

/// Seconds until all have come, and the end.
fn bulk_in(way: &Way, count: u64) -> std::io::Result<f64> {
    let mut buffer = vec![0; PIECE];
    let mut stream = ask(way, Wish::Give, count)?;
    let started = Instant::now();
    let mut arrived = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            length => arrived += length as u64,
        }
    }
    let took = started.elapsed();
    same(arrived, count)?;
    Ok(took.as_secs_f64())
}

/// Seconds from nothing to the first byte back, the median of so many connections one after the other.
fn set_up(way: &Way, count: u64) -> std::io::Result<f64> {
    let mut times = Vec::new();
    for turn in 0..count as usize + WARM_UP {
        let started = Instant::now();
        let mut stream = way.open()?;
        one_byte(&mut stream)?;
        if turn >= WARM_UP {
            times.push(started.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().ok_or_else(|| wrong("no turns"))
}

/// Says when so many connections stand that have all been used, and keeps them until standard input ends.
fn hold(way: &Way, count: u64) -> std::io::Result<()> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = way.open()?;
        stream.write_all(&[Wish::Hold as u8])?;
        stream.read_exact(&mut [0])?;
        held.push(stream);
    }
    say(held.len() as f64)?;
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn same(arrived: u64, count: u64) -> std::io::Result<()> {
    if arrived == count { Ok(()) } else { Err(wrong(&format!("{arrived} bytes arrived instead of {count}"))) }
}

fn wrong(text: &str) -> std::io::Error {
    std::io::Error::other(text.to_owned())
}

/// RFC 4648, for a proxy that wants a login.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let value =
            (0..3).fold(0_usize, |value, at| value << 8 | usize::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let sign = SIGNS.get(value >> (18 - 6 * at) & 63).copied().unwrap_or(b'=');
            text.push(if at <= three.len() { char::from(sign) } else { '=' });
        }
    }
    text
}
