//! SOCKS conversations against a gate that answers from a list.

use super::super::testing::*;
use super::super::tls::tests::hello;
use std::io::ErrorKind;
use tokio::io::AsyncWriteExt;

fn named(host: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, 3, host.len() as u8][..], host, &port.to_be_bytes()].concat()
}

const CONNECTED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[test]
fn names_and_addresses_are_connected() {
    run(async {
        let server = echo().await;
        let gate =
            Fake::new(&[("a.example:22", server), ("192.0.2.7:22", server), ("[2001:db8::7]:22", server)]);
        let mut six = vec![5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8];
        six.extend([0; 11]);
        six.extend([7, 0, 22]);
        for request in
            [named(b"A.example.", 22), named(b"192.0.2.7", 22), vec![5, 1, 0, 1, 192, 0, 2, 7, 0, 22], six]
        {
            let mut program = explicit(&gate).await;
            program.write_all(&[5, 2, 2, 0]).await.unwrap();
            assert_eq!(exactly(&mut program, 2).await, [5, 0]);
            program.write_all(&request).await.unwrap();
            assert_eq!(exactly(&mut program, 10).await, CONNECTED, "{request:?}");
            program.write_all(b"SSH-2.0-x\r\n").await.unwrap();
            assert_eq!(until(&mut program, "\n").await.unwrap(), "SSH-2.0-x\r\n");
        }
        let log = gate.log();
        let asked: Vec<&String> = log.iter().filter(|line| line.starts_with("socks ")).collect();
        assert_eq!(
            asked,
            ["socks a.example:22", "socks 192.0.2.7:22", "socks 192.0.2.7:22", "socks [2001:db8::7]:22"]
        );
    });
}

#[test]
fn all_at_once_or_byte_by_byte_is_the_same() {
    run(async {
        let gate = Fake::new(&[("a.example:22", echo().await)]);
        let words = [&[5, 1, 0][..], &named(b"a.example", 22), b"SSH-2.0-x\r\n"].concat();
        for chunk in [1, 2, 3, 7, words.len()] {
            let mut program = explicit(&gate).await;
            program.set_nodelay(true).unwrap();
            for part in words.chunks(chunk) {
                program.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            let answer = exactly(&mut program, 2 + 10 + 11).await;
            assert_eq!(answer, [&[5, 0][..], &CONNECTED, b"SSH-2.0-x\r\n"].concat());
        }
    });
}

#[test]
fn refusals_have_their_codes() {
    run(async {
        let gate = Fake::new(&[("a.example:1", "127.0.0.1:1".parse().unwrap())]);
        let other = |command: u8| vec![5, command, 0, 1, 1, 2, 3, 4, 0, 80];
        for (request, code) in [
            (named(b"b.example", 443), 2),
            (named(b"a.example", 1), 4),
            (named(b"a.exa\0mple", 1), 1),
            (named(b"a\r\n.example", 1), 1),
            (named(b"", 1), 1),
            (named(b"\xff\xfe", 1), 1),
            (named(b"a.example", 0), 1),
            (other(2), 7),
            (other(3), 7),
            (vec![5, 1, 0, 2, 1, 1, 1], 8),
        ] {
            let mut program = explicit(&gate).await;
            program.write_all(&[5, 1, 0]).await.unwrap();
            program.write_all(&request).await.unwrap();
            let answer = all(&mut program).await.unwrap();
            assert_eq!(answer, [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], "{request:?}");
        }
    });
}

#[test]
fn socks4_is_served_too() {
    run(async {
        let gate = Fake::new(&[("a.example:22", echo().await)]);
        for (request, code) in [
            (&b"\x04\x01\0\x16\0\0\0\x01me\0a.example\0"[..], 90),
            (b"\x04\x01\0\x16\0\0\0\x01me\0b.example\0", 91),
            (b"\x04\x02\0\x16\x01\x02\x03\x04\0", 91),
        ] {
            let mut program = explicit(&gate).await;
            program.write_all(request).await.unwrap();
            assert_eq!(exactly(&mut program, 8).await, [0, code, 0, 0, 0, 0, 0, 0]);
            if code == 90 {
                program.write_all(b"*x\n").await.unwrap();
                assert_eq!(until(&mut program, "\n").await.unwrap(), "*x\n");
            }
        }
    });
}

#[test]
fn a_tunnel_leads_to_its_host_only() {
    run(async {
        let gate = Fake::new(&[("a.example:443", echo().await)]);
        let mut program = explicit(&gate).await;
        program.write_all(&[&[5, 1, 0][..], &named(b"a.example", 443)].concat()).await.unwrap();
        exactly(&mut program, 12).await;
        program.write_all(&hello(Some("b.example"))).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap(), [21, 3, 3, 0, 2, 2, 49]);
    });
}

#[test]
fn who_wants_a_password_or_speaks_nonsense_is_let_go() {
    run(async {
        let gate = Fake::new(&[]);
        let mut program = explicit(&gate).await;
        program.write_all(&[5, 1, 2]).await.unwrap();
        assert_eq!(exactly(&mut program, 2).await, [5, 0xff]);
        assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut program = explicit(&gate).await;
        program.write_all(&[5, 1, 0, 9, 9, 9, 9, 9]).await.unwrap();
        assert_eq!(all(&mut program).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(gate.log(), Vec::<String>::new());
    });
}
