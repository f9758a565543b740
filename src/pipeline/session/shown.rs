//! What the front end shows around a line: the prompt with the sandbox's mark, what terminals are told of prompts and
//! directories. Pure. What the shell says is made plain here: colours and line ends, and nothing else that a terminal obeys.

use crate::session::editor::Markers;
use crate::system::visible::visible;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

/// The mark where what is written here stays, and where nothing can be written.
const WRITABLE: &str = "\u{25c6}";
const READ_ONLY: &str = "\u{25c7}";

/// More of a prompt than this is not shown.
const MOST: usize = 16 << 10;

/// The sandbox's mark in front of the prompt: whether the present directory can be written.
pub(super) fn mark(writable: bool, colours: bool, unicode: bool) -> String {
    let sign = match (unicode, writable) {
        (true, true) => WRITABLE,
        (true, false) => READ_ONLY,
        (false, true) => "*",
        (false, false) => "-",
    };
    match (colours, writable) {
        (true, true) => format!("\u{1b}[32m{sign}\u{1b}[0m "),
        (true, false) => format!("\u{1b}[33m{sign}\u{1b}[0m "),
        (false, _) => format!("{sign} "),
    }
}

/// A prompt as the shell said it: SGR sequences and line ends stay (ECMA-48, 8.3.117), titles (OSC) and the marks that
/// readline wants around them go, everything else is shown by what it is.
pub(super) fn prompt(said: &[u8], colours: bool) -> String {
    let said = String::from_utf8_lossy(said.get(..said.len().min(MOST)).unwrap_or(said)).into_owned();
    let mut shown = String::with_capacity(said.len());
    let mut rest = said.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((length, keep)) = sequence(rest) {
            if keep && colours {
                shown.push_str(rest.get(..length).unwrap_or_default());
            }
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '\n' => shown.push('\n'),
            '\u{1}' | '\u{2}' | '\r' | '\u{7}' => {}
            '\\' => shown.push('\\'),
            ' ' => shown.push(' '),
            other => shown.push_str(&visible(other.to_string().as_bytes())),
        }
    }
    if colours && shown.contains('\u{1b}') {
        shown.push_str("\u{1b}[0m");
    }
    shown
}

/// The length of the escape sequence that the text begins with, and whether it only sets colours.
fn sequence(text: &str) -> Option<(usize, bool)> {
    if let Some(rest) = text.strip_prefix("\u{1b}[") {
        let length = rest.bytes().take_while(|byte| (0x20..0x40).contains(byte)).count();
        let last = rest.as_bytes().get(length).copied().filter(|byte| (0x40..0x7f).contains(byte))?;
        let plain =
            rest.bytes().take(length).all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
        return Some((length + 3, last == b'm' && plain));
    }
    if let Some(rest) = text.strip_prefix("\u{1b}]") {
        let end = rest.find(['\u{7}', '\u{1b}'])?;
        let closing = if rest.get(end..)?.starts_with("\u{1b}\\") { 2 } else { 1 };
        return Some((2 + end + closing, false));
    }
    // Character sets: `ESC ( B`.
    if text.starts_with("\u{1b}(") {
        return text.chars().nth(2).map(|third| (2 + third.len_utf8(), false));
    }
    None
}

/// The present directory for the terminal (OSC 7).
pub(super) fn directory(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut said = "\u{1b}]7;file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                said.push(char::from(*byte))
            }
            _ => {
                let _ = write!(said, "%{byte:02X}");
            }
        }
    }
    said.push_str("\u{1b}\\");
    said
}

/// Whose marks a terminal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Everybody's: OSC 133, semantic prompts.
    Semantic,
    /// VS Code's own: OSC 633, with the command's text.
    Code,
}

impl Marks {
    /// By the variable that names the terminal's program.
    pub(super) fn of(program: Option<&OsStr>) -> Marks {
        if program.is_some_and(|program| program == "vscode") { Marks::Code } else { Marks::Semantic }
    }

    /// Those within the prompt, which the editor writes.
    pub(super) fn in_prompt(self) -> Markers {
        match self {
            Marks::Semantic => Markers::Osc133,
            Marks::Code => Markers::Osc633,
        }
    }

    /// A command begins to write.
    pub(super) fn begins(self, line: &[u8]) -> String {
        match self {
            Marks::Semantic => "\u{1b}]133;C\u{1b}\\".to_owned(),
            // The text as VS Code wants it: what it would obey or cut at, by its number.
            Marks::Code => {
                let mut text = String::new();
                for character in String::from_utf8_lossy(line).chars() {
                    match character {
                        '\\' => text.push_str("\\\\"),
                        ';' | '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                            let _ = write!(text, "\\x{:02x}", u32::from(character));
                        }
                        other => text.push(other),
                    }
                }
                format!("\u{1b}]633;E;{text}\u{7}\u{1b}]633;C\u{7}")
            }
        }
    }

    /// A command is over.
    pub(super) fn over(self, status: i32) -> String {
        match self {
            Marks::Semantic => format!("\u{1b}]133;D;{status}\u{1b}\\"),
            Marks::Code => format!("\u{1b}]633;D;{status}\u{7}"),
        }
    }
}

/// The window's title: shown text alone.
pub(super) fn title(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    format!("\u{1b}]2;{plain}\u{1b}\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_nothing_else_is_obeyed() {
        let said = "\u{1}\u{1b}[1;32m\u{2}me\u{1b}[0m\u{1b}]0;title\u{7}:\\w\n$ \u{1b}[2J\u{1b}[6n\u{1b}]52;c;eA==\u{1b}\\\u{8}";
        assert_eq!(prompt(said.as_bytes(), true), "\u{1b}[1;32mme\u{1b}[0m:\\w\n$ \\x08\u{1b}[0m");
        assert_eq!(prompt(said.as_bytes(), false), "me:\\w\n$ \\x08");
        assert_eq!(prompt(b"\x1b", true), "\\e\u{1b}[0m".replace("\u{1b}[0m", ""));
    }

    #[test]
    fn the_text_of_a_command_cannot_leave_its_mark() {
        let said = Marks::of(Some(OsStr::new("vscode"))).begins(b"echo a;\x07b\\\nc");
        assert_eq!(said, "\u{1b}]633;E;echo a\\x3b\\x07b\\\\\\x0ac\u{7}\u{1b}]633;C\u{7}");
        assert_eq!(Marks::of(None).over(3), "\u{1b}]133;D;3\u{1b}\\");
    }

    #[test]
    fn directories_are_escaped() {
        assert_eq!(directory(Path::new("/a b/\u{e9}")), "\u{1b}]7;file:///a%20b/%C3%A9\u{1b}\\");
    }
}
