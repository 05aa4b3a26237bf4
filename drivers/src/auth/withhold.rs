//! What of a driver's words may be shown in a log: nothing that gives away a part of a secret.
//!
//! Scripts of drivers are others' code, and what they say may quote what they were given.

use std::collections::BTreeSet;

use crate::auth::protocol::encoded;
use quorate_state_machine::login::driver::AuthQuestion;

/// So many equal bytes in a row are no accident.
const WINDOW: usize = 8;
/// Longest text that is shown.
const LONGEST: usize = 500;
/// What stands for a text that is not shown.
pub const WITHHELD: &str = "(withheld: it may contain a part of a secret)";

/// The secrets of a question, in the forms in which a driver meets them.
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Of a question.
    pub fn of(question: &AuthQuestion) -> Secrets {
        let mut texts = vec![question.secret.clone(), encoded(&question.secret), question.password.clone()];
        if question.uid == -1 {
            // What stands for the name may be a password typed at the wrong place.
            texts.push(question.username.clone());
        }
        let escaped = |text: &String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let in_xml: Vec<String> = texts.iter().map(escaped).collect();
        texts.extend(in_xml);
        // `-` stands for a password that is none.
        texts.retain(|text| !text.is_empty() && text != "-");
        Secrets(texts)
    }

    fn appear_in(&self, text: &str) -> bool {
        let windows: BTreeSet<&[u8]> = text.as_bytes().windows(WINDOW).collect();
        self.0.iter().any(|secret| {
            let secret = secret.as_bytes();
            let whole = secret.len() < WINDOW && text.as_bytes().windows(secret.len()).any(|w| w == secret);
            whole || secret.windows(WINDOW).any(|w| windows.contains(w))
        })
    }
}

/// The text, cut to a length for logs, or a note when it may contain a part of a secret.
pub fn presentable<'a, 'b>(text: &'a str, secrets: impl IntoIterator<Item = &'b Secrets>) -> &'a str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    let text = &text[..end.unwrap_or(0)];
    if secrets.into_iter().any(|secrets| secrets.appear_in(text)) { WITHHELD } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(uid: i32, password: &str, secret: &str) -> Secrets {
        let (driver, username) = ("ldap".to_owned(), "kim-the-user".to_owned());
        let (password, secret) = (password.to_owned(), secret.to_owned());
        Secrets::of(&AuthQuestion { uid, driver, username, password, secret, on_behalf: None })
    }

    #[test]
    fn a_text_with_a_part_of_a_secret_is_withheld() {
        let these = [secrets(2, "cn=kim,dc=org", "correct<horse"), secrets(3, "-", "pin")];
        for text in [
            "no correct<horse here",
            "the horse correct<h",
            "correct&lt;horse",
            "said Y29ycmVjdDxob3JzZQ== to me",
            "password cn=kim,dc=net",
            "spinning",
        ] {
            assert_eq!(presentable(text, &these), WITHHELD, "{text}");
        }
        for text in ["User kim-the-user not found", "Authentication driver 'x' not available", "- -", ""] {
            assert_eq!(presentable(text, &these), text);
        }
        assert_eq!(presentable("User kim-the-user not found", &[secrets(-1, "-", "secret")]), WITHHELD);
        let long = "ä".repeat(LONGEST);
        assert!(presentable(&long, &these).len() <= LONGEST);
    }
}
