//! Path globs as expressions of Seatbelt. Pure.
//!
//! Owns reading a glob as `fast_glob` does (which is what the policy matches with) and writing it as regular
//! expressions, whole or for paths of a certain depth. tests/seatbelt.rs holds the two to the same answers. Must not
//! know what a glob is for.

use super::regex::{self, Case};

/// Alternatives that the braces of one glob may come to.
const ALTERNATIVES: usize = 512;

/// Ways in which the `**` of one glob may share directories among each other.
const WAYS: usize = 64;

/// One glob without braces, by components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of components.
    Deep,
    Component(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    One(char),
    /// `*`
    Any,
    /// `?`
    Some,
    /// `[…]`, and whether it was `[!…]`.
    Set(Box<[bool; 256]>, bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    Item(Item),
    Slash,
    Open,
    Comma,
    Close,
}

/// How deep the paths are that an expression matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Any.
    Any,
    /// So many components.
    Exactly(usize),
    /// More than so many.
    Beyond(usize),
}

/// Too many alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The globs without braces that a glob stands for.
///
/// # Errors
/// [`TooMany`].
pub fn read(text: &str) -> Result<Vec<Glob>, TooMany> {
    let signs = signs(text);
    let all = alternatives(&signs)?;
    Ok(all.into_iter().map(|signs| components(&signs)).collect())
}

fn signs(text: &str) -> Vec<Sign> {
    let mut out = Vec::new();
    let mut braces = 0usize;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        out.push(match character {
            '/' => Sign::Slash,
            '*' => Sign::Item(Item::Any),
            '?' => Sign::Item(Item::Some),
            '[' => {
                let (set, after) = bracket(rest.as_str());
                rest = after.chars();
                Sign::Item(set)
            }
            '{' => {
                braces += 1;
                Sign::Open
            }
            ',' if braces > 0 => Sign::Comma,
            '}' if braces > 0 => {
                braces -= 1;
                Sign::Close
            }
            '\\' => Sign::Item(Item::One(rest.next().map_or('\\', meant))),
            other => Sign::Item(Item::One(other)),
        });
    }
    out
}

