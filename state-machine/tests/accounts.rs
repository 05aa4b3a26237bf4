//! Users, groups, their administrators and VDCs: what one call does to the others' objects.

use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_model::records::group::Group;
use quorate_model::records::user::User;
use quorate_model::records::vdc::Vdc;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// Groups 100 and 101 and user 2 (`ann:pw`) in both, 100 first.
fn zone_with_ann() -> Zone {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("one")]), "100");
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("two")]), "101");
    let groups = Arg::Ints(vec![100, 101]);
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text(""), groups]), "2");
    zone
}

fn members(zone: &Zone, gid: i32) -> Vec<i32> {
    zone.state.get::<Group>(gid).map(|(_, g)| g.users.iter().copied().collect()).unwrap_or_default()
}

fn rules(zone: &mut Zone) -> Vec<String> {
    let xml = zone.ask(ADMIN, "one.acl.info", &[]);
    xml.split("<STRING>").skip(1).filter_map(|s| s.split('<').next().map(str::to_owned)).collect()
}

#[test]
fn a_new_primary_group_replaces_the_old_one_unless_the_user_was_in_it_before() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.user.chgrp", &[int(2), int(101)]), "2");
    let groups = |zone: &Zone| zone.state.get::<User>(2).map(|(o, u)| (o.gid, u.groups.clone())).unwrap();
    assert_eq!(groups(&zone), (101, [100, 101].into()));
    assert_eq!(zone.ask(ADMIN, "one.user.chgrp", &[int(2), int(1)]), "2");
    assert_eq!(groups(&zone), (1, [1, 100].into()));
    assert_eq!((members(&zone, 1), members(&zone, 100), members(&zone, 101)), (vec![2], vec![2], vec![]));
}

#[test]
fn leaving_a_group_ends_its_administration_and_the_rules_for_it() {
    let mut zone = zone_with_ann();
    let before = rules(&mut zone);
    assert_eq!(zone.ask(ADMIN, "one.group.addadmin", &[int(101), int(2)]), "101");
    let added: Vec<_> = rules(&mut zone).into_iter().filter(|r| !before.contains(r)).collect();
    assert_eq!(
        added,
        [
            "#2 USER/@101 USE+MANAGE+ADMIN+CREATE *",
            "#2 VM+NET+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP/@101 USE+MANAGE *",
            "#2 VROUTER/* CREATE *",
            "#2 GROUP/#101 MANAGE *",
        ]
    );
    assert_eq!(zone.ask(ADMIN, "one.user.delgroup", &[int(2), int(101)]), "2");
    assert_eq!(rules(&mut zone), before);
}

#[test]
fn a_refused_call_leaves_nothing_behind() {
    let mut zone = zone_with_ann();
    let before = zone.state.clone();
    let refused = "Error getting group [999].";
    let groups = Arg::Ints(vec![100, 999]);
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("bob"), text("pw"), text(""), groups]), refused);
    assert_eq!(zone.ask(ADMIN, "one.group.delete", &[int(100)]), "Cannot delete group. Group 100 is not empty.");
    assert!(zone.state == before);
}

#[test]
fn a_deleted_group_leaves_its_vdcs_and_rules() {
    let mut zone = zone_with_ann();
    assert!(zone.state.get::<Vdc>(0).unwrap().1.groups.contains(&101));
    assert_eq!(zone.ask(ADMIN, "one.user.delete", &[int(2)]), "2");
    assert_eq!(zone.ask(ADMIN, "one.group.delete", &[int(101)]), "101");
    assert!(!zone.state.get::<Vdc>(0).unwrap().1.groups.contains(&101));
    assert!(rules(&mut zone).iter().all(|r| !r.contains("@101")));
    assert!(zone.state.find(Kind::User, 2).is_none() && members(&zone, 100).is_empty());
}

#[test]
fn a_vdc_makes_and_removes_the_rules_of_its_resources() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.vdc.allocate", &[text("NAME=v")]), "100");
    assert_eq!(zone.ask(ADMIN, "one.vdc.addgroup", &[int(100), int(100)]), "100");
    assert_eq!(zone.ask(ADMIN, "one.vdc.delgroup", &[int(0), int(100)]), "0");
    let of_group =
        |zone: &mut Zone| -> Vec<String> { rules(zone).into_iter().filter(|r| r.starts_with("@100 ")).collect() };
    assert_eq!(zone.ask(ADMIN, "one.vdc.addhost", &[int(100), int(5), int(1)]), "Error getting zone [5].");
    assert_eq!(zone.ask(ADMIN, "one.vdc.addhost", &[int(100), int(0), int(7)]), "Error getting host [7].");
    assert_eq!(zone.ask(ADMIN, "one.vdc.addhost", &[int(100), int(0), int(-10)]), "100");
    assert_eq!(of_group(&mut zone), ["@100 HOST/* MANAGE #0"]);
    let again = "HOST -10 from Zone 0 is already assigned to the VDC";
    assert_eq!(zone.ask(ADMIN, "one.vdc.addhost", &[int(100), int(0), int(-10)]), again);
    assert_eq!(zone.ask(ADMIN, "one.vdc.delete", &[int(100)]), "100");
    assert!(of_group(&mut zone).is_empty());
}

#[test]
fn a_token_ends_with_the_password_and_counts_for_its_group_only() {
    let mut zone = zone_with_ann();
    let login = [text("ann"), text("t"), int(60), int(101)];
    assert_eq!(zone.ask("ann:pw", "one.user.login", &login), "t");
    // With a token of group 101 only, it cannot make one for all groups.
    let full = [text("ann"), text("u"), int(60)];
    let refused = "Cannot create a full token with a specific group token";
    assert_eq!(zone.ask("ann:t", "one.user.login", &full), refused);
    assert!(zone.ask("ann:t", "one.group.info", &[int(-1)]).contains("<ID>101</ID><NAME>two</NAME>"));
    assert_eq!(zone.ask("ann:pw", "one.user.passwd", &[int(2), text("new")]), "2");
    assert_eq!(zone.ask("ann:t", "one.group.info", &[int(-1)]), "User couldn't be authenticated, aborting call.");
}

#[test]
fn a_negative_id_is_refused_by_rights_first() {
    let mut zone = zone_with_ann();
    let refused = "User [2] : Not authorized to perform ADMIN USER.";
    assert_eq!(zone.ask("ann:pw", "one.user.quota", &[int(-1), text("")]), refused);
    assert_eq!(zone.ask(ADMIN, "one.user.quota", &[int(-2), text("")]), "Error getting user [-2].");
}

#[test]
fn a_disabled_zone_answers_reads_and_its_own_enabling_only() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.zone.enable", &[int(0), Arg::Bool(false)]), "0");
    let refused = "Cannot process request, zone disabled";
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("three")]), refused);
    assert!(zone.ask("ann:pw", "one.user.info", &[int(-1)]).starts_with("<USER><ID>2</ID>"));
    assert_eq!(zone.ask(ADMIN, "one.zone.enable", &[int(0), Arg::Bool(true)]), "0");
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("three")]), "102");
}
