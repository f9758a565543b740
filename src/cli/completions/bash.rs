//! Completions for bash. Owns the tables as bash reads them; what uses them is bash.sh.

use super::{HEADER, What, ends_options, pattern, places, quoted, spellings, told, value};
use crate::cli::own;
use crate::cli::table::{GLOBAL_OPTIONS, OptionRow, VERBS};
use std::fmt::Write;

/// The file for both names.
pub fn bash() -> String {
    let mut text = String::from(HEADER);
    text.push_str(
        "\n# What can stand behind the words in $1: sets `what`, and `words` with what they mean.\n",
    );
    text.push_str("_sbshctl_operand() {\n  case $1 in\n");
    for place in places() {
        let _ = writeln!(text, "    {}) {} ;;", pattern(&place), sets(&place.what));
    }
    text.push_str(
        "    *) what=nothing ;;\n  esac\n}\n\n# The options of a verb.\n_sbshctl_options() {\n  case $1 in\n",
    );
    for row in VERBS {
        let help = GLOBAL_OPTIONS.iter().filter(|option| option.long == "help");
        let _ = writeln!(text, "    {}) words=({}) ;;", row.name, options(row.options.iter().chain(help)));
    }
    let globals = options(GLOBAL_OPTIONS.iter());
    let _ = writeln!(text, "    '') words=({globals}) ;;\n    *) return ;;\n  esac\n  what=words\n}}");
    text.push_str(
        "\n# Whether the option $2 of the verb $1 takes a value: sets `what` and `words` for it.\n",
    );
    text.push_str("_sbshctl_value() {\n  case \"$1 $2\" in\n");
    for row in VERBS {
        for option in row.options.iter().filter(|option| option.value.is_some()) {
            let names: Vec<String> =
                spellings(option).iter().map(|name| quoted(&format!("{} {name}", row.name))).collect();
            let sets = value(option).map_or("what=nothing".to_owned(), |what| sets(&what));
            let _ = writeln!(text, "    {}) {sets} ;;", names.join(" | "));
        }
    }
    text.push_str(
        "    *) return 1 ;;\n  esac\n}\n\n# Verbs whose first operand begins another program's words.\n",
    );
    let verbs: Vec<&str> = VERBS.iter().filter(|row| ends_options(row)).map(|row| row.name).collect();
    let _ = writeln!(
        text,
        "_sbshctl_is_last() {{\n  case $1 in {}) ;; *) return 1 ;; esac\n}}",
        verbs.join(" | ")
    );
    let passed: Vec<String> =
        own::PASSED.iter().map(|(letter, _, about)| quoted(&format!("-{letter}:{about}"))).collect();
    let _ = writeln!(
        text,
        "\n# sbsh's own options, for the first place, and those of the inner shell.\n_sbsh_options() {{\n  what=words words=({})\n  [[ $1 != 1 ]] || words+=({})\n}}\n",
        passed.join(" "),
        options(own::OPTIONS.iter())
    );
    text.push_str(include_str!("bash.sh"));
    text
}

fn sets(what: &What) -> String {
    match what {
        What::Words(words) => {
            let words: Vec<String> = words.iter().map(|(word, about)| told(word, about)).collect();
            format!("what=words words=({})", words.join(" "))
        }
        What::Command => "what=command".to_owned(),
        What::Name => "what=name".to_owned(),
        What::Directory => "what=directory".to_owned(),
        What::File => "what=file".to_owned(),
        What::Host => "what=host".to_owned(),
        What::Variable => "what=variable".to_owned(),
    }
}

/// The long spellings; a short one is not worth a Tab.
fn options<'a>(rows: impl Iterator<Item = &'a OptionRow>) -> String {
    let words: Vec<String> = rows.map(|row| told(&format!("--{}", row.long), row.about)).collect();
    words.join(" ")
}
