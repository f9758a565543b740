//! Pairs of datagram sockets: what works with them, and that neither end speaks to anything outside.

use crate::world::{Ran, each};
use std::os::unix::net::UnixDatagram;

/// The host's receivers, and what a program inside needs to try them.
fn receivers(world: &crate::world::World) -> (UnixDatagram, std::path::PathBuf) {
    let path = world.outside.join("daemon");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_nonblocking(true).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    (daemon, path)
}

fn nothing_came(daemon: &UnixDatagram, ran: &Ran) {
    let came = daemon.recv(&mut [0; 64]);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{ran:?}");
}

#[test]
fn pairs_of_datagram_sockets_keep_messages_apart_and_speak_to_each_other_alone() {
    each(|world| {
        let (daemon, path) = receivers(world);
        let abstract_name = format!("sbsh-datagrams-{}-{}", std::process::id(), world.user);
        let program = format!(
            r#"
import array, ctypes, os, socket, sys
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.send(b'one'); a.send(b'two and more'); print(b.recv(100), b.recv(3))
b.sendmsg([b'fd'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1]))])
message, more, *_ = a.recvmsg(10, 100); print(message, len(more))
if os.fork() == 0:
    b.send(b'from a child'); os._exit(0)
os.wait(); print(a.recv(100), os.get_inheritable(a.fileno()), a.getblocking())
c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
try: c.recv(1)
except BlockingIOError: print('would wait')
# The same network namespace as any other socket of the inside.
cookie = lambda s: s.getsockopt(socket.SOL_SOCKET, 71, 8)
print(cookie(a) == cookie(socket.socket()))
# Whoever is named, only the peer gets it.
path, name = '{path}', b'\\0{abstract_name}'
for go in (lambda: a.sendto(b'evil', path), lambda: a.sendmsg([b'evil'], [], 0, path), lambda: (a.connect(path), a.send(b'evil')),
           lambda: a.sendto(b'evil', name)):
    try: go()
    except OSError: pass
try: a.bind(name)
except OSError: pass
libc = ctypes.CDLL(None, use_errno=True)
before = len(os.listdir('/proc/self/fd'))
print(libc.socketpair(1, 2, 0, ctypes.c_void_p(8)), os.strerror(ctypes.get_errno()))
print(libc.socketpair(1, 2, 17, (ctypes.c_int * 2)()), os.strerror(ctypes.get_errno()))
print(before == len(os.listdir('/proc/self/fd')))
print('bound', flush=True); sys.stdin.readline()
"#,
            path = path.display(),
        );
        world.write(&world.project.join("p.py"), &program);
        let mut child = world
            .command(world.bin("sbsh"))
            .args(["-c", "exec python3 p.py"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        use std::io::BufRead;
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let told: Vec<String> = lines.map(Result::unwrap).take_while(|line| line != "bound").collect();
        // While the end has the name inside, it is free on the host.
        let names = std::fs::read_to_string("/proc/net/unix").unwrap();
        assert!(!names.contains(&abstract_name));
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{told:?}");
        let expected = [
            "b'one' b'two'",
            "b'fd' 1",
            "b'from a child' False True",
            "would wait",
            "True",
            "-1 Bad address",
            "-1 Protocol not supported",
            "True",
        ];
        assert_eq!(told, expected);
        let came = daemon.recv(&mut [0; 64]);
        assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    });
}

// Succeeded: under another supervisor, where there can be no gatekeeper, an end of a pair sent to any receiver outside.
#[test]
fn without_a_gatekeeper_there_are_no_such_pairs() {
    each(|world| {
        let (daemon, path) = receivers(world);
        // A filter that lets everything through, and whose listener this process keeps.
        let inner = format!(
            "import os, socket\na, b = socket.socketpair(); print('stream')\n\
             try: a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'evil', '{}'); print('sent')\n\
             except OSError as error: print(os.strerror(error.errno))",
            path.display()
        );
        let outer = format!(
            r#"
import ctypes, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(code)))
number = {number}
assert libc.syscall(number, 1, 8, program) >= 0, ctypes.get_errno()
ran = subprocess.run(['{sbsh}', '-c', 'python3 -c "$0"', {inner:?}], capture_output=True, text=True)
print(ran.stdout, ran.stderr)
"#,
            number = nix::libc::SYS_seccomp,
            sbsh = world.bin("sbsh").display(),
        );
        let ran: Ran = world.command("/usr/bin/python3").args(["-c", &outer]).output().unwrap().into();
        nothing_came(&daemon, &ran);
        assert!(ran.stdout.contains("stream\nOperation not permitted\n"), "{ran:?}");
    });
}
