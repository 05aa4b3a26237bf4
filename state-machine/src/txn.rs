//! A transaction: the only way to change the state.
//!
//! It works on a cheap copy of the state; committing publishes the copy, dropping it leaves nothing behind.
//! It must not know any rule of the API beyond ids and unique names: rules are in `pools/` and `verbs/`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use quorate_model::announcement::Announcement;
use quorate_model::body::Variant;
use quorate_model::command::{Actor, Facts};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{Operation, PendingOperation};
use quorate_model::settings::Settings;
use quorate_model::template::Template;
use sha2::{Digest, Sha256};

use crate::budget::Budget;
use crate::first_ids::FirstIds;
use crate::secrets::{ObjectId, Sealing};
use crate::sizes;
use crate::state::{Globals, State};
use crate::store_key::StoreKey;
use crate::zone_key::NONCE;

/// A change in the making.
pub struct Txn {
    state: State,
    changed: BTreeSet<StoreKey>,
    /// Objects that are new and have not been changed since they were added.
    added: BTreeSet<StoreKey>,
    actor: Actor,
    facts: Facts,
    entropy: [u8; 32],
    drawn: u32,
    kept: bool,
    exempt: bool,
    first_ids: FirstIds,
    /// What was there before.
    before: State,
    /// Whose secrets may be copied.
    sources: BTreeSet<ObjectId>,
    /// The VMs that rollouts have changed.
    rolled_out: BTreeMap<i32, RolledOut>,
    /// What higher pools have yet to react to.
    announcements: Vec<Announcement>,
    /// Whether the API has a method of a name.
    is_method: fn(&str) -> bool,
    budget: Budget,
}

/// What rollouts have done to a VM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RolledOut {
    /// Whose it is.
    pub owner: i32,
    /// How many bytes more it takes of what its owner may have; negative: less.
    pub more: i128,
}

impl Deref for Txn {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl Txn {
    /// Begins a transaction for `actor`; `entropy` seeds [`Txn::random`].
    #[must_use]
    pub fn new(state: State, actor: Actor, facts: Facts, entropy: [u8; 32]) -> Txn {
        let budget = sizes::budget_of(&state, &actor);
        Txn {
            before: state.clone(),
            sources: BTreeSet::new(),
            state,
            changed: BTreeSet::new(),
            added: BTreeSet::new(),
            actor,
            facts,
            entropy,
            drawn: 0,
            kept: false,
            exempt: false,
            rolled_out: BTreeMap::new(),
            announcements: Vec::new(),
            is_method: |_| false,
            first_ids: FirstIds::default(),
            budget,
        }
    }

    /// The same transaction, which can tell what is the name of a method. Only the machine knows all rows, so it says so.
    #[must_use]
    pub fn with_methods(mut self, is_method: fn(&str) -> bool) -> Txn {
        self.is_method = is_method;
        self
    }

    /// Tells whether the API has a method of a name.
    #[must_use]
    pub fn methods(&self) -> fn(&str) -> bool {
        self.is_method
    }

    /// The changed state and what changed in it, the parts of changed objects included. Secrets among the changes are
    /// encrypted.
    #[must_use]
    pub fn commit(mut self) -> (State, BTreeSet<StoreKey>) {
        let mut parts = BTreeSet::new();
        for key in &self.changed {
            let StoreKey::Object(kind, id) = *key else { continue };
            // As in the reference, a new object is stored as it was made (`VirtualMachinePool.cc`: `allocate` does not
            // set the previous state, `update` does).
            if !self.added.contains(key) {
                self.state.before_commit(kind, id);
            }
            if let Some(object) = self.state.find(kind, id).cloned() {
                let sealing = Sealing { before: &self.before, sources: &self.sources, actor: &self.actor };
                let (entropy, drawn) = (&self.entropy, &mut self.drawn);
                if let Some(sealed) = sealing.of(&self.state, &object, || nonce(draw(entropy, drawn))) {
                    self.state.put(sealed);
                }
            }
            let changed = self.state.changed_parts(&self.before, kind, id);
            let before = self.before.find(kind, id).map(|object| &**object);
            self.state.measure(kind, id, before);
            parts.extend(changed.into_iter().map(|part| StoreKey::Part(kind, id, part)));
        }
        self.changed.append(&mut parts);
        (self.state, self.changed)
    }

