//! The boundary that sbsh builds itself, step by step and without a command: what changes while it is built opens nothing and
//! leaves nothing. One test alone in its process: a builder is forked where no other thread holds a lock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![cfg(target_os = "linux")]

use sbsh::confinement::Mechanism;
use sbsh::confinement::namespaces::{Step, as_bytes};
use sbsh::run::waiting::{self, Waiting, trial};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the builder complains of; `meanwhile` comes when everything was planned and nothing is built.
fn built(steps: &[Step], meanwhile: impl FnOnce()) -> String {
    let waiting = Waiting::start(Mechanism::Namespaces, &[], None).unwrap();
    meanwhile();
    let mut ends = waiting.go(&as_bytes(steps)).unwrap();
    let builder = ends.built_by();
    let _ = ends.entrances();
    drop(ends.channel);
    let mut words = String::new();
    std::fs::File::from(ends.complaints).read_to_string(&mut words).unwrap();
    nix::sys::wait::waitpid(builder, None).unwrap();
    words
}

#[test]
fn the_builder() {
    if let Err(why) = trial() {
        assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "{why}");
        println!("skipped: {why}");
        return;
    }
    what_changes_while_it_is_built_opens_nothing_and_leaves_nothing();
    what_builds_is_in_the_network_that_was_made_for_it_and_on_any_processor();
}

fn what_changes_while_it_is_built_opens_nothing_and_leaves_nothing() {
    let top = tempfile::tempdir().unwrap();
    let top = std::fs::canonicalize(top.path()).unwrap();
    let steps = |own: &[Step]| {
        let begin = [Step::ReadOnly, Step::Devices, Step::Marker, Step::Seal("/dev".into()), Step::Processes];
        begin.iter().chain(own).cloned().collect::<Vec<Step>>()
    };
    let show = |from: &Path, at: &Path| Step::Show { from: from.into(), at: at.into(), writable: true };
    let (place, other) = (top.join("place"), top.join("other"));
    std::fs::create_dir(&place).unwrap();
    std::fs::create_dir(&other).unwrap();
    assert_eq!(built(&steps(&[show(&place, &place)]), || {}), "");

    // Own idea: a job of an earlier command swaps a directory for a link, itself or above what is shown.
    std::fs::create_dir_all(other.join("below")).unwrap();
    std::fs::create_dir(place.join("below")).unwrap();
    let swapped = built(&steps(&[show(&place, &place)]), || {
        std::fs::rename(&place, top.join("aside")).unwrap();
        symlink(&other, &place).unwrap();
    });
    assert!(swapped.contains("cannot take") && swapped.contains("ELOOP"), "{swapped}");
    let below = place.join("below");
    let swapped = built(&steps(&[show(&below, &below)]), || {});
    assert!(swapped.contains("ELOOP"), "{swapped}");

    // A place that is gone is not made on the host, whatever is shown there.
    let gone = other.join("gone");
    let missing = built(&steps(&[show(&other, &other), show(&top.join("aside"), &gone)]), || {});
    assert!(missing.contains("mount on") || missing.contains("make"), "{missing}");
    assert!(!gone.exists());

    // In a directory of the sandbox's own it is.
    let hollow = [Step::Hollow(other.clone()), show(&top.join("aside"), &gone), Step::Seal(other.clone())];
    assert_eq!(built(&steps(&hollow), || {}), "");
    assert!(!gone.exists());

    // Steps that are cut short are none.
    let waiting = Waiting::start(Mechanism::Namespaces, &[], None).unwrap();
    let bytes = as_bytes(&steps(&[]));
    let ends = waiting.go(&bytes[..bytes.len() - 1]).unwrap();
    let builder = ends.built_by();
    drop(ends.channel);
    let mut words = String::new();
    std::fs::File::from(ends.complaints).read_to_string(&mut words).unwrap();
    assert!(words.contains("cut short"), "{words}");
    nix::sys::wait::waitpid(builder, None).unwrap();
}

/// Where a process is, and where it may run.
fn whereabouts(process: nix::unistd::Pid) -> (std::path::PathBuf, nix::sched::CpuSet) {
    let network = std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    (network, nix::sched::sched_getaffinity(process).unwrap())
}

fn what_builds_is_in_the_network_that_was_made_for_it_and_on_any_processor() {
    use std::os::fd::AsRawFd;
    let (own, processors) = whereabouts(nix::unistd::getpid());
    for before in [false, true] {
        let made = before.then(|| waiting::network(&Mechanism::Namespaces).unwrap());
        let mut waiting = Waiting::start(Mechanism::Namespaces, &[], made).unwrap();
        assert!(waiting.has_network().unwrap());
        // More than a pipe takes: when all is told, it has begun to read.
        let mut steps = vec![Step::Seal("/".into()); 1 << 14];
        while as_bytes(&steps).len() < 1 << 17 {
            steps.extend_from_within(..);
        }
        let mut ends = waiting.go(&as_bytes(&steps)).unwrap();
        let builder = ends.built_by().unwrap();
        let (network, allowed) = whereabouts(builder);
        let entrances = ends.entrances().unwrap();
        let number = entrances.namespace.as_ref().unwrap().as_raw_fd();
        assert_eq!(network, std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap());
        assert_ne!(network, own);
        assert_eq!(allowed, processors);
        drop(ends);
        nix::sys::wait::waitpid(builder, None).unwrap();
    }
    // One that is not wanted leaves nothing behind.
    drop(waiting::network(&Mechanism::Namespaces));
    drop(Waiting::start(Mechanism::Namespaces, &[], None));
    assert_eq!(nix::sys::wait::waitpid(None, None), Err(nix::errno::Errno::ECHILD));
}
