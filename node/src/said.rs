//! What was said last of each of several things that go on at once: so that a log says it when it changes, not each time.

use std::collections::BTreeMap;

/// What was said last, by what it was about.
#[derive(Debug, Default)]
pub struct Said(BTreeMap<String, String>);

impl Said {
    /// Whether `text` is not what was said last about `what`; from now on it is.
    pub fn changes(&mut self, what: &str, text: &str) -> bool {
        let is_new = self.0.get(what).is_none_or(|last| last != text);
        if is_new {
            self.0.insert(what.to_owned(), text.to_owned());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_say_the_same_in_turn_are_heard_once_each() {
        let mut said = Said::default();
        let turns = [("a", "down"), ("b", "late"), ("a", "down"), ("b", "late"), ("a", "late"), ("a", "down")];
        let new: Vec<bool> = turns.iter().map(|(what, text)| said.changes(what, text)).collect();
        assert_eq!(new, [true, true, false, false, true, true]);
    }
}
