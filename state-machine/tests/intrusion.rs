//! Ways in that an attack on a running zone found, each closed: a plain user gains no right and no quota by them.

mod common;

use common::{ADMIN, Zone, int, text};
use quorate_state_machine::api::Arg;

const ANN: &str = "ann:secret";

/// A zone with a plain user, an image and a network of oneadmin's that nobody else may use.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    zone.call(ADMIN, "one.user.allocate", &[text("ann"), text("secret"), text("core"), Arg::Ints(Vec::new())]).unwrap();
    let image = text("NAME=private\nTYPE=DATABLOCK\nSIZE=10");
    zone.call(ADMIN, "one.image.allocate", &[image, int(1), Arg::Bool(false)]).unwrap();
    let network = text("NAME=private\nVN_MAD=dummy\nBRIDGE=br0\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    zone.call(ADMIN, "one.vn.allocate", &[network, int(-1)]).unwrap();
    let nobody = [int(0), int(1), int(1), int(0), int(0), int(0), int(0), int(0), int(0), int(0)];
    zone.call(ADMIN, "one.image.chmod", &nobody).unwrap();
    zone.call(ADMIN, "one.vn.chmod", &nobody).unwrap();
    // Users may use all networks of the default VDC: not this one.
    zone.call(ADMIN, "one.vdc.delcluster", &[int(0), int(0), int(-10)]).unwrap();
    zone
}

fn allocate(zone: &mut Zone, template: &str) -> String {
    zone.ask(ANN, "one.vm.allocate", &[text(&format!("CPU=1\nMEMORY=1\n{template}")), Arg::Bool(false)])
}

#[test]
fn a_name_that_leads_nowhere_does_not_open_the_image_of_an_id() {
    let mut zone = zone();
    let refused = allocate(&mut zone, "DISK=[IMAGE=\"nope\",IMAGE_ID=0]");
    assert!(refused.contains("Not authorized to perform USE IMAGE [0]"), "{refused}");
}

#[test]
fn an_automatic_nic_with_a_network_asks_for_the_network() {
    let mut zone = zone();
    let refused = allocate(&mut zone, "NIC=[NETWORK_MODE=auto,NETWORK_ID=0]");
    assert!(refused.contains("Not authorized to perform USE NET [0]"), "{refused}");
}

#[test]
fn an_attribute_given_twice_is_checked_as_it_is_kept() {
    let mut zone = zone();
    let update = text("VM_USE_OPERATIONS=\"\"\nVM_USE_OPERATIONS=\"recover,delete\"");
    let refused = zone.ask(ANN, "one.user.update", &[int(2), update, int(0)]);
    assert!(refused.contains("restricted attribute"), "{refused}");
}

#[test]
fn negative_sizes_take_nothing_from_a_quota() {
    let mut zone = zone();
    zone.call(ADMIN, "one.user.quota", &[int(2), text("VM=[SYSTEM_DISK_SIZE=100]")]).unwrap();
    for trick in ["SNAPSHOT=[SYSTEM_DISK_SIZE=-99990]", "DISK=[TYPE=fs,SIZE=5,DISK_SNAPSHOT_TOTAL_SIZE=-100000]"] {
        let refused = allocate(&mut zone, &format!("DISK=[TYPE=fs,SIZE=100000]\n{trick}"));
        assert!(refused.contains("limit of 100 reached for SYSTEM_DISK_SIZE"), "{trick}: {refused}");
    }
}

#[test]
fn absurd_amounts_do_not_take_the_usage_of_others_along() {
    let mut zone = zone();
    assert_eq!(allocate(&mut zone, ""), "0");
    for absurd in ["CPU=1e18\nMEMORY=1", "CPU=1\nMEMORY=9223372036854775807"] {
        let refused = zone.ask(ANN, "one.vm.allocate", &[text(absurd), Arg::Bool(false)]);
        assert!(refused.contains("attribute must be a positive"), "{absurd}: {refused}");
    }
    let user = zone.ask(ADMIN, "one.user.info", &[int(2)]);
    for left in ["<CPU_USED><![CDATA[1]]>", "<MEMORY_USED><![CDATA[1]]>", "<VMS_USED><![CDATA[1]]>"] {
        assert!(user.contains(left), "{left}: {user}");
    }
}
