//! The menu behind `/sandbox`: which screen follows which, and the change at the end of the way.
//!
//! Owns that nothing is written that was not shown and confirmed, nor what is locked. The writing is `change`'s and
//! `single`'s, as for the verbs of sbshctl.

use super::Now;
use super::blocked;
use super::face::{Face, Out};
use super::keys::Keys;
use super::plain::Plain;
use super::screens::{self, Adds, Section, Standing, standing};
use super::single::{self, Single};
use crate::admin::{change, doctor, print, status};
use crate::approval;
use crate::caller::Caller;
use crate::cli::{Effect, EntryKind, Place, Wish};
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::{Stop, stop_words};
use crate::policy::Mode;
use crate::system::terminal::ControllingTerminal;
use crate::system::visible::visible;

/// Opens it, on the terminal that there is, until the person leaves it.
///
/// # Errors
/// Broken settings; a terminal that fails.
pub fn open(now: &Now<'_>, here: &Caller) -> Result<i32, Stop> {
    let draws = now.terminal && approval::colours(here.variable("NO_COLOR"), here.variable("TERM"));
    let terminal = if draws { ControllingTerminal::in_foreground() } else { None };
    let Some(terminal) = &terminal else {
        return left(Menu { face: Plain, now, here, done: String::new() }.first()).map(|()| 0);
    };
    let mut menu = Menu { face: Keys::on(terminal)?, now, here, done: String::new() };
    let result = left(menu.first());
    let Menu { face, done, .. } = menu;
    // What stood before the menu is there again; what was done is said below it.
    drop(face);
    if !done.is_empty() {
        print(&done)?;
    }
    result.map(|()| 0)
}

fn left(result: Result<(), Out>) -> Result<(), Stop> {
    match result {
        Ok(()) | Err(Out::Leave) => Ok(()),
        Err(Out::Stop(stop)) => Err(stop),
    }
}

struct Menu<'m, F> {
    face: F,
    now: &'m Now<'m>,
    here: &'m Caller,
    /// What was written.
    done: String,
}

