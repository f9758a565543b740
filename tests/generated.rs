//! Files made from the tables of verbs, options and settings keys are as the tables say. `SBSH_UPDATE=1` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "generated/security.rs"]
mod security;

use sbsh::cli::{AdminCommand, Invocation, completions, own, render, table};
use std::path::Path;
use std::process::{Command, Stdio};

fn files() -> Vec<(&'static str, String)> {
    let mut all = made_from_the_verbs();
    all.push(("docs/settings.schema.json", sbsh::settings::schema::json::text()));
    let markdown =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md")).unwrap();
    all.push(("man/sbsh-security.7", security::page(&markdown)));
    all
}

fn made_from_the_verbs() -> Vec<(&'static str, String)> {
    vec![
        ("man/sbshctl.1", render::man_page()),
        ("completions/sbsh.bash", completions::bash()),
        ("completions/sbsh.zsh", completions::zsh()),
        ("completions/sbsh.fish", completions::fish()),
        ("completions/sbshctl.fish", completions::fish_ctl()),
    ]
}

#[test]
fn generated_files_have_not_drifted() {
    for (name, text) in files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("SBSH_UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            text,
            "{name}: run with SBSH_UPDATE=1"
        );
    }
}

#[test]
fn every_verb_and_option_is_in_every_text() {
    let mut texts = made_from_the_verbs();
    texts.retain(|(name, _)| !name.ends_with("sbsh.fish"));
    texts.push(("help", table::VERBS.iter().map(|row| render::help(Some(row.name))).collect()));
    for (name, text) in &texts {
        for row in table::VERBS {
            assert!(text.contains(row.name), "{name}: {}", row.name);
            for option in row.options {
                assert!(text.contains(option.long), "{name}: {} --{}", row.name, option.long);
            }
        }
    }
    let all = render::help(None);
    assert!(table::VERBS.iter().all(|row| all.contains(row.about)));
    assert!(
        texts.iter().chain([&("help", all)]).all(|(_, text)| text.lines().all(|line| !line.contains('\t')))
    );
}

#[test]
fn the_help_verb_prints_the_help() {
    let text = |words: &[&str]| {
        let argv = std::iter::once(&"sbshctl").chain(words).map(std::ffi::OsString::from).collect();
        match Invocation::from_argv(argv) {
            Ok(Invocation::Admin(AdminCommand::Help(verb))) => Some(render::help(verb)),
            _ => None,
        }
    };
    assert_eq!(text(&[]), Some(render::help(None)));
    assert_eq!(text(&["help", "trust"]), Some(render::help(Some("trust"))));
    assert_eq!(text(&["doctor", "--help"]), Some(render::help(Some("doctor"))));
    assert_eq!(text(&["doctor"]), None);
    let doctor = render::help(Some("doctor"));
    assert!(
        doctor.starts_with("usage: sbshctl doctor [--json] [--fix]\n\nTries the sandbox for real,"),
        "{doctor}"
    );
}

#[test]
fn shells_accept_the_completions() {
    for (shell, file) in
        [("bash", "sbsh.bash"), ("zsh", "sbsh.zsh"), ("fish", "sbsh.fish"), ("fish", "sbshctl.fish")]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        match Command::new(shell).arg("-n").arg(&path).stdin(Stdio::null()).output() {
            Ok(said) => assert!(said.status.success() && said.stderr.is_empty(), "{file}: {said:?}"),
            Err(error) => println!("skipped: {shell} cannot be started: {error}"),
        }
    }
}

#[test]
fn sbshs_own_options_are_in_every_text() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sbsh.1")).unwrap();
    let mut texts: Vec<(&str, String)> =
        files().into_iter().filter(|(name, _)| name.contains("sbsh.")).collect();
    texts.push(("help", render::shell_help()));
    texts.push(("page", page.replace("Fl -", "Fl --")));
    assert_eq!(texts.len(), 5);
    for (name, text) in &texts {
        for option in own::OPTIONS {
            assert!(text.contains(option.long), "{name}: --{}", option.long);
        }
    }
}

#[test]
fn mandoc_accepts_the_pages() {
    for page in ["sbshctl.1", "sbsh-security.7"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(page);
        match Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&path).output() {
            Ok(said) => assert!(said.stdout.is_empty(), "{}", String::from_utf8_lossy(&said.stdout)),
            Err(error) => println!("skipped: mandoc cannot be started: {error}"),
        }
    }
}
