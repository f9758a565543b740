//! The shell door: which text, script or stream will the inner shell execute.
//!
//! Owns the meaning of options and operands together; the grammars of bash, dash, zsh and fish have their own files.
//! The arguments themselves always go on unchanged; what is read here only tells the permission flow what it is
//! about. Where the inner shell surely complains and executes nothing, the answer is [`CommandInput::Nothing`] and
//! the inner shell says the error itself. A text that is not seen here is one that no rule sees, so every doubt (an
//! option of another version, more than one text) is [`CommandInput::Unknown`].

use super::inner::InnerShell;
use super::{bash, dash, fish, zsh};
use std::ffi::{OsStr, OsString};

/// sbsh as a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellInvocation {
    /// The inner shell that the name chose.
    pub inner: InnerShell,
    /// argv0 as it came.
    pub argv0: OsString,
    /// argv0 began with `-`: the inner shell's must, too. (`-l` is an argument and goes on as one.)
    pub login: bool,
    /// The arguments for the inner shell, unchanged.
    pub arguments: Vec<OsString>,
    /// What will be executed.
    pub input: CommandInput,
    /// `--report-fd`: the descriptor for the report to programs.
    pub report: Option<i32>,
}

impl ShellInvocation {
    /// The same arguments as another shell reads them: for [`InnerShell::BySetting`] once settings are known.
    pub fn read_as(mut self, inner: InnerShell) -> ShellInvocation {
        self.input = CommandInput::read(inner, &self.arguments);
        self.inner = inner;
        self
    }

    /// The same with another command text; `None` if it is not started with one.
    pub fn with_text(&self, new: &OsStr) -> Option<ShellInvocation> {
        let CommandInput::Text { text, name, interactive } = &self.input else { return None };
        let wanted =
            CommandInput::Text { text: new.to_owned(), name: name.clone(), interactive: *interactive };
        // The same text may stand among the options, too: only the right one makes the shell read this.
        let places = self.arguments.iter().enumerate().filter(|(_, argument)| *argument == text);
        places.into_iter().find_map(|(place, _)| {
            let mut arguments = self.arguments.clone();
            *arguments.get_mut(place)? = new.to_owned();
            (CommandInput::read(self.inner, &arguments) == wanted).then(|| ShellInvocation {
                arguments,
                input: wanted.clone(),
                ..self.clone()
            })
        })
    }
}

/// What the inner shell will execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandInput {
    /// `-c`.
    Text {
        /// The command text.
        text: OsString,
        /// `$0`, if one was given.
        name: Option<OsString>,
        /// `-i` was given too.
        interactive: bool,
    },
    /// A script file, as it was named (the shell may look it up on PATH).
    Script {
        /// Its name.
        path: OsString,
    },
    /// Standard input: a script, or a person if it is a terminal.
    Stdin,
    /// Standard input, and `-i` said that a person is there.
    Interactive,
    /// Nothing: the inner shell will print something or complain, and end.
    Nothing,
    /// Not certain, or more than one thing: some of these texts, in an order and number not known, and perhaps a
    /// script or standard input too. Each text is to be judged by itself; a rule that asks or denies must ask,
    /// whatever the texts are.
    Unknown {
        /// What could be a command text.
        texts: Vec<OsString>,
    },
}

impl CommandInput {
    /// Reads the arguments as the shell would.
    pub fn read(inner: InnerShell, arguments: &[OsString]) -> CommandInput {
        match inner {
            InnerShell::Bash | InnerShell::BySetting => bash::read(arguments),
            // `sh` is dash here and bash elsewhere, and this stage may not look.
            InnerShell::Sh => bash::read(arguments).or(dash::read(arguments)),
            InnerShell::Zsh => zsh::read(arguments),
            InnerShell::Fish => fish::read(arguments),
        }
    }

    /// Everything that could be a text, where an option is not known or may have taken a word.
    pub(super) fn unknown(arguments: &[OsString]) -> CommandInput {
        CommandInput::Unknown { texts: arguments.to_vec() }
    }

    /// The one or the other, by a shell that is not known.
    fn or(self, other: CommandInput) -> CommandInput {
        if self == other || other == CommandInput::Nothing {
            return self;
        }
        if self == CommandInput::Nothing {
            return other;
        }
        let mut texts = self.into_texts();
        texts.extend(other.into_texts());
        texts.dedup();
        CommandInput::Unknown { texts }
    }

    fn into_texts(self) -> Vec<OsString> {
        match self {
            CommandInput::Text { text, .. } => vec![text],
            CommandInput::Unknown { texts } => texts,
            CommandInput::Script { .. }
            | CommandInput::Stdin
            | CommandInput::Interactive
            | CommandInput::Nothing => Vec::new(),
        }
    }
}

/// What the options said, before operands are looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) command: bool,
    pub(super) stdin: bool,
    pub(super) interactive: bool,
}

impl Seen {
    /// The meaning of the operands that are left, the same in bash and zsh.
    pub(super) fn input(self, operands: &[OsString]) -> CommandInput {
        match (self.command, operands.first()) {
            (true, None) => CommandInput::Nothing,
            (true, Some(text)) => CommandInput::Text {
                text: text.clone(),
                name: operands.get(1).cloned(),
                interactive: self.interactive,
            },
            (false, Some(path)) if !self.stdin => CommandInput::Script { path: path.clone() },
            (false, _) if self.interactive => CommandInput::Interactive,
            (false, _) => CommandInput::Stdin,
        }
    }
}
