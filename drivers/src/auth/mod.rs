//! Authentication by a driver outside: who is asked about users of `ssh`, `x509`, `ldap` and custom drivers.
//!
//! It passes questions and answers on; what a session is and what a consent means is
//! [`quorate_state_machine::login`]'s. It must not log any part of a secret, nor put one on a command line.

pub mod process;
mod protocol;
mod withhold;

use quorate_state_machine::login::driver::AuthQuestion;

use crate::{Answer, Outcome};

/// Whoever knows the users of other authentication drivers.
///
/// Asked by the node that was called, not only by the leader; the answer may be kept for a while.
pub trait Authenticator: Send + Sync + 'static {
    /// Whether the driver consents: what it says about the user, or why it refuses.
    fn authenticate(&self, question: &AuthQuestion) -> Answer<Outcome>;
}
