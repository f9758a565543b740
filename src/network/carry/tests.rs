//! Connections made to the target itself, from their first words to their end.

use super::super::testing::*;
use super::super::tls::tests::hello;
use super::super::tunnel;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn tls_to_the_host_passes_and_to_another_does_not_reach_it() {
    run(async {
        let gate = Fake::new(&[("a.example:443", echo().await)]);
        let right = hello(Some("a.example"));
        let mut program = transparent(&gate, "a.example", 443).await;
        program.write_all(&right).await.unwrap();
        assert_eq!(exactly(&mut program, right.len()).await, right);
        program.write_all(b"more").await.unwrap();
        assert_eq!(exactly(&mut program, 4).await, b"more");
        drop(program);
        gate.log.borrow_mut().clear();
        for (name, why) in [
            (Some("b.example"), "the program asked for 'b.example' on this connection"),
            (None, "TLS without a server name"),
        ] {
            let mut program = transparent(&gate, "a.example", 443).await;
            program.write_all(&hello(name)).await.unwrap();
            assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);
            let log = std::mem::take(&mut *gate.log.borrow_mut());
            let refused = format!("refused transparent a.example:443 is blocked: {why}");
            assert_eq!(log, ["transparent a.example:443".to_owned(), refused], "and nothing was dialled");
        }
        gate.other.set(Some("a"));
        let mut program = transparent(&gate, "a.example", 443).await;
        let short = hello(Some("A"));
        program.write_all(&short).await.unwrap();
        assert_eq!(exactly(&mut program, short.len()).await, short);
        gate.unchecked.set(true);
        let mut program = transparent(&gate, "a.example", 443).await;
        program.write_all(&hello(Some("b.example"))).await.unwrap();
        assert_eq!(exactly(&mut program, 5).await, &right[..5]);
    });
}

#[test]
fn a_greeting_in_pieces_is_judged_whole() {
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = seen.clone();
        let address = server(move |mut stream| {
            let log = log.clone();
            async move {
                while let Ok(byte) = stream.read_u8().await {
                    log.borrow_mut().push(byte);
                }
            }
        })
        .await;
        let gate = Fake::new(&[("a.example:443", address)]);
        let mut program = transparent(&gate, "a.example", 443).await;
        let wrong = hello(Some("b.example"));
        program.write_all(&wrong[..20]).await.unwrap();
        // Longer than undecided words rest: a greeting does not go on by and by.
        tokio::time::sleep(Duration::from_millis(450)).await;
        program.write_all(&wrong[20..]).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);
        assert_eq!(*seen.borrow(), b"");
    });
}

#[test]
fn a_host_that_is_not_allowed_is_refused_in_the_words_of_the_protocol() {
    run(async {
        let gate = Fake::new(&[]);
        let mut program = transparent(&gate, "a.example", 443).await;
        program.write_all(&hello(Some("a.example"))).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);

        let mut program = transparent(&gate, "a.example", 8080).await;
        program.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        let answer = String::from_utf8(all(&mut program).await.unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 Blocked by sbsh\r\n"), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(
            answer.ends_with("\nsbsh: a person can allow it: sbshctl allow domain a.example\n"),
            "{answer}"
        );

        for words in [&b"SSH-2.0-x\r\n"[..], b""] {
            let mut program = transparent(&gate, "a.example", 22).await;
            program.write_all(words).await.unwrap();
            assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(gate.log().iter().all(|line| !line.starts_with("dial")));
    });
}

#[test]
fn the_connection_is_held_while_a_person_thinks() {
    run(async {
        let gate = Fake::new(&[("a.example:443", echo().await)]);
        gate.thinks.set(Duration::from_millis(700));
        let mut program = transparent(&gate, "a.example", 443).await;
        let right = hello(Some("a.example"));
        program.write_all(&right).await.unwrap();
        assert_eq!(exactly(&mut program, right.len()).await, right);
        assert_eq!(gate.log(), ["transparent a.example:443", "dial a.example:443"]);
    });
}

