//! The single entry point of mutation: apply a log entry to the state.
//!
//! Pure: no clock, no randomness, no I/O, no hash order. A refused call is a reply and changes nothing but
//! the record that it was answered. It must not ask who is leader.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::{Actor, Call, Command, Envelope, Facts, SYSTEM};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;

use crate::machine::admit::admit_entry;
use crate::machine::{change_settings, raise_level};
use crate::pools::hook;
use crate::state::State;
use crate::store_key::StoreKey;
use crate::txn::Txn;
use crate::{bootstrap, first_ids, observations, reactions, reports, sizes, table, timers, zone_time};

/// What applying an entry gave.
#[derive(Debug)]
pub struct Applied {
    /// The reply to the proposer.
    pub reply: ApiReply,
    /// The records that changed.
    pub changed: Vec<StoreKey>,
}

impl State {
    /// Applies one entry.
    pub fn apply(&mut self, envelope: &Envelope) -> Applied {
        let request = envelope.request;
        if request.client != 0
            && let Some(session) = self.session(request.client)
        {
            if let Some(reply) = session.reply(request.seq) {
                return Applied { reply, changed: Vec::new() };
            }
            if session.is_acknowledged(request.seq) {
                let reply = Err(ApiError::internal("This request was answered already"));
                return Applied { reply, changed: Vec::new() };
            }
        }
        if envelope.time > self.globals().time {
            // Not recorded as a change of its own: the clock is persisted with whatever the entry changes,
            // and the log gives it again after a restart.
            self.globals_mut().time = envelope.time;
        }
        let mut changed = Vec::new();
        let reply = match &envelope.command {
            Command::Call(call) => self.apply_call(envelope, call, &mut changed),
            Command::Report(report) => {
                self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| reports::apply(txn, report))
            }
            Command::Observed(seen) => {
                self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| observations::apply(txn, seen))
            }
            Command::Tick => self.run(None, Facts::default(), envelope.entropy, &mut changed, timers::apply),
            Command::Bootstrap(bootstrap) => {
                self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| bootstrap::apply(txn, bootstrap))
            }
            Command::SetTime(time) => {
                self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| zone_time::set(txn, *time))
            }
            Command::Servers(servers) => self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| {
                bootstrap::set_servers(txn, servers)
            }),
            Command::RaiseLevel(raise) => {
                self.run(None, Facts::default(), envelope.entropy, &mut changed, |txn| raise_level::apply(txn, raise))
            }
            Command::ChangeSettings(asked) => self
                .run(None, Facts::default(), envelope.entropy, &mut changed, |txn| change_settings::apply(txn, asked)),
        };
        if request.client != 0 {
            let now = self.globals().time;
            self.session_mut(request.client).record(request.seq, request.acked_below, now, &reply);
            changed.push(StoreKey::Session(request.client));
        }
        Applied { reply, changed }
    }

    fn apply_call(&mut self, envelope: &Envelope, call: &Call, changed: &mut Vec<StoreKey>) -> ApiReply {
        let (handler, request) = admit_entry(self, call)?;
        let before = hook::events::awaits(self, request.method.name).then(|| self.clone());
        let facts = call.facts.clone();
        let reply = self.run(Some(&call.actor), facts, envelope.entropy, changed, |txn| handler(txn, &request));
        if let Some(before) = before {
            let runs = hook::events::of_call(&before, self, &request, &reply);
            self.start_all(runs, changed);
        }
        reply
    }

    /// Records runs of hooks.
    fn start_all(&mut self, operations: Vec<Operation>, changed: &mut Vec<StoreKey>) {
        if operations.is_empty() {
            return;
        }
        let mut txn = Txn::new(self.clone(), Actor::default(), Facts::default(), [0; 32]);
        for operation in operations {
            txn.start(operation);
        }
        let (state, keys) = txn.commit();
        *self = state;
        changed.extend(keys);
    }

    /// Runs `change` in a transaction, for a caller or for the system itself. When it returns an error, all that it did
    /// is discarded, unless it asks to keep it. When it makes something larger than allowed, all is discarded too.
    fn run(
        &mut self,
        caller: Option<&Actor>,
        facts: Facts,
        entropy: [u8; 32],
        changed: &mut Vec<StoreKey>,
        change: impl FnOnce(&mut Txn) -> Result<Value, ApiError>,
    ) -> ApiReply {
        let caller_or_system = caller.cloned().unwrap_or_default();
        let mut txn = Txn::new(self.clone(), caller_or_system, facts, entropy).with_methods(table::is_method);
        let mut reply = change(&mut txn);
        let mut kept = reply.is_ok() || txn.is_kept_although_refused();
        if kept && let Err(refused) = reactions::carry_out(&mut txn) {
            (reply, kept) = (Err(refused), false);
        }
        // A refusal for size, which the reference does not know, costs no first id by itself.
        let lost = txn.lost_first_ids(!kept);
        let limited = caller.filter(|actor| actor.uid != SYSTEM && !txn.is_exempt_from_limits());
        let rolled_out: BTreeSet<i32> = txn.rolled_out().keys().copied().collect();
        let mut committed = kept.then(|| txn.commit());
        if let Some(((state, keys), actor)) = committed.as_ref().zip(limited)
            && let Err(too_large) = sizes::check(self, state, keys, actor, &rolled_out)
        {
            reply = Err(too_large);
            committed = None;
        }
        if let Some((state, keys)) = committed {
            let before = std::mem::replace(self, state);
            let first = changed.len();
            changed.extend(keys);
            if !self.pool(Kind::Hook).is_empty() {
                // Documents of the committed objects: their secrets are encrypted.
                let runs = hook::events::of_states(&before, self, changed.get(first..).unwrap_or_default());
                self.start_all(runs, changed);
            }
        }
        if first_ids::lose(self, &lost) {
            changed.push(StoreKey::Globals);
        }
        reply
    }

    /// The clients that have been silent for so long that their replies are to be forgotten.
    pub(crate) fn expired_clients(&self) -> Vec<u64> {
        let now = self.globals().time;
        self.sessions().filter(|(_, s)| s.is_expired(now)).map(|(id, _)| *id).collect()
    }
}
