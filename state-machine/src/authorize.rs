//! Who may do what: one pure function of state, actor and requests, with the reference's refusal texts.
//!
//! It must not know methods: a method's row or handler says which requests it makes.

use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::{Op, Standing};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::vm_operations;

use crate::rules::{self, Granted, Subject};
use crate::state::{Pooled, State};
use crate::txn::Txn;

/// A wish to do something with an object.
#[derive(Clone, Debug)]
pub struct Request {
    /// What.
    pub op: Op,
    /// With what.
    pub subject: Subject,
    /// Whether a lock on the object is looked over (the reference's `*_NO_LCK`).
    pub ignore_lock: bool,
}

impl Request {
    /// `op` on an existing object.
    #[must_use]
    pub fn on(object: &Object, op: Op) -> Request {
        Request { op, subject: Subject::of(object), ignore_lock: false }
    }
    /// The same, whatever lock the object has.
    #[must_use]
    pub fn ignoring_lock(mut self) -> Request {
        self.ignore_lock = true;
        self
    }
    /// CREATE of an object of `kind` that will belong to `uid` and `gid`.
    #[must_use]
    pub fn create(kind: Kind, uid: i32, gid: i32) -> Request {
        Request { op: Op::Create, subject: Subject::pool(kind, uid, gid), ignore_lock: false }
    }
    /// `op` on a pool as a whole.
    #[must_use]
    pub fn on_pool(kind: Kind, op: Op) -> Request {
        Request { op, subject: Subject::pool(kind, -1, -1), ignore_lock: false }
    }
    fn denied(&self) -> String {
        let name = self.subject.kind.info().auth_name;
        let id = if self.subject.id >= 0 { format!(" [{}]", self.subject.id) } else { String::new() };
        format!("Not authorized to perform {} {name}{id}", self.op.name())
    }
}

impl Txn {
    /// Refuses unless the actor may do all of `requests`.
    ///
    /// # Errors
    /// Those of [`authorize`].
    pub fn authorize(&self, requests: &[Request]) -> Result<(), ApiError> {
        authorize(self, self.actor(), requests)
    }
}

/// Refuses unless every request is allowed; the text names each refused one, joined by "; ".
///
/// # Errors
/// AUTHORIZATION, with the reference's text.
pub fn authorize(state: &State, actor: &Actor, requests: &[Request]) -> Result<(), ApiError> {
    let groups = state.groups_of(actor);
    let admin = actor.uid == 0 || groups.contains(&0);
    let denied: Vec<String> = requests
        .iter()
        .filter_map(|request| {
            let locked = !request.ignore_lock && request.subject.lock.as_ref().is_some_and(|l| l.stops(request.op));
            if admin {
                let subject = &request.subject;
                locked.then(|| format!("{} is locked. [{}]", subject.kind.info().auth_name, subject.id))
            } else if locked || !allowed(state, actor, &groups, request) {
                Some(request.denied())
            } else {
                None
            }
        })
        .collect();
    if denied.is_empty() { Ok(()) } else { Err(ApiError::authorization(actor.uid, denied.join("; "))) }
}

/// Whether an actor (not an administrator) has `op` on a subject by ownership, permission bit or rule.
#[must_use]
pub fn allowed(state: &State, actor: &Actor, groups: &[i32], request: &Request) -> bool {
    let Request { op, subject, .. } = request;
    by_bits(actor, groups, subject.standing(), *op)
        || rules::rules_for(state, actor.uid, groups).any(|rule| rules::grants(rule, subject, *op))
}

fn by_bits(actor: &Actor, groups: &[i32], standing: Standing, op: Op) -> bool {
    let Standing { uid, gid, permissions, .. } = standing;
    permissions.allows(0, op)
        || uid == actor.uid && permissions.allows(6, op)
        || permissions.allows(3, op) && groups.contains(&gid)
}

/// The level that a VM operation (its keyword) takes for a caller: as its own lists, its group's or the zone's say;
/// `otherwise` when none names it.
#[must_use]
pub fn level_for(state: &State, actor: &Actor, keyword: &str, otherwise: Op) -> Op {
    let user = state.find(Kind::User, actor.uid);
    let group = state.find(Kind::Group, state.effective_gid(actor));
    let objects = [user, group].into_iter().flatten().map(|object| &object.template);
    objects.chain([state.settings().all()]).find_map(|lists| vm_operations::level(lists, keyword)).unwrap_or(otherwise)
}

/// What one caller may do with the objects of one kind, whatever their locks: everything that does not depend on the
/// single object is found out once, so that a listing's cost per object does not grow with the number of rules.
pub struct Rights<'a> {
    actor: &'a Actor,
    groups: Vec<i32>,
    admin: bool,
    op: Op,
    rules: Granted,
}

impl<'a> Rights<'a> {
    /// Prepares for `op` on objects of `kind`.
    #[must_use]
    pub fn new(state: &State, actor: &'a Actor, kind: Kind, op: Op) -> Rights<'a> {
        let groups = state.groups_of(actor);
        let admin = actor.uid == 0 || groups.contains(&0);
        let rules = Granted::new(rules::rules_for(state, actor.uid, &groups), kind, op);
        Rights { actor, groups, admin, op, rules }
    }

    /// The groups that count for the caller.
    #[must_use]
    pub fn groups(&self) -> &[i32] {
        &self.groups
    }

    /// Whether the caller may do it with `object`: what [`allowed`] says, and administrators always.
    #[must_use]
    pub fn on(&self, object: &Pooled) -> bool {
        let standing = object.standing();
        self.admin || by_bits(self.actor, &self.groups, standing, self.op) || self.rules.reach(standing, object)
    }
}