impl<F: Face> Menu<'_, F> {
    fn prepared(&self) -> Result<Prepared, Out> {
        Ok(prepare::policy(self.here)?)
    }

    fn first(&mut self) -> Result<(), Out> {
        loop {
            // Anew each time: what was changed counts.
            let prepared = self.prepared()?;
            let root = status::root_words(&prepared.policy);
            let refused = blocked::recent(self.now, &prepared).len();
            let screen = screens::first(&prepared.policy, &prepared.layers, &root, refused);
            let Some(section) = self.face.choose(&screen)?.and_then(|item| Section::ALL.get(item)) else {
                return Ok(());
            };
            self.section(*section, &prepared)?;
        }
    }

    fn section(&mut self, section: Section, prepared: &Prepared) -> Result<(), Out> {
        let policy = &prepared.policy;
        match section {
            Section::Mode => {
                let modes = [Mode::AutoAllow, Mode::Regular].map(Single::Mode);
                let chosen = self.face.choose(&screens::mode(policy))?.and_then(|item| modes.get(item));
                chosen.map_or(Ok(()), |wanted| self.single(*wanted, prepared))
            }
            Section::Overrides => {
                let ways = [true, false].map(Single::WayOut);
                let chosen = self.face.choose(&screens::overrides(policy))?.and_then(|item| ways.get(item));
                chosen.map_or(Ok(()), |wanted| self.single(*wanted, prepared))
            }
            Section::Dependencies => {
                let found = doctor::look(prepared);
                self.face.choose(&screens::dependencies(&found.checks, found.taken)).map(|_| ())
            }
            Section::Settings => self.tell("settings", &status::page(prepared, self.here)),
            Section::Refused => self.refused(prepared),
            Section::Domains => self.list("domains", screens::ADD_DOMAINS, &[Effect::Allow, Effect::Deny]),
            Section::Excluded => self.list("excluded commands", screens::ADD_EXCLUDED, &[Effect::Exclude]),
        }
    }

    fn tell(&mut self, title: &str, text: &str) -> Result<(), Out> {
        self.face.choose(&screens::told(title, text)).map(|_| ())
    }

    fn single(&mut self, wanted: Single, prepared: &Prepared) -> Result<(), Out> {
        if let Some(origin) = wanted.locked_by(&prepared.policy) {
            return self.tell("locked", &screens::locked_words(origin));
        }
        let Some(place) = self.place(prepared)? else { return Ok(()) };
        self.save(|dry_run, here| single::set(wanted, place, dry_run, here))
    }

    fn refused(&mut self, prepared: &Prepared) -> Result<(), Out> {
        let all = blocked::recent(self.now, prepared);
        let Some(one) = self.face.choose(&screens::refused(&all))?.and_then(|item| all.get(item)) else {
            return Ok(());
        };
        let Some((kind, entry)) = &one.allow else {
            let text = format!("{}\nno setting allows this; it is always protected", one.what);
            return self.tell("refused", &text);
        };
        self.add(Effect::Allow, *kind, entry, prepared)
    }

    fn list(&mut self, title: &str, adds: &[Adds], effects: &[Effect]) -> Result<(), Out> {
        loop {
            let prepared = self.prepared()?;
            let entries: Vec<Standing> =
                effects.iter().flat_map(|effect| standing(&prepared.layers, *effect)).collect();
            let Some(item) = self.face.choose(&screens::list(title, adds, &entries, &prepared.policy))?
            else {
                return Ok(());
            };
            match (adds.get(item), item.checked_sub(adds.len()).and_then(|item| entries.get(item))) {
                (Some(add), _) => {
                    if let Some(origin) = screens::domain_lock(add.effect, add.kind, &prepared.policy) {
                        self.tell("locked", &screens::locked_words(origin))?;
                    } else if let Some(entry) = self.face.line(title, add.question)? {
                        self.add(add.effect, add.kind, &entry, &prepared)?;
                    }
                }
                (None, Some(entry)) => self.take_out(entry)?,
                (None, None) => {}
            }
        }
    }

    fn take_out(&mut self, entry: &Standing) -> Result<(), Out> {
        let Some(place) = entry.place() else {
            return self.tell("locked", &screens::locked_words(&entry.origin));
        };
        let wish = wish(entry.effect, entry.kind, &entry.text, place);
        self.save(|dry_run, here| change::done(&Wish { remove: true, dry_run, ..wish.clone() }, here))
    }

    fn add(&mut self, effect: Effect, kind: EntryKind, entry: &str, prepared: &Prepared) -> Result<(), Out> {
        let Some(place) = self.place(prepared)? else { return Ok(()) };
        let wish = wish(effect, kind, entry, place);
        self.save(|dry_run, here| change::done(&Wish { dry_run, ..wish.clone() }, here))
    }

    /// Which file; the project's personal one is the usual one.
    fn place(&mut self, prepared: &Prepared) -> Result<Option<Place>, Out> {
        let mut places = Vec::new();
        for place in [Place::Project, Place::Shared, Place::User] {
            let file = change::files(place, prepared).ok().and_then(|files| files.into_iter().next());
            places.extend(file.map(|file| (place, file)));
        }
        let chosen = self.face.choose(&screens::places(&places))?;
        Ok(chosen.and_then(|item| places.get(item)).map(|(place, _)| *place))
    }

    /// Shows what a change would be, and makes it if that is confirmed. What cannot be is said.
    fn save(&mut self, change: impl Fn(bool, &Caller) -> Result<String, Stop>) -> Result<(), Out> {
        let text = match change(true, self.here) {
            Ok(text) => text,
            Err(stop) => return self.tell("not written", &escaped(&stop)),
        };
        let Some(difference) = text.strip_prefix(change::WOULD_BE) else {
            return self.tell("nothing to write", &text);
        };
        if self.face.choose(&screens::confirm(difference))? != Some(1) {
            return Ok(());
        }
        match change(false, self.here) {
            Ok(text) => {
                self.done.push_str(&text);
                self.tell("written", &text)
            }
            Err(stop) => self.tell("not written", &escaped(&stop)),
        }
    }
}

fn escaped(stop: &Stop) -> String {
    visible(stop_words(stop).as_bytes())
}