    /// What is sealed at this object may be copied to others by this change, for the same attribute.
    pub fn inherit_secrets(&mut self, kind: Kind, id: i32) {
        self.sources.insert((kind, id));
    }

    /// Puts in clear what the caller itself has sealed at the objects that this change copies from.
    pub fn open_own_secrets(&self, kind: Kind, template: &mut Template) {
        let sealing = Sealing { before: &self.before, sources: &self.sources, actor: &self.actor };
        sealing.open_own(&self.state, kind, template);
    }

    /// Makes a change that may be refused without refusing the whole transaction: a refusal leaves nothing of it.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn attempt<T, E>(&mut self, change: impl FnOnce(&mut Txn) -> Result<T, E>) -> Result<T, E> {
        let (state, changed, kept, exempt) = (self.state.clone(), self.changed.clone(), self.kept, self.exempt);
        let (added, sources, rolled_out) = (self.added.clone(), self.sources.clone(), self.rolled_out.clone());
        let announced = self.announcements.len();
        let result = change(self);
        if result.is_err() {
            self.announcements.truncate(announced);
            self.state = state;
            self.changed = changed;
            self.added = added;
            self.sources = sources;
            self.rolled_out = rolled_out;
            self.kept = kept;
            self.exempt = exempt;
            self.first_ids.give_up(&self.state);
        }
        result
    }

    /// The call is about to be refused, but what it has done so far stays: the few methods of the reference that stop
    /// half way without undoing everything. For the last step before returning the refusal only.
    pub fn keep_although_refused(&mut self) {
        self.kept = true;
    }

    /// Whether [`Txn::keep_although_refused`] was asked for.
    #[must_use]
    pub fn is_kept_although_refused(&self) -> bool {
        self.kept
    }

    /// This change begins the end of an object: it is not refused for size, so that who has too much can get rid of it.
    /// What it adds (a state, an action's name) is gone with the object.
    pub fn exempt_from_limits(&mut self) {
        self.exempt = true;
    }

    /// Whether [`Txn::exempt_from_limits`] was asked for.
    #[must_use]
    pub fn is_exempt_from_limits(&self) -> bool {
        self.exempt
    }

    /// Tells higher pools what has happened; they react before this transaction is committed ([`crate::reactions`]).
    pub fn announce(&mut self, announcement: Announcement) {
        self.announcements.push(announcement);
    }

