//! sbsh-security(7), made from SECURITY.md, so that there is one truth. Owns the small part of Markdown that is used there:
//! headings, paragraphs, lists, bold, italics, code and links. Anything else fails loudly.

use std::fmt::Write;

/// The sections of SECURITY.md that the page has, in its order. How to report and tables of single attacks are for the
/// repository.
pub const SECTIONS: &[&str] = &[
    "What is trusted, and what is not",
    "Limits in short",
    "What this version does not hold",
    "Trials: how they are held, and what is not",
    "Outside: how it is held",
    "The interactive session",
    "The audit log: what its chain shows, and what not",
    "The gatekeeper: how it is held",
    "Network: how it is held, and what is not",
];

const HEAD: &str = r#".\" Made from SECURITY.md: SBSH_UPDATE=1 cargo test --test generated
.Dd November 30, 2026
.Dt SBSH-SECURITY 7
.Os
.Sh NAME
.Nm sbsh-security
.Nd what the sandbox of sbsh holds, and what it does not
.Sh DESCRIPTION
.Xr sbsh 1
runs commands inside a boundary that the kernel enforces: files by mounts, the network by a namespace that has none, calls that
mounts cannot judge by a process outside that is asked about each.
This page says who is trusted, and what the boundary does not hold.
"#;

const TAIL: &str = r#".Sh SEE ALSO
.Xr sbsh 1 ,
.Xr sbshctl 1 ,
.Xr sbsh-settings 5 ,
.Xr namespaces 7
.Pp
.Ql sbshctl doctor
says what is enforced on this machine, and
.Ql sbshctl lint
what the settings give away.
"#;

/// The page.
pub fn page(markdown: &str) -> String {
    let mut text = HEAD.to_owned();
    for name in SECTIONS {
        let (_, rest) = markdown
            .split_once(&format!("\n## {name}\n"))
            .unwrap_or_else(|| panic!("SECURITY.md has no section '{name}'"));
        let body = rest.split("\n## ").next().unwrap_or(rest);
        let _ = write!(text, ".Sh {}\n{}", name.to_uppercase(), section(body));
    }
    text + TAIL
}

/// What a paragraph is.
#[derive(PartialEq, Clone, Copy)]
enum Shape {
    Plain,
    Bullet,
    Number,
}

fn section(body: &str) -> String {
    let mut text = String::new();
    let mut within = Shape::Plain;
    let mut first = true;
    for (shape, words) in paragraphs(body) {
        if shape != within {
            if within != Shape::Plain {
                text.push_str(".El\n");
            }
            match shape {
                Shape::Bullet => text.push_str(".Bl -bullet\n"),
                Shape::Number => text.push_str(".Bl -enum\n"),
                Shape::Plain => {}
            }
        }
        match shape {
            Shape::Plain if first => {}
            Shape::Plain => text.push_str(".Pp\n"),
            _ => text.push_str(".It\n"),
        }
        text.push_str(&roff(&words));
        (within, first) = (shape, false);
    }
    if within != Shape::Plain {
        text.push_str(".El\n");
    }
    text
}

/// Paragraphs and list items, each on one line.
fn paragraphs(body: &str) -> Vec<(Shape, String)> {
    let mut all: Vec<(Shape, String)> = Vec::new();
    let mut open = false;
    for line in body.lines() {
        assert!(!line.starts_with(['|', '#', '<', '>']) && !line.contains('\t'), "cannot be told: {line}");
        let numbered = line.split_once(". ").filter(|(front, _)| front.parse::<u32>().is_ok());
        if let Some(rest) = line.strip_prefix("- ") {
            all.push((Shape::Bullet, rest.to_owned()));
            open = true;
        } else if let Some((_, rest)) = numbered {
            all.push((Shape::Number, rest.to_owned()));
            open = true;
        } else if line.trim().is_empty() {
            open = false;
        } else if open && let Some((_, words)) = all.last_mut() {
            words.push(' ');
            words.push_str(line.trim());
        } else {
            assert!(!line.starts_with(' '), "cannot be told: {line}");
            all.push((Shape::Plain, line.to_owned()));
            open = true;
        }
    }
    all
}

/// Words of Markdown as lines of roff, one sentence a line.
fn roff(words: &str) -> String {
    let mut text = String::new();
    for sentence in sentences(&inline(words)) {
        // A control character at the start of a line would be a request.
        let guard = if sentence.starts_with(['.', '\'']) { "\\&" } else { "" };
        let _ = writeln!(text, "{guard}{sentence}");
    }
    text
}

/// Bold, italics, code and links.
fn inline(words: &str) -> String {
    let mut text = String::new();
    let mut rest = words;
    let (mut bold, mut italic) = (false, false);
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            bold = !bold;
            text.push_str(if bold { "\\fB" } else { "\\fR" });
            rest = after;
        } else if let Some((code, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            let _ = write!(
                text,
                "{}{}{}",
                if bold { "" } else { "\\fB" },
                escaped(code),
                if bold { "" } else { "\\fR" }
            );
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("](")) {
            let (_, after) =
                after.split_once(')').unwrap_or_else(|| panic!("a link without an end: {words}"));
            text.push_str(&escaped(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*') {
            italic = !italic;
            text.push_str(if italic { "\\fI" } else { "\\fR" });
            rest = after;
        } else {
            text.push_str(&escaped(&next.to_string()));
            rest = &rest[next.len_utf8()..];
        }
    }
    assert!(!bold && !italic, "left open: {words}");
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace("…", "...")
        .replace('^', "\\(ha")
        .replace('~', "\\(ti")
}

/// Cut behind the end of each sentence, and at the blank before column 110.
fn sentences(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let ends = |word: &str| {
        let word = word.trim_end_matches("\\fR");
        word.ends_with(['.', ':', '!', '?']) || word.ends_with(".)")
    };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let Some(line) = all.last_mut() else { break };
        let over = line.len() + word.len() > 110;
        if !line.is_empty() && (over || line.rsplit(' ').next().is_some_and(ends)) {
            all.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    all
}

#[test]
fn markdown_becomes_roff() {
    let page = section(
        "A `code` and *this*. More\nof it.\n\n- **One.** Two `a-b`\n  goes on.\n- .hidden\n\n1. First.\n2. Second ([text](docs/x.md)).\n\nEnd.\n",
    );
    assert_eq!(
        page,
        "A \\fBcode\\fR and \\fIthis\\fR.\nMore of it.\n.Bl -bullet\n.It\n\\fBOne.\\fR\nTwo \\fBa\\-b\\fR goes on.\n.It\n\\&.hidden\n\
         .El\n.Bl -enum\n.It\nFirst.\n.It\nSecond (text).\n.El\n.Pp\nEnd.\n"
    );
}
