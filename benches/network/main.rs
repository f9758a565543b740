//! What the gateway costs: `cargo bench --bench network`.
//!
//! Throughput, set-up, memory, start, many domains; on loopback alone, in a network namespace of its own. Needs
//! bubblewrap, `unshare`, `ip` and `mount`, as root or where an ordinary user may make namespaces; compares with `srt`
//! (npm: @anthropic-ai/sandbox-runtime) if that is on PATH or SRT names it, and the start with the binary that
//! SBSH_BASE names. All rows of a table are measured in turns; ratios are of medians. SBSH_BENCH_BINARY names another
//! binary, SBSH_BENCH_ROUNDS another number of turns, SBSH_BENCH_ONLY one part (throughput, set-up, memory, start).

#[cfg(target_os = "linux")]
#[path = "../start/binary.rs"]
mod binary;
#[cfg(target_os = "linux")]
#[path = "../start/boundary.rs"]
mod boundary;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod gateway;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod tables;
#[cfg(target_os = "linux")]
#[path = "../start/turns.rs"]
mod turns;
#[cfg(target_os = "linux")]
#[path = "../start/world.rs"]
#[allow(dead_code)] // the other bench makes larger worlds
mod world;

fn main() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.split_first() {
            Some((word, rest)) if word == "client" => client::main(rest)?,
            Some((word, _)) if word == place::THERE => tables::all()?,
            _ => return Err(place::go(&binary::find()?)),
        }
    }
    Ok(())
}
