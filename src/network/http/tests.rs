//! HTTP through both roles, against servers on loopback.

use super::super::testing::*;
use super::super::tls::tests::hello;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server was sent: each request as it came, after the number of its connection.
type Seen = Rc<RefCell<Vec<(usize, String)>>>;

/// A web server that remembers requests; some paths are special.
async fn web() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let (log, connections) = (seen.clone(), Rc::new(std::cell::Cell::new(0)));
    let address = server(move |mut stream| {
        let log = log.clone();
        connections.set(connections.get() + 1);
        let connection = connections.get();
        async move {
            while let Some(mut request) = until(&mut stream, "\r\n\r\n").await {
                let lower = request.to_ascii_lowercase();
                if lower.contains("transfer-encoding: chunked") {
                    request += &until(&mut stream, "0\r\n\r\n").await.unwrap_or_default();
                } else if let Some((_, length)) = lower.split_once("content-length: ") {
                    let length = length.split("\r\n").next().unwrap().parse().unwrap();
                    request += &String::from_utf8(exactly(&mut stream, length).await).unwrap();
                }
                log.borrow_mut().push((connection, request.clone()));
                let path = request.split(' ').nth(1).unwrap();
                let head = "HTTP/1.1 200 Very Well\r\nX-cASe: kept\r\n";
                let answer = match path.rsplit('/').next().unwrap() {
                    "chunks" => format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n3\r\nsix\r\n0\r\n\r\n"),
                    "last" => format!("{head}Connection: close\r\n\r\nuntil the end"),
                    "broken" => format!("{head}Content-Length: 100\r\n\r\nten bytes."),
                    "broken-chunks" => format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"),
                    "many" => format!("{head}{}Content-Length: 5\r\n\r\nhello", "X-N: 1\r\n".repeat(900)),
                    "odd" => format!("{head}X(odd): 1\r\nno colon\r\nContent-Length: 5\r\n\r\nhello"),
                    "both" => format!("{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                    "garbage" => "this is no HTTP\r\n\r\n".to_owned(),
                    "hop" => format!("{head}Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n"),
                    "socket" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\
                                 early".to_owned(),
                    "h2c" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n".to_owned(),
                    _ => format!("{head}Content-Length: 5\r\n\r\nhello"),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
                if path.ends_with("socket") {
                    let mut bytes = [0; 100];
                    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                        stream.write_all(&bytes[..read].to_ascii_uppercase()).await.unwrap();
                    }
                }
                if ["last", "broken", "broken-chunks", "garbage"].iter().any(|end| path.ends_with(end)) {
                    return;
                }
            }
        }
    })
    .await;
    (address, seen)
}

async fn web_gate() -> (Rc<Fake>, Seen) {
    let (address, seen) = web().await;
    (Fake::new(&[("a.example:80", address), ("c.example:80", address), ("a.example:8080", address)]), seen)
}

/// Sends a request and reads an answer with a length.
async fn ask(program: &mut TcpStream, request: &str) -> String {
    program.write_all(request.as_bytes()).await.unwrap();
    let head = until(program, "\r\n\r\n").await.expect("no answer");
    let length = head.to_ascii_lowercase();
    let length = length
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    head + &String::from_utf8(exactly(program, length).await).unwrap()
}

/// Sends a request and reads to the end of the connection.
async fn ask_last(program: &mut TcpStream, request: &str) -> String {
    program.write_all(request.as_bytes()).await.unwrap();
    String::from_utf8(all(program).await.unwrap()).unwrap()
}

#[track_caller]
fn is_refused(answer: &str, status: &str, why: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    assert!(answer.contains(why) && answer.ends_with('\n'), "{answer}");
}

const FORBIDDEN: &str = "403 Blocked by sbsh";

