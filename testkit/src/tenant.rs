//! A zone with a plain user, ann, and what she needs to work: a host, an image datastore, a network with 100 addresses.

use quorate_model::api::Arg;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::acl::{self, Acl};
use quorate_state_machine::pools::acl::changes;

use crate::zone::{ADMIN, Zone, int, text};

/// Ann's session.
pub const ANN: &str = "ann:pw";
/// Ann.
pub const UID: i32 = 2;
/// The datastore for images.
pub const STORE: i64 = 100;

/// The zone; a rule lets ann do `ops` with everything of these kinds.
pub fn zone(kinds: &[Kind], ops: &[Op]) -> Zone {
    let mut zone = Zone::fresh();
    zone.call(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(vec![1])]).expect("ann");
    let rule = Acl {
        user: acl::who(acl::INDIVIDUAL, UID),
        resource: acl::on(kinds, acl::ALL, 0),
        rights: acl::rights(ops),
        zone: acl::ALL,
    };
    zone.change(|txn| changes::add(txn, rule)).expect("a rule");
    let store = "NAME=images DS_MAD=dummy TM_MAD=dummy DATASTORE_CAPACITY_CHECK=NO";
    let network = "NAME=n VN_MAD=dummy BRIDGE=b AR=[TYPE=IP4,IP=10.0.0.1,SIZE=100]";
    must(
        &mut zone,
        &[
            (ADMIN, "one.datastore.update", vec![int(0), text("TM_MAD=dummy"), int(1)]),
            (ADMIN, "one.datastore.allocate", vec![text(store), int(-1)]),
            (ADMIN, "one.host.allocate", vec![text("h"), text("dummy"), text("dummy"), int(-1)]),
            (ADMIN, "one.vn.allocate", vec![text(network), int(-1)]),
        ],
    );
    drain(&mut zone);
    zone
}

/// Calls that are accepted: session, method, arguments.
pub fn must(zone: &mut Zone, calls: &[(&str, &str, Vec<Arg>)]) {
    for (session, method, args) in calls {
        zone.call(session, method, args).unwrap_or_else(|e| panic!("{method}: {e}"));
    }
}

/// Lets the drivers do what is asked of them, until nothing is.
pub fn drain(zone: &mut Zone) {
    let answer = |operation: &Operation| match operation {
        Operation::MonitorHost { .. } => "HYPERVISOR=dummy TOTALCPU=80000 TOTALMEMORY=838860800".to_owned(),
        Operation::Vmm { .. } => "one-0".to_owned(),
        Operation::Image { .. } => "source raw".to_owned(),
        _ => String::new(),
    };
    let rounds = (0..8).take_while(|_| zone.report(|operation| Some(Ok(answer(operation)))) > 0).count();
    assert!(rounds < 8, "the drivers are asked again and again");
}
