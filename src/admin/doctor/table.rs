//! What each backend enforces on this host, feature by feature. Pure: what was probed goes in, a table comes out.

use crate::confinement::landlock::Gap;
use crate::network::setup::Reach;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What a boundary consists of, in the table's order.
const FEATURES: [&str; 8] =
    ["files", "protected names", "network", "sockets", "processes", "terminal", "violations", "grants"];

/// How far one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// As the policy says.
    Fully,
    /// With this gap.
    Partly(String),
    /// Not at all, for this reason.
    Not(String),
}

/// What was found on this host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Calls can be seen one by one.
    pub gatekeeper: bool,
    /// Descriptors of other processes can be copied (pidfd_getfd(2)).
    pub copies: bool,
    /// How much of the network arrives by itself, or why there is no namespace for it.
    pub network: Result<Reach, String>,
}

/// One backend.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name in settings.
    pub name: &'static str,
    /// Whether it can build a boundary here; if not, why.
    pub built: Result<(), String>,
    /// Each of [`FEATURES`].
    holds: Vec<Holds>,
}

impl Backend {
    /// One of the mechanisms that give a command namespaces of its own.
    pub fn of_namespaces(name: &'static str, built: Result<(), String>, host: &Host) -> Backend {
        Backend::of(name, built, |(), feature| with_namespaces(feature, host))
    }

    /// Landlock, with its gaps; or why it cannot be had.
    pub fn of_landlock(gaps: Result<Vec<Gap>, String>) -> Backend {
        Backend::of("landlock", gaps, |gaps, feature| with_gaps(feature, gaps))
    }

    /// What cannot be built holds nothing, and says why.
    fn of<T>(name: &'static str, built: Result<T, String>, holds: impl Fn(&T, &str) -> Holds) -> Backend {
        let one = |feature: &&str| match &built {
            Ok(built) => holds(built, feature),
            Err(why) => Holds::Not(why.clone()),
        };
        let holds = FEATURES.iter().map(one).collect();
        Backend { name, built: built.map(|_| ()), holds }
    }
}

fn with_gaps(feature: &str, gaps: &[Gap]) -> Holds {
    let own: Vec<&str> = gaps.iter().filter(|gap| gap.feature == feature).map(|gap| gap.text).collect();
    if own.is_empty() { Holds::Fully } else { Holds::Partly(format!("under landlock {}", own.join("; "))) }
}

fn with_namespaces(feature: &str, host: &Host) -> Holds {
    let seen = |gap: &str| match host.gatekeeper {
        true => Holds::Fully,
        false => {
            Holds::Partly(format!("{gap}: the kernel gives no notifications, or another supervisor has them"))
        }
    };
    match feature {
        "protected names" => seen("those that exist are read-only, new ones are taken away after the run"),
        "network" | "sockets" if !host.copies => Holds::Partly(
            "nothing connects, as a filter refuses pidfd_getfd (systemd-nspawn: --system-call-filter=pidfd_getfd)".into(),
        ),
        "sockets" => seen("every Unix socket by path is refused"),
        "violations" => seen("files only as far as programs tell of them themselves"),
        "grants" => match host.gatekeeper {
            true => Holds::Fully,
            false => Holds::Not("nobody sees the calls: a command has to be run again".into()),
        },
        "network" => match &host.network {
            Ok(Reach::Every) => Holds::Fully,
            Ok(Reach::UsualPorts) => Holds::Partly(
                "programs that know no proxy reach allowed hosts on the usual ports only (22, 80, 443, 8443, 9418)".into(),
            ),
            Ok(Reach::Told) => Holds::Partly("programs that know no proxy reach nothing".into()),
            Err(why) => Holds::Partly(format!("programs that know no proxy reach nothing: {why}")),
        },
        _ => Holds::Fully,
    }
}