#[test]
fn requests_follow_each_other_on_one_connection() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        for path in ["/one", "/two?x=%20"] {
            let answer =
                ask(&mut program, &format!("GET {path} HTTP/1.1\r\nhOST: A.example\r\nX-mIXed: 1\r\n\r\n"))
                    .await;
            assert_eq!(answer, "HTTP/1.1 200 Very Well\r\nX-cASe: kept\r\nContent-Length: 5\r\n\r\nhello");
        }
        let request = |path| format!("GET {path} HTTP/1.1\r\nhOST: a.example\r\nX-mIXed: 1\r\n\r\n");
        assert_eq!(*seen.borrow(), [(1, request("/one")), (1, request("/two?x=%20"))]);
        assert_eq!(gate.log(), ["transparent a.example:80", "dial a.example:80"]);
        drop(program);
        let tally = gate.permits.borrow()[0].clone();
        assert!(tally.tally.sent.get() > 100 && tally.tally.received.get() > 100);
    });
}

#[test]
fn a_second_request_for_another_host_is_refused_and_nothing_follows() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        ask(&mut program, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let two = "GET / HTTP/1.1\r\nHost: c.example\r\n\r\nGET /third HTTP/1.1\r\nHost: a.example\r\n\r\n";
        let answer = ask_last(&mut program, two).await;
        is_refused(&answer, FORBIDDEN, "the program asked for 'c.example' on this connection");
        assert_eq!(seen.borrow().len(), 1);
    });
}

#[test]
fn every_name_in_a_request_must_be_the_host() {
    run(async {
        let (gate, seen) = web_gate().await;
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", FORBIDDEN),
            ("GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", FORBIDDEN),
            ("GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n", FORBIDDEN),
            ("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", FORBIDDEN),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", FORBIDDEN),
            ("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", FORBIDDEN),
            ("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", FORBIDDEN),
            ("GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", FORBIDDEN),
            ("GET http://b.example/ HTTP/1.0\r\n\r\n", FORBIDDEN),
            ("\r\n\r\nget\t/ HTTP/1.1\r\nHost: b.example\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost: a.example\r\n Host: b.example\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", "400 Bad Request"),
            ("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "400 Bad Request"),
            ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "400 Bad Request"),
            ("CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "400 Bad Request"),
        ] {
            let mut program = transparent(&gate, "a.example", 80).await;
            let answer = ask_last(&mut program, request).await;
            let version = if request.contains("HTTP/1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
            assert!(answer.starts_with(&format!("{version} {status}\r\n")), "{request:?}: {answer}");
        }
        assert_eq!(*seen.borrow(), []);
        assert!(gate.log().iter().all(|line| !line.starts_with("dial")), "{:?}", gate.log());
    });
}

#[test]
fn an_absolute_form_that_agrees_goes_on_as_a_path() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        ask(&mut program, "GET http://a.example:80/x HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(seen.borrow()[0].1, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    });
}

#[test]
fn a_name_that_the_machine_completes_goes_on_as_it_was_said() {
    run(async {
        let (gate, seen) = web_gate().await;
        gate.other.set(Some("a"));
        let mut program = transparent(&gate, "a.example", 80).await;
        ask(&mut program, "GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\n").await;
        assert_eq!(seen.borrow()[0].1, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = ask_last(&mut program, "GET / HTTP/1.1\r\nHost: b\r\n\r\n").await;
        is_refused(&answer, FORBIDDEN, "the program asked for 'b' on this connection");
    });
}

#[test]
fn lengths_that_can_be_read_in_two_ways_do_not_go_on() {
    run(async {
        let (gate, seen) = web_gate().await;
        let post =
            |headers: &str| format!("POST / HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n\r\n0\r\n\r\n");
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: \x0bchunked",
        ] {
            let mut program = transparent(&gate, "a.example", 80).await;
            let answer = ask_last(&mut program, &post(headers)).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer}");
        }
        assert_eq!(*seen.borrow(), []);
        // Of both, hyper takes out the length before anybody sees it: one framing goes on.
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
        ] {
            let mut program = transparent(&gate, "a.example", 80).await;
            ask(&mut program, &post(headers)).await;
        }
        for (_, request) in seen.borrow().iter() {
            assert!(!request.to_ascii_lowercase().contains("content-length"), "{request}");
            assert!(request.ends_with("\r\n\r\n0\r\n\r\n"), "{request}");
        }
    });
}