/// A character after a backslash.
fn meant(character: char) -> char {
    match character {
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

/// The set after a `[`, and what follows it. `fast_glob` reads bytes here.
fn bracket(text: &str) -> (Item, &str) {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    let mut index = 0;
    let negated = matches!(at(0), Some(b'!' | b'^'));
    if negated {
        index += 1;
    }
    let byte = |index: &mut usize| {
        let mut found = at(*index)?;
        if found == b'\\' {
            *index += 1;
            found = u8::try_from(meant(char::from(at(*index)?))).ok()?;
        }
        *index += 1;
        Some(found)
    };
    let mut set = [false; 256];
    let mut first = true;
    while let Some(next) = at(index).filter(|next| first || *next != b']') {
        let low = byte(&mut index).unwrap_or(next);
        let mut high = low;
        if at(index) == Some(b'-') && at(index + 1).is_some_and(|after| after != b']') {
            index += 1;
            high = byte(&mut index).unwrap_or(low);
        }
        for held in set.iter_mut().take(usize::from(high) + 1).skip(usize::from(low)) {
            *held = true;
        }
        first = false;
    }
    if negated {
        set.iter_mut().for_each(|held| *held = !*held);
    }
    (Item::Set(Box::new(set), negated), text.get(index + 1..).unwrap_or_default())
}

/// What the signs mean without braces.
fn alternatives(signs: &[Sign]) -> Result<Vec<Vec<Sign>>, TooMany> {
    let Some(open) = signs.iter().position(|sign| *sign == Sign::Open) else {
        return Ok(vec![signs.to_vec()]);
    };
    let (before, from) = signs.split_at(open);
    let mut depth = 0usize;
    let mut branches: Vec<Vec<Sign>> = vec![Vec::new()];
    let mut end = from.len();
    for (index, sign) in from.iter().enumerate() {
        match sign {
            Sign::Open => depth += 1,
            Sign::Close => depth -= 1,
            _ => {}
        }
        match sign {
            Sign::Open if depth == 1 => {}
            Sign::Close if depth == 0 => {
                end = index + 1;
                break;
            }
            Sign::Comma if depth == 1 => branches.push(Vec::new()),
            other => branches.last_mut().into_iter().for_each(|branch| branch.push(other.clone())),
        }
    }
    let after = from.get(end..).unwrap_or_default();
    let mut all = Vec::new();
    for branch in branches {
        all.extend(alternatives(&[before, &branch, after].concat())?);
        if all.len() > ALTERNATIVES {
            return Err(TooMany);
        }
    }
    Ok(all)
}

fn components(signs: &[Sign]) -> Glob {
    let any = Sign::Item(Item::Any);
    let parts = signs.split(|sign| *sign == Sign::Slash).filter(|part| !part.is_empty());
    let part = |part: &[Sign]| {
        if part == [any.clone(), any.clone()] {
            return Part::Deep;
        }
        let items = part.iter().filter_map(|sign| match sign {
            Sign::Item(item) => Some(item.clone()),
            Sign::Slash | Sign::Open | Sign::Comma | Sign::Close => None,
        });
        Part::Component(items.collect())
    };
    let mut all: Vec<Part> = parts.map(part).collect();
    all.dedup_by(|a, b| (&*a, &*b) == (&Part::Deep, &Part::Deep));
    // At the end it means at least one.
    if all.last() == Some(&Part::Deep) {
        all.push(Part::Component(vec![Item::Any]));
    }
    Glob(all)
}

impl Glob {
    /// The fewest components of what it matches.
    pub fn least(&self) -> usize {
        self.0.iter().filter(|part| **part != Part::Deep).count()
    }

    /// Whether it matches paths of different depths.
    pub fn varies(&self) -> bool {
        self.0.contains(&Part::Deep)
    }

    /// Expressions without `^` and `$` for the paths of a depth; `None` where they would be too many.
    pub fn expressions(&self, depth: Depth, case: Case) -> Option<Vec<Vec<u8>>> {
        let wanted = match depth {
            Depth::Any => return Some(self.written(&[], true, case).into_iter().collect()),
            Depth::Exactly(depth) => depth.checked_sub(self.least()),
            Depth::Beyond(depth) => Some((depth + 1).saturating_sub(self.least())),
        };
        let deep = self.0.iter().filter(|part| **part == Part::Deep).count();
        let Some(spare) = wanted.filter(|spare| deep > 0 || *spare == 0) else { return Some(Vec::new()) };
        let shares = shares(spare, deep)?;
        let open = matches!(depth, Depth::Beyond(_));
        Some(shares.iter().filter_map(|share| self.written(share, open, case)).collect())
    }

    /// With so many components for each `**`, or more where it is `open`; `None` if nothing can match.
    fn written(&self, share: &[usize], open: bool, case: Case) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut share = share.iter();
        for part in &self.0 {
            match part {
                Part::Deep => {
                    (0..share.next().copied().unwrap_or(0)).for_each(|_| out.extend_from_slice(b"/[^/]+"));
                    if open {
                        out.extend_from_slice(b"(/[^/]+)*");
                    }
                }
                Part::Component(items) => {
                    out.push(b'/');
                    for item in items {
                        match item {
                            Item::One(character) => regex::one(*character, case, &mut out),
                            Item::Any => out.extend_from_slice(b"[^/]*"),
                            Item::Some => out.extend_from_slice(b"[^/]"),
                            Item::Set(set, negated) => out.extend(regex::set(set, *negated, case)?),
                        }
                    }
                }
            }
        }
        Some(out)
    }
}

/// The ways to share so many components among so many.
fn shares(spare: usize, among: usize) -> Option<Vec<Vec<usize>>> {
    match among {
        0 => Some(vec![Vec::new()]),
        1 => Some(vec![vec![spare]]),
        _ => {
            let mut all = Vec::new();
            for own in 0..=spare {
                for rest in shares(spare - own, among - 1)? {
                    all.push([vec![own], rest].concat());
                }
                if all.len() > WAYS {
                    return None;
                }
            }
            Some(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, depth: Depth) -> Vec<String> {
        let globs = read(text).unwrap();
        let all = globs.iter().flat_map(|glob| glob.expressions(depth, Case::Exact).unwrap());
        all.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn each_sign_has_its_expression() {
        assert_eq!(written("/a/*.rs", Depth::Any), [r"/a/[^/]*\.rs"]);
        assert_eq!(written("/a/**/b?", Depth::Any), ["/a(/[^/]+)*/b[^/]"]);
        assert_eq!(written("/{a,b/{c,d}}/e", Depth::Any), ["/a/e", "/b/c/e", "/b/d/e"]);
        assert_eq!(written("/[a-c]", Depth::Any), ["/[a-c]"]);
        assert_eq!(written("/[!a]", Depth::Any), ["/(\\.|-|[\u{1}-,0-@B-`b-\u{7f}]|[^\u{1}-\u{7f}])"]);
        assert_eq!(written(r"/\*\[x\]", Depth::Any), [r"/\*\[x\]"]);
    }

    #[test]
    fn a_depth_shares_what_is_left_among_the_stars() {
        assert_eq!(written("/**/b", Depth::Exactly(1)), ["/b"]);
        assert_eq!(written("/**/b", Depth::Exactly(3)), ["/[^/]+/[^/]+/b"]);
        assert_eq!(written("/**/b", Depth::Beyond(1)), ["/[^/]+(/[^/]+)*/b"]);
        assert_eq!(written("/**/b/**/c", Depth::Exactly(3)), ["/b/[^/]+/c", "/[^/]+/b/c"]);
        assert!(written("/a/*", Depth::Exactly(3)).is_empty());
        assert!(written("/a/*", Depth::Beyond(2)).is_empty());
        assert_eq!(written("/a/*", Depth::Beyond(1)), ["/a/[^/]*"]);
    }

    #[test]
    fn braces_without_end_are_refused() {
        let text = format!("/{}", "{a,b}".repeat(10));
        assert_eq!(read(&text), Err(TooMany));
    }
}
