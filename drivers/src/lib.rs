//! Everything that touches the outside: for the leader, and for any node that must know who calls.
//!
//! A driver carries out a pending operation of the state and says what came of it; it decides nothing and
//! changes no state. Today: the embedded `dummy` drivers, answering as OpenNebula's own dummy drivers do, and the process
//! of the authentication driver.

pub mod auth;
pub mod dummy;
pub mod embedded;
pub mod process;

use std::future::Future;
use std::pin::Pin;

use quorate_model::pending::PendingOperation;
use quorate_state_machine::methods::Question;
use quorate_state_machine::state::State;

/// What came of an operation: the driver's payload, or its message of failure.
pub type Outcome = Result<String, String>;

/// A driver's answer on its way.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the leader's services need of drivers.
///
/// Operations may be asked for again after a failover: implementations are idempotent or check first.
pub trait Drivers: Send + Sync + 'static {
    /// Carries out one operation on the objects of `state`.
    fn carry_out(&self, state: &State, operation: &PendingOperation) -> Answer<Outcome>;
    /// Answers a question that a call needs answered before it is proposed.
    fn ask(&self, state: &State, question: &Question) -> Answer<Outcome>;
}