#[test]
fn bodies_pass_both_ways_however_they_are_framed() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        let chunked = "POST /chunks HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n";
        program.write_all(chunked.as_bytes()).await.unwrap();
        let answer = until(&mut program, "\r\n0\r\n\r\n").await.unwrap();
        assert!(answer.ends_with("\r\n\r\n4\r\nfour\r\n3\r\nsix\r\n0\r\n\r\n"), "{answer}");
        assert!(seen.borrow()[0].1.ends_with("\r\n\r\n3\r\none\r\n0\r\n\r\n"), "{:?}", seen.borrow());
        ask(&mut program, "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody").await;
        assert!(seen.borrow()[1].1.ends_with("\r\n\r\nbody"), "{:?}", seen.borrow());
        ask(
            &mut program,
            "POST /x HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    });
}

#[test]
fn programs_of_http_1_0_are_served() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        let answer = ask_last(&mut program, "GET /chunks HTTP/1.0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nfoursix"), "{answer}");
        assert_eq!(seen.borrow()[0].1, "GET /chunks HTTP/1.1\r\nhost: a.example\r\n\r\n");
        let mut program = transparent(&gate, "a.example", 80).await;
        let again = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        assert!(ask(&mut program, again).await.to_ascii_lowercase().contains("connection: keep-alive"));
        ask(&mut program, again).await;
    });
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    run(async {
        let (gate, _) = web_gate().await;
        for path in ["broken", "broken-chunks"] {
            let mut program = transparent(&gate, "a.example", 80).await;
            let request = format!("GET /{path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
            program.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        let mut program = transparent(&gate, "a.example", 80).await;
        let answer = ask_last(&mut program, "GET /garbage HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        is_refused(&answer, "502 Bad Gateway", "it gave no answer");
        let mut program = transparent(&gate, "a.example", 80).await;
        let answer =
            ask_last(&mut program, "GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
                .await;
        assert!(answer.contains("until the end"), "{answer}");
    });
}

#[test]
fn a_kept_connection_that_the_server_closed_is_made_anew() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        program.write_all(b"GET /last HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        until(&mut program, "until the end\r\n0\r\n\r\n").await.unwrap();
        ask(&mut program, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(seen.borrow().iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn headers_between_neighbours_end_here() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        let request = "GET /hop HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, X-Secret, host\r\nX-Secret: 1\r\n\
                       Keep-Alive: 3\r\nProxy-Authorization: Basic x\r\nProxy-Connection: close\r\nTE: trailers, gzip\r\n\
                       Upgrade: h2c\r\nHTTP2-Settings: x\r\nX-Stays: 1\r\n\r\n";
        let answer = ask(&mut program, request).await;
        assert_eq!(answer, "HTTP/1.1 200 Very Well\r\nX-cASe: kept\r\nContent-Length: 0\r\n\r\n");
        let sent = seen.borrow()[0].1.clone();
        let names: Vec<&str> = sent.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names.len(), 5, "{sent}");
        assert!(sent.contains("\r\nX-Stays: 1\r\n") && sent.contains("trailers\r\n"), "{sent}");
        assert!(!sent.contains("gzip") && !sent.to_ascii_lowercase().contains("h2c"), "{sent}");
    });
}

#[test]
fn a_websocket_is_a_tunnel_and_h2c_is_not() {
    run(async {
        let (gate, seen) = web_gate().await;
        let upgrade = |path: &str, protocol: &str| {
            format!(
                "GET /{path} HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
            )
        };
        for by_proxy in [false, true] {
            let mut program =
                if by_proxy { explicit(&gate).await } else { transparent(&gate, "a.example", 80).await };
            let path = if by_proxy { "http://a.example/socket" } else { "/socket" };
            let request = upgrade("socket", "websocket").replace("/socket", path);
            program.write_all(&[request.as_bytes(), b"pipelined"].concat()).await.unwrap();
            let head = until(&mut program, "\r\n\r\n").await.unwrap();
            assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
            assert!(head.to_ascii_lowercase().contains("upgrade: websocket\r\n"), "{head}");
            assert_eq!(exactly(&mut program, 14).await, b"earlyPIPELINED");
            program.write_all(b"GET / HTTP/1.1").await.unwrap();
            assert_eq!(exactly(&mut program, 14).await, b"GET / HTTP/1.1");
            program.shutdown().await.unwrap();
            assert_eq!(all(&mut program).await.unwrap(), b"");
        }
        seen.borrow_mut().clear();
        // Not asked for with these words, so a change to it is none that was asked for.
        for (path, protocol) in [("h2c", "h2c"), ("h2c", "websocket"), ("socket", "x, H2C")] {
            let mut program = transparent(&gate, "a.example", 80).await;
            let answer = ask_last(&mut program, &upgrade(path, protocol)).await;
            assert!(
                answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 502 "),
                "{protocol}: {answer}"
            );
        }
        let sent: Vec<bool> = seen.borrow().iter().map(|(_, request)| request.contains("pgrade")).collect();
        assert_eq!(sent, [false, true, false]);
    });
}

#[test]
fn the_proxy_decides_on_each_request_anew() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = explicit(&gate).await;
        for url in
            ["http://a.example/1", "http://c.example/2", "http://c.example/3", "http://a.example:8080/4"]
        {
            ask(&mut program, &format!("GET {url} HTTP/1.1\r\nHost: whatever.example\r\n\r\n")).await;
        }
        let sent: Vec<(usize, String)> = seen.borrow().clone();
        let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            sent,
            [
                (1, get("/1", "a.example")),
                (2, get("/2", "c.example")),
                (2, get("/3", "c.example")),
                (3, get("/4", "a.example:8080"))
            ]
        );
        let answer =
            ask_last(&mut program, "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        is_refused(&answer, FORBIDDEN, "b.example:80 is blocked: not in allowedDomains");
        assert!(answer.ends_with("sbshctl allow domain b.example\n"), "{answer}");
        let asked = gate.log().iter().filter(|line| line.starts_with("http ")).count();
        assert_eq!(asked, 5);
        assert_eq!(gate.permits.borrow().len(), 4);
        assert!(
            gate.permits
                .borrow()
                .iter()
                .all(|permit| permit.tally.sent.get() > 0 && permit.tally.received.get() > 0)
        );
    });
}

