//! What a person is offered after a line: to run it again with what it lacked, and to open the project that they entered.
//!
//! Owns when that is offered. Must not open anything that the person did not see in the question.

use super::Session;
use crate::approval::{Answer, Choice, Kind, Question};
use crate::pipeline::again::{self, MOST};
use crate::pipeline::journal::Journal;
use crate::pipeline::remember::{self, Destination, PathList};
use crate::policy::paths::escaped;
use crate::policy::{Access, root};
use crate::report;
use crate::session::inner::message::ToShell;
use crate::session::wire::{Refused, ToRun};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What makes a directory a project.
const PROJECTS: [&str; 2] = [".git", ".claude"];

/// Projects that were opened or offered already.
#[derive(Debug, Default)]
pub(super) struct Projects {
    seen: HashSet<PathBuf>,
    opened: Vec<PathBuf>,
}

impl Projects {
    /// Whether a person opened it, or a directory above.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.opened.iter().any(|opened| path.starts_with(opened))
    }
}

impl Session<'_> {
    /// Offers to run a line again that failed on what the sandbox refused without asking; whether it does.
    pub(super) fn offer_again(&mut self) -> bool {
        let calls = self.last.refused.iter().filter_map(|refused| match refused {
            Refused::Call(violation) => Some(violation.clone()),
            _ => None,
        });
        let paths = again::paths(&calls.collect::<Vec<_>>());
        if self.last.status == 0 || paths.is_empty() || paths.len() > MOST || self.again == self.last.text {
            return false;
        }
        let text = self.last.text.clone();
        let question = again::question(text.clone(), &self.directory(), &paths, &self.prepared);
        // Not twice for the same text: what a grant does not help is not helped by asking again.
        self.again.clone_from(&self.last.text);
        match question.if_offered(self.ask(&question)) {
            Answer::Grant => {
                paths.into_iter().for_each(|path| self.shell.run.send(&ToRun::Open(path)));
                self.shell.begin(&ToShell::Line(&text))
            }
            Answer::Outside => {
                let shell = super::line::as_text(self.started, &text);
                let mut journal = Journal::begin(&shell.invocation, &self.caller);
                journal.follow(&self.prepared);
                let status = self.outside(None, &text, &journal);
                self.shell.begin(&ToShell::Status(status))
            }
            _ => false,
        }
    }

    /// Offers to open the project that was entered, where the session has no working root there.
    pub(super) fn offer_project(&mut self) {
        let directory = self.directory();
        if self.can_write(&directory) {
            return;
        }
        let Some(project) = project(&directory, self.prepared.locations.home.as_deref()) else { return };
        if root::too_broad(&project, &self.prepared.locations).is_some()
            || !self.projects.seen.insert(project.clone())
            || self.prepared.policy.files.access(&project) == Access::None
        {
            return;
        }
        let question = Question::new(
            Kind::Project,
            project.as_os_str().as_encoded_bytes().to_vec(),
            &directory,
            "you entered a project, and nothing can be written there yet".into(),
            vec![Choice::Session, Choice::AlwaysUser],
        );
        let answer = question.if_offered(self.ask(&question));
        if answer == Answer::AlwaysUser {
            let text = project.to_string_lossy();
            // What would be a pattern is this one name.
            match remember::path(&escaped(&text), PathList::Write, Destination::User, &self.prepared) {
                Ok(file) => {
                    report::notice(&format!("'{text}' stands in allowWrite of '{}' now", file.display()))
                }
                Err(stop) => drop(stop.report()),
            }
        }
        if matches!(answer, Answer::Session | Answer::AlwaysUser) {
            self.shell.run.send(&ToRun::Open(project.clone()));
            self.projects.opened.push(project);
        }
    }

    /// Whether something can be written there.
    pub(super) fn can_write(&self, path: &Path) -> bool {
        self.writable.access(path) == Access::Write || self.projects.holds(path)
    }
}

/// The nearest directory above that is a project; never the home directory, nor what that lies in, nor the root.
fn project(directory: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let real = std::fs::canonicalize(directory).ok()?;
    let mut all = real.ancestors().take_while(|step| Some(*step) != home && step.parent().is_some());
    all.find(|step| PROJECTS.iter().any(|name| step.join(name).exists())).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_project_is_found_and_home_is_none() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        let home = place.join("home");
        let deep = home.join("work/a/src");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(home.join(".git")).unwrap();
        std::fs::create_dir(place.join(".git")).unwrap();
        assert_eq!(project(&deep, Some(&home)), None);
        std::fs::create_dir(home.join("work/.claude")).unwrap();
        assert_eq!(project(&deep, Some(&home)), Some(home.join("work")));
        std::fs::create_dir(home.join("work/a/.git")).unwrap();
        assert_eq!(project(&deep, Some(&home)), Some(home.join("work/a")));
    }
}
