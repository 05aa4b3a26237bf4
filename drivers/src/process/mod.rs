//! A driver's process: kept running, asked over its standard input, heard over its standard output.
//!
//! It knows lines, time limits and how a process begins and ends; what is said is a [`Protocol`]'s. A question that
//! was sent is never sent again: a process that ends, or ends because of it, fails it. What is said travels through
//! the pipe only; the process's standard error goes nowhere, since nobody knows what secrets it has.

mod keeper;
mod lines;
mod running;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use self::keeper::Keeper;
use crate::{Answer, Outcome};

/// Questions that may wait for the process.
const WAITING: usize = 256;

/// What a process is asked, and how that is said in lines.
pub trait Protocol: Send + 'static {
    /// A question.
    type Question: Send + 'static;
    /// What an answer is recognised by: no two questions that the process has at a time share one.
    type Key: Ord + Copy + Send + 'static;

    /// What the driver is called in logs and failures: `authentication driver`.
    fn name(&self) -> &str;

    /// What a question is about, for logs: nothing secret.
    fn subject(&self, question: &Self::Question) -> String;

    /// The longest line of the process that is read, in bytes.
    fn longest_line(&self) -> usize;

    /// The lines of a question, each with its end.
    ///
    /// # Errors
    /// When no line can say it: the failure that the question ends in.
    fn request(&mut self, question: &Self::Question) -> Result<(Self::Key, String), String>;

    /// Understands a line of the process, whatever it is.
    fn read<'a>(&self, line: &'a str) -> Said<'a, Self::Key>;

    /// What of a text of the process may be logged, while it has the questions `in_flight`; `about` is the one that the
    /// text is about, if it is known.
    fn presentable<'a>(&self, text: &'a str, about: Option<&Self::Question>, in_flight: &[&Self::Question]) -> &'a str;
}

/// What a line of a process says.
#[derive(PartialEq, Eq, Debug)]
pub enum Said<'a, Key> {
    /// It can work, or not.
    Init(bool),
    /// The answer to a question: success or failure, with what else it says.
    Answer(Key, Result<&'a str, &'a str>),
    /// Something for the log, perhaps about a question.
    Log(Option<Key>, &'a str),
    /// Nothing of the protocol.
    Other,
}

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A process, from outside: asked, and ended by dropping it. Clones share it.
pub struct Process<P: Protocol> {
    asks: mpsc::Sender<Ask<P::Question>>,
    name: String,
}

impl<P: Protocol> Clone for Process<P> {
    fn clone(&self) -> Self {
        Process { asks: self.asks.clone(), name: self.name.clone() }
    }
}

struct Ask<Q> {
    question: Q,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

impl<P: Protocol> Process<P> {
    /// Keeps a process running from now on; the task ends in order, once every clone of this is gone.
    #[must_use]
    pub fn start(launch: Launch, protocol: P) -> (Process<P>, JoinHandle<()>) {
        let (sender, asks) = mpsc::channel(WAITING);
        let name = protocol.name().to_owned();
        let keeper = Keeper { launch, asks, protocol };
        (Process { asks: sender, name }, tokio::spawn(keeper.run()))
    }

    /// Asks the process; an answer that takes longer than `limit` is a failure.
    #[must_use]
    pub fn ask(&self, question: P::Question, limit: Duration) -> Answer<Outcome> {
        let deadline = Instant::now() + limit;
        let (answer, said) = oneshot::channel();
        let sent = self.asks.try_send(Ask { question, deadline, answer });
        let name = self.name.clone();
        Box::pin(async move {
            if sent.is_err() {
                return Err(format!("Too many wait for the {name}"));
            }
            match timeout_at(deadline, said).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(format!("The {name} ended")),
                Err(_) => Err("Request timeout".to_owned()),
            }
        })
    }
}