fn wish(effect: Effect, kind: EntryKind, entry: &str, place: Place) -> Wish {
    Wish { effect, kind, entry: entry.to_owned(), place, remove: false, dry_run: false, force: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sandbox::face::Screen;
    use crate::policy;
    use crate::run::hostfile;
    use crate::settings::{Layer, Layers, Locations, Scope, Source, parse};
    use std::path::Path;
    use std::sync::Arc;

    /// Answers from a list; keeps what was shown. Where the answers end the person leaves.
    #[derive(Default)]
    struct Scripted {
        answers: Vec<Option<usize>>,
        seen: Vec<Screen>,
    }

    impl Face for &mut Scripted {
        fn choose(&mut self, screen: &Screen) -> Result<Option<usize>, Out> {
            self.seen.push(screen.clone());
            if self.answers.is_empty() { Err(Out::Leave) } else { Ok(self.answers.remove(0)) }
        }

        fn line(&mut self, _: &str, _: &str) -> Result<Option<String>, Out> {
            panic!("nothing is to be typed")
        }
    }

    const MANAGED: &str = r#"{"sandbox": {"mode": "regular", "allowUnsandboxedCommands": false,
        "excludedCommands": ["vpn:*"], "network": {"allowManagedDomainsOnly": true, "allowedDomains": ["good.example"]}}}"#;

    /// What an administrator's file elsewhere says, as settings that were read.
    fn managed(home: &Path) -> Prepared {
        let path = Path::new("/elsewhere/managed-settings.json").to_path_buf();
        let source = Arc::new(Source { path, scope: Scope::Managed, text: MANAGED.into() });
        let values = parse::values(&source, &mut Vec::new()).unwrap();
        let layers = Layers {
            layers: vec![Layer { source, values, may_widen: true }],
            user_file: Some(home.join(".claude/settings.json")),
            ..Layers::default()
        };
        let locations = Locations {
            home: Some(home.into()),
            managed_dir: "/elsewhere".into(),
            cwd: home.into(),
            ..Locations::default()
        };
        let policy = policy::build(&layers, &locations).unwrap();
        Prepared { locations, layers, policy, places: hostfile::prepare(None).unwrap() }
    }

    #[test]
    fn what_the_administrator_locks_leads_to_who_locked_it_and_no_further() {
        let top = tempfile::tempdir().unwrap();
        let home = top.path().to_path_buf();
        let prepared = managed(&home);
        let caller =
            Caller { environment: Vec::new(), directory: Some(home.clone()), home: Some(home.clone()) };
        let now = Now { caller: &caller, directory: &home, last: None, terminal: false };
        let shown = |answers: &[Option<usize>], section: Section| {
            let mut face = Scripted { answers: answers.to_vec(), seen: Vec::new() };
            let mut menu = Menu { face: &mut face, now: &now, here: &caller, done: String::new() };
            menu.section(section, &prepared).unwrap();
            assert_eq!(menu.done, "");
            face.seen
        };
        for (section, line) in [(Section::Mode, "1:22"), (Section::Overrides, "1:61")] {
            for item in [0, 1] {
                let seen = shown(&[Some(item), None], section);
                let locked =
                    format!("locked by /elsewhere/managed-settings.json:{line}: ask the administrator");
                assert_eq!(seen[0].text, [locked.as_str()]);
                assert_eq!(seen[1], screens::told("locked", &locked));
                assert_eq!(seen.len(), 2);
            }
        }
        let policy = &prepared.policy;
        let first = screens::first(policy, &prepared.layers, "/w", 0);
        let about: Vec<&str> = first.items.iter().map(|item| item.about.as_str()).collect();
        assert_eq!(about[0], "regular  (locked by /elsewhere/managed-settings.json:1:22)");
        assert_eq!(about[2], "way out strict  (locked by /elsewhere/managed-settings.json:1:61)");
        let entries = standing(&prepared.layers, Effect::Allow);
        assert!(entries[0].place().is_none());
        let list = screens::list("domains", screens::ADD_DOMAINS, &entries, policy);
        let about: Vec<&str> = list.items.iter().map(|item| item.about.as_str()).collect();
        let file = "/elsewhere/managed-settings.json";
        assert_eq!(about, [&format!("locked by {file}:2:79"), "", &format!("locked by {file}:2:104")]);
        let refused = single::refusal(Single::Mode(Mode::AutoAllow), policy).unwrap();
        assert!(stop_words(&refused).contains(&format!("sandbox.mode is locked by {file}:1:22")));
    }

    #[test]
    fn an_entry_of_the_administrators_is_not_taken_out() {
        let top = tempfile::tempdir().unwrap();
        let prepared = managed(top.path());
        let caller = Caller { environment: Vec::new(), directory: None, home: None };
        let now = Now { caller: &caller, directory: top.path(), last: None, terminal: false };
        let mut face = Scripted { answers: vec![None], seen: Vec::new() };
        let mut menu = Menu { face: &mut face, now: &now, here: &caller, done: String::new() };
        menu.take_out(&standing(&prepared.layers, Effect::Exclude)[0]).unwrap();
        assert_eq!(face.seen.len(), 1);
        assert_eq!(face.seen[0].title, "locked");
    }
}
