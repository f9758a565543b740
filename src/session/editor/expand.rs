//! History expansion as bash has it: `!!`, `!$`, `!text`, `!?text?`, `!12`, `!-2`, `^a^b`, with words and the modifiers
//! `:h :t :r :e :s`. Pure: the lines are asked for. What is expanded is shown and edited, never run by itself.

/// Which line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The so manieth before this one.
    Back(usize),
    /// The one with this number.
    Number(i64),
    /// The last that begins so.
    Prefix(&'a str),
    /// The last with this in it.
    Part(&'a str),
}

/// The line with everything expanded; `None` if there is nothing to expand. The error is what could not be.
pub(super) fn expand(
    line: &str,
    find: &dyn Fn(Event<'_>) -> Option<String>,
) -> Result<Option<String>, String> {
    if let Some(rest) = line.strip_prefix('^') {
        return quick(rest, find).map(Some);
    }
    let mut look = Look { line, at: 0, done: String::with_capacity(line.len()), find };
    look.all().map(|any| any.then_some(look.done))
}

/// `^a^b` and `^a^b^`: the line before with the first `a` as `b`.
fn quick(rest: &str, find: &dyn Fn(Event<'_>) -> Option<String>) -> Result<String, String> {
    let failed = || format!("^{rest}: substitution failed");
    let (old, rest_of) = rest.split_once('^').ok_or_else(failed)?;
    let (new, after) = rest_of.split_once('^').unwrap_or((rest_of, ""));
    let before = find(Event::Back(1)).ok_or_else(failed)?;
    if old.is_empty() || !before.contains(old) {
        return Err(failed());
    }
    Ok(before.replacen(old, new, 1) + after)
}

struct Look<'a> {
    line: &'a str,
    at: usize,
    done: String,
    find: &'a dyn Fn(Event<'_>) -> Option<String>,
}

impl<'a> Look<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) {
        if let Some(character) = self.peek() {
            self.done.push(character);
            self.at += character.len_utf8();
        }
    }

    /// Whether anything was expanded.
    fn all(&mut self) -> Result<bool, String> {
        let (mut any, mut quote, mut at_word) = (false, None, true);
        while let Some(character) = self.peek() {
            match (quote, character) {
                (None | Some('"'), '\\') => self.take(),
                (None, '\'' | '"') => quote = Some(character),
                (Some(open), closing) if open == closing => quote = None,
                (None, '#') if at_word => {
                    while self.peek().is_some_and(|character| character != '\n') {
                        self.take();
                    }
                    continue;
                }
                (None | Some('"'), '!') if self.begins(quote) => {
                    self.one()?;
                    any = true;
                    at_word = false;
                    continue;
                }
                _ => {}
            }
            at_word = character.is_whitespace() || ";&|()".contains(character);
            self.take();
        }
        Ok(any)
    }

    /// Whether the `!` here means a line: what the shell itself needs it for is left alone.
    fn begins(&self, quote: Option<char>) -> bool {
        let before = self.line.get(..self.at).unwrap_or_default();
        if before.ends_with(['$', '[']) || before.ends_with("${") {
            return false;
        }
        let mut after = self.rest().chars().skip(1);
        match after.next() {
            None | Some(' ' | '\t' | '\n' | '=' | '(' | ';' | '&' | '|' | ')' | '<' | '>' | '\'') => false,
            Some('"') => false,
            Some(':') => after.next().is_some_and(|c| c.is_ascii_digit() || "^$*-htresgp".contains(c)),
            Some('}' | ']') if quote.is_some() => false,
            _ => true,
        }
    }

    /// One expansion, from its `!` on.
    fn one(&mut self) -> Result<(), String> {
        let start = self.at;
        self.at += 1;
        let event = self.event();
        let shown = |end: usize| self.line.get(start..end).unwrap_or_default();
        let text = event.ok_or_else(|| format!("{}: event not found", shown(self.at)))?;
        let text = self.words(text).ok_or_else(|| format!("{}: bad word specifier", shown(self.at)))?;
        let text = self.modified(text).map_err(|why| format!("{}: {why}", shown(self.at)))?;
        self.done.push_str(&text);
        Ok(())
    }

    /// The line that is named, with the place behind its name.
    fn event(&mut self) -> Option<String> {
        let rest = self.rest();
        let length = |within: fn(char) -> bool, from: usize| {
            rest.get(from..).map_or(0, |rest| rest.find(|c| !within(c)).unwrap_or(rest.len()))
        };
        match rest.chars().next()? {
            '!' => {
                self.at += 1;
                (self.find)(Event::Back(1))
            }
            '#' => {
                self.at += 1;
                Some(self.done.clone())
            }
            '^' | '$' | '*' | ':' => (self.find)(Event::Back(1)),
            '?' => {
                let text = rest.get(1..)?;
                let end = text.find(['?', '\n']).unwrap_or(text.len());
                let closed = text.get(end..).is_some_and(|rest| rest.starts_with('?'));
                self.at += 1 + end + usize::from(closed);
                (self.find)(Event::Part(text.get(..end)?))
            }
            '-' if length(|c| c.is_ascii_digit(), 1) > 0 => {
                let end = 1 + length(|c| c.is_ascii_digit(), 1);
                self.at += end;
                (self.find)(Event::Back(rest.get(1..end)?.parse().ok()?))
            }
            first if first.is_ascii_digit() => {
                let end = length(|c| c.is_ascii_digit(), 0);
                self.at += end;
                (self.find)(Event::Number(rest.get(..end)?.parse().ok()?))
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || ":^$*%-;&()|<>\"'".contains(c))
                    .filter(|end| *end > 0)
                    .unwrap_or(rest.len());
                self.at += end;
                (self.find)(Event::Prefix(rest.get(..end)?))
            }
        }
    }

    /// The words of a line that are named here; all, if none are.
    fn words(&mut self, text: String) -> Option<String> {
        let rest = self.rest();
        let named = match rest.strip_prefix(':') {
            Some(after) if after.starts_with(|c: char| c.is_ascii_digit() || "^$*-".contains(c)) => after,
            Some(_) => return Some(text),
            None if rest.starts_with(['^', '$', '*']) => rest,
            None => return Some(text),
        };
        self.at += rest.len() - named.len();
        let words = words(&text);
        let last = words.len().checked_sub(1)?;
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let place = |text: &str| -> Option<(usize, usize)> {
            match text.chars().next()? {
                '^' => Some((1, 1)),
                '$' => Some((last, 1)),
                _ => {
                    let end = digits(text);
                    Some((text.get(..end)?.parse().ok()?, end))
                }
            }
        };
        let (from, mut used) = match named.chars().next()? {
            '*' => (1, 0),
            '-' => (0, 0),
            _ => place(named)?,
        };
        let after = named.get(used..)?;
        let until = if after.starts_with('*') {
            used += 1;
            last
        } else if let Some(range) = after.strip_prefix('-') {
            used += 1;
            match place(range) {
                Some((until, more)) => {
                    used += more;
                    until
                }
                None => last.checked_sub(1)?,
            }
        } else {
            from
        };
        self.at += used;
        // `!*` of a line with one word is nothing.
        if from == last + 1 && until == last {
            return Some(String::new());
        }
        words.get(from..=until).map(|words| words.join(" "))
    }

    /// What the modifiers behind make of it.
    fn modified(&mut self, mut text: String) -> Result<String, String> {
        while let Some(rest) = self.rest().strip_prefix(':') {
            let (everywhere, rest) = rest.strip_prefix('g').map_or((false, rest), |rest| (true, rest));
            let Some(modifier) = rest.chars().next() else { break };
            let cut = |at: Option<usize>| at.and_then(|at| text.get(..at)).unwrap_or(&text).to_owned();
            let slash = text.rfind('/');
            let dot = text.rfind('.').filter(|dot| slash.is_none_or(|slash| *dot > slash));
            text = match modifier {
                'h' => cut(slash.map(|at| at.max(1))),
                't' => slash.and_then(|at| text.get(at + 1..)).unwrap_or(&text).to_owned(),
                'r' => cut(dot),
                'e' => dot.and_then(|at| text.get(at..)).unwrap_or_default().to_owned(),
                // Printed without running: that is done anyway.
                'p' => text,
                's' => {
                    let (changed, used) = substituted(&text, rest.get(1..).unwrap_or_default(), everywhere)?;
                    self.at += used;
                    changed
                }
                _ => return Err("unrecognized history modifier".to_owned()),
            };
            self.at += 2 + usize::from(everywhere);
        }
        Ok(text)
    }
}

