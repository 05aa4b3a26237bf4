//! A zone in memory as the node behind a gateway.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_gateway::control::ControlPlane;
use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Call, Command, Facts};
use quorate_model::error::ApiError;
use quorate_model::raft_status::RaftStatus;
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::methods::Ask;
use quorate_state_machine::state::State;

use crate::zone::{ADMIN, NOW, Zone, text};

/// A zone of one node, and an authentication driver that knows `lee` with password `right`. Of `late` it says the same
/// after two seconds, and nothing ever of `slow`.
pub struct Plane {
    zone: Mutex<Zone>,
    /// Whether there is no majority: no write is answered.
    pub writes_hang: AtomicBool,
    /// The same of reads.
    pub reads_hang: AtomicBool,
    /// How many questions the driver was asked.
    pub asked: AtomicUsize,
    /// Whose calls were proposed.
    pub proposed: Mutex<Vec<i32>>,
}

impl Plane {
    /// A fresh zone.
    #[must_use]
    pub fn new() -> Arc<Plane> {
        Arc::new(Plane {
            zone: Mutex::new(Zone::fresh()),
            writes_hang: AtomicBool::new(false),
            reads_hang: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            proposed: Mutex::default(),
        })
    }

    /// A zone without a majority, with the users `ann` (2) and `bob` (3), who both have the password `pw`.
    #[must_use]
    pub fn stuck() -> Arc<Plane> {
        let plane = Plane::new();
        for name in ["ann", "bob"] {
            let args = [text(name), text("pw"), text("core"), Arg::Ints(Vec::new())];
            plane.zone().call(ADMIN, "one.user.allocate", &args).expect("a user");
        }
        plane.writes_hang.store(true, Ordering::Relaxed);
        plane.reads_hang.store(true, Ordering::Relaxed);
        plane
    }

    /// Its zone, which a test may change as if another node had done it.
    ///
    /// The lock must not be held while the gateway is called.
    pub fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose calls were proposed until now.
    #[must_use]
    pub fn proposed(&self) -> Vec<i32> {
        self.proposed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ControlPlane for Plane {
    fn local(&self) -> Arc<State> {
        Arc::new(self.zone().state.clone())
    }
    async fn view(&self) -> Result<Arc<State>, ApiError> {
        if self.reads_hang.load(Ordering::Relaxed) { pending().await } else { Ok(self.local()) }
    }
    async fn propose(&self, call: Call) -> ApiReply {
        self.proposed.lock().unwrap_or_else(PoisonError::into_inner).push(call.actor.uid);
        if self.writes_hang.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        self.zone().apply(Command::Call(call))
    }
    async fn ask(&self, _: &State, _: &Ask) -> Result<Facts, ApiError> {
        Err(ApiError::internal("not here"))
    }
    async fn authenticate(&self, question: &AuthQuestion) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match (question.username.as_str(), question.secret.as_str()) {
            ("slow", _) => pending().await,
            ("lee", "right") => Ok("ldap lee cn=lee".to_owned()),
            ("late", "right") => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok("ldap late cn=late".to_owned())
            }
            _ => Err("no".to_owned()),
        }
    }
    fn raft_status(&self, _: &State) -> RaftStatus {
        RaftStatus::SOLO
    }
    fn now(&self, _: &State) -> i64 {
        NOW
    }
}