/// The table, and below it what is not as it could be.
pub fn text(backends: &[Backend]) -> String {
    let mut text = format!("{:<17}", "");
    for backend in backends {
        let _ = write!(text, "{:<13}", backend.name);
    }
    text.truncate(text.trim_end().len());
    let mut notes: Vec<String> = Vec::new();
    for (row, feature) in FEATURES.iter().enumerate() {
        let _ = write!(text, "\n{feature:<17}");
        for backend in backends {
            let word = match backend.holds.get(row) {
                Some(Holds::Fully) => "fully",
                Some(Holds::Partly(gap)) => {
                    note(&mut notes, format!("{feature}: {gap}"));
                    "partly"
                }
                Some(Holds::Not(why)) if backend.built.is_ok() => {
                    note(&mut notes, format!("{feature}: {why}"));
                    "no"
                }
                _ => "-",
            };
            let _ = write!(text, "{word:<13}");
        }
        text.truncate(text.trim_end().len());
    }
    text.push('\n');
    for backend in backends {
        if let Err(why) = &backend.built {
            note(&mut notes, format!("{}: {why}", backend.name));
        }
    }
    for note in notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// Each once: two backends may have the same gap.
fn note(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// The same for programs.
pub fn json(backends: &[Backend]) -> Value {
    let one = |backend: &Backend| {
        let holds = FEATURES.iter().zip(&backend.holds).map(|(feature, holds)| {
            let (word, why) = match holds {
                Holds::Fully => ("fully", None),
                Holds::Partly(gap) => ("partly", Some(gap)),
                Holds::Not(why) => ("no", Some(why)),
            };
            ((*feature).to_owned(), json!({ "enforced": word, "why": why }))
        });
        let features: Map<String, Value> = holds.collect();
        let why = backend.built.as_ref().err();
        json!({ "name": backend.name, "can_confine": backend.built.is_ok(), "why": why, "features": features })
    };
    backends.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::landlock;

    #[test]
    fn gaps_are_named_once_and_what_cannot_be_built_holds_nothing() {
        let host = Host { gatekeeper: false, copies: true, network: Ok(Reach::UsualPorts) };
        let all = [
            Backend::of_namespaces("bubblewrap", Err("it is not installed".into()), &host),
            Backend::of_namespaces("namespaces", Ok(()), &host),
            Backend::of_landlock(Err("not in this kernel".into())),
        ];
        insta::assert_snapshot!(text(&all), @r"
                         bubblewrap   namespaces   landlock
        files            -            fully        -
        protected names  -            partly       -
        network          -            partly       -
        sockets          -            partly       -
        processes        -            fully        -
        terminal         -            fully        -
        violations       -            partly       -
        grants           -            no           -
          protected names: those that exist are read-only, new ones are taken away after the run: the kernel gives no notifications, or another supervisor has them
          network: programs that know no proxy reach allowed hosts on the usual ports only (22, 80, 443, 8443, 9418)
          sockets: every Unix socket by path is refused: the kernel gives no notifications, or another supervisor has them
          violations: files only as far as programs tell of them themselves: the kernel gives no notifications, or another supervisor has them
          grants: nobody sees the calls: a command has to be run again
          bubblewrap: it is not installed
          landlock: not in this kernel
        ");
        let told = json(&all);
        assert_eq!(told[0]["features"]["files"]["enforced"], "no");
        assert_eq!(told[1]["features"]["files"], json!({ "enforced": "fully", "why": null }));
        assert_eq!(told[1]["features"]["grants"]["enforced"], "no");
        assert_eq!(told[2]["why"], "not in this kernel");
    }

    #[test]
    fn the_gaps_of_landlock_stand_in_their_rows() {
        let gap = Gap { feature: "files", text: "one" };
        let all = [Backend::of_landlock(Ok(vec![gap, Gap { text: "another", ..gap }]))];
        let text = text(&all);
        assert!(text.contains("\nfiles            partly\n"), "{text}");
        assert!(text.contains("  files: under landlock one; another\n"), "{text}");
        assert_eq!(text.matches("fully").count(), FEATURES.len() - 1);
        for gap in landlock::gaps(1, false, true) {
            assert!(FEATURES.contains(&gap.feature), "{}", gap.feature);
        }
    }

    #[test]
    fn where_everything_can_be_had_nothing_is_noted() {
        let host = Host { gatekeeper: true, copies: true, network: Ok(Reach::Every) };
        let text = text(&[Backend::of_namespaces("namespaces", Ok(()), &host)]);
        assert_eq!(text.matches("fully").count(), FEATURES.len());
        assert_eq!(text.lines().count(), FEATURES.len() + 1);
    }
}
