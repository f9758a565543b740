//! What sbsh costs at the start of a command: `cargo bench --bench start`.
//!
//! Needs bubblewrap and bash; compares with `srt` (npm: @anthropic-ai/sandbox-runtime) if that is on PATH. Every row
//! of a table is measured in turns (A B C A B C …), so that what else the machine does falls on all of them alike;
//! ratios are of medians. SBSH_BENCH_BINARY names another binary, SBSH_BENCH_RUNS another number of turns.

#[cfg(target_os = "linux")]
mod binary;
#[cfg(target_os = "linux")]
mod boundary;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod tables;
#[cfg(target_os = "linux")]
mod turns;
#[cfg(target_os = "linux")]
mod world;

fn main() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    tables::all()?;
    Ok(())
}
