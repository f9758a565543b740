//! The menu's screens, from what the settings and the machine say. Pure.
//!
//! Owns the words and what is marked and locked. What choosing an item does is `menu`'s.

use super::blocked::{Refused, allowing};
use super::face::{Item, Screen};
use super::single::{Single, mode_about, mode_name, way_out_about, way_out_name};
use crate::admin::doctor::{self, Check};
use crate::cli::{Effect, EntryKind, Place};
use crate::policy::{Mode, Policy};
use crate::settings::{Layers, Origin, Scope, Sourced, Values};
use crate::system::visible::visible;
use std::path::{Path, PathBuf};

/// The sections, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Auto-allow or regular.
    Mode,
    /// What the machine has.
    Dependencies,
    /// The way out.
    Overrides,
    /// Everything that applies.
    Settings,
    /// What was refused lately.
    Refused,
    /// Domains, allowed and denied.
    Domains,
    /// Excluded commands.
    Excluded,
}

impl Section {
    /// All, as the first screen lists them.
    pub const ALL: [Section; 7] = [
        Section::Mode,
        Section::Dependencies,
        Section::Overrides,
        Section::Settings,
        Section::Refused,
        Section::Domains,
        Section::Excluded,
    ];
}

/// An origin, safe to show.
pub fn place_of(origin: &Origin) -> String {
    visible(origin.to_string().as_bytes())
}

fn lock_of(locked: Option<&Origin>) -> String {
    locked.map(|origin| format!("  (locked by {})", place_of(origin))).unwrap_or_default()
}

/// The first screen.
pub fn first(policy: &Policy, layers: &Layers, root: &str, refused: usize) -> Screen {
    let mut text = vec![format!("working root: {}", visible(root.as_bytes()))];
    if !policy.enabled.value {
        text.push(format!("the sandbox is off ({})", place_of(&policy.enabled.origin)));
    }
    let mode = Single::Mode(policy.mode.value);
    let way_out = Single::WayOut(policy.way_out.value);
    let (allowed, denied) = (standing(layers, Effect::Allow), standing(layers, Effect::Deny));
    let items = Section::ALL.map(|section| match section {
        Section::Mode => {
            Item::new("mode", format!("{}{}", mode_name(policy.mode.value), lock_of(mode.locked_by(policy))))
        }
        Section::Dependencies => Item::new("dependencies", "what this machine has, and what is missing"),
        Section::Overrides => Item::new(
            "overrides",
            format!("way out {}{}", way_out_name(policy.way_out.value), lock_of(way_out.locked_by(policy))),
        ),
        Section::Settings => Item::new("settings", "all that apply here, and where each stands"),
        Section::Refused if refused == 0 => Item::new("refused lately", "nothing"),
        Section::Refused => Item::new("refused lately", format!("{refused}; allow one of them")),
        Section::Domains => {
            Item::new("domains", format!("{} allowed, {} denied", allowed.len(), denied.len()))
        }
        Section::Excluded => Item::new(
            "excluded commands",
            format!("{} run outside, each after a question", standing(layers, Effect::Exclude).len()),
        ),
    });
    Screen { title: "sandbox".into(), text, items: items.into(), ..Screen::default() }
}

/// The two modes; choosing gives [`Mode::AutoAllow`] or [`Mode::Regular`].
pub fn mode(policy: &Policy) -> Screen {
    let now = policy.mode.value;
    let item = |mode: Mode| Item::new(marked(mode == now, mode_name(mode)), mode_about(mode));
    Screen {
        title: "mode".into(),
        text: said_by(&policy.mode.origin, Single::Mode(now).locked_by(policy)),
        items: vec![item(Mode::AutoAllow), item(Mode::Regular)],
        usual: Some(usize::from(now == Mode::Regular)),
        ..Screen::default()
    }
}

/// The way out: allowed, or strict.
pub fn overrides(policy: &Policy) -> Screen {
    let now = policy.way_out.value;
    let item =
        |allowed: bool| Item::new(marked(allowed == now, way_out_name(allowed)), way_out_about(allowed));
    Screen {
        title: "overrides: the way out of the sandbox".into(),
        text: said_by(&policy.way_out.origin, Single::WayOut(now).locked_by(policy)),
        items: vec![item(true), item(false)],
        usual: Some(usize::from(!now)),
        ..Screen::default()
    }
}

fn marked(is: bool, name: &str) -> String {
    format!("{} {name}", if is { '*' } else { ' ' })
}

fn said_by(origin: &Origin, locked: Option<&Origin>) -> Vec<String> {
    match locked {
        Some(origin) => vec![locked_words(origin)],
        None => vec![format!("said by: {}", place_of(origin))],
    }
}

/// That an administrator's file holds.
pub fn locked_words(origin: &Origin) -> String {
    format!("locked by {}: ask the administrator", place_of(origin))
}

/// What the machine has and lacks.
pub fn dependencies(checks: &[Check], taken: Option<&str>) -> Screen {
    let mut text = Vec::new();
    for check in checks {
        let word = if check.ok { "ok" } else { "missing" };
        text.push(format!("{word:<8} {:<12} {}", check.name, visible(check.finding.as_bytes())));
        if let Some(remedy) = &check.remedy {
            text.push(format!("         do: {}", visible(remedy.as_bytes())));
        }
    }
    text.push(String::new());
    text.push(doctor::verdict(taken));
    Screen { title: "dependencies".into(), text, ..Screen::default() }
}