#[test]
fn a_program_that_is_gone_withdraws_its_question() {
    run(async {
        let gate = Fake::new(&[("a.example:25", echo().await)]);
        gate.thinks.set(Duration::from_secs(60));
        for (words, resets) in [(&b""[..], true), (b"HELLO\r\n", true), (&hello(Some("a.example")), false)] {
            let (mut program, inside) = pair().await;
            let served =
                super::super::transparent::serve(gate.clone(), inside, NOWHERE, target("a.example", 25));
            let served = tokio::task::spawn_local(served);
            program.write_all(words).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if resets {
                tunnel::reset(&program);
            }
            drop(program);
            served.await.unwrap();
        }
        let (mut program, inside) = pair().await;
        let served = tokio::task::spawn_local(super::super::explicit::serve(gate.clone(), inside, NOWHERE));
        program.write_all(b"\x04\x01\0\x19\0\0\0\x01\0a.example\0").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(program);
        served.await.unwrap();
        assert_eq!(gate.log().len(), 4);
        assert_eq!(gate.permits.borrow().len(), 0);
    });
}

#[test]
fn one_that_only_says_no_more_waits_for_the_answer() {
    run(async {
        let gate = Fake::new(&[("a.example:7", echo().await)]);
        gate.thinks.set(Duration::from_millis(200));
        let mut program = transparent(&gate, "a.example", 7).await;
        program.write_all(b"one\ntwo").await.unwrap();
        program.shutdown().await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), b"one\ntwo");
    });
}

/// A server that speaks first.
async fn greeter(greeting: &'static [u8]) -> std::net::SocketAddr {
    server(move |mut stream| async move {
        stream.write_all(greeting).await.unwrap();
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..read]).await.unwrap();
        }
    })
    .await
}

#[test]
fn a_server_may_speak_first_and_lines_are_lines_then() {
    run(async {
        let gate = Fake::new(&[("a.example:110", greeter(b"+OK hello\r\n").await)]);
        let mut program = transparent(&gate, "a.example", 110).await;
        assert_eq!(until(&mut program, "\n").await.unwrap(), "+OK hello\r\n");
        program.write_all(b"STAT /x\r\n").await.unwrap();
        assert_eq!(until(&mut program, "\n").await.unwrap(), "STAT /x\r\n");
        drop(program);
        let tally = gate.permits.borrow()[0].clone();
        assert_eq!((tally.tally.sent.get(), tally.tally.received.get()), (9, 20));
    });
}

#[test]
fn a_server_that_speaks_first_opens_no_way_for_other_names() {
    run(async {
        let gate = Fake::new(&[("a.example:443", greeter(b"x").await)]);
        let mut program = transparent(&gate, "a.example", 443).await;
        assert_eq!(exactly(&mut program, 1).await, b"x");
        program.write_all(&hello(Some("b.example"))).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);
    });
}

#[test]
fn both_may_speak_at_once() {
    run(async {
        let gate = Fake::new(&[("a.example:22", greeter(b"SSH-2.0-server\r\n").await)]);
        let mut program = transparent(&gate, "a.example", 22).await;
        program.write_all(b"SSH-2.0-program\r\n").await.unwrap();
        assert_eq!(until(&mut program, "\n").await.unwrap(), "SSH-2.0-server\r\n");
        assert_eq!(until(&mut program, "\n").await.unwrap(), "SSH-2.0-program\r\n");
    });
}

#[test]
fn less_than_a_line_goes_on_after_a_while_but_becomes_no_request() {
    run(async {
        let gate = Fake::new(&[("a.example:7", echo().await)]);
        let mut program = transparent(&gate, "a.example", 7).await;
        program.write_all(b"HELLO").await.unwrap();
        assert_eq!(exactly(&mut program, 5).await, b"HELLO");
        program.write_all(b" you\n").await.unwrap();
        assert_eq!(until(&mut program, "\n").await.unwrap(), " you\n");

        let mut program = transparent(&gate, "a.example", 7).await;
        program.write_all(b"GET").await.unwrap();
        assert_eq!(exactly(&mut program, 3).await, b"GET");
        program.write_all(b" / HTTP/1.1\r\nHost: b.example\r\n\r\n").await.unwrap();
        let answer = all(&mut program).await;
        let text = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
        assert!(!text.contains("b.example"), "{text}");
        assert!(gate.log().last().unwrap().contains("came in pieces"), "{:?}", gate.log());
    });
}

