//! The rules that let groups use resources, with the rights that the configuration gives.

use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::vdc::{ALL_RESOURCES, Resource};
use quorate_model::settings::Settings;

use crate::pools::acl::changes;
use crate::txn::Txn;

/// The rules that let a group use resources, with the rights that the configuration gives.
fn rules(settings: &Settings, gid: i32, resources: &[(Kind, Resource)]) -> Vec<Acl> {
    let mut rules = Vec::new();
    for (kind, (zone, id)) in resources {
        let (selector, id) = match (*id, kind) {
            (ALL_RESOURCES, _) => (acl::ALL, 0),
            (id, Kind::Cluster) => (acl::CLUSTER, id),
            (id, _) => (acl::INDIVIDUAL, id),
        };
        let given: &[(Kind, &str)] = match kind {
            Kind::Cluster => &[
                (Kind::Host, "DEFAULT_VDC_CLUSTER_HOST_ACL"),
                (Kind::Net, "DEFAULT_VDC_CLUSTER_NET_ACL"),
                (Kind::Datastore, "DEFAULT_VDC_CLUSTER_DATASTORE_ACL"),
            ],
            Kind::Host => &[(Kind::Host, "DEFAULT_VDC_HOST_ACL")],
            Kind::Datastore => &[(Kind::Datastore, "DEFAULT_VDC_DATASTORE_ACL")],
            _ => &[(Kind::Net, "DEFAULT_VDC_VNET_ACL")],
        };
        for (on, setting) in given {
            let rights = rights(settings.value(setting));
            if rights != 0 {
                let resource = acl::on(&[*on], selector, id);
                let (user, zone) = (acl::who(acl::GROUP, gid), acl::who(acl::INDIVIDUAL, *zone));
                rules.push(Acl { user, resource, rights, zone });
            }
        }
    }
    rules
}

/// Rights as the configuration writes them: `USE+MANAGE`, `-` for none.
fn rights(text: &str) -> u64 {
    let ops = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let named = |word: &str| ops.into_iter().find(|op| op.name().eq_ignore_ascii_case(word.trim()));
    let given: Vec<Op> = text.split('+').filter_map(named).collect();
    acl::rights(&given)
}

/// A group may use resources from now on.
pub fn add(txn: &mut Txn, gid: i32, resources: &[(Kind, Resource)]) {
    for rule in rules(txn.settings(), gid, resources) {
        // A rule that another VDC made already serves both, as in the reference (`Vdc.cc`, `add_rule`).
        let _ = changes::add(txn, rule);
    }
}

/// A group may no longer use resources, as far as this goes.
pub fn remove(txn: &mut Txn, gid: i32, resources: &[(Kind, Resource)]) {
    for rule in rules(txn.settings(), gid, resources) {
        changes::remove(txn, &rule);
    }
}
