//! The authentication driver's process (the reference's `one_auth_mad`, or any that speaks its lines).

use std::time::Duration;

use quorate_state_machine::login::driver::AuthQuestion;
use tokio::task::JoinHandle;

use crate::auth::Authenticator;
use crate::auth::protocol::{self, LONGEST_LINE};
use crate::auth::withhold::{Secrets, WITHHELD, presentable};
use crate::process::{Launch, Process, Protocol, Said};
use crate::{Answer, Outcome};

/// The process, from outside: asked, and ended by dropping it.
#[derive(Clone)]
pub struct AuthProcess {
    process: Process<Authentication>,
    limit: Duration,
}

impl AuthProcess {
    /// Keeps a process running from now on, whose answers may take as long as `limit`; the task ends in order, once
    /// every clone of this is gone.
    #[must_use]
    pub fn start(launch: Launch, limit: Duration) -> (AuthProcess, JoinHandle<()>) {
        let (process, task) = Process::start(launch, Authentication { last_id: 0 });
        (AuthProcess { process, limit }, task)
    }
}

impl Authenticator for AuthProcess {
    fn authenticate(&self, question: &AuthQuestion) -> Answer<Outcome> {
        self.process.ask(question.clone(), self.limit)
    }
}

/// What is said to an authentication driver.
struct Authentication {
    /// Never given twice, so that no late answer is taken for another question's.
    last_id: u64,
}

impl Protocol for Authentication {
    type Question = AuthQuestion;
    type Key = u64;

    fn name(&self) -> &str {
        "authentication driver"
    }

    fn subject(&self, question: &AuthQuestion) -> String {
        format!("user {}", question.uid)
    }

    fn longest_line(&self) -> usize {
        LONGEST_LINE
    }

    fn request(&mut self, question: &AuthQuestion) -> Result<(u64, String), String> {
        self.last_id += 1;
        let line = protocol::request(self.last_id, question);
        line.map(|line| (self.last_id, line)).ok_or_else(|| "No authentication driver can be asked this".to_owned())
    }

    fn read<'a>(&self, line: &'a str) -> Said<'a, u64> {
        protocol::read(line)
    }

    fn presentable<'a>(&self, text: &'a str, about: Option<&AuthQuestion>, in_flight: &[&AuthQuestion]) -> &'a str {
        if about.is_none() {
            // Whose secrets a text about no question might tell, nobody knows any more.
            return WITHHELD;
        }
        let secrets: Vec<Secrets> = in_flight.iter().map(|question| Secrets::of(question)).collect();
        presentable(text, &secrets)
    }
}
