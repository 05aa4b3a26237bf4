//! A fresh zone that tests call as clients do, without network or log.

use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Actor, Bootstrap, Call, Command, Envelope, Facts, RequestId};
use quorate_model::crypto;
use quorate_model::error::ApiError;
use quorate_model::pending::{DriverReport, Operation};
use quorate_model::raft_status::RaftStatus;
use quorate_model::records::vnet::Vnet;
use quorate_state_machine::machine::admit::{Admitted, admit};
use quorate_state_machine::methods::{Ask, View};
use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::txn::Txn;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_state_machine::{login, reactions, table};

/// The administrator's session.
pub const ADMIN: &str = "oneadmin:opennebula";
/// The time of every call.
pub const NOW: i64 = 1_700_000_000;

/// A zone in memory.
pub struct Zone {
    /// Its state.
    pub state: State,
    /// What the drivers answer to questions that calls ask before they are proposed.
    pub answer: Result<String, String>,
    /// The records that the last command said it changed.
    pub changed: Vec<StoreKey>,
    calls: u8,
}

impl Zone {
    /// A zone with nothing but its first content.
    pub fn fresh() -> Zone {
        let mut zone = Zone::of(State::new(std::sync::Arc::new(ZoneKey::for_tests())));
        zone.apply(Command::Bootstrap(first_content())).expect("bootstrap is accepted");
        zone
    }

    /// A zone in this state.
    pub fn of(state: State) -> Zone {
        Zone { state, answer: Ok("1024".to_owned()), changed: Vec::new(), calls: 0 }
    }

    /// A second zone in the same state.
    pub fn copy(&self) -> Zone {
        Zone { state: self.state.clone(), answer: self.answer.clone(), changed: Vec::new(), calls: self.calls }
    }

    /// Applies a command.
    pub fn apply(&mut self, command: Command) -> ApiReply {
        self.calls = self.calls.wrapping_add(1);
        let entropy = [self.calls; 32];
        let applied = self.state.apply(&Envelope { time: NOW, request: RequestId::default(), entropy, command });
        self.changed = applied.changed;
        applied.reply
    }

    /// Answers a call as the edge does; parameters that are left out take their defaults.
    pub fn call(&mut self, session: &str, method: &str, args: &[Arg]) -> ApiReply {
        let method = table::find(method).unwrap_or_else(|| panic!("{method} has no row"));
        let fits = |arg: Arg, _| Ok(arg);
        let args = method.arguments(args.to_vec(), fits, || ApiError::internal("Not enough parameters"))?;
        let actor = login::authenticate(&self.state, session, NOW)?;
        let view = View { state: &self.state, actor: &actor, now: NOW };
        let facts = match admit(&view, method, &args)? {
            Admitted::Read(reading, request) => return reading(&view, &request),
            Admitted::Node(reply) => return reply(&RaftStatus::SOLO),
            Admitted::Ask(Ask::Driver(question)) => question.facts(self.answer.clone()),
            Admitted::Ask(Ask::Removal(_)) | Admitted::Write => Facts::default(),
        };
        self.apply(Command::Call(Call { method: method.name.to_owned(), actor, args, facts }))
    }

    /// Reports the outcome of every pending operation that `pick` gives one; returns how many.
    pub fn report(&mut self, pick: impl Fn(&Operation) -> Option<Result<String, String>>) -> usize {
        let pending: Vec<_> = self.state.pending().values().cloned().collect();
        let answered = pending.into_iter().filter_map(|p| Some((pick(&p.operation)?, p)));
        let reports: Vec<_> =
            answered.map(|(outcome, p)| DriverReport { operation: p.id, attempt: p.attempt, outcome }).collect();
        let count = reports.len();
        for report in reports {
            self.apply(Command::Report(report)).expect("a report is accepted");
        }
        count
    }

    /// Lets the drivers do everything that is asked of them, and say nothing (base64 of `-`).
    pub fn drain(&mut self) {
        self.report(|_| Some(Ok("LQ==".to_owned())));
    }

    /// Changes the state as a handler would, for oneadmin.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Txn) -> T) -> T {
        let mut txn = Txn::new(self.state.clone(), Actor::default(), Facts::default(), [7; 32]);
        let result = change(&mut txn);
        reactions::carry_out(&mut txn).expect("the pools react");
        self.state = txn.commit().0;
        result
    }

    /// A network.
    pub fn net(&self, id: i32) -> &Vnet {
        self.state.get::<Vnet>(id).expect("the network exists").1
    }

    /// The text of a call's answer, or of its refusal.
    pub fn ask(&mut self, session: &str, method: &str, args: &[Arg]) -> String {
        match self.call(session, method, args) {
            Ok(value) => value.to_text(),
            Err(refusal) => refusal.text,
        }
    }
}

/// An integer argument.
pub fn int(n: i64) -> Arg {
    Arg::Int(n)
}

/// A text argument.
pub fn text(s: &str) -> Arg {
    Arg::Str(s.to_owned())
}

/// The first content of a zone.
#[must_use]
pub fn first_content() -> Bootstrap {
    Bootstrap {
        zone_name: "OpenNebula".to_owned(),
        endpoint: "http://localhost:2633/RPC2".to_owned(),
        oneadmin_hash: crypto::sha256_hex("opennebula"),
        datastore_location: "/var/lib/one//datastores".to_owned(),
        servers: Vec::new(),
    }
}