    /// What was announced since this was last asked, in order: for those who let the pools react.
    pub fn take_announcements(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.announcements)
    }

    /// A rollout has changed a VM: how much larger it is for its owner than before this transaction.
    pub(crate) fn note_rolled_out(&mut self, vm: i32) {
        let Some(object) = self.state.find(Kind::Vm, vm) else { return };
        let before = self.before.find(Kind::Vm, vm).map(|object| &**object);
        let was = before.map_or(0, |object| object.size.owned());
        let more = i128::from(sizes::after(before, object).owned()) - i128::from(was);
        self.rolled_out.insert(vm, RolledOut { owner: object.uid, more });
    }

    /// The VMs that rollouts have changed so far.
    #[must_use]
    pub fn rolled_out(&self) -> &BTreeMap<i32, RolledOut> {
        &self.rolled_out
    }

    /// Who calls.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What this change may still make.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What the proposer found out from drivers.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The time, unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.state.globals().time
    }

    /// Random bytes from the proposer, the same on every node.
    pub fn random(&mut self) -> [u8; 32] {
        draw(&self.entropy, &mut self.drawn)
    }

    /// The number that this request is known by in locks and history records: any below 10000, as the reference draws
    /// it
    /// (`src/rm/Request.cc`, `execute`).
    pub fn request_id(&mut self) -> i64 {
        let [low, high, ..] = self.random();
        i64::from(u16::from_le_bytes([low, high])) % 10_000
    }

    /// An object to change, or the NO_EXISTS error. Name and owner change only by [`Txn::rename`], [`Txn::chown`].
    pub fn object_mut(&mut self, kind: Kind, id: i32) -> Result<&mut Object, ApiError> {
        let key = StoreKey::Object(kind, id);
        self.changed.insert(key);
        self.added.remove(&key);
        self.state.object_mut(kind, id).ok_or_else(|| ApiError::no_exists(kind, id))
    }

    /// The typed body of an object to change, or the NO_EXISTS error.
    pub fn body_mut<B: Variant>(&mut self, id: i32) -> Result<&mut B, ApiError> {
        let object = self.object_mut(B::KIND, id)?;
        B::of_mut(&mut object.body).ok_or_else(|| ApiError::no_exists(B::KIND, id))
    }

    /// Adds an object, gives it its id and returns that. The caller has checked its name.
    pub fn insert(&mut self, mut object: Object) -> i32 {
        let kind = object.kind();
        let id = self.next_id(kind);
        object.id = id;
        self.put(object);
        id
    }

    /// Takes the next id of a kind (only a committed transaction consumes it; but see [`FirstIds`]).
    pub fn next_id(&mut self, kind: Kind) -> i32 {
        self.begin_insert(kind);
        let first = self.first_ids.first(kind);
        let next = self.globals_mut().next_ids.entry(kind).or_insert(first);
        let id = *next;
        *next += 1;
        id
    }

    /// From here on the reference would have taken an id for a new object: what refuses it after this may cost a pool
    /// its first id. Called by [`Txn::next_id`]; earlier where checks stand between.
    pub fn begin_insert(&mut self, kind: Kind) {
        self.first_ids.begin(&self.state, kind);
    }

    /// The first ids that this transaction loses to refusals; `refused`: the transaction as a whole is one.
    #[must_use]
    pub fn lost_first_ids(&self, refused: bool) -> BTreeSet<Kind> {
        self.first_ids.lost(refused)
    }

    /// Adds an object of the system with a fixed id, below the ids that new objects get.
    pub fn put_with_id(&mut self, id: i32, mut object: Object) {
        object.id = id;
        self.put(object);
    }

    /// Inserts or replaces an object whose id is set.
    pub fn put(&mut self, object: Object) {
        let key = StoreKey::Object(object.kind(), object.id);
        self.changed.insert(key);
        if self.state.find(object.kind(), object.id).is_none() {
            self.added.insert(key);
        } else {
            self.added.remove(&key);
        }
        self.state.put(object);
    }

    /// Removes an object; returns what it was.
    pub fn remove(&mut self, kind: Kind, id: i32) -> Option<Arc<Object>> {
        self.changed.insert(StoreKey::Object(kind, id));
        self.state.take(kind, id)
    }

    /// Gives an object another name.
    pub fn rename(&mut self, kind: Kind, id: i32, name: &str) -> Result<(), ApiError> {
        let mut object = Object::clone(self.state.object(kind, id)?);
        name.clone_into(&mut object.name);
        self.put(object);
        Ok(())
    }

    /// Gives an object another owner and group (-1 keeps), with their names.
    pub fn chown(&mut self, kind: Kind, id: i32, uid: i32, gid: i32) -> Result<(), ApiError> {
        let mut object = Object::clone(self.state.object(kind, id)?);
        if uid >= 0 {
            object.uid = uid;
            object.uname = self.state.object(Kind::User, uid)?.name.clone();
        }
        if gid >= 0 {
            object.gid = gid;
            object.gname = self.state.object(Kind::Group, gid)?.name.clone();
        }
        self.put(object);
        Ok(())
    }

    /// What there is one of, to change.
    pub fn globals_mut(&mut self) -> &mut Globals {
        self.changed.insert(StoreKey::Globals);
        self.state.globals_mut()
    }

    /// Replaces the replicated configuration.
    pub fn set_settings(&mut self, settings: Settings) {
        self.changed.insert(StoreKey::Settings);
        self.state.set_settings(settings);
    }

    /// Records an operation for the leader to carry out; returns its id.
    pub fn start(&mut self, operation: Operation) -> u64 {
        let since = self.now();
        let globals = self.globals_mut();
        globals.next_operation += 1;
        let id = globals.next_operation;
        self.changed.insert(StoreKey::Pending(id));
        self.state.pending_mut().insert(id, Arc::new(PendingOperation { id, attempt: 1, since, operation }));
        id
    }

    /// Asks for a pending operation once more: earlier reports no longer count.
    pub fn restart(&mut self, id: u64) {
        if let Some(pending) = self.state.pending_mut().get_mut(&id) {
            Arc::make_mut(pending).attempt += 1;
            self.changed.insert(StoreKey::Pending(id));
        }
    }

    /// Forgets a pending operation (it was reported, or nobody waits for it any more).
    pub fn finish(&mut self, id: u64) -> Option<Arc<PendingOperation>> {
        let pending = self.state.pending_mut().remove(&id)?;
        self.changed.insert(StoreKey::Pending(id));
        Some(pending)
    }

    /// Forgets the recent replies of a client.
    pub fn forget_client(&mut self, client: u64) {
        self.changed.insert(StoreKey::Session(client));
        self.state.remove_session(client);
    }

    /// The zone's time is set to `time`, unix seconds, which is so many seconds later (negative: earlier): recent
    /// replies
    /// are kept for as long as they would have been.
    pub fn shift_clients(&mut self, seconds: i64, time: i64) {
        self.changed.extend(self.state.shift_clients(seconds, time).into_iter().map(StoreKey::Session));
    }

    /// Forgets every pending operation that `matching` picks.
    pub fn cancel(&mut self, matching: impl Fn(&Operation) -> bool) {
        let ids: Vec<u64> = self.state.pending().values().filter(|p| matching(&p.operation)).map(|p| p.id).collect();
        for id in ids {
            self.finish(id);
        }
    }
}