#[test]
fn what_the_proxy_does_not_do_it_says() {
    run(async {
        let (gate, _) = web_gate().await;
        for (request, why) in [
            ("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "this is sbsh's proxy"),
            ("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "http:// only"),
            ("GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "http:// only"),
            ("GET http://user@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "a user name"),
            ("CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", "it has no port"),
            ("GET a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n", "takes http://… requests"),
        ] {
            let mut program = explicit(&gate).await;
            let answer = ask_last(&mut program, request).await;
            is_refused(&answer, "400 Bad Request", why);
        }
        let mut program = explicit(&gate).await;
        program.write_all(b"\x16\x03\x01 garbage\r\n\r\n").await.unwrap();
        let _ = all(&mut program).await;
        let log = gate.log();
        assert_eq!(log.len(), 6, "{log:?}");
        assert!(log.iter().all(|line| line.starts_with("refused '") && !line.contains("user@")), "{log:?}");
        let mut program = explicit(&gate).await;
        program.write_all(b"GET http://me:secret@a\0b.example/?secret HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(all(&mut program).await.unwrap().starts_with(b"HTTP/1.1 400 "));
        let last = gate.log().pop().unwrap();
        assert_eq!(
            last,
            "refused 'a\\x00b.example' is no host to connect to: it has characters that no host has"
        );
    });
}

async fn connect(gate: &Rc<Fake>, authority: &str) -> (TcpStream, String) {
    let mut program = explicit(gate).await;
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let answer = ask(&mut program, &request).await;
    (program, answer)
}

#[test]
fn connect_is_a_tunnel_to_its_host_only() {
    run(async {
        let (address, seen) = web().await;
        let echo = echo().await;
        let gate = Fake::new(&[
            ("a.example:443", echo),
            ("a.example:22", echo),
            ("a.example:80", address),
            ("a.example:81", "127.0.0.1:1".parse().unwrap()),
        ]);
        let (mut program, answer) = connect(&gate, "a.example:22").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("ength"), "{answer}");
        program.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        assert_eq!(until(&mut program, "\n").await.unwrap(), "SSH-2.0-x\r\n");

        let right = hello(Some("a.example"));
        let (mut program, _) = connect(&gate, "a.example:443").await;
        program.write_all(&right).await.unwrap();
        assert_eq!(exactly(&mut program, right.len()).await, right);

        let (mut program, _) = connect(&gate, "a.example:443").await;
        program.write_all(&hello(Some("b.example"))).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);

        let (mut program, _) = connect(&gate, "a.example:80").await;
        ask(&mut program, "GET /in HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let answer = ask_last(&mut program, "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").await;
        is_refused(&answer, FORBIDDEN, "'b.example'");
        assert_eq!(*seen.borrow(), [(1, "GET /in HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned())]);

        let (_, answer) = connect(&gate, "b.example:443").await;
        is_refused(&answer, FORBIDDEN, "b.example:443 is blocked");
        let (_, answer) = connect(&gate, "a.example:81").await;
        is_refused(&answer, "502 Bad Gateway", "cannot be reached");
    });
}

#[test]
fn what_follows_connect_at_once_is_not_lost() {
    run(async {
        let gate = Fake::new(&[("a.example:443", echo().await)]);
        let right = hello(Some("a.example"));
        let mut program = explicit(&gate).await;
        let head = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
        program.write_all(&[&head[..], &right].concat()).await.unwrap();
        until(&mut program, "\r\n\r\n").await.unwrap();
        assert_eq!(exactly(&mut program, right.len()).await, right);
    });
}

#[test]
fn an_upstream_proxy_gets_whole_addresses_and_its_password() {
    run(async {
        let (gate, _) = web_gate().await;
        let (proxy, seen) = web().await;
        gate.upstream.set(Some(proxy));
        let mut program = transparent(&gate, "a.example", 80).await;
        ask(&mut program, "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let mut program = explicit(&gate).await;
        ask(
            &mut program,
            "GET http://a.example:8080 HTTP/1.1\r\nHost: b.example\r\nProxy-Authorization: mine\r\n\r\n",
        )
        .await;
        let sent = seen.borrow();
        assert!(sent[0].1.starts_with("GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n"), "{sent:?}");
        assert!(
            sent[1].1.starts_with("GET http://a.example:8080/ HTTP/1.1\r\nHost: a.example:8080\r\n"),
            "{sent:?}"
        );
        assert!(
            sent.iter().all(|(_, request)| request.contains("roxy-authorization: Basic eDp5\r\n")
                || request.contains("roxy-Authorization: Basic eDp5\r\n")),
            "{sent:?}"
        );
    });
}

#[test]
fn the_password_of_an_upstream_proxy_is_not_brought_back() {
    run(async {
        let (gate, direct) = web_gate().await;
        let trace = |word: &str, place: &str| {
            format!("{word} {place} HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n")
        };
        // Without a password there is nothing to bring back.
        ask(&mut transparent(&gate, "a.example", 80).await, &trace("TRACE", "/x")).await;
        assert_eq!(direct.borrow().len(), 1);
        let (proxy, seen) = web().await;
        gate.upstream.set(Some(proxy));
        for word in ["TRACE", "trace", "TRACK"] {
            let answer = ask_last(&mut transparent(&gate, "a.example", 80).await, &trace(word, "/x")).await;
            is_refused(&answer, "400 Bad Request", "bring back");
            let answer = ask_last(&mut explicit(&gate).await, &trace(word, "http://a.example/x")).await;
            is_refused(&answer, "400 Bad Request", "bring back");
        }
        assert!(seen.borrow().is_empty(), "{:?}", seen.borrow());
    });
}

#[test]
fn a_program_that_dies_takes_its_request_with_it() {
    run(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let tell = Rc::new(RefCell::new(Some(tell)));
        let address = server(move |mut stream| {
            let tell = tell.clone();
            async move {
                until(&mut stream, "\r\n\r\n").await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
                while stream.write_all(&[0; 65536]).await.is_ok() {}
                let _ = tell.borrow_mut().take().unwrap().send(());
            }
        })
        .await;
        let gate = Fake::new(&[("a.example:80", address)]);
        let mut program = transparent(&gate, "a.example", 80).await;
        program.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        exactly(&mut program, 100_000).await;
        drop(program);
        told.await.unwrap();
    });
}

#[test]
fn many_headers_and_odd_ones_of_answers_pass() {
    run(async {
        let (gate, seen) = web_gate().await;
        let mut program = transparent(&gate, "a.example", 80).await;
        let many = "X-N: 1\r\n".repeat(900);
        ask(&mut program, &format!("GET / HTTP/1.1\r\nHost: a.example\r\n{many}\r\n")).await;
        assert_eq!(seen.borrow()[0].1.matches("X-N").count(), 900);
        let answer = ask(&mut program, "GET /many HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!((answer.matches("X-N").count(), answer.ends_with("\r\nhello")), (900, true));
        let answer = ask(&mut program, "GET /odd HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(answer, "HTTP/1.1 200 Very Well\r\nX-cASe: kept\r\nContent-Length: 5\r\n\r\nhello");
        let both = "GET /both HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        let answer = ask_last(&mut program, both).await;
        assert!(
            answer.contains("ransfer-encoding: chunked") || answer.contains("ransfer-Encoding: chunked"),
            "{answer}"
        );
        assert!(!answer.to_ascii_lowercase().contains("content-length"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{answer}");
    });
}

#[test]
fn a_request_that_cannot_be_read_is_told() {
    run(async {
        let (gate, seen) = web_gate().await;
        for (explicitly, line) in [(false, "GET /?secret=<x>"), (true, "GET http://a.example/?secret=<x>")] {
            let mut program =
                if explicitly { explicit(&gate).await } else { transparent(&gate, "a.example", 80).await };
            let request = format!("{line} HTTP/1.1\r\nHost: a.example\r\n\r\n");
            let answer = ask_last(&mut program, &request).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            let told = gate.log().pop().unwrap();
            assert!(told.contains(" a.example:80 is blocked: the request cannot be read: invalid"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
        assert!(seen.borrow().is_empty());
    });
}

#[test]
fn who_no_longer_waits_for_an_answer_keeps_no_connection() {
    run(async {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        // It says nothing, and tells what it was sent when that is all.
        let silent = server(move |mut stream| {
            let tell = tell.clone();
            async move {
                let mut request = until(&mut stream, "\r\n\r\n").await.unwrap();
                while let Ok(byte) = stream.read_u8().await {
                    request.push(char::from(byte));
                }
                tell.send(request).unwrap();
            }
        })
        .await;
        let late = server(|mut stream| async move {
            until(&mut stream, "\r\n\r\n").await.unwrap();
            tokio::time::sleep(super::QUIET * 2).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.unwrap();
        })
        .await;
        let gate = Fake::new(&[("a.example:80", silent), ("b.example:80", late)]);
        // One that only says no more still waits, however long.
        let mut waits = transparent(&gate, "b.example", 80).await;
        waits.write_all(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").await.unwrap();
        waits.shutdown().await.unwrap();
        for explicitly in [false, true] {
            let mut program =
                if explicitly { explicit(&gate).await } else { transparent(&gate, "a.example", 80).await };
            let request =
                "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 300000\r\n\r\n";
            program.write_all(request.as_bytes()).await.unwrap();
            program.write_all(&[b'x'; 300_000]).await.unwrap();
            drop(program);
            let request = told.recv().await.unwrap();
            assert!(request.ends_with("xxx") && request.len() > 300_000, "{}", request.len());
        }
        assert!(String::from_utf8(all(&mut waits).await.unwrap()).unwrap().ends_with("late"));
    });
}
