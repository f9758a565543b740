//! The manual against the program: every settings key is in sbsh-settings(5), and no other; sbsh-security(7) says the limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use sbsh::cli::table::EVENTS;
use sbsh::settings::schema::{KEYS, Kind};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The keys that the items of a section name: `.It Cm a , b`.
fn items(page: &str, section: &str) -> BTreeSet<String> {
    page.lines()
        .skip_while(|line| *line != format!(".Sh {section}"))
        .skip(1)
        .take_while(|line| !line.starts_with(".Sh "))
        .filter_map(|line| line.strip_prefix(".It Cm "))
        .flat_map(|names| names.split(" , "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_manual_names_every_settings_key_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sbsh-settings.5");
    let page = fs::read_to_string(page).unwrap();
    let keys: BTreeSet<String> =
        KEYS.iter().filter(|key| key.kind != Kind::Section).map(|key| key.path.to_owned()).collect();
    assert_eq!(items(&page, "SANDBOX"), keys);
}

#[test]
fn the_manual_names_every_event_of_the_log_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sbsh.1");
    let events: BTreeSet<String> = EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(items(&fs::read_to_string(page).unwrap(), "AUDIT LOG"), events);
}

/// What people must know before they trust the boundary, each in a limit of its own.
#[test]
fn the_page_on_security_says_each_limit() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sbsh-security.7");
    let page = fs::read_to_string(page).unwrap();
    let mut limits =
        page.split("\n.Sh ").find(|section| section.starts_with("LIMITS IN SHORT\n")).unwrap().split(".It\n");
    limits.next();
    let limits: Vec<&str> = limits.collect();
    for words in [
        ["domain fronting", "github.com"],
        ["can be read", "passwords"],
        ["GITHUB_TOKEN", "NPM_TOKEN"],
        ["Unix socket", "Docker"],
        ["cache", "PATH"],
        ["Excluded programs", "dangerouslyDisableSandbox"],
        ["Hooks", "outside"],
        ["enableWeakerNestedSandbox", "landlock"],
        ["kernel", "boundary"],
        ["memory", "disk"],
    ] {
        let said = limits.iter().filter(|limit| words.iter().all(|word| limit.contains(word))).count();
        assert_eq!(said, 1, "{words:?}");
    }
    assert_eq!(limits.len(), 10, "a limit that this test does not know");
    for page in ["sbsh.1", "sbsh-settings.5"] {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(page)).unwrap();
        assert!(page.contains(".Xr sbsh-security 7"));
    }
}

#[test]
fn items_are_read_from_their_section_only() {
    let page = ".Sh A\n.It Cm x\n.Sh B\n.It Cm one\n.It Cm two , three.four\n.It Pa no\n.Sh C\n.It Cm y\n";
    assert_eq!(items(page, "B"), ["one", "two", "three.four"].map(str::to_owned).into());
}
