//! Seatbelt's regular expressions, read and matched byte by byte. Knows only what sbsh may write and refuses the rest.

#[derive(Debug)]
pub struct Expression {
    starts: bool,
    choice: Vec<Vec<Part>>,
}

#[derive(Debug)]
struct Part {
    what: What,
    /// None at all is in order.
    none: bool,
    /// More than one is in order.
    more: bool,
}

#[derive(Debug)]
enum What {
    Byte(u8),
    Set(Box<[bool; 256]>),
    Group(Vec<Vec<Part>>),
    /// `$` as the last of a branch: Apple's own profiles have it there.
    End,
}

const SIGNS: &[u8] = b"\\^$.|?*+()[]{}";

impl Expression {
    pub fn read(bytes: &[u8]) -> Result<Expression, String> {
        let (starts, bytes) = bytes.strip_prefix(b"^").map_or((false, bytes), |rest| (true, rest));
        let mut rest = bytes;
        let choice = choice(&mut rest)?;
        match rest {
            [] => Ok(Expression { starts, choice }),
            _ => Err(format!("stray ')' in {:?}", String::from_utf8_lossy(bytes))),
        }
    }

    pub fn finds(&self, text: &[u8]) -> bool {
        assert!(text.len() < 128, "longer than the places that are kept");
        let starts = if self.starts { 1 } else { u128::MAX >> (127 - text.len()) };
        after_choice(&self.choice, text, starts) != 0
    }
}

fn choice(rest: &mut &[u8]) -> Result<Vec<Vec<Part>>, String> {
    let mut all = vec![Vec::new()];
    while let Some((first, after)) = rest.split_first() {
        let what = match first {
            b')' => break,
            b'|' => {
                all.push(Vec::new());
                *rest = after;
                continue;
            }
            b'(' => {
                *rest = after;
                let group = choice(rest)?;
                *rest = rest.strip_prefix(b")").ok_or("open group")?;
                What::Group(group)
            }
            b'[' => {
                *rest = after;
                What::Set(bracket(rest)?)
            }
            b'\\' => {
                let sign = *after.first().ok_or("a backslash at the end")?;
                if !SIGNS.contains(&sign) {
                    return Err(format!("needless backslash before {sign}"));
                }
                *rest = &after[1..];
                What::Byte(sign)
            }
            b'$' if after.first().is_none_or(|next| *next == b')' || *next == b'|') => {
                *rest = after;
                all.last_mut().unwrap().push(Part { what: What::End, none: false, more: false });
                continue;
            }
            sign if SIGNS.contains(sign) => return Err(format!("unknown use of '{}'", *sign as char)),
            byte => {
                *rest = after;
                What::Byte(*byte)
            }
        };
        let mut part = Part { what, none: false, more: false };
        if let Some((sign @ (b'*' | b'+' | b'?'), after)) = rest.split_first() {
            part.none = *sign != b'+';
            part.more = *sign != b'?';
            *rest = after;
        }
        all.last_mut().unwrap().push(part);
    }
    match all.iter().any(Vec::is_empty) {
        true => Err("an empty branch".into()),
        false => Ok(all),
    }
}

fn bracket(rest: &mut &[u8]) -> Result<Box<[bool; 256]>, String> {
    let end = rest.iter().position(|b| *b == b']').ok_or("an open bracket")?;
    let (inside, after) = rest.split_at(end);
    *rest = &after[1..];
    let (negated, mut inside) = inside.strip_prefix(b"^").map_or((false, inside), |rest| (true, rest));
    let mut set = [negated; 256];
    if inside.is_empty() {
        return Err("empty brackets".into());
    }
    while let Some((low, after)) = inside.split_first() {
        let plain = |b: &u8| b.is_ascii() && !b"\\[]^-".contains(b);
        let (high, after) = match after {
            [b'-', high, after @ ..] => (high, after),
            _ => (low, after),
        };
        if !plain(low) || !plain(high) || low > high {
            return Err(format!("doubtful brackets: {low}-{high}"));
        }
        (*low..=*high).for_each(|b| set[usize::from(b)] = !negated);
        inside = after;
    }
    Ok(Box::new(set))
}

/// Places in the text are bits.
fn after_choice(choice: &[Vec<Part>], text: &[u8], from: u128) -> u128 {
    let branch = |parts: &Vec<Part>| parts.iter().fold(from, |at, part| after(part, text, at));
    choice.iter().map(branch).fold(0, |all, one| all | one)
}

fn after(part: &Part, text: &[u8], from: u128) -> u128 {
    if from == 0 {
        return 0;
    }
    let held = |from: u128, is: &dyn Fn(u8) -> bool| {
        let mut to = 0;
        let mut left = from;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            if text.get(at).is_some_and(|byte| is(*byte)) {
                to |= 2 << at;
            }
        }
        to
    };
    let once = |from: u128| match &part.what {
        What::Group(group) => after_choice(group, text, from),
        What::End => from & 1 << text.len(),
        What::Byte(byte) => held(from, &|is| is == *byte),
        What::Set(set) => held(from, &|is| set[usize::from(is)]),
    };
    let mut all = once(from);
    let mut new = if part.more { all } else { 0 };
    while new != 0 {
        new = once(new) & !all;
        all |= new;
    }
    if part.none { all | from } else { all }
}

#[test]
fn expressions_match_as_they_say() {
    for (expression, yes, no) in [
        ("^/a$", vec!["/a"], vec!["/a/", "/ab", "x/a"]),
        ("^/a(/[^/]+)*/b$", vec!["/a/b", "/a/x/y/b"], vec!["/a//b", "/ab"]),
        ("^(/S)?/[Aa](b|cd)+$", vec!["/ab", "/S/Acdb"], vec!["/a", "/S/S/ab"]),
        ("^/a(/|$)", vec!["/a", "/a/b", "/a/"], vec!["/ab", "/b/a"]),
        (r"\.\$\(", vec![".$(", "x.$(y"], vec![".$"]),
        ("^/dev/ttys[0-9]+$", vec!["/dev/ttys012"], vec!["/dev/ttys", "/dev/ttysx"]),
    ] {
        let read = Expression::read(expression.as_bytes()).unwrap();
        yes.iter().for_each(|text| assert!(read.finds(text.as_bytes()), "{expression} {text}"));
        no.iter().for_each(|text| assert!(!read.finds(text.as_bytes()), "{expression} {text}"));
    }
}

#[test]
fn what_seatbelt_might_read_otherwise_is_refused() {
    for expression in [
        "(?i)^/a", "a^b", "a$b", "/.*", "a{2}", "(a", "a)", "[a", "[]", r"[\]]", r"\a", "a|", "()", "[é]",
        "**", "$*",
    ] {
        assert!(Expression::read(expression.as_bytes()).is_err(), "{expression}");
    }
}
