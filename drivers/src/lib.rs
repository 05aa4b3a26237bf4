//! Everything that touches the outside: for the leader, and for any node that must know who calls.
//!
//! A driver carries out what an [`Effect`] says and says what came of it; it decides nothing and changes no state.
//! Which driver an effect is for is the [`registry`]'s to know. Today there is `dummy`, which answers as OpenNebula's
//! own dummy drivers do, and the process of the authentication driver.

pub mod auth;
pub mod dummy;
pub mod embedded;
pub mod process;
pub mod registry;

use std::future::Future;
use std::pin::Pin;

use quorate_state_machine::effect::{Effect, Message};

/// What came of an operation: the driver's payload, or its message of failure.
pub type Outcome = Result<String, String>;

/// A driver's answer on its way.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a driver knows of an operation that another leader may have had begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inspection {
    /// It has ended, with this outcome.
    Done(Outcome),
    /// It goes on outside.
    Running,
    /// It has not begun, or it ended half-way: it is to be carried out, from its beginning.
    Unknown,
}

/// Who carries effects out.
///
/// A job goes on outside whatever becomes of the node that had it begun: dropping an answer ends the waiting for it,
/// and nothing else. The leader has one operation of each target under way at a time, and never carries out one that
/// it finds in the state when it begins to lead without having it inspected.
pub trait Driver: Send + Sync + 'static {
    /// Begins the job, and waits for what comes of it. A job that an earlier operation on the same target has left
    /// outside, and that nobody could cancel, is ended first.
    fn carry_out(&self, effect: &Effect) -> Answer<Outcome>;

    /// Finds out what has become of the job, looking outside and not at what this process remembers.
    fn inspect(&self, effect: &Effect) -> Answer<Inspection>;

    /// Ends the job outside, if it goes on there; done when it does nothing any more. One that ended is left alone.
    fn cancel(&self, effect: &Effect) -> Answer<()>;

    /// Answers a question that a call asks before it is proposed. Any node may ask, more than once.
    fn ask(&self, message: &Message) -> Answer<Outcome>;
}
