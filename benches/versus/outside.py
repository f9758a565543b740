"""What stands outside of every sandbox of the comparison: servers, a victim, sockets, and the tree that is looked at afterwards.

All of it lies in mount and network namespaces of the comparison's own (`enter`); the servers are those of the tests.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

USER = 60658
HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(HERE, "../../tests/sandbox/net/servers.py")
PREPARE = r"""
set -e
mount --make-rprivate /
ip link set lo up
echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range
# Not below /tmp or /var/tmp: some peers have their own there.
place=$(mktemp -d /srv/sbsh-versus-XXXXXX)
chmod 755 $place
printf 'nameserver 11.22.33.53\noptions timeout:1 attempts:1\n' > $place/resolv.conf
echo '127.0.0.1 localhost' > $place/hosts
# All of /etc: a file of it that the host replaces meanwhile would take a mount on it away.
cp -a /etc $place/etc
rm $place/etc/resolv.conf
cp $place/resolv.conf $place/hosts $place/etc/
echo "person:x:60658:60658::$place/home:/bin/bash" >> $place/etc/passwd
echo "person:x:60658:" >> $place/etc/group
chmod 644 $place/etc/resolv.conf $place/etc/hosts
mount --bind $place/etc /etc
export VERSUS_PLACE=$place
exec "$@"
"""
# What a host has and nobody inside should get.
SECRETS = {"home/.ssh/id_ed25519": "KEY-OF-SSH", "home/.aws/credentials": "KEY-OF-AWS", "home/letters/private": "KEY-OF-A-PERSON"}
CALLER = {"ANTHROPIC_API_KEY": "KEY-OF-THE-AGENT", "AWS_SECRET_ACCESS_KEY": "KEY-OF-THE-CLOUD"}
VICTIM = r"""
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)
secret = ctypes.create_string_buffer(b"KEY-IN-MEMORY-OF-A-PROCESS")
# A key in the user's keyring, for every process of the user.
libc.syscall(250, 5, libc.syscall(248, b"user", b"versus", b"KEY-IN-A-KEYRING", 16, ctypes.c_long(-4)), 0x3f3f0000)
print(ctypes.addressof(secret), flush=True)
time.sleep(3600)
"""


def enter():
    """Starts this program anew in namespaces of its own."""
    if os.environ.get("VERSUS_PLACE") is None:
        os.execvp("unshare", ["unshare", "-m", "-n", "bash", "-c", PREPARE, "bash", sys.executable] + sys.argv)
    return os.environ["VERSUS_PLACE"]


def as_person():
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


class Outside:
    def __init__(self, place):
        self.place = place
        self.heard = set()
        self.sockets = []
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=good.test", "-keyout", "key", "-out", "certificate", "-addext", "subjectAltName=DNS:good.test,DNS:other.test"],
                       cwd=place, check=True, stderr=subprocess.DEVNULL)
        open(self.path("log"), "w").close()
        # Addresses that are nobody's test network and not this host's: peers know both, and refuse them.
        with open(SERVERS) as source, open(self.path("servers.py"), "w") as file:
            file.write(source.read().replace("203.0.113.", "11.22.33."))
        words = ["unshare", "-n", "sh", "-c", 'read go; exec "$@"', "sh", sys.executable]
        words += [self.path(name) for name in ("servers.py", "log", "certificate", "key")]
        self.servers = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.connect(str(self.servers.pid))
        self.servers.stdin.write(b"\n")
        self.servers.stdin.flush()
        assert self.servers.stdout.readline() == b"ready\n"
        # In that namespace: a thread's own.
        self.listen("ping", lambda: self.there(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)), False)
        home = socket.create_server(("127.0.0.1", 80))
        self.sockets.append(home)
        self.listen("loopback", lambda: home, True)
        abstract = self.unix("\0versus", socket.SOCK_STREAM)
        self.listen("abstract", lambda: abstract, True)
        self.kept = len(self.sockets)

    def connect(self, server):
        """Lays a line between the namespace of the servers and this one, which has no other."""
        there = ["nsenter", "-n", "-t", server]
        # Until it has a namespace of its own.
        while os.readlink(f"/proc/{server}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        for words in ["ip link add near type veth peer name far netns " + server, "ip address add 11.22.1.1/24 dev near", "ip link set near up",
                      "ip address add 2a00:1::1/64 dev near nodad"]:
            subprocess.run(words.split(), check=True)
        for words in ["ip link set lo up", "ip address add 11.22.1.2/24 dev far", "ip link set far up", "ip address add 2a00:1::2/64 dev far nodad",
                      "ip address add 2001:db8::66/128 dev lo nodad"]:
            subprocess.run(there + words.split(), check=True)
        for address in ("11.22.33.10", "11.22.33.66", "11.22.33.53", "10.9.9.9", "169.254.169.254"):
            subprocess.run(there + ["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
        subprocess.run("ip route add default via 11.22.1.2".split(), check=True)
        subprocess.run("ip route add default via 2a00:1::2".split(), check=True)

    def there(self, make):
        with open(f"/proc/{self.servers.pid}/ns/net") as space:
            assert ctypes.CDLL(None).setns(space.fileno(), 0x40000000) == 0
        return make()

    def path(self, name):
        return os.path.join(self.place, name)

    def unix(self, name, kind):
        made = socket.socket(socket.AF_UNIX, kind)
        made.bind(name)
        if not name.startswith("\0"):
            os.chown(name, USER, USER)
        if kind == socket.SOCK_STREAM:
            made.listen()
        self.sockets.append(made)
        return made

    def listen(self, name, make, stream):
        """Remembers whether something came; for datagrams, whether it was the secret."""
        def work():
            made = make()
            while True:
                try:
                    data = b"secret" if stream and made.accept() else made.recv(1000)
                except OSError:
                    return
                if b"secret" in data:
                    self.heard.add(name)
        threading.Thread(target=work, daemon=True).start()

    def received(self):
        with open(self.path("log")) as file:
            return file.read()

    def close(self):
        self.servers.kill()
        self.servers.wait()
        subprocess.run(["ip", "link", "delete", "near"], check=False)
        for made in self.sockets:
            # A thread waits at it.
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()


class World:
    """A home and a project as they are before one attack."""

    def __init__(self, outside):
        self.out, self.place = outside, outside.place
        for name in ("home", "project", "outside", "run"):
            shutil.rmtree(self.path(name), ignore_errors=True)
        for name, text in {**SECRETS, "home/.bashrc": "# mine\n", "home/.gitconfig": "[user]\n\tname = p\n\temail = p@p\n",
                           "project/.claude/settings.json": "{}\n", "project/readme": "text\n", "project/build/old": "", "outside/file": "mine\n"}.items():
            self.write(name, text)
        os.mkdir(self.path("run"))
        for directory in ("project", "project/sub"):
            os.makedirs(self.path(directory), exist_ok=True)
            subprocess.run(["git", "init", "-q", self.path(directory)], check=True)
        subprocess.run(["chown", "-R", f"{USER}:{USER}"] + [self.path(n) for n in ("home", "project", "outside", "run")], check=True)
        for kind, name in ((socket.SOCK_STREAM, "docker.sock"), (socket.SOCK_DGRAM, "log.sock")):
            made = outside.unix(self.path("run/" + name), kind)
            outside.listen(name, lambda made=made: made, kind == socket.SOCK_STREAM)
        outside.heard.clear()
        self.logged = len(outside.received())
        self.victim = subprocess.Popen(["/usr/bin/python3", "-c", VICTIM], env={"SECRET": "KEY-IN-AN-ENVIRONMENT"}, stdout=subprocess.PIPE,
                                       user=USER, group=USER, extra_groups=[], text=True)
        self.address = self.victim.stdout.readline().strip()

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)

    def read(self, name):
        try:
            with open(self.path(name), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def received(self):
        return self.out.received()[self.logged:]

    def listing(self):
        """Names below home and project, without what is a tool's own state."""
        found = set()
        for top in ("project", "home"):
            for place, directories, files in os.walk(self.path(top)):
                found |= {os.path.relpath(os.path.join(place, name), self.place) for name in directories + files}
        return found

    def environment(self, peer_path):
        return {"HOME": self.path("home"), "PATH": peer_path + ":/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "person", "TERM": "xterm", **CALLER}

    def end(self):
        """Ends everything of this user: it is nobody else's."""
        self.victim.kill()
        self.victim.wait()
        for _ in range(20):
            left = [int(n) for n in os.listdir("/proc") if n.isdigit() and owned(n)]
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except OSError:
                    pass
            if not left:
                break
            time.sleep(0.05)
        for made in self.out.sockets[self.out.kept:]:
            made.close()
        del self.out.sockets[self.out.kept:]


def owned(process):
    try:
        with open(f"/proc/{process}/status") as file:
            text = file.read()
        return f"Uid:\t{USER}\t" in text and "State:\tZ" not in text
    except OSError:
        return False

