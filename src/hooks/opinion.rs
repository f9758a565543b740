//! The answers of all hooks → one opinion. Pure.
//!
//! Owns the order refuse > ask > allow, and what a failure does: it is said, it refuses where the entry wants that, and
//! while any hook failed, no other's allowance counts. Two hooks that want different commands refuse.

use super::{Answer, named};
use crate::policy::HookRule;

/// What a hook says of a command, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// As an allow rule would.
    Allow,
    /// As an ask rule would.
    Ask,
    /// Not.
    Refuse,
}

/// What all hooks come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opinion {
    /// The word that counts, and which hook's (its place in the list that was given) it is.
    pub word: Option<(Word, usize)>,
    /// Why.
    pub reason: String,
    /// The command that is to run instead, and whose wish it is.
    pub command: Option<(String, usize)>,
    /// Whether one failed.
    pub failed: bool,
    /// Lines worth saying, not escaped.
    pub notices: Vec<String>,
}

/// What the answers to `command` come to, each with the hook that gave it, or how it failed.
pub fn form(command: &str, answers: &[(&HookRule, Result<Answer, String>)]) -> Opinion {
    let mut opinion = Opinion::default();
    for (at, (rule, answer)) in answers.iter().enumerate() {
        match answer {
            Ok(answer) => opinion.hear(at, rule, command, answer),
            Err(how) => {
                opinion.failed = true;
                opinion.notices.push(format!("the {} {how}", named(rule)));
                if rule.hook.must_work {
                    opinion.say(Word::Refuse, at, &format!("it {how}, and onFailure is \"block\""));
                }
            }
        }
    }
    let unclear = |at: usize| answers.get(at).is_some_and(|(rule, _)| rule.hook.unclear.is_some());
    // Whose answer is missing could have been a no; whose matcher is not understood may not have been asked.
    if let Some((Word::Allow, at)) = opinion.word
        && (opinion.failed || unclear(at))
    {
        opinion.word = None;
        opinion.reason.clear();
    }
    // An allowance is for the command that was seen, or for one's own.
    if let (Some((_, wants)), Some((Word::Allow, allows))) = (&opinion.command, opinion.word)
        && *wants != allows
    {
        opinion.word = None;
        opinion.reason.clear();
    }
    opinion
}

impl Opinion {
    fn hear(&mut self, at: usize, rule: &HookRule, command: &str, answer: &Answer) {
        self.notices.extend(answer.says.iter().map(|says| format!("the {} says: {says}", named(rule))));
        if let Some(word) = answer.word {
            self.say(word, at, &answer.reason);
        }
        let Some(wanted) = answer.command.as_ref().filter(|wanted| *wanted != command) else { return };
        match &self.command {
            Some((other, _)) if other != wanted => {
                self.say(Word::Refuse, at, "another hook wants another command to run instead");
            }
            Some(_) => {}
            None => self.command = Some((wanted.clone(), at)),
        }
    }

    /// The strictest counts, and of equals the first.
    fn say(&mut self, word: Word, at: usize, reason: &str) {
        if self.word.is_none_or(|(known, _)| word > known) {
            self.word = Some((word, at));
            self.reason = reason.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rule;
    use super::*;

    fn says(word: Word, reason: &str) -> Result<Answer, String> {
        Ok(Answer { word: Some(word), reason: reason.into(), ..Answer::default() })
    }

    fn wants(word: Option<Word>, command: &str) -> Result<Answer, String> {
        Ok(Answer { word, command: Some(command.into()), ..Answer::default() })
    }

    fn formed(answers: Vec<Result<Answer, String>>) -> Opinion {
        let rules: Vec<HookRule> = answers.iter().map(|_| rule("x")).collect();
        form("ls", &rules.iter().zip(answers).collect::<Vec<_>>())
    }

    #[test]
    fn the_strictest_word_counts_and_of_equals_the_first() {
        let opinion = formed(vec![
            says(Word::Allow, "a"),
            says(Word::Refuse, "b"),
            says(Word::Ask, "c"),
            says(Word::Refuse, "d"),
        ]);
        assert_eq!((opinion.word, opinion.reason.as_str()), (Some((Word::Refuse, 1)), "b"));
        assert_eq!(formed(vec![says(Word::Allow, "a"), says(Word::Ask, "c")]).word, Some((Word::Ask, 1)));
        assert_eq!(formed(vec![Ok(Answer::default()), says(Word::Allow, "")]).word, Some((Word::Allow, 1)));
        assert_eq!(formed(vec![Ok(Answer::default())]), Opinion::default());
    }

    #[test]
    fn a_failure_is_said_and_takes_every_allowance_and_nothing_else() {
        let failed = || Err("ended with status 1".to_owned());
        let opinion = formed(vec![says(Word::Allow, "a"), failed()]);
        assert_eq!((opinion.word, opinion.reason.as_str()), (None, ""));
        assert_eq!(opinion.notices, ["the PreToolUse hook 'x' (a file) ended with status 1"]);
        assert_eq!(formed(vec![failed(), says(Word::Ask, "")]).word, Some((Word::Ask, 1)));
        let mut strict = rule("x");
        strict.hook.must_work = true;
        assert_eq!(form("ls", &[(&strict, failed())]).word, Some((Word::Refuse, 0)));
    }

    #[test]
    fn the_allowance_of_a_hook_with_an_unclear_matcher_does_not_count() {
        let mut unclear = rule("x");
        unclear.hook.unclear = Some("(".into());
        assert_eq!(form("ls", &[(&unclear, says(Word::Allow, ""))]).word, None);
        assert_eq!(form("ls", &[(&unclear, says(Word::Refuse, ""))]).word, Some((Word::Refuse, 0)));
    }

    #[test]
    fn one_other_command_is_taken_and_two_refuse() {
        let opinion =
            formed(vec![wants(None, "ls"), wants(Some(Word::Allow), "ls -l"), wants(None, "ls -l")]);
        assert_eq!((opinion.command, opinion.word), (Some(("ls -l".into(), 1)), Some((Word::Allow, 1))));
        let opinion = formed(vec![wants(None, "a"), wants(Some(Word::Allow), "b")]);
        assert_eq!(opinion.word, Some((Word::Refuse, 1)));
        // The one allowed `ls`, the other wants something else.
        let opinion = formed(vec![says(Word::Allow, ""), wants(None, "curl evil")]);
        assert_eq!(opinion.word, None);
    }
}
