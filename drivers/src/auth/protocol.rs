//! The lines that an authentication driver reads and writes: `ACTION RESULT ID PAYLOAD`.
//!
//! Pure. Bytes of the driver may be anything: a line is understood as a whole, or passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_state_machine::login::driver::AuthQuestion;

use crate::process::Said;

/// Longest line of the driver that is read; what is longer is passed over.
pub const LONGEST_LINE: usize = 64 << 10;
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

/// Understands a line.
pub fn read(line: &str) -> Said<'_, u64> {
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
        fn any_line_is_understood_or_passed_over(line in any::<String>()) {
            let said = read(&line);
            prop_assert!(line.starts_with("AUTHENTICATE ") || !matches!(said, Said::Answer(..)));
        }
    }
}
