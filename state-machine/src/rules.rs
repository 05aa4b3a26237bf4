//! What access control rules give: to whom, on which objects. And the rules about an object that is deleted.
//!
//! It must not know who asks for what: that is [`crate::authorize`], which asks here.

use quorate_model::head::{Lock, Op, Permissions, Standing};
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::object::Object;
use quorate_model::records::acl::{self, ALL, Acl, CLUSTER, GROUP, INDIVIDUAL, names, on, who};

use crate::state::{Pooled, State};
use crate::txn::Txn;

/// What authorization looks at in an object.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The kind.
    pub kind: Kind,
    /// The id; -1 for an object that is to be created or for the pool as a whole.
    pub id: i32,
    /// The owner, -1 for none.
    pub uid: i32,
    /// The group, -1 for none.
    pub gid: i32,
    /// The permission bits.
    pub permissions: Permissions,
    /// The clusters it is in.
    pub clusters: Vec<i32>,
    /// Whether only rules that name it or its group count, not those about all objects or a cluster.
    pub named_rules_only: bool,
    /// The lock.
    pub lock: Option<Lock>,
}

impl Subject {
    /// What authorization looks at in `object`.
    #[must_use]
    pub fn of(object: &Object) -> Subject {
        let Standing { id, uid, gid, permissions } = object.standing();
        Subject {
            kind: object.kind(),
            id,
            uid,
            gid,
            permissions,
            clusters: object.body.clusters(),
            named_rules_only: object.body.named_rules_only(),
            lock: object.lock.clone(),
        }
    }
    /// What it itself says about who may do what with it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing { id: self.id, uid: self.uid, gid: self.gid, permissions: self.permissions }
    }
    /// A pool as a whole, or an object of it that is to be made, of this owner and group.
    #[must_use]
    pub fn pool(kind: Kind, uid: i32, gid: i32) -> Subject {
        Subject {
            kind,
            id: -1,
            uid,
            gid,
            permissions: Permissions(0),
            clusters: Vec::new(),
            named_rules_only: false,
            lock: None,
        }
    }
}

/// The rules about everyone, about a user and about its groups.
pub fn rules_for<'a>(state: &'a State, uid: i32, groups: &'a [i32]) -> impl Iterator<Item = &'a Acl> {
    let users = [ALL, who(INDIVIDUAL, uid)].into_iter().chain(groups.iter().map(|gid| who(GROUP, *gid)));
    users.flat_map(|user| state.rules_of(user))
}

/// Whether a rule gives right `op` on `subject` in the local zone to those it is about (see [`rules_for`]).
#[must_use]
pub fn grants(rule: &Acl, subject: &Subject, op: Op) -> bool {
    is_about(rule, subject.kind, op) && reaches(rule, subject)
}

/// Whether a rule gives right `op` on some objects of `kind` in the local zone.
fn is_about(rule: &Acl, kind: Kind, op: Op) -> bool {
    let zone = rule.zone & ALL != 0 || names(rule.zone, INDIVIDUAL, LOCAL_ZONE);
    zone && rule.rights & op as u64 != 0 && rule.resource & kind.acl_bit() != 0
}

/// Whether a rule's resource component selects `subject`.
fn reaches(rule: &Acl, subject: &Subject) -> bool {
    let by_name = subject.id >= 0 && names(rule.resource, INDIVIDUAL, subject.id)
        || subject.gid >= 0 && names(rule.resource, GROUP, subject.gid);
    let by_place = rule.resource & ALL != 0 || subject.clusters.iter().any(|c| names(rule.resource, CLUSTER, *c));
    by_name || by_place && !subject.named_rules_only
}

/// What some rules give of one right on one kind of object, arranged by what they select.
#[derive(Default)]
pub struct Granted {
    all: bool,
    // Sorted: they are searched once for each object of a pool.
    ids: Vec<i32>,
    groups: Vec<i32>,
    clusters: Vec<i32>,
}