/// `/old/new/` with any sign for `/`; what it makes of a text, and how long it is.
fn substituted(text: &str, rest: &str, everywhere: bool) -> Result<(String, usize), String> {
    let failed = || "substitution failed".to_owned();
    let sign = rest.chars().next().ok_or_else(failed)?;
    let inside = rest.get(sign.len_utf8()..).unwrap_or_default();
    let (old, behind) = inside.split_once(sign).ok_or_else(failed)?;
    let end = behind.find([sign, '\n']).unwrap_or(behind.len());
    let new = behind.get(..end).unwrap_or_default();
    if old.is_empty() || !text.contains(old) {
        return Err(failed());
    }
    let closed = behind.get(end..).is_some_and(|rest| rest.starts_with(sign));
    let used = sign.len_utf8() * (2 + usize::from(closed)) + old.len() + new.len();
    let changed = if everywhere { text.replace(old, new) } else { text.replacen(old, new, 1) };
    Ok((changed, used))
}

/// The words of a line, with their quotes; operators are words too.
fn words(line: &str) -> Vec<&str> {
    const OPERATORS: &str = ";&|<>()";
    let mut words = Vec::new();
    let mut quote = None;
    let mut start: Option<usize> = None;
    let mut in_operator = false;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        let is_operator = quote.is_none() && OPERATORS.contains(character);
        let ends = quote.is_none() && (character.is_whitespace() || is_operator != in_operator);
        if ends && let Some(begun) = start.take() {
            words.extend(line.get(begun..at));
        }
        in_operator = is_operator;
        if quote.is_none() && character.is_whitespace() {
            continue;
        }
        start.get_or_insert(at);
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), closing) if open == closing => quote = None,
            (None | Some('"'), '\\') => drop(characters.next()),
            _ => {}
        }
    }
    words.extend(start.and_then(|begun| line.get(begun..)));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: [&str; 4] =
        ["apt update", "cp /a/b.tar.gz 'c d' e", "make -j4 && echo done", "ls -l /usr/share/doc"];

    fn find(event: Event<'_>) -> Option<String> {
        let mut newest = HISTORY.iter().rev();
        match event {
            Event::Back(back) => newest.nth(back.checked_sub(1)?),
            Event::Number(number) => HISTORY.get(usize::try_from(number).ok()?.checked_sub(1)?),
            Event::Prefix(text) => newest.find(|line| line.starts_with(text)),
            Event::Part(text) => newest.find(|line| line.contains(text)),
        }
        .map(|line| (*line).to_owned())
    }

    fn expanded(line: &str) -> String {
        match expand(line, &find) {
            Ok(Some(text)) => text,
            Ok(None) => "-".to_owned(),
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn lines_are_named_by_place_number_beginning_and_part() {
        assert_eq!(expanded("sudo !!"), "sudo ls -l /usr/share/doc");
        assert_eq!(expanded("!-2; !1"), "make -j4 && echo done; apt update");
        assert_eq!(expanded("!ap -y"), "apt update -y");
        assert_eq!(expanded("!?c d? x"), "cp /a/b.tar.gz 'c d' e x");
        assert_eq!(expanded("!?j4"), "make -j4 && echo done");
        assert_eq!(expanded("a b !#"), "a b a b ");
        assert_eq!(expanded("\"!!\""), "\"ls -l /usr/share/doc\"");
    }

    #[test]
    fn words_are_named_too() {
        assert_eq!(expanded("cd !$"), "cd /usr/share/doc");
        assert_eq!(expanded("x !^ !*"), "x -l -l /usr/share/doc");
        assert_eq!(expanded("x !cp:2"), "x 'c d'");
        assert_eq!(expanded("x !cp:1-2 !cp:2* !cp:0"), "x /a/b.tar.gz 'c d' 'c d' e cp");
        assert_eq!(expanded("x !cp:- !cp:1-$"), "x cp /a/b.tar.gz 'c d' /a/b.tar.gz 'c d' e");
        assert_eq!(expanded("x !make:2-3"), "x && echo");
        assert_eq!(expanded("!:0 x"), "ls x");
        assert_eq!(expanded("x !cp:9"), "error: !cp:9: bad word specifier");
    }

    #[test]
    fn parts_of_a_path_are_taken_and_texts_replaced() {
        assert_eq!(expanded("x !cp:1:h !cp:1:t !cp:1:r !cp:1:e"), "x /a b.tar.gz /a/b.tar .gz");
        assert_eq!(expanded("!!:s/usr/opt/ x"), "ls -l /opt/share/doc x");
        assert_eq!(expanded("!!:gs/s/S/"), "lS -l /uSr/Share/doc");
        assert_eq!(expanded("!cp:p"), "cp /a/b.tar.gz 'c d' e");
        assert_eq!(expanded("^usr^opt"), "ls -l /opt/share/doc");
        assert_eq!(expanded("^usr^opt^ | wc"), "ls -l /opt/share/doc | wc");
        assert_eq!(expanded("^nothing^x"), "error: ^nothing^x: substitution failed");
        assert_eq!(expanded("!!:s/nothing/x/"), "error: !!: substitution failed");
        assert_eq!(expanded("!!:z"), "error: !!: unrecognized history modifier");
    }

    #[test]
    fn what_the_shell_needs_itself_is_left_alone() {
        for line in [
            "echo hi",
            "if ! a; then b; fi",
            "[[ a != b ]]",
            "echo '!!'",
            "echo \\!!",
            "echo $!",
            "echo ${!x}",
            "[!a]*",
            "echo \"wow!\"",
            "echo wow!",
            "!(a|b)",
            "a # !!",
            "(! a)",
            "git commit -m \"fix!: it\"",
            "echo \"a ${!x}\"",
            "",
            "a^b^c",
            "!",
        ] {
            assert_eq!(expanded(line), "-", "{line:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert_eq!(expanded("!nothing x"), "error: !nothing: event not found");
        assert_eq!(expanded("!99"), "error: !99: event not found");
        assert_eq!(expanded("!?nothing?"), "error: !?nothing?: event not found");
    }

    #[test]
    fn operators_are_words() {
        assert_eq!(
            words("a 'b;c' d&&e|f >g \\; \"x y\"z"),
            ["a", "'b;c'", "d", "&&", "e", "|", "f", ">", "g", "\\;", "\"x y\"z"]
        );
    }
}
