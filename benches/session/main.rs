//! What the interactive session costs beside bash: `cargo bench --bench session`.
//!
//! Both on a terminal of their own, with the same start-up file, alive side by side and measured in turns: from Enter to the first
//! byte of output and to the next prompt, from a key to its echo, 100 MB through the terminal, the start, memory. Needs
//! bubblewrap. SBSH_BENCH_BINARY names another binary, SBSH_BENCH_ROUNDS another number of turns.
#![allow(clippy::indexing_slicing)] // pairs: bash and the session

#[cfg(target_os = "linux")]
#[path = "../start/binary.rs"]
#[allow(dead_code)] // other benches look for more programs
mod binary;

#[cfg(target_os = "linux")]
fn main() -> Result<(), String> {
    linux::all().map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use super::binary;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::pty::{OpenptyResult, Winsize, openpty};
    use std::fs::{self, File};
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    const PROMPT: &[u8] = b"P> ";
    const LINES: usize = 100_000;
    const BIG: usize = 100_000_000;

    struct World {
        _top: tempfile::TempDir,
        home: PathBuf,
        project: PathBuf,
        sbsh: PathBuf,
    }

    struct Terminal {
        master: File,
        child: Child,
        seen: Vec<u8>,
        /// Milliseconds to the first prompt.
        first: f64,
    }

    pub fn all() -> io::Result<()> {
        let rounds = std::env::var("SBSH_BENCH_ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(41);
        let world = World::new()?;
        let (bash, sbsh) = (Path::new("/bin/bash"), world.sbsh.clone());
        line(&format!("binary   {}", sbsh.display()));
        starts(&world, bash, &sbsh, rounds / 2 + 1)?;
        let mut plain = Terminal::start(&world, bash)?;
        let mut session = Terminal::start(&world, &sbsh)?;
        let (mut output, mut back, mut keys) = ([vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
        for round in 0..rounds {
            for (place, terminal) in [&mut plain, &mut session].into_iter().enumerate() {
                let [key, first, prompt] = terminal.one_line(round)?;
                keys[place].push(key);
                output[place].push(first);
                back[place].push(prompt);
            }
        }
        for (what, times, wanted) in [
            ("Enter to output", &mut output, "at most 2 ms more"),
            ("Enter to the next prompt", &mut back, "at most 2 ms more"),
            ("key to echo", &mut keys, "below 5 ms"),
        ] {
            let [bash, sbsh] = times;
            let (bash, sbsh) = (median(bash), median(sbsh));
            line(&format!(
                "{what}: bash {bash:.2} ms, session {sbsh:.2} ms: {:.2} more (wanted: {wanted})",
                sbsh - bash
            ));
        }
        // Now, as the history is read when the first prompt is there.
        line(&format!(
            "memory of the front end with {LINES} lines of history: {} kB (wanted: below 25000)",
            session.memory()
        ));
        let mut speeds = [vec![], vec![]];
        for _ in 0..3 {
            for (place, terminal) in [&mut plain, &mut session].into_iter().enumerate() {
                speeds[place].push(terminal.big(&world)?);
            }
        }
        let [bash, sbsh] = &mut speeds;
        let ratio = median(sbsh) / median(bash);
        line(&format!("100 MB by cat: {ratio:.2} of bash in the same terminal (wanted: at least 0.7)"));
        Ok(())
    }

    fn starts(world: &World, bash: &Path, sbsh: &Path, rounds: usize) -> io::Result<()> {
        let [mut plain, mut session, mut own] = [vec![], vec![], vec![]];
        for _ in 0..rounds {
            plain.push(Terminal::start(world, bash)?.first);
            session.push(Terminal::start(world, sbsh)?.first);
            own.push(world.command(sbsh, &["-c", "true"])? - world.command(bash, &["-c", "true"])?);
        }
        let (plain, session, own) = (median(&mut plain), median(&mut session), median(&mut own));
        line(&format!(
            "start to the first prompt: bash -i {plain:.1} ms, session {session:.1} ms, the sandbox itself {own:.1} ms \
             (wanted: at most {:.1})",
            plain * 1.5 + own
        ));
        Ok(())
    }

    fn line(text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    fn median(times: &mut [f64]) -> f64 {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn milliseconds(since: Instant) -> f64 {
        since.elapsed().as_secs_f64() * 1000.0
    }

    impl World {
        fn new() -> io::Result<World> {
            let top = tempfile::Builder::new().prefix("sbsh-bench-").tempdir_in("/var/tmp")?;
            let real = fs::canonicalize(top.path())?;
            let (home, project) = (real.join("home"), real.join("project"));
            let state = home.join(".local/state/sbsh");
            for path in [&state, &project.join(".claude")] {
                fs::create_dir_all(path)?;
            }
            fs::write(home.join(".bashrc"), "PS1='P> '\nHISTFILE=\n")?;
            fs::write(state.join("welcomed"), "")?;
            let mut history = String::new();
            for number in 0..LINES {
                history
                    .push_str(&format!("{{\"t\":{number},\"d\":\"/w\",\"l\":\"make target-{number}\"}}\n"));
            }
            fs::write(state.join("history"), history)?;
            let text = "the quick brown fox jumps over the lazy dog 0123456789\n";
            fs::write(project.join("big"), text.repeat(BIG / text.len()))?;
            Ok(World { _top: top, home, project, sbsh: binary::find().map_err(io::Error::other)? })
        }

        fn prepared(&self, program: &Path) -> Command {
            let mut command = Command::new(program);
            command.current_dir(&self.project).env_clear().env("HOME", &self.home);
            command.env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
            command
        }

        fn command(&self, program: &Path, words: &[&str]) -> io::Result<f64> {
            let since = Instant::now();
            self.prepared(program).args(words).status()?;
            Ok(milliseconds(since))
        }
    }

    impl Terminal {
        /// Started, with its first prompt shown.
        fn start(world: &World, program: &Path) -> io::Result<Terminal> {
            let since = Instant::now();
            let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
            let OpenptyResult { master, slave } = openpty(&size, None)?;
            let master = File::from(master);
            nix::fcntl::fcntl(&master, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
            let mut command = world.prepared(program);
            command.arg("-i").stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(Stdio::from(slave));
            let become_session = || {
                nix::unistd::setsid()?;
                // SAFETY: TIOCSCTTY takes a number and no memory; descriptor 0 is the terminal.
                #[allow(unsafe_code)]
                let status = unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) };
                nix::errno::Errno::result(status)?;
                Ok(())
            };
            // SAFETY: only system calls, nothing that allocates or locks.
            #[allow(unsafe_code)]
            let child = unsafe { command.pre_exec(become_session) }.spawn()?;
            let mut terminal = Terminal { master, child, seen: Vec::new(), first: 0.0 };
            terminal.until(PROMPT)?;
            terminal.first = milliseconds(since);
            Ok(terminal)
        }

        fn memory(&self) -> u64 {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            resident.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
        }

        /// Takes what has come; whether something has.
        fn look(&mut self, milliseconds: u16) -> io::Result<bool> {
            let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            if poll(&mut waited, PollTimeout::from(milliseconds))? == 0 {
                return Ok(false);
            }
            let mut bytes = [0; 65536];
            let length = self.master.read(&mut bytes)?;
            let said = bytes.get(..length).unwrap_or_default();
            // A terminal says where its cursor is.
            for _ in said.windows(4).filter(|window| window == b"\x1b[6n") {
                self.master.write_all(b"\x1b[5;1R")?;
            }
            self.seen.extend(said);
            Ok(true)
        }

        fn until(&mut self, marker: &[u8]) -> io::Result<()> {
            let end = Instant::now() + Duration::from_secs(60);
            loop {
                if let Some(at) = self.seen.windows(marker.len()).position(|window| window == marker) {
                    self.seen.drain(..at + marker.len());
                    return Ok(());
                }
                if Instant::now() > end {
                    let seen = String::from_utf8_lossy(&self.seen).into_owned();
                    return Err(io::Error::other(format!("{marker:?} never came: {seen:?}")));
                }
                self.look(100)?;
            }
        }

        /// Nothing comes any more.
        fn rest(&mut self) -> io::Result<()> {
            while self.look(60)? {}
            self.seen.clear();
            Ok(())
        }

        /// Milliseconds from a key to its echo, and from Enter to the first output and to the next prompt.
        fn one_line(&mut self, round: usize) -> io::Result<[f64; 3]> {
            self.rest()?;
            let since = Instant::now();
            self.master.write_all(b":")?;
            self.until(b":")?;
            let key = milliseconds(since);
            self.master.write_all(format!("; echo do''ne{round}").as_bytes())?;
            // Many keys at once are taken for a paste, which is waited out: the line stands there before it is entered.
            self.until(format!("ne{round}").as_bytes())?;
            self.rest()?;
            let since = Instant::now();
            self.master.write_all(b"\r")?;
            // A colour in front of it ends with an `m`, so no word that begins with that one.
            self.until(format!("done{round}").as_bytes())?;
            let output = milliseconds(since);
            self.until(PROMPT)?;
            Ok([key, output, milliseconds(since)])
        }

        /// Bytes a millisecond of a big file.
        fn big(&mut self, world: &World) -> io::Result<f64> {
            self.rest()?;
            self.master.write_all(format!("cat {}/big; echo e''nd\r", world.project.display()).as_bytes())?;
            let since = Instant::now();
            let (mut all, mut tail) = (0, Vec::new());
            let mut bytes = vec![0; 65536];
            while !tail.ends_with(b"end\r\n") && !tail.windows(5).any(|window| window == b"end\r\n") {
                let length = self.master.read(&mut bytes)?;
                all += length;
                tail.extend(bytes.get(..length).unwrap_or_default());
                tail.drain(..tail.len().saturating_sub(64));
            }
            Ok(all as f64 / milliseconds(since))
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
