"""The peers: what each is called with, so that the project can be written, ~/.ssh cannot be read, and two hosts can be reached.

Where a tool has no list of hosts it gets no network; where it has a switch that closes more without taking away what the task
needs, it is on. `{place}` stands for the place of home and project.
"""

import json
import os
import shutil
import subprocess

HOSTS = ["good.test", "loop.test"]
TOP = os.environ.get("VERSUS_PEERS", "/tmp/peers")
BINARY = os.environ.get("VERSUS_BINARY", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../target/release/sbsh"))
PATH = ":".join(os.path.join(TOP, name) for name in ("npm/node_modules/.bin", "py/bin", "cargo/bin"))
SYSTEM = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/dev"]


class Peer:
    """`command`: words before the shell; `files`: settings that lie in the person's home; `hosts`: whether it has a list of them."""

    def __init__(self, name, command, files=None, hosts=True, version=None, text=False):
        self.name, self.command, self.files, self.hosts, self.text = name, command, files or {}, hosts, text
        self.version_command = version

    def there(self):
        return not self.command or bool(shutil.which(self.command[0], path=PATH + ":/usr/bin:/bin"))

    def version(self):
        words = self.version_command or [self.command[0], "--version"]
        ran = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": PATH + ":/usr/bin:/bin", "HOME": "/nonexistent"})
        lines = (ran.stdout or ran.stderr).strip().splitlines()
        return lines[-1] if lines and len(lines) < 3 else (lines or ["?"])[0]

    def words(self, place, text):
        fill = lambda word: word.replace("{place}", place)
        start = [fill(word) for word in self.command]
        return start + (["-c", text] if self.text else ["bash", "-c", text])

    def furnish(self, world):
        for name, text in self.files.items():
            world.write("home/" + name, text.replace("{place}", world.place))
            subprocess.run(["chown", "-R", "60658:60658", world.path("home")], check=True)


def sbsh(backend):
    settings = {"sandbox": {"backend": backend, "allowedDomains": HOSTS, "filesystem": {"allowWrite": ["./build"]}}}
    files = {".claude/settings.json": json.dumps(settings)}
    return Peer(f"sbsh, {backend}", ["{place}/sbsh"], files, version=[BINARY, "--version"], text=True)


CODEX = """default_permissions = "versus"
[features]
network_proxy = true
[permissions.versus]
extends = ":workspace"
[permissions.versus.filesystem]
"~/.ssh" = "deny"
":slash_tmp" = "read"
"{place}/project/build" = "write"
[permissions.versus.network]
enabled = true
[permissions.versus.network.domains]
""" + "".join(f'"{host}" = "allow"\n' for host in HOSTS)

SRT = json.dumps({
    "network": {"allowedDomains": HOSTS, "deniedDomains": [], "requireHostMatch": True},
    "filesystem": {"denyRead": ["~/.ssh"], "allowWrite": [".", "./build"], "denyWrite": []},
})

PROFILE = json.dumps({"extends": "default", "meta": {"name": "versus"}, "linux": {"af_unix_mediation": "pathname"},
                      "security": {"signal_mode": "isolated", "process_info_mode": "isolated"}})
NONO = ["nono", "run", "--silent", "--profile", "versus", "--allow", "{place}/project", "--allow", "{place}/project/build", "--read", "/etc", "--read", "/usr", "--read-file", "{place}/home/.gitconfig"]

PEERS = [
    Peer("nothing", [], hosts=True, version=["bash", "--version"]),
    sbsh("bubblewrap"),
    sbsh("namespaces"),
    sbsh("landlock"),
    Peer("srt", ["srt"], {".srt-settings.json": SRT}, text=True),
    Peer("codex", ["codex", "sandbox", "-P", "versus", "--"], {".codex/config.toml": CODEX}),
    Peer("zerobox", ["zerobox", "--allow-read=/", "--deny-read={place}/home/.ssh", "--allow-write={place}/project,{place}/project/build",
                     "--allow-net=" + ",".join(HOSTS), "--"]),
    Peer("nono", NONO + [w for host in HOSTS for w in ("--allow-domain", host)] + ["--"], {".config/nono/profiles/versus.json": PROFILE}),
    Peer("sandlock", ["sandlock", "run"] + [w for path in SYSTEM for w in ("-r", path)]
         + ["-r", "{place}/home/.gitconfig", "-w", "/dev/null", "-w", "{place}/project", "-w", "{place}/project/build", "--clean-env", "--env", "HOME={place}/home", "--env", "PATH=/usr/bin:/bin"]
         + [w for port in (80, 443, 7000) for w in ("--net-allow", f"good.test:{port}")] + ["--net-allow", "loop.test:80", "--"]),
    Peer("hakoniwa", ["hakoniwa", "run", "--unshare-all", "--devfs", "/dev", "-w", "{place}/project", "-B", "{place}/project/build", "-b", "{place}/home/.gitconfig",
                      "-e", "HOME={place}/home", "-e", "PATH=/usr/bin:/bin", "--"], hosts=False),
    Peer("firejail", ["firejail", "--quiet", "--noprofile", "--net=none", "--read-only=/", "--read-write={place}/project", "--read-write={place}/project/build", "--blacklist={place}/home/.ssh",
                      "--caps.drop=all", "--nonewprivs", "--seccomp", "--noroot", "--ipc-namespace", "--private-dev", "--"], hosts=False),
    Peer("bubblewrap", ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", "{place}/project",
                        "{place}/project", "--bind", "{place}/project/build", "{place}/project/build", "--tmpfs", "{place}/home/.ssh", "--unshare-all", "--die-with-parent", "--new-session", "--"], hosts=False),
    # A library; its own example is a command.
    Peer("birdcage", ["sandbox"] + [w for path in SYSTEM for w in ("-e", path)] + ["-w", "{place}/project", "-w", "{place}/project/build", "-w", "/dev/null", "--allow-env", "PATH",
                      "--allow-env", "HOME", "--"], hosts=False, version=["echo", "birdcage 0.8.1, its example `sandbox`"]),
]
