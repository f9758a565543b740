//! Whatever a directory is called, the profile says what it says for any other name.

use crate::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbsh::confinement::plan::{Place, Places};
use sbsh::confinement::seatbelt::{self, Profile, SeatbeltError};
use sbsh::policy::{Access, FilePolicy, PathPattern, PathRule, paths};
use sbsh::settings::Origin;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const NAMES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\\"",
    b"\")) (allow default) (deny file-read* (literal \"/x",
    b"a\nb",
    b"a\r\tb",
    b"(",
    b")",
    b"((param \"P0\"))",
    b"#\"raw\"",
    b"; comment",
    b"$(x) `x` $HOME",
    b"=",
    b"-D",
    b"P0=x",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"a\x01\x7f",
    b".*",
    b"^[a]+?{2}|$",
    b"\xe2\x80\xae",
    "Ünïcödé \u{301}".as_bytes(),
];

fn rule(path: PathBuf) -> PathRule {
    PathRule { pattern: PathPattern::Literal(path), origin: Origin::BuiltIn("test") }
}

/// Everything that a path can be in is in it.
fn world(name: &OsStr) -> World {
    let at = |path: &str| Path::new(path).join(name);
    let place = |path: PathBuf| Place { path, directory: true };
    World {
        places: Places { write_denied: vec![place(at("/w").join("kept"))], ..Places::default() },
        roots: vec![at("/w")],
        scratch: Some(at("/s")),
        ..World::of(FilePolicy {
            writable: vec![rule(at("/w"))],
            write_denied: vec![rule(at("/w").join("kept"))],
            read_denied: vec![rule(at("/w").join("closed")), rule(at("/v"))],
            read_allowed: vec![rule(at("/w").join("closed/open"))],
            ..FilePolicy::default()
        })
    }
}

fn holds(name: &OsStr) {
    let world = world(name);
    let profile = world.profile();
    let plain = |c: char| c == '\n' || (c.is_ascii() && !c.is_ascii_control() && c != '\\');
    assert!(profile.text.chars().all(plain), "{name:?}");
    let checker = world.checker();
    let at = |path: &str| Path::new(path).join(name);
    for (path, wanted) in [
        (at("/w"), Access::Write),
        (at("/w").join("x\ny"), Access::Write),
        (at("/w").join("kept/x\ny"), Access::Read),
        (at("/w").join("closed/x"), Access::None),
        (at("/w").join("closed/open/x"), Access::Write),
        (at("/v"), Access::None),
        (at("/v").join("x\ny"), Access::None),
        (at("/u"), Access::Read),
        (PathBuf::from("/x"), Access::Read),
    ] {
        assert_eq!(checker.access(&path), wanted, "{path:?}");
        assert_eq!(world.files.access(&path), wanted, "{path:?}");
    }
    assert!(!checker.file("file-write-create", at("/w").join(".git/hooks/x")));
    assert!(!checker.file("file-write-create", at("/w").join(".bashrc")));
}

#[test]
fn no_name_says_anything_to_seatbelt() {
    NAMES.iter().for_each(|name| holds(OsStr::from_bytes(name)));
}

#[test]
fn no_random_name_does_either() {
    let bytes =
        proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'('), any::<u8>()], 1..40);
    let name = bytes.prop_filter_map("a name", |bytes| {
        let name = OsString::from_vec(bytes);
        let fits =
            !name.as_bytes().contains(&b'/') && !name.as_bytes().contains(&0) && name != "." && name != "..";
        fits.then_some(name)
    });
    let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
    runner
        .run(&name, |name| {
            holds(&name);
            Ok(())
        })
        .unwrap();
}

#[test]
fn names_of_one_form_give_the_same_text() {
    let of = |name: &str| world(OsStr::new(name)).profile();
    let (one, other) = (of("\"a"), of("\\b"));
    assert_eq!(one.text, other.text);
    assert_ne!(one.parameters, other.parameters);
}

#[test]
fn globs_in_a_hostile_directory_keep_it_literal() {
    for name in NAMES.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
        let directory = Path::new("/w").join(name);
        let pattern = paths::pattern(&directory, "*.key").unwrap();
        let files = FilePolicy {
            read_denied: vec![PathRule { pattern, origin: Origin::BuiltIn("test") }],
            ..FilePolicy::default()
        };
        let checker = World::of(files).checker();
        assert_eq!(checker.access(directory.join("a.key")), Access::None, "{name}");
        assert_eq!(checker.access(directory.join("a.txt")), Access::Read, "{name}");
        assert_eq!(checker.access("/w/other/a.key"), Access::Read, "{name}");
    }
}

#[test]
fn a_value_is_one_argument_whatever_it_holds() {
    let profile = Profile {
        text: "(version 1)".into(),
        parameters: vec![("P0".into(), OsString::from_vec(b"/a=b \"\n\xff".to_vec()))],
    };
    let wanted: [&[u8]; 5] = [b"-p", b"(version 1)", b"-D", b"P0=/a=b \"\n\xff", b"--"];
    let arguments = seatbelt::arguments(&profile);
    assert_eq!(arguments.iter().map(|a| a.as_bytes()).collect::<Vec<_>>(), wanted);
}

#[test]
fn what_no_argument_can_hold_is_refused() {
    let world = World::of(FilePolicy { read_denied: vec![rule("/a\0b".into())], ..FilePolicy::default() });
    assert_eq!(made(&world), Err(SeatbeltError::Nul));
    let pattern = paths::pattern(Path::new("/"), &"/{a,b,c}".repeat(8)).unwrap();
    let rule = PathRule { pattern, origin: Origin::BuiltIn("test") };
    let world = World::of(FilePolicy { read_denied: vec![rule], ..FilePolicy::default() });
    assert!(matches!(made(&world), Err(SeatbeltError::TooManyAlternatives { .. })));
}

fn made(world: &World) -> Result<Profile, SeatbeltError> {
    seatbelt::profile(&seatbelt::Boundary {
        files: &world.files,
        places: &world.places,
        roots: &world.roots,
        scratch: None,
        network: &world.network,
        tag: "t",
    })
}

#[test]
fn a_tag_is_a_word() {
    let world = World::of(FilePolicy::default());
    let boundary = seatbelt::Boundary {
        files: &world.files,
        places: &world.places,
        roots: &world.roots,
        scratch: None,
        network: &world.network,
        tag: "a\"))(allow default)_1",
    };
    let text = seatbelt::profile(&boundary).unwrap().text;
    assert!(text.starts_with("(version 1)\n(deny default (with message \"aallowdefault_1\"))\n"));
}