#[test]
fn what_is_no_text_goes_on_and_becomes_no_request() {
    run(async {
        let gate = Fake::new(&[("a.example:9", echo().await), ("a.example:8", server(silent).await)]);
        // Answered, and so no server of HTTP's.
        let mut program = transparent(&gate, "a.example", 9).await;
        program.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
        exactly(&mut program, 8).await;
        program.write_all(b"Qinsert 'GET / HTTP/1.1'").await.unwrap();
        assert_eq!(exactly(&mut program, 24).await, b"Qinsert 'GET / HTTP/1.1'");
        // A server that takes anything for a method says nothing until the line is over.
        let mut program = transparent(&gate, "a.example", 8).await;
        program.write_all(b"G(T").await.unwrap();
        while gate.permits.borrow().get(1).is_none_or(|permit| permit.tally.sent.get() < 3) {
            tokio::task::yield_now().await;
        }
        program.write_all(b" / HTTP/1.1\r\nHost: b.example\r\n\r\n").await.unwrap();
        assert!(all(&mut program).await.unwrap().starts_with(b"HTTP/1.1 400 "));
        assert!(gate.log().last().unwrap().contains("came in pieces"), "{:?}", gate.log());
        // Whole, it is HTTP, and none that is understood.
        for method in [&b"G(T"[..], b"GET\xa0/\xa0", b"\xef\xbb\xbfGET", b"\x05\xff"] {
            let mut program = transparent(&gate, "a.example", 8).await;
            let request = [method, b" / HTTP/1.1\r\nHost: b.example\r\n\r\n"].concat();
            program.write_all(&request).await.unwrap();
            let answer = all(&mut program).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", answer.escape_ascii());
        }
        assert_eq!(gate.permits.borrow()[1].tally.sent.get(), 3);
    });
}

/// A server that says nothing.
async fn silent(mut stream: tokio::net::TcpStream) {
    while let Ok(1..) = stream.read(&mut [0; 4096]).await {}
}

#[test]
fn port_80_carries_http_only() {
    run(async {
        let gate = Fake::new(&[("a.example:80", echo().await)]);
        for words in [&b"SSH-2.0-x\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\xff\xff\xff"] {
            let mut program = transparent(&gate, "a.example", 80).await;
            program.write_all(words).await.unwrap();
            assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(gate.log().iter().all(|line| !line.starts_with("dial")), "{:?}", gate.log());
    });
}

#[test]
fn a_program_that_ends_at_once_is_answered_all_the_same() {
    run(async {
        let gate = Fake::new(&[("a.example:79", greeter(b"nobody is logged in\n").await)]);
        let mut program = transparent(&gate, "a.example", 79).await;
        program.shutdown().await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), b"nobody is logged in\n");
    });
}

#[test]
fn a_server_that_cannot_be_reached_is_a_reset() {
    run(async {
        let gate = Fake::new(&[("a.example:22", "127.0.0.1:1".parse().unwrap())]);
        let mut program = transparent(&gate, "a.example", 22).await;
        program.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_open_connection_is_small() {
    run(async {
        // A thousand of them are to stay below 40 MB with all that the kernel and the runtime need.
        let gate = Fake::new(&[("a.example:7", echo().await)]);
        let (_program, inside) = pair().await;
        let served = super::super::transparent::serve(gate.clone(), inside, NOWHERE, target("a.example", 7));
        assert!(size_of_val(&served) < 4096, "{}", size_of_val(&served));
        let (_program, inside) = pair().await;
        let served = super::super::explicit::serve(gate, inside, NOWHERE);
        assert!(size_of_val(&served) < 4096, "{}", size_of_val(&served));
    });
}
