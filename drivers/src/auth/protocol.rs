//! The lines that an authentication driver reads and writes: `ACTION RESULT ID PAYLOAD`.
//!
//! Pure. Bytes of the driver may be anything: a line is understood as a whole, or passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_state_machine::login::driver::AuthQuestion;

/// First line to a driver: it answers when it can work.
pub const INIT: &[u8] = b"INIT\n";
/// Last line to a driver: it ends.
pub const FINALIZE: &[u8] = b"FINALIZE\n";
/// Longest line that is read; what is longer is passed over.
const LONGEST_LINE: usize = 64 << 10;
/// Longest secret that is passed on; certificates' chains are far shorter.
const LONGEST_SECRET: usize = 64 << 10;

/// The secret as it travels.
pub fn encoded(secret: &str) -> String {
    STANDARD.encode(secret)
}

/// The line that asks a question; `None` when no line can say it.
///
/// Drivers split lines at white space: a field with some would move those behind it, and one that is empty as well.
pub fn request(id: u64, question: &AuthQuestion) -> Option<String> {
    let AuthQuestion { uid, driver, username, password, secret, .. } = question;
    // Users of some drivers need no password.
    let password = if password.is_empty() { "-" } else { password };
    let fits = |field: &str| !field.is_empty() && !field.chars().any(|c| c.is_whitespace() || c.is_control());
    let possible = [driver, username, password].into_iter().all(fits) && (1..=LONGEST_SECRET).contains(&secret.len());
    // Two spaces, and an empty line behind: as the reference writes it.
    possible.then(|| format!("AUTHENTICATE  {id} {uid} {driver} {username} {password} {} \n\n", encoded(secret)))
}

/// What a line of the driver says.
#[derive(PartialEq, Eq, Debug)]
pub enum Said<'a> {
    /// It can work, or not.
    Init(bool),
    /// The answer to a question: a consent or a refusal with what else it says.
    Answer(u64, Result<&'a str, &'a str>),
    /// Something for the log, perhaps about a question.
    Log(Option<u64>, &'a str),
    /// Nothing of the protocol.
    Other,
}

/// Understands a line.
pub fn read(line: &str) -> Said<'_> {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (action, result, id, payload) = (word(), word(), word(), word().trim());
    let id = id.parse().ok();
    match (action, result, id) {
        ("INIT", result, _) => Said::Init(result == "SUCCESS"),
        ("AUTHENTICATE", "SUCCESS", Some(id)) => Said::Answer(id, Ok(payload)),
        ("AUTHENTICATE", _, Some(id)) => Said::Answer(id, Err(payload)),
        ("LOG", _, id) => Said::Log(id, payload),
        _ => Said::Other,
    }
}

/// Puts lines together from what a pipe delivers.
#[derive(Default)]
pub struct Lines {
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// The lines that end within `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.too_long |= self.begun.len() + text.len() > LONGEST_LINE;
            if self.too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(text);
            }
            if ends {
                if !self.too_long {
                    lines.push(String::from_utf8_lossy(&self.begun).trim_end_matches('\r').to_owned());
                }
                self.begun.clear();
                self.too_long = false;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(driver: &str, username: &str, password: &str, secret: &str) -> AuthQuestion {
        AuthQuestion {
            uid: 7,
            driver: driver.to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
            secret: secret.to_owned(),
            on_behalf: None,
        }
    }

    #[test]
    fn a_question_is_one_line_as_the_reference_writes_it() {
        let line = request(3, &question("ssh", "kim", "key", "a secret")).unwrap();
        assert_eq!(line, "AUTHENTICATE  3 7 ssh kim key YSBzZWNyZXQ= \n\n");
        let line = request(3, &question("ldap", "kim", "", "x")).unwrap();
        assert_eq!(line, "AUTHENTICATE  3 7 ldap kim - eA== \n\n");
        for (driver, name, password, secret) in [
            ("a b", "kim", "key", "x"),
            ("ssh", "", "key", "x"),
            ("ssh", "kim", "k\ney", "x"),
            ("ssh", "kim", "key", ""),
        ] {
            assert_eq!(request(3, &question(driver, name, password, secret)), None);
        }
        assert_eq!(request(3, &question("ssh", "kim", "key", &"x".repeat(LONGEST_SECRET + 1))), None);
    }

    #[test]
    fn only_success_is_a_consent_and_only_numbers_are_questions() {
        assert_eq!(read("AUTHENTICATE SUCCESS 3 ldap kim cn=kim 1"), Said::Answer(3, Ok("ldap kim cn=kim 1")));
        assert_eq!(read("AUTHENTICATE SUCCESS 3"), Said::Answer(3, Ok("")));
        assert_eq!(read("AUTHENTICATE FAILURE 3 -"), Said::Answer(3, Err("-")));
        assert_eq!(read("AUTHENTICATE success 3 -"), Said::Answer(3, Err("-")));
        assert_eq!(read("LOG I 3 two words"), Said::Log(Some(3), "two words"));
        assert_eq!(read("INIT SUCCESS - -"), Said::Init(true));
        for line in
            ["", "AUTHENTICATE", "AUTHENTICATE SUCCESS - x", "AUTHENTICATE SUCCESS -3 x", "AUTHORIZE SUCCESS 3 -"]
        {
            assert_eq!(read(line), Said::Other, "{line}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.feed(&[b'x'; 8192]).is_empty());
            assert!(lines.begun.len() <= LONGEST_LINE);
        }
        assert_eq!(lines.feed(b"x\nINIT SUCCESS\r\nLO"), ["INIT SUCCESS"]);
        assert_eq!(lines.feed(b"G\n"), ["LOG"]);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_the_driver_reads_one_question_with_its_six_fields(
            driver in "\\PC{0,4}|[a-z]{1,5}", username in any::<String>(), password in any::<String>(), secret in any::<String>(),
        ) {
            if let Some(line) = request(5, &question(&driver, &username, &password, &secret)) {
                let lines: Vec<&str> = line.split('\n').filter(|l| !l.is_empty()).collect();
                prop_assert_eq!(lines.len(), 1);
                let words: Vec<&str> = lines[0].split_whitespace().collect();
                let stored = if password.is_empty() { "-" } else { &password };
                prop_assert_eq!(&words[..6], &["AUTHENTICATE", "5", "7", &driver, &username, stored]);
                prop_assert_eq!(STANDARD.decode(words[6]).unwrap(), secret.into_bytes());
                prop_assert_eq!(words.len(), 7);
            }
        }

        #[test]
        fn any_bytes_in_any_pieces_make_the_same_lines(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), at in 0..200usize) {
            let mut whole = Lines::default();
            let expected = whole.feed(&bytes);
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut parts = Lines::default();
            let mut lines = parts.feed(a);
            lines.extend(parts.feed(b));
            prop_assert_eq!(&lines, &expected);
            for line in &lines {
                read(line);
            }
        }
    }
}
