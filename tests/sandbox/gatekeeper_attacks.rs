//! Attacks on the gatekeeper: what it makes on the host, what it takes for known, and what it is asked. Each was tried
//! against the built binary and looks at the host's state; the comment in front says what came of it at first.

use crate::world::{Ran, each};

// Succeeded: a socket that came in from outside belongs to the host's network, wherever its descriptor is used.
#[test]
fn a_socket_from_outside_connects_nowhere() {
    each(|world| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let outer = format!(
            r#"
import os, socket, subprocess, sys
got = os.path.join('{outside}', 'd'); d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind(got); os.chmod(got, 0o777); d.setblocking(False)
inner = r'''
import socket, sys
s = socket.socket(fileno=0)
try: s.connect(('127.0.0.1', {port})); print('connected')
except OSError as error: print(error)
'''
datagram = r'''
import socket
s = socket.socket(fileno=0)
for go in (lambda: s.sendto(b'x', '{outside}/d'), lambda: (s.connect('{outside}/d'), s.send(b'x')), lambda: s.sendmsg([b'x'], [], 0, '{outside}/d')):
    try: go(); print('sent')
    except OSError as error: print(error)
'''
for program, given in ((inner, socket.socket()), (datagram, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))):
    ran = subprocess.run(['{sbsh}', '-c', 'python3 -c "$0"', program], stdin=given, capture_output=True, text=True)
    print(ran.stdout, ran.stderr)
try: print('host got', d.recv(10))
except BlockingIOError: pass
"#,
            outside = world.outside.display(),
            sbsh = world.bin("sbsh").display()
        );
        let ran: Ran = world.command("/usr/bin/python3").args(["-c", &outer]).output().unwrap().into();
        assert!(listener.accept().is_err(), "{} {}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.contains("host got"), "{} {}", ran.stdout, ran.stderr);
    });
}
