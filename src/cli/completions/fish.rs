//! Completions for fish. Owns the tables as fish reads them; what uses them is fish.fish.

use super::{HEADER, What, ends_options, places, spellings, value};
use crate::cli::own;
use crate::cli::table::{GLOBAL_OPTIONS, OptionRow, VERBS};
use std::fmt::Write;

/// The file for sbshctl.
pub fn fish_ctl() -> String {
    let mut text = String::from(HEADER);
    text.push_str("\n# What can stand behind the words, a line each.\nfunction __sbshctl_operand --no-scope-shadowing\n    switch \"$argv\"\n");
    for place in places() {
        let again = if place.again { format!(" '{} *'", place.behind) } else { String::new() };
        let _ = writeln!(
            text,
            "        case {}{again}\n            {}",
            quoted(&place.behind),
            offers(&place.what)
        );
    }
    text.push_str("    end\nend\n\n# Options that take a value.\nfunction __sbshctl_takes_value\n    contains -- \"$argv\"");
    for row in VERBS {
        for name in row.options.iter().filter(|option| option.value.is_some()).flat_map(spellings) {
            let _ = write!(text, " '{} {name}'", row.name);
        }
    }
    text.push_str("\nend\n\n# Verbs whose first operand begins another program's words.\nfunction __sbshctl_is_last\n    contains -- $argv[1]");
    for row in VERBS.iter().filter(|row| ends_options(row)) {
        let _ = write!(text, " {}", row.name);
    }
    text.push_str("\nend\n\n");
    text.push_str(include_str!("fish.fish"));
    text.push_str("complete -c sbshctl -f -a '(__sbshctl_complete)'\n");
    for row in GLOBAL_OPTIONS {
        let _ = writeln!(text, "complete -c sbshctl -n __sbshctl_is_first{}", option(row));
    }
    for verb in VERBS {
        for row in verb.options.iter().chain(GLOBAL_OPTIONS.iter().filter(|row| row.long == "help")) {
            let _ =
                writeln!(text, "complete -c sbshctl -n '__sbshctl_options_of {}'{}", verb.name, option(row));
        }
    }
    text
}

/// The file for sbsh.
pub fn fish() -> String {
    let mut text = String::from(HEADER);
    text.push_str(
        "\nfunction __sbsh_is_ctl\n    set -l words (commandline -opc)\n    test \"$words[2]\" = ctl\nend\n\n\
         function __sbsh_is_first\n    test (count (commandline -opc)) -eq 1\nend\n\n\
         # The line as sbshctl's.\nfunction __sbsh_ctl\n    set -l words (commandline -opc)\n    set -l token (commandline -ct)\n    \
         set -l before (string join ' ' -- sbshctl (string escape -- $words[3..]))\n    complete -C \"$before $token\"\nend\n\n\
         function __sbsh_name\n    set -l token (commandline -ct)\n    complete -C \" $token\"\nend\n\n",
    );
    text.push_str("complete -c sbsh -f -n __sbsh_is_ctl -a '(__sbsh_ctl)'\n");
    let _ = writeln!(
        text,
        "complete -c sbsh -n __sbsh_is_first -a {} -d 'Explain, check and change the sandbox.'",
        own::CTL
    );
    for row in own::OPTIONS {
        let _ = writeln!(text, "complete -c sbsh -n __sbsh_is_first{}", option(row));
    }
    for (letter, takes, about) in own::PASSED {
        let takes = takes.map(|_| " -x -a '(__sbsh_name)'").unwrap_or_default();
        let _ =
            writeln!(text, "complete -c sbsh -n 'not __sbsh_is_ctl' -s {letter}{takes} -d {}", quoted(about));
    }
    text
}

fn option(row: &OptionRow) -> String {
    let short = row.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let takes = match (row.value, value(row)) {
        (None, _) => String::new(),
        (Some(_), None) => " -x".to_owned(),
        (Some(_), Some(What::File)) => " -r -F".to_owned(),
        (Some(_), Some(what)) => format!(" -x -a {}", quoted(&format!("({})", offers(&what)))),
    };
    format!("{short} -l {}{takes} -d {}", row.long, quoted(row.about))
}

/// The command that prints them, each with what it means behind a tab.
fn offers(what: &What) -> String {
    match what {
        What::Words(words) => {
            let words: Vec<String> = words
                .iter()
                .map(|(word, about)| {
                    if about.is_empty() {
                        quoted(word)
                    } else {
                        format!("{}\\t{}", quoted(word), quoted(about))
                    }
                })
                .collect();
            format!("printf '%s\\n' {}", words.join(" "))
        }
        What::Command => "__sbshctl_command".to_owned(),
        What::Name => "__sbshctl_name".to_owned(),
        What::Directory => "__fish_complete_directories (commandline -ct)".to_owned(),
        What::File => "__fish_complete_path (commandline -ct)".to_owned(),
        What::Host => "__fish_print_hostnames".to_owned(),
        What::Variable => "set -nx".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
