//! What looks like a secret in a command's text, blotted out. Pure.
//!
//! Owns the shapes that are known: headers, options, assignments, addresses with a password, tokens that say what they
//! are. Best effort: a secret of no known shape stays, and what only looks like one goes. It decides nothing but what a
//! log shows.

/// What stands in a secret's place.
pub const BLOT: &str = "***";

/// Headers whose whole value is a secret.
const HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "private-token",
    "x-auth-token",
];

/// Ends of names whose value is a secret, without `-` and `_`.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "credentials",
];

/// Beginnings of tokens that say what they are, and how many characters must follow.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("sk-", 20),
    ("npm_", 30),
    ("eyJ", 40),
];

/// A text with everything that looks like a secret replaced by [`BLOT`].
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut at_word = true;
    while let Some(first) = rest.chars().next() {
        let found = if at_word { secret(rest) } else { None }.or_else(|| in_address(rest));
        match found {
            Some((kept, gone)) => {
                clean.push_str(rest.get(..kept).unwrap_or_default());
                clean.push_str(BLOT);
                rest = rest.get(kept + gone..).unwrap_or_default();
                at_word = false;
            }
            None => {
                clean.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                at_word = !is_name(first) && first != '-' || first == '-' && at_word;
            }
        }
    }
    clean
}

/// The same for words that stand each for itself.
pub fn redact_words(words: &[String]) -> Vec<String> {
    let mut clean = Vec::with_capacity(words.len());
    let mut is_value = false;
    for word in words {
        clean.push(match std::mem::take(&mut is_value) {
            true if !word.starts_with('-') => BLOT.to_owned(),
            _ => redact(word),
        });
        is_value = word.strip_prefix("--").is_some_and(is_secret);
    }
    clean
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether this is the name of a secret: by its end, `-` and `_` and case aside.
fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect();
    let by_end = NAMES.iter().any(|end| plain.ends_with(end));
    let upper = name.to_ascii_uppercase();
    name.is_ascii()
        && (by_end || upper.ends_with("_KEY") || upper.ends_with("_PASS") || upper.ends_with("_PAT"))
}

/// What of a text that begins with a word is kept, and what behind it is a secret, in bytes.
fn secret(text: &str) -> Option<(usize, usize)> {
    header(text).or_else(|| login(text)).or_else(|| named(text)).or_else(|| token(text))
}

/// `Authorization: Bearer …`: the scheme is kept.
fn header(text: &str) -> Option<(usize, usize)> {
    let colon = text.find(':')?;
    let name = text.get(..colon)?;
    if !HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) {
        return None;
    }
    let value = text.get(colon + 1..)?;
    let blanks = value.len() - value.trim_start_matches(' ').len();
    let value = value.get(blanks..)?;
    let length = value.find(['"', '\'', '\n']).unwrap_or(value.len());
    let value = value.get(..length)?;
    let scheme = value
        .find(' ')
        .filter(|_| value.starts_with(|c: char| c.is_ascii_alphabetic()) && !value.contains('='));
    let kept = scheme.map_or(0, |at| at + 1);
    (length > kept).then_some((colon + 1 + blanks + kept, length - kept))
}

/// `-u name:password`, as curl has it.
fn login(text: &str) -> Option<(usize, usize)> {
    let option =
        ["-u ", "--user ", "--user=", "--proxy-user "].into_iter().find(|option| text.starts_with(option))?;
    let value = text.get(option.len()..)?;
    let length = length_of_value(value);
    let colon = value.get(..length)?.find(':')?;
    // What has a blank in it is no user's name, and may hold a secret of another shape.
    if value.get(..colon)?.contains(char::is_whitespace) {
        return None;
    }
    let closing = usize::from(value.starts_with(['"', '\'']));
    let gone = length.checked_sub(colon + 1 + closing).filter(|gone| *gone > 0)?;
    Some((option.len() + colon + 1, gone))
}

/// `--password x`, `NAME_TOKEN=x`, `"secret": "x"`.
fn named(text: &str) -> Option<(usize, usize)> {
    let dashes = text.len() - text.trim_start_matches('-').len();
    let name_end = text
        .get(dashes..)?
        .find(|c: char| !is_name(c) && c != '-' && c != '.')
        .map_or(text.len(), |at| at + dashes);
    if !is_secret(text.get(dashes..name_end)?) {
        return None;
    }
    let rest = text.get(name_end..)?;
    let gap = match rest.as_bytes() {
        [b'=', ..] => 1,
        [b' ', ..] if dashes == 2 => rest.len() - rest.trim_start_matches(' ').len(),
        [b':', ..] | [b'"' | b'\'', ..] => {
            let behind = rest.strip_prefix(['"', '\'']).unwrap_or(rest).strip_prefix(':')?;
            rest.len() - behind.trim_start_matches(' ').len()
        }
        _ => return None,
    };
    let value = rest.get(gap..)?;
    let quote = usize::from(value.starts_with(['"', '\'']));
    let gone = length_of_value(value).checked_sub(2 * quote).filter(|gone| *gone > 0)?;
    let is_option = value.starts_with('-') && rest.get(..gap)?.ends_with(' ');
    // A variable's name is no secret.
    let is_name = value.get(quote..).is_some_and(|value| value.starts_with('$'));
    (!is_option && !is_name).then_some((name_end + gap + quote, gone))
}