/// What was refused; each item is one of the list, in its order.
pub fn refused(all: &[Refused]) -> Screen {
    let items = all.iter().map(|one| {
        let how = match &one.allow {
            Some((kind, entry)) => allowing(*kind, entry),
            None => "no setting allows this".to_owned(),
        };
        Item::new(how, format!("{}  [{}]", one.what, one.command))
    });
    let text = match all.is_empty() {
        true => "nothing was refused lately",
        false => "choose one to allow it from now on; the change is shown before it is written",
    };
    Screen {
        title: "refused lately".into(),
        text: vec![text.to_owned()],
        items: items.collect(),
        ..Screen::default()
    }
}

/// An entry of a list as it stands in some file.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What its list does.
    pub effect: Effect,
    /// What it is about.
    pub kind: EntryKind,
    /// The entry, as it was written.
    pub text: String,
    /// Where.
    pub origin: Origin,
    /// Whether it counts.
    pub counts: bool,
}

impl Standing {
    /// The file that it can be taken out of; `None` if that is the administrator's.
    pub fn place(&self) -> Option<Place> {
        match self.origin.scope()? {
            Scope::Managed => None,
            Scope::Project => Some(Place::Shared),
            Scope::Local => Some(Place::Project),
            Scope::User => Some(Place::User),
        }
    }

    fn item(&self) -> Item {
        let word = match self.effect {
            Effect::Allow => "allowed",
            Effect::Deny => "denied",
            Effect::Ask => "asked",
            Effect::Exclude => "outside",
        };
        let place = place_of(&self.origin);
        let about = match (self.place(), self.counts) {
            (None, _) => format!("locked by {place}"),
            (Some(_), true) => place,
            (Some(_), false) => format!("{place}  does not count: not trusted"),
        };
        Item::new(format!("{word} {}", visible(self.text.as_bytes())), about)
    }
}

/// The domains that are allowed or denied, or what is excluded, by file.
pub fn standing(layers: &Layers, effect: Effect) -> Vec<Standing> {
    let list: fn(&Values) -> &[Sourced<String>] = match effect {
        Effect::Allow => |values| &values.allowed_domains,
        Effect::Deny => |values| &values.denied_domains,
        Effect::Ask => |_| &[],
        Effect::Exclude => |values| &values.excluded,
    };
    let kind = if effect == Effect::Exclude { EntryKind::Command } else { EntryKind::Domain };
    let mut found = Vec::new();
    for layer in &layers.layers {
        found.extend(list(&layer.values).iter().map(|said| Standing {
            effect,
            kind,
            text: said.value.clone(),
            origin: said.origin.clone(),
            counts: layer.may_widen || effect == Effect::Deny,
        }));
    }
    found
}

/// What a list's first items add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adds {
    /// What the list does.
    pub effect: Effect,
    /// What it is about.
    pub kind: EntryKind,
    /// What the item is called.
    pub label: &'static str,
    /// What is asked for.
    pub question: &'static str,
}

/// For domains.
pub const ADD_DOMAINS: &[Adds] = &[
    Adds {
        effect: Effect::Allow,
        kind: EntryKind::Domain,
        label: "allow a domain",
        question: "the domain to allow, such as example.com or *.example.com",
    },
    Adds {
        effect: Effect::Deny,
        kind: EntryKind::Domain,
        label: "deny a domain",
        question: "the domain to deny, such as example.com or *.example.com",
    },
];

/// For excluded commands.
pub const ADD_EXCLUDED: &[Adds] = &[Adds {
    effect: Effect::Exclude,
    kind: EntryKind::Command,
    label: "exclude a command",
    question: "the command that is to run outside, such as docker:*",
}];

/// A list with what adds to it in front.
pub fn list(title: &str, adds: &[Adds], entries: &[Standing], policy: &Policy) -> Screen {
    let lock = |adds: &Adds| domain_lock(adds.effect, adds.kind, policy);
    let add = adds.iter().map(|adds| match lock(adds) {
        Some(origin) => Item::new(adds.label, format!("locked by {}", place_of(origin))),
        None => Item::new(adds.label, ""),
    });
    Screen {
        title: title.into(),
        text: vec!["choose an entry to take it out of its file".into()],
        items: add.chain(entries.iter().map(Standing::item)).collect(),
        ..Screen::default()
    }
}

/// The administrator's word that only their domains count.
pub fn domain_lock(effect: Effect, kind: EntryKind, policy: &Policy) -> Option<&Origin> {
    let locked = policy.network.managed_only.as_ref();
    locked.filter(|_| (effect, kind) == (Effect::Allow, EntryKind::Domain))
}

/// The files that a change can go to, the usual one first.
pub fn places(places: &[(Place, PathBuf)]) -> Screen {
    let item = |(place, file): &(Place, PathBuf)| {
        let whose = match place {
            Place::Nearest | Place::Project => "this project, for you alone",
            Place::Shared => "this project, for all who share it",
            Place::User => "all your projects",
        };
        Item::new(whose, shown(file))
    };
    Screen {
        title: "which settings file?".into(),
        items: places.iter().map(item).collect(),
        usual: Some(0),
        ..Screen::default()
    }
}

/// The question before something is written.
pub fn confirm(difference: &str) -> Screen {
    Screen {
        title: "write this?".into(),
        text: difference.lines().map(str::to_owned).collect(),
        items: vec![Item::new("no", "leave it as it is"), Item::new("yes", "write it")],
        usual: None,
        careful: true,
        ..Screen::default()
    }
}

/// Something to be read.
pub fn told(title: &str, text: &str) -> Screen {
    Screen { title: title.into(), text: text.lines().map(str::to_owned).collect(), ..Screen::default() }
}

fn shown(file: &Path) -> String {
    visible(file.as_os_str().as_encoded_bytes())
}
