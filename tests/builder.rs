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
use sbsh::run::waiting::{Waiting, trial};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the builder complains of; `meanwhile` comes when everything was planned and nothing is built.
fn built(steps: &[Step], meanwhile: impl FnOnce()) -> String {
    let waiting = Waiting::start(Mechanism::Namespaces, &[]).unwrap();
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
fn what_changes_while_it_is_built_opens_nothing_and_leaves_nothing() {
    if let Err(why) = trial() {
        assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "{why}");
        println!("skipped: {why}");
        return;
    }
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
    let waiting = Waiting::start(Mechanism::Namespaces, &[]).unwrap();
    let bytes = as_bytes(&steps(&[]));
    let ends = waiting.go(&bytes[..bytes.len() - 1]).unwrap();
    let builder = ends.built_by();
    drop(ends.channel);
    let mut words = String::new();
    std::fs::File::from(ends.complaints).read_to_string(&mut words).unwrap();
    assert!(words.contains("cut short"), "{words}");
    nix::sys::wait::waitpid(builder, None).unwrap();
}