/// Tokens that say what they are.
fn token(text: &str) -> Option<(usize, usize)> {
    let length = text.find(|c: char| !is_name(c) && c != '-' && c != '.').unwrap_or(text.len());
    let word = text.get(..length)?;
    let known = TOKENS.iter().any(|(start, most)| word.starts_with(start) && length >= start.len() + most);
    known.then_some((0, length))
}

/// `scheme://name:password@host`; without a name's password, what is as long as a token.
fn in_address(text: &str) -> Option<(usize, usize)> {
    let rest = text.strip_prefix("://")?;
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#'));
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    let user = authority.get(..authority.rfind('@')?)?;
    match user.find(':') {
        Some(colon) if colon + 1 < user.len() => Some((3 + colon + 1, user.len() - colon - 1)),
        None if user.len() >= 20 => Some((3, user.len())),
        _ => None,
    }
}

/// A quoted text with its quotes, or up to where a shell's word ends.
fn length_of_value(text: &str) -> usize {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let body = text.get(1..).unwrap_or_default();
        // One that is never closed has no second quote to keep.
        return body.find(quote).map_or(text.len() + 1, |at| at + 2);
    }
    let mut escaped = false;
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, ';' | '|' | '&' | '<' | '>' | '(' | ')' | '"' | '\'' | ',')
    };
    text.char_indices()
        .find(|(_, c)| {
            let before = escaped;
            escaped = !before && *c == '\\';
            !before && ends(*c)
        })
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_secret_is_blotted_out() {
        for (text, clean) in [
            ("curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: Bearer ***' x"),
            ("curl -H \"authorization: deadbeef\"", "curl -H \"authorization: ***\""),
            ("curl -H 'Cookie: a=b; c=d'", "curl -H 'Cookie: ***'"),
            ("mysql --password hunter2 -e x", "mysql --password *** -e x"),
            ("mysql --password='hunter 2' -e x", "mysql --password='***' -e x"),
            ("x --api-key=\"k k\" y", "x --api-key=\"***\" y"),
            ("x --token abc; ls", "x --token ***; ls"),
            ("GITHUB_TOKEN=abc make", "GITHUB_TOKEN=*** make"),
            ("export A=1 AWS_SECRET_ACCESS_KEY=ab/cd+e B=2", "export A=1 AWS_SECRET_ACCESS_KEY=*** B=2"),
            ("DEPLOY_KEY='a b' x", "DEPLOY_KEY='***' x"),
            ("PGPASSWORD=x psql", "PGPASSWORD=*** psql"),
            ("db_password=x", "db_password=***"),
            ("git clone https://me:pw@h/x", "git clone https://me:***@h/x"),
            ("git clone https://0123456789abcdef0123@h/x", "git clone https://***@h/x"),
            ("echo AKIAIOSFODNN7EXAMPLE", "echo ***"),
            ("curl -u me:secret http://h", "curl -u me:*** http://h"),
            ("curl -u 'me:se cret' http://h", "curl -u 'me:***' http://h"),
            ("echo '{\"password\": \"x\", \"a\": 1}'", "echo '{\"password\": \"***\", \"a\": 1}'"),
            ("echo ghp_0123456789abcdefghijklmnop.", "echo ***"),
        ] {
            assert_eq!(redact(text), clean);
        }
    }

    #[test]
    fn what_does_not_stays() {
        for text in [
            "ls -l --color=auto",
            "docker login --password-stdin",
            "x --token-file f --token",
            "git clone ssh://git@github.com/a/b https://h:8443/a@b",
            "export TOKEN_DIR=x KEYS=3 MONKEY=1",
            "make TOKEN=$TOKEN --password \"$P\"",
            "echo secret token password",
            "awk '{print $1}' sk-short",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn words_that_stand_for_themselves() {
        let words = ["x", "--password", "a b", "--token", "--other", "A_TOKEN=b", "k"].map(str::to_owned);
        assert_eq!(
            redact_words(&words),
            ["x", "--password", "***", "--token", "--other", "A_TOKEN=***", "k"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_or_hides_a_secret(
            before in "([^\\\\\\pC]|--password|=|:|//|@|'|\"|_TOKEN| |é|-u ){0,40}",
            behind in "([^\\\\\\pC]|--password|=|:|//|@|'|\"|_TOKEN| |é|-u ){0,40}",
        ) {
            let clean = redact(&format!("{before} --password hunter2hunter2 {behind}"));
            prop_assert!(!clean.contains("hunter2hunter2"), "{}", clean);
        }
    }
}
