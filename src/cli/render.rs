//! Help and man page, all from [`super::table`] and [`super::own`]. Pure text; owns no name of a verb or option.

use super::own;
use super::table::{self, GLOBAL_OPTIONS, OptionRow, VERBS, VerbRow};
use std::fmt::Write;

/// Text behind the lists of the general help.
const ABOUT: &str = "sbshctl looks at what sbsh does and trusts, and changes what it allows; it runs no command inside the sandbox.";

/// `sbsh --help`.
pub fn shell_help() -> String {
    let mut text = String::from(
        "Usage: sbsh [SHELL OPTIONS] [-c COMMAND [NAME [ARGUMENT...]] | SCRIPT [ARGUMENT...]]\n\n\
         A shell that runs every command inside a sandbox. Options and operands are those of the inner shell (bash, or zsh,\n\
         sh, fish when called by that name).\n\n",
    );
    options(&mut text, own::OPTIONS);
    text.push_str(
        "\n'sbshctl explain -- COMMAND' shows what would be done with a command and why; 'sbshctl status' the settings that\n\
         apply here; 'sbshctl doctor' what this machine can enforce. See sbsh(1), sbshctl(1), sbsh-settings(5).\n",
    );
    text
}

/// The help of one verb, or the list of all (also for a name that is no verb).
pub fn help(verb: Option<&str>) -> String {
    let mut text = String::new();
    let Some(row) = verb.and_then(table::verb) else {
        let _ = writeln!(text, "usage: sbshctl VERB [OPTION]... [OPERAND]...\n\n{ABOUT}\n");
        for row in VERBS {
            let _ = writeln!(text, "  {:<10} {}", row.name, row.about);
        }
        text.push('\n');
        options(&mut text, GLOBAL_OPTIONS);
        text.push_str("\n'sbshctl help VERB' tells more.\n");
        return text;
    };
    let _ = writeln!(text, "usage: {}\n", usage(row));
    for line in filled(row.details, 78) {
        let _ = writeln!(text, "{line}");
    }
    if !row.options.is_empty() {
        text.push('\n');
        options(&mut text, row.options);
    }
    text
}

fn usage(row: &VerbRow) -> String {
    let mut usage = format!("sbshctl {}", row.name);
    for option in row.options {
        let value = option.value.map(|value| format!(" {value}")).unwrap_or_default();
        let _ = write!(usage, " [--{}{value}]", option.long);
    }
    if !row.operands.is_empty() {
        let _ = write!(usage, " {}", row.operands);
    }
    usage
}

fn options(text: &mut String, rows: &[OptionRow]) {
    for row in rows {
        let short = row.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let value = row.value.map(|value| format!(" {value}")).unwrap_or_default();
        let _ = writeln!(text, "  {short}{:<18} {}", format!("--{}{value}", row.long), row.about);
    }
}

/// Words in lines of at most so many characters.
fn filled(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The whole page sbshctl(1), in mdoc.
pub fn man_page() -> String {
    format!(
        ".\\\" Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated\n\
         .Dd November 23, 2026\n.Dt SBSHCTL 1\n.Os\n\
         .Sh NAME\n.Nm sbshctl\n.Nd explain, check and change the sandbox of sbsh\n\
         .Sh SYNOPSIS\n.Nm\n.Ar verb\n.Op Ar option ...\n.Op Ar operand ...\n\
         .Sh DESCRIPTION\n.Nm\nlooks at what sbsh does and trusts, and changes what it allows.\n\
         It runs no command inside the sandbox.\nThe same verbs stand behind\n.Ic sbsh ctl .\n\
         {}\
         .Sh EXIT STATUS\n\
         0 on success, 2 if called wrongly,\n1 if\n.Ic lint\nfound something,\n126 if settings are broken or commands cannot be confined here.\n",
        man_section()
    )
}

/// The verbs and options as a part of the page.
pub fn man_section() -> String {
    let mut text = String::from(".Ss Verbs\n.Bl -tag -width Ds\n");
    for row in VERBS {
        let _ = write!(text, ".It Ic {}", row.name);
        for option in row.options {
            let _ = write!(text, " Op Fl -{}", option.long);
            if let Some(value) = option.value {
                let _ = write!(text, " Ar {}", value.to_lowercase());
            }
        }
        if !row.operands.is_empty() {
            let _ = write!(
                text,
                " Ar {}",
                row.operands
                    .to_lowercase()
                    .replace("[--] ", "")
                    .replace("...]", "]...")
                    .replace("...", " ...")
            );
        }
        text.push('\n');
        sentences(&mut text, &format!("{}.", row.about));
        sentences(&mut text, row.details);
        man_options(&mut text, row.options);
    }
    text.push_str(".El\n.Ss Options\n");
    man_options(&mut text, GLOBAL_OPTIONS);
    text
}

fn man_options(text: &mut String, rows: &[OptionRow]) {
    if rows.is_empty() {
        return;
    }
    text.push_str(".Bl -tag -width Ds\n");
    for row in rows {
        let short = row.short.map(|letter| format!("Fl {letter} , ")).unwrap_or_default();
        let value = row.value.map(|value| format!(" Ar {}", value.to_lowercase())).unwrap_or_default();
        let _ = writeln!(text, ".It {short}Fl -{}{value}", row.long);
        sentences(text, row.about);
    }
    text.push_str(".El\n");
}

/// Prose for mdoc: a sentence begins a line, and no line is taken for a request.
fn sentences(text: &mut String, prose: &str) {
    for sentence in prose.split_inclusive(". ") {
        for line in filled(&sentence.replace('\\', "\\e"), 76) {
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            let _ = writeln!(text, "{guard}{line}");
        }
    }
}
