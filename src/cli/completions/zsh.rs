//! Completions for zsh. Owns the tables as zsh reads them; what uses them is zsh.zsh.

use super::{HEADER, Place, What, ends_options, pattern, places, quoted, told, value};
use crate::cli::own;
use crate::cli::table::{GLOBAL_OPTIONS, OptionRow, VERBS, VerbRow};
use std::fmt::Write;

/// The file for both names.
pub fn zsh() -> String {
    let mut text = format!("#compdef sbsh sbshctl\n{HEADER}");
    text.push_str(
        "\n# What can stand behind the words in $1: sets `what`, and `list` with what they mean.\n",
    );
    text.push_str("_sbshctl_operand() {\n  case $1 in\n");
    let places = places();
    for place in &places {
        let _ = writeln!(text, "    {}) {} ;;", pattern(place), sets(&place.what));
    }
    text.push_str(
        "    *) what=nothing ;;\n  esac\n}\n\n# The words behind a verb, which is the first of them.\n",
    );
    text.push_str("_sbshctl_verb() {\n  case $words[1] in\n");
    for row in VERBS {
        let _ = writeln!(text, "    {}) _arguments{} ;;", row.name, specs(row, &places));
    }
    text.push_str("    *) return 1 ;;\n  esac\n}\n\n_sbshctl_globals() {\n  _arguments");
    for row in GLOBAL_OPTIONS {
        let _ = write!(text, " {}", spec(row));
    }
    text.push_str(
        "\n}\n\n# sbsh's own options, which count in the first place only, and those of the inner shell.\n",
    );
    text.push_str("_sbsh_options() {\n  local -a own=()\n  (( CURRENT > 2 )) || own=(");
    for row in own::OPTIONS {
        let _ = write!(
            text,
            " {}",
            quoted(&format!("(- : *)--{}[{}]{}", row.long, escaped(row.about), own_value(row)))
        );
    }
    text.push_str(" )\n  _arguments -s -S -A '-*' $own");
    for (letter, value, about) in own::PASSED {
        let value =
            value.map(|name| format!(":{}:_command_names -e", name.to_lowercase())).unwrap_or_default();
        let _ = write!(text, " {}", quoted(&format!("-{letter}[{}]{value}", escaped(about))));
    }
    text.push_str(" \"$@\"\n}\n\n");
    text.push_str(include_str!("zsh.zsh"));
    text
}

fn sets(what: &What) -> String {
    match what {
        What::Words(words) => {
            let words: Vec<String> = words.iter().map(|(word, about)| told(word, about)).collect();
            format!("what=words list=({})", words.join(" "))
        }
        What::Command => "what=command".to_owned(),
        other => format!("what=action action={}", quoted(action(other))),
    }
}

/// What zsh calls for one word.
fn action(what: &What) -> &'static str {
    match what {
        What::Words(_) | What::Command => "_normal",
        What::Name => "_command_names -e",
        What::Directory => "_directories",
        What::File => "_files",
        What::Host => "_hosts",
        What::Variable => "_parameters -g '*export*'",
    }
}

/// What `_arguments` is told of a verb.
fn specs(row: &VerbRow, places: &[Place]) -> String {
    // Behind the first operand of such a verb everything is another program's.
    let mut text = String::from(if ends_options(row) { " -S -A '-*'" } else { " -S" });
    for option in row.options {
        let _ = write!(text, " {}", spec(option));
    }
    text.push_str(" '(- *)--help[Show help.]'");
    let below = format!("{} ", row.name);
    let deeper = || places.iter().any(|place| place.behind.starts_with(&below));
    let operands = match places.iter().find(|place| place.behind == row.name) {
        None => String::new(),
        Some(_) if ends_options(row) => format!(" '*:: : _sbshctl_words {}'", row.name),
        Some(place) if place.again => format!(" '*: : _sbshctl_place {}'", row.name),
        Some(_) if deeper() => {
            format!(" '1: : _sbshctl_place {0}' '2: : _sbshctl_place {0} $line[1]'", row.name)
        }
        Some(_) => format!(" '1: : _sbshctl_place {}'", row.name),
    };
    text + &operands
}

/// One option: `--long`, or both its spellings, which exclude each other.
fn spec(row: &OptionRow) -> String {
    let about = escaped(row.about);
    let value =
        row.value.map(|name| format!(":{}:{}", name.to_lowercase(), of_value(row))).unwrap_or_default();
    let (long, short) = if row.value.is_some() { ("=", "+") } else { ("", "") };
    match row.short {
        None => quoted(&format!("--{}{long}[{about}]{value}", row.long)),
        Some(letter) => format!(
            "'(-{letter} --{0})'{{-{letter}{short},--{0}{long}}}{1}",
            row.long,
            quoted(&format!("[{about}]{value}"))
        ),
    }
}

fn of_value(row: &OptionRow) -> String {
    match value(row) {
        Some(What::Words(words)) => {
            let words: Vec<String> = words
                .iter()
                .map(|(word, about)| format!("{word}\\:\"{}\"", about.replace(':', "\\:")))
                .collect();
            format!("(({}))", words.join(" "))
        }
        Some(what) => action(&what).to_owned(),
        None => " ".to_owned(),
    }
}

fn own_value(row: &OptionRow) -> String {
    row.value.map(|name| format!(":{}: ", name.to_lowercase())).unwrap_or_default()
}

fn escaped(about: &str) -> String {
    about.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}