impl Granted {
    /// Arranges `rules` for `op` on objects of `kind`.
    pub fn new<'a>(rules: impl Iterator<Item = &'a Acl>, kind: Kind, op: Op) -> Granted {
        let mut granted = Granted::default();
        for Acl { resource, .. } in rules.filter(|rule| is_about(rule, kind, op)) {
            let id = acl::id(*resource);
            // One selector each: a malformed rule is never made.
            if resource & ALL != 0 {
                granted.all = true;
            } else if resource & INDIVIDUAL != 0 {
                granted.ids.push(id);
            } else if resource & GROUP != 0 {
                granted.groups.push(id);
            } else if resource & CLUSTER != 0 {
                granted.clusters.push(id);
            }
        }
        for selected in [&mut granted.ids, &mut granted.groups, &mut granted.clusters] {
            selected.sort_unstable();
        }
        granted
    }

    /// Whether a rule selects `object`, which has this standing; follows it only for rules that need it.
    #[must_use]
    pub fn reach(&self, standing: Standing, object: &Pooled) -> bool {
        let has = |selected: &[i32], id: i32| selected.binary_search(&id).is_ok();
        if has(&self.groups, standing.gid) || has(&self.ids, standing.id) {
            return true;
        }
        let by_cluster = || !self.clusters.is_empty() && object.body.clusters().iter().any(|c| has(&self.clusters, *c));
        (self.all || by_cluster()) && !object.body.named_rules_only()
    }
}

/// Removes the rules about one deleted object of one kind (not those that name its id for several kinds).
pub fn forget_object(txn: &mut Txn, kind: Kind, id: i32) {
    let exactly = on(&[kind], INDIVIDUAL, id);
    remove_where(txn, |rule| rule.resource == exactly);
}

/// Removes the rules that `gone` picks.
pub fn remove_where(txn: &mut Txn, gone: impl Fn(&Acl) -> bool) {
    let ids: Vec<i32> = txn.each::<Acl>().filter(|(_, rule)| gone(rule)).map(|(object, _)| object.id).collect();
    for id in ids {
        txn.remove(Kind::Acl, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::command::{Actor, Facts};
    use quorate_model::head::Permissions;
    use quorate_model::template::Template;

    fn network(named_rules_only: bool) -> Subject {
        Subject {
            kind: Kind::Net,
            id: 3,
            uid: 5,
            gid: 100,
            permissions: Permissions(0),
            clusters: vec![7],
            named_rules_only,
            lock: None,
        }
    }

    /// Whether a rule lets user 2 in groups 1 and 101 use the subject.
    fn lets_use(user: u64, resource: u64, subject: &Subject) -> bool {
        let rule = Acl { user, resource, rights: Op::Use as u64, zone: ALL };
        let mut txn = Txn::new(State::default(), Actor::default(), Facts::default(), [0; 32]);
        txn.insert(Object::new("", Template::new(), rule));
        rules_for(&txn, 2, &[1, 101]).any(|rule| grants(rule, subject, Op::Use))
    }

    #[test]
    fn rules_select_objects_by_name_group_cluster_or_all() {
        let net = network(false);
        for (selector, id) in [(INDIVIDUAL, 3), (GROUP, 100), (CLUSTER, 7), (ALL, 0)] {
            assert!(lets_use(who(GROUP, 101), on(&[Kind::Net, Kind::Host], selector, id), &net));
            assert!(!lets_use(who(GROUP, 101), on(&[Kind::Host], selector, id), &net));
        }
        assert!(!lets_use(ALL, on(&[Kind::Net], INDIVIDUAL, 4), &net));
        assert!(!lets_use(who(INDIVIDUAL, 1), on(&[Kind::Net], ALL, 0), &net));
    }

    #[test]
    fn rules_about_everything_pass_reservations_by() {
        let reserved = network(true);
        assert!(lets_use(ALL, on(&[Kind::Net], GROUP, 100), &reserved));
        assert!(!lets_use(ALL, on(&[Kind::Net], ALL, 0), &reserved));
        assert!(!lets_use(ALL, on(&[Kind::Net], CLUSTER, 7), &reserved));
    }
}