/// The next random bytes that come of `entropy`, of which `drawn` have been drawn.
fn draw(entropy: &[u8; 32], drawn: &mut u32) -> [u8; 32] {
    *drawn += 1;
    let mut hash = Sha256::new();
    hash.update(entropy);
    hash.update(drawn.to_be_bytes());
    hash.finalize().into()
}

fn nonce(random: [u8; 32]) -> [u8; NONCE] {
    std::array::from_fn(|i| random[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_attempt_keeps_nothing_not_even_its_wish_to_keep() {
        let mut txn = Txn::new(State::default(), Actor::default(), Facts::default(), [0; 32]);
        let refused: Result<(), ()> = txn.attempt(|txn| {
            txn.globals_mut().time = 7;
            txn.keep_although_refused();
            txn.announce(Announcement::HostLost { host: 0 });
            Err(())
        });
        assert_eq!(txn.take_announcements(), []);
        assert!(refused.is_err() && !txn.is_kept_although_refused());
        assert_eq!(txn.now(), 0);
    }

    #[test]
    fn a_refused_attempt_leaves_no_source_of_secrets() {
        let mut txn = Txn::new(State::default(), Actor::default(), Facts::default(), [0; 32]);
        txn.inherit_secrets(Kind::Template, 1);
        let refused: Result<(), ()> = txn.attempt(|txn| {
            txn.inherit_secrets(Kind::Template, 2);
            Err(())
        });
        assert!(refused.is_err());
        assert_eq!(txn.sources, BTreeSet::from([(Kind::Template, 1)]));
    }
}
