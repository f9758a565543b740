//! How long reading and judging takes: `cargo bench --bench classify`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use sbsh::command::{LONGEST, read, wrappers};
use sbsh::policy::CommandRule;
use sbsh::settings::Origin;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn median(mut run: impl FnMut(), times: usize) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    all.sort();
    all.get(times / 2).copied().unwrap_or_default()
}

fn report(name: &str, took: Duration) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{name:<44} {took:>12.1?}");
}

fn main() {
    let typical = "cd /work/app && FOO=1 npm test -- --watch=false 2>&1 | tail -50 && git status --short";
    report("typical command, read", median(|| drop(black_box(read(typical.as_bytes()))), 1001));
    let layered = || {
        if let sbsh::command::Commands::Known(commands) = read(typical.as_bytes()) {
            commands.iter().for_each(|c| drop(black_box(wrappers::layers(c))));
        }
    };
    report("typical command, read and unwrapped", median(layered, 1001));
    let body = "a line of some ordinary text, 50 bytes long or so\n".repeat(2_000);
    for (name, start) in [("quoted", "cat <<'E' > f\n"), ("unquoted", "cat <<E > f\n")] {
        let text = format!("{start}{body}E\n");
        report(
            &format!("here-document of 100 kB, {name}"),
            median(|| drop(black_box(read(text.as_bytes()))), 101),
        );
    }
    for piece in [
        "(", "((", "$(", "$((", "\"$(", "${x:-", "`", "\\`", "'", "a|", "a;", "a ", "<<E ", "x=$((", "((($(",
        "{a,", "\n", "a[", "[[ (", "* ",
    ] {
        let text = piece.repeat(LONGEST / piece.len());
        report(&format!("256 KiB of {piece:?}"), median(|| drop(black_box(read(text.as_bytes()))), 3));
    }
    let rules: Vec<CommandRule> = (0..10_000)
        .filter_map(|i| CommandRule::parse(&format!("npm run task{i} --*:*"), Origin::BuiltIn("bench")).ok())
        .collect();
    for line in ["git status", "npm run other --x", "npm\0"] {
        let all = || {
            black_box(rules.iter().map(|r| r.matches(line)).max());
        };
        report(&format!("10,000 rules against {line:?}"), median(all, 101));
    }
    let load = || {
        for index in 0..10_000 {
            drop(black_box(CommandRule::parse(black_box("npm run task:*"), Origin::BuiltIn("bench"))));
            black_box(index);
        }
    };
    report("10,000 rules made", median(load, 101));
}
