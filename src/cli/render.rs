//! Help, man page section and completions, all from [`super::table`]. Pure text; owns no name of a verb or option.

use super::table::{self, GLOBAL_OPTIONS, OptionRow, VERBS, VerbRow};
use std::fmt::Write;

/// Text behind the lists of the general help.
const ABOUT: &str = "sbshctl looks at what sbsh does and trusts, and changes what it allows; it runs no command inside the sandbox.";

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

/// Completions for bash.
pub fn bash() -> String {
    let mut text = String::from(HEADER);
    text.push_str("_sbshctl() {\n  local word=${COMP_WORDS[COMP_CWORD]} words\n  COMPREPLY=()\n");
    let _ = writeln!(text, "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words='{}'", first_words());
    text.push_str("  else\n    case ${COMP_WORDS[1]} in\n");
    for row in VERBS {
        let mut words: Vec<String> = row.options.iter().map(|option| format!("--{}", option.long)).collect();
        words.push("--help".to_owned());
        words.splice(0..0, table::first_words(row.name).iter().map(|&word| word.to_owned()));
        if row.name == "help" {
            words = VERBS.iter().map(|verb| verb.name.to_owned()).collect();
        }
        let _ = writeln!(text, "      {}) words='{}' ;;", row.name, words.join(" "));
    }
    text.push_str("      *) return ;;\n    esac\n  fi\n");
    text.push_str("  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n");
    text.push_str("complete -o default -F _sbshctl sbshctl\n");
    text
}

const HEADER: &str = "# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated\n";

fn first_words() -> String {
    let verbs = VERBS.iter().map(|row| row.name.to_owned());
    let options = GLOBAL_OPTIONS.iter().map(|row| format!("--{}", row.long));
    verbs.chain(options).collect::<Vec<_>>().join(" ")
}

/// Completions for zsh.
pub fn zsh() -> String {
    let mut text = format!("#compdef sbshctl\n{HEADER}");
    text.push_str("if (( CURRENT == 2 )); then\n  local -a verbs=(\n");
    for row in VERBS {
        let _ = writeln!(text, "    {}", single_quoted(&format!("{}:{}", row.name, row.about)));
    }
    text.push_str("  )\n  _describe verb verbs\n  _arguments");
    for row in GLOBAL_OPTIONS {
        let _ = write!(text, " {}", zsh_option(row));
    }
    text.push_str("\n  return\nfi\nlocal verb=${words[2]}\nshift words\n(( CURRENT-- ))\ncase $verb in\n");
    for row in VERBS {
        let mut specs: Vec<String> = row.options.iter().map(zsh_option).collect();
        match row.name {
            "help" => {
                let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
                specs.push(format!("'1:verb:({})'", verbs.join(" ")));
            }
            "sandbox" => specs.push(format!("'1:word:({})'", table::first_words(row.name).join(" "))),
            "preset" => specs.push(format!("'*:preset:({})'", table::first_words(row.name).join(" "))),
            "import" => specs.push("'1:file:_files'".to_owned()),
            "exclude" => specs.push("'1:command:_command_names -e'".to_owned()),
            name if !table::kinds(name).is_empty() => {
                specs.push(format!("'1:what:({})' '2:which:_files'", table::kinds(name).join(" ")));
            }
            _ if !row.operands.is_empty() => specs.push("'*::command:_normal'".to_owned()),
            _ => {}
        }
        specs.push("'--help[Show help.]'".to_owned());
        let _ = writeln!(text, "  {}) _arguments {} ;;", row.name, specs.join(" "));
    }
    text.push_str("esac\n");
    text
}

fn zsh_option(row: &OptionRow) -> String {
    let about = row.about.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
    let value = row.value.map(|value| format!(":{}:_default", value.to_lowercase())).unwrap_or_default();
    single_quoted(&format!("--{}[{about}]{value}", row.long))
}

/// Completions for fish.
pub fn fish() -> String {
    let mut text = String::from(HEADER);
    let first = "__fish_use_subcommand";
    for row in VERBS {
        let about = fish_quoted(row.about);
        let _ = writeln!(text, "complete -c sbshctl -f -n {first} -a {} -d {about}", row.name);
    }
    for row in GLOBAL_OPTIONS {
        let _ = writeln!(text, "complete -c sbshctl -n {first}{}", fish_option(row));
    }
    for row in VERBS.iter().filter(|row| !table::first_words(row.name).is_empty()) {
        let words = table::first_words(row.name).join(" ");
        let condition = format!("'__fish_seen_subcommand_from {}'", row.name);
        let _ = writeln!(text, "complete -c sbshctl -n {condition} -a '{words}'");
    }
    for verb in VERBS {
        for row in verb.options {
            let condition = format!("'__fish_seen_subcommand_from {}'", verb.name);
            let _ = writeln!(text, "complete -c sbshctl -n {condition}{}", fish_option(row));
        }
    }
    text
}

fn fish_option(row: &OptionRow) -> String {
    let short = row.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let value = if row.value.is_some() { " -r" } else { "" };
    format!("{short} -l {}{value} -d {}", row.long, fish_quoted(row.about))
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
