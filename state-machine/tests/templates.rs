//! Templates, documents and VM groups, and the verbs that all pools share: rules that one call cannot show.

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Facts};
use quorate_model::kind::Kind;
use quorate_model::records::vmgroup::VmGroup;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::vmgroup::{self};
use quorate_state_machine::txn::Txn;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// User 2 (`ann:pw`) of group users.
fn zone_with_ann() -> Zone {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text("")]), "2");
    zone
}

/// What stands between `<TEMPLATE>` and its end, CDATA in braces.
fn template(zone: &mut Zone, method: &str, id: i64) -> String {
    let xml = zone.ask(ADMIN, method, &[int(id)]).replace("<![CDATA[", "{").replace("]]>", "}");
    let inner = xml.split_once("<TEMPLATE>").and_then(|(_, rest)| rest.rsplit_once("</TEMPLATE>"));
    inner.map_or(xml.clone(), |(inner, _)| inner.to_owned())
}

fn ids(xml: &str) -> Vec<&str> {
    xml.split("<ID>").skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

#[test]
fn restricted_attributes_outlive_a_plain_users_update() {
    let mut zone = zone_with_ann();
    let nics = "NIC=[NETWORK=a,MAC=1] NIC=[NETWORK=b,MAC=2] CPU_COST=3";
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(&format!("NAME=t {nics}"))]), "0");
    assert_eq!(zone.ask(ADMIN, "one.template.chown", &[int(0), int(2), int(1)]), "0");
    let update = |zone: &mut Zone, new: &str| zone.ask("ann:pw", "one.template.update", &[int(0), text(new)]);
    // The vectors may change places; the single value that is left out stays.
    assert_eq!(update(&mut zone, "NIC=[NETWORK=b,MAC=2] NIC=[NETWORK=a,MAC=1] X=1"), "0");
    assert!(template(&mut zone, "one.template.info", 0).starts_with("<CPU_COST>{3}</CPU_COST><NIC><MAC>{2}</MAC>"));
    let refused = "Cannot update template. Tried to change restricted attribute: ";
    assert_eq!(update(&mut zone, "NIC=[NETWORK=b,MAC=2]"), format!("{refused}NIC"));
    assert_eq!(update(&mut zone, "CPU_COST=4"), format!("{refused}CPU_COST"));
    // A name of the list stops vectors, too (the reference lets them pass). Vectors may all be left out.
    assert_eq!(update(&mut zone, "RAW=[VALIDATE=no]"), format!("{refused}RAW"));
    assert_eq!(update(&mut zone, "X=2"), "0");
}

#[test]
fn an_empty_vector_removes_when_merged_and_is_not_stored() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text("NAME=t V=[] W=[A=1] X=1")]), "0");
    assert_eq!(template(&mut zone, "one.template.info", 0), "<W><A>{1}</A></W><X>{1}</X>");
    assert_eq!(zone.ask(ADMIN, "one.template.update", &[int(0), text("W=[] Y=2"), int(1)]), "0");
    assert_eq!(template(&mut zone, "one.template.info", 0), "<X>{1}</X><Y>{2}</Y>");
}

#[test]
fn scheduled_actions_are_checked_and_cleaned() {
    let mut zone = Zone::fresh();
    let mut allocate = |actions: &str| {
        let name = format!("NAME=t{}", zone.state.pool(Kind::Template).len());
        zone.ask(ADMIN, "one.template.allocate", &[text(&format!("{name} {actions}"))])
    };
    assert_eq!(allocate("SCHED_ACTION=[ACTION=hold,TIME=1,DONE=2,MESSAGE=x] SCHED_ACTION=single"), "0");
    let of = |reason: &str| format!(" SCHED_ACTION: 0. Parse error: {reason}");
    for (action, reason) in [
        ("REPEAT=4", "Error parsing REPEAT attribute"),
        ("REPEAT=0,DAYS=\"0,7\"", "Days in a week have to be in [0,6] range"),
        ("REPEAT=1,DAYS=\"0\"", "Days in a month have to be in [1,31] range"),
        ("REPEAT=3,DAYS=\"1,2\"", "Hours have to be in [0,168] range"),
        ("REPEAT=0,DAYS=\"x\"", "Wrong format of DAYS attribute"),
        ("END_TYPE=9", "Error parsing END_TYPE attribute"),
        ("END_TYPE=1", "Missing END_VALUE"),
        ("END_TYPE=1,END_VALUE=-1", "Error parsing END_VALUE, times has to be >= 0"),
        ("END_VALUE=1", "Error END_VALUE defined but not valid END_TYPE found"),
    ] {
        assert_eq!(allocate(&format!("SCHED_ACTION=[{action}]")), of(reason), "{action}");
    }
    let both = allocate("SCHED_ACTION=[REPEAT=9] SCHED_ACTION=[END_TYPE=9]");
    assert_eq!(both, of("Error parsing REPEAT attribute") + &of("Error parsing END_TYPE attribute"));
    assert_eq!(allocate("SCHED_ACTION=[REPEAT=3,DAYS=\"167\",END_TYPE=0]"), "1");
    let stored = template(&mut zone, "one.template.info", 0);
    assert_eq!(stored, "<SCHED_ACTION><ACTION>{hold}</ACTION><TIME>{1}</TIME></SCHED_ACTION>");
}

#[test]
fn raw_sections_must_fit_a_domain_unless_told_otherwise() {
    let mut zone = Zone::fresh();
    let unfit = "Invalid RAW section: cannot validate DATA with domain.rng schema";
    // The first refusal costs the pool its id 0.
    for (raw, want) in [
        ("TYPE=xen,DATA=x", "Invalid RAW section: unsupported TYPE"),
        ("TYPE=KVM,DATA=\"<devices><rng/></devices>\"", "1"),
        ("TYPE=kvm,DATA=\"<qemu:commandline/>\"", "2"),
        ("TYPE=kvm,DATA=\"<nonsense/>\"", unfit),
        ("TYPE=kvm,DATA=\"<devices>\"", unfit),
        ("TYPE=kvm,DATA=\"<devices/>x\"", unfit),
        ("TYPE=kvm,DATA=x,VALIDATE=no", "3"),
        ("TYPE=lxc,DATA=x", "4"),
    ] {
        let new = format!("NAME=t{} RAW=[{raw}]", zone.state.pool(Kind::Template).len());
        assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(&new)]), want, "{raw}");
    }
}

#[test]
fn a_wrong_template_is_refused_before_rights_are_looked_at() {
    let mut zone = zone_with_ann();
    let malformed = "Parse error: XML Template malformed.";
    assert_eq!(zone.ask("ann:pw", "one.vntemplate.allocate", &[text("<T>")]), malformed);
    let refused = "User [2] : Not authorized to perform CREATE VNTEMPLATE.";
    assert_eq!(zone.ask("ann:pw", "one.vntemplate.allocate", &[text("NAME=t")]), refused);
}

#[test]
fn a_deep_copy_that_fails_takes_its_id_with_it_and_nothing_else_stays() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text("NAME=t DISK=[IMAGE_ID=9]")]), "0");
    let deep = [int(0), text("copy"), Arg::Bool(true)];
    assert_eq!(zone.ask(ADMIN, "one.template.clone", &deep), "Failed to clone images: ");
    assert_eq!(zone.state.pool(Kind::Template).len(), 1);
    assert_eq!(zone.ask(ADMIN, "one.template.clone", &[int(0), text("copy")]), "2");
}

#[test]
fn recursive_verbs_go_as_far_as_they_can() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text("NAME=t DISK=[IMAGE_ID=9] DISK=[IMAGE=x]")]), "0");
    let mut bits = vec![int(0)];
    bits.extend([1, 1, 0, 1, 0, 0, 0, 0, 0].map(int));
    bits.push(Arg::Bool(true));
    assert_eq!(zone.ask(ADMIN, "one.template.chmod", &bits), "Cannot chmod image: 9");
    assert_eq!(zone.state.object(Kind::Template, 0).unwrap().permissions.0, 0o640);
    assert_eq!(zone.ask(ADMIN, "one.template.delete", &[int(0), Arg::Bool(true)]), "0");
}

#[test]
fn documents_of_one_name_live_together_and_are_listed_by_type() {
    let mut zone = zone_with_ann();
    for (id, doc_type) in [(0, 100), (1, 101), (2, 100)] {
        let reply = zone.ask("ann:pw", "one.document.allocate", &[text("NAME=d"), int(doc_type)]);
        assert_eq!(reply, id.to_string());
    }
    let list = zone.ask("ann:pw", "one.documentpool.info", &[int(-2), int(-1), int(-1), int(100)]);
    assert_eq!(ids(&list), ["2", "0"]);
    let refused = "Error transforming the Document to XML.";
    assert_eq!(zone.ask("ann:pw", "one.document.allocate", &[text("NAME=\"a & b\""), int(100)]), refused);
    assert_eq!(zone.ask("ann:pw", "one.document.clone", &[int(1), text("")]), "3");
    assert!(zone.ask("ann:pw", "one.document.info", &[int(3)]).contains("<NAME>document-3</NAME><TYPE>101</TYPE>"));
}

#[test]
fn listings_follow_the_callers_order_and_range() {
    let mut zone = zone_with_ann();
    for i in 0..4 {
        assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(&format!("NAME=t{i}"))]), i.to_string());
    }
    let list = |zone: &mut Zone, start: i64, end: i64| {
        let xml = zone.ask(ADMIN, "one.templatepool.info", &[int(-2), int(start), int(end)]);
        ids(&xml).join("")
    };
    for (start, end, want) in
        [(-1, -1, "3210"), (1, 2, "21"), (2, -1, "32"), (-1, 1, "3210"), (-5, 1, "10"), (1, -2, "21"), (-3, -2, "32")]
    {
        assert_eq!(list(&mut zone, start, end), want, "{start}, {end}");
    }
    let order = [int(0), text("OPENNEBULA=[API_LIST_ORDER=asc]"), int(1)];
    assert_eq!(zone.ask(ADMIN, "one.user.update", &order), "0");
    assert_eq!(list(&mut zone, -1, -1), "0123");
    assert_eq!(list(&mut zone, 1, -2), "12");
}

#[test]
fn a_lock_stops_changes_but_nobody_who_looks() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask("ann:pw", "one.document.allocate", &[text("NAME=d A=1"), int(1)]), "0");
    assert_eq!(zone.ask("ann:pw", "one.document.lock", &[int(0), int(1)]), "0");
    assert!(zone.ask("ann:pw", "one.document.info", &[int(0)]).contains("<LOCKED>1</LOCKED>"));
    let refused = "User [2] : Not authorized to perform USE DOCUMENT [0].";
    assert_eq!(zone.ask("ann:pw", "one.document.clone", &[int(0), text("copy")]), refused);
}

#[test]
fn only_the_primary_group_gives_new_objects_the_administrators_bits() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text("UMASK=19x"), int(1)]), "2");
    let allocate = |zone: &mut Zone, name: &str| {
        let id = zone.ask("ann:pw", "one.template.allocate", &[text(&format!("NAME={name}"))]);
        let id = id.parse().unwrap_or(-1);
        zone.state.object(Kind::Template, id).map(|o| o.permissions.0).unwrap_or_default()
    };
    // `19x` begins with the octal number 1.
    assert_eq!(allocate(&mut zone, "a"), 0o666);
    assert_eq!(zone.ask(ADMIN, "one.user.addgroup", &[int(2), int(0)]), "2");
    assert_eq!(allocate(&mut zone, "b"), 0o666);
    assert_eq!(zone.ask(ADMIN, "one.user.chgrp", &[int(2), int(0)]), "2");
    assert_eq!(allocate(&mut zone, "c"), 0o776);
}

#[test]
fn vms_take_and_leave_the_roles_of_a_group() {
    let mut zone = zone_with_ann();
    let new = "NAME=g ROLE=[NAME=a] ROLE=[NAME=b,ID=7,VMS=\"1,2\"]";
    assert_eq!(zone.ask("ann:pw", "one.vmgroup.allocate", &[text(new)]), "0");
    let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
    let attribute = |pairs: &[(&'static str, &str)]| -> VectorAttribute { pairs.iter().copied().collect() };
    let mut by_name = attribute(&[("VMGROUP_NAME", "g"), ("ROLE", "b")]);
    assert_eq!(vmgroup::add_vm(&mut txn, &mut by_name, 2, 5), Ok(()));
    assert_eq!(by_name.value("VMGROUP_ID"), "0");
    // A name is looked for among the VM owner's groups, unless VMGROUP_UID says whose.
    let mut of_other = attribute(&[("VMGROUP_NAME", "g"), ("ROLE", "b")]);
    let unknown = Err("Cannot find VM Group to associate the VM".to_owned());
    assert_eq!(vmgroup::add_vm(&mut txn, &mut of_other, 0, 6), unknown);
    of_other.set("VMGROUP_UID", 2);
    assert_eq!(vmgroup::add_vm(&mut txn, &mut of_other, 0, 6), Ok(()));
    let vms =
        |txn: &Txn, role: usize| txn.get::<VmGroup>(0).unwrap().1.roles[role].vms.iter().copied().collect::<Vec<_>>();
    assert_eq!((vms(&txn, 0), vms(&txn, 1)), (vec![], vec![5, 6]));
    vmgroup::remove_vm(&mut txn, &by_name, 5);
    vmgroup::remove_vm(&mut txn, &attribute(&[("VMGROUP_ID", "9"), ("ROLE", "b")]), 6);
    assert_eq!(vms(&txn, 1), [6]);
    zone.state = txn.commit().0;
    let refused = "Cannot update template. VM Group has 1 VMs";
    assert_eq!(zone.ask("ann:pw", "one.vmgroup.update", &[int(0), text("X=1")]), refused);
}

#[test]
fn a_template_is_instantiated_on_behalf_of_others_by_those_who_manage_them() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("team")]), "100");
    let new = "NAME=t CPU=1 MEMORY=64 AS_UID=2 AS_GID=100";
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(new)]), "0");
    // Whom it is for decides what may be used.
    let refused = "User [2] : Not authorized to perform USE TEMPLATE [0].";
    assert_eq!(zone.ask(ADMIN, "one.template.instantiate", &[int(0), text("")]), refused);
    let bits: Vec<Arg> = [0, -1, -1, -1, -1, -1, -1, 1, -1, -1].map(int).to_vec();
    assert_eq!(zone.ask(ADMIN, "one.template.chmod", &bits), "0");
    assert_eq!(zone.ask(ADMIN, "one.template.instantiate", &[int(0), text("")]), "0");
    let vm = zone.state.object(Kind::Vm, 0).unwrap();
    assert_eq!((vm.uid, vm.gid, vm.name.as_str()), (2, 100, "t-0"));
    assert!(!vm.template.contains("AS_UID"));
    // A plain caller must manage those it acts for.
    let refused = "User [2] : Not authorized to perform MANAGE GROUP [100].";
    assert_eq!(zone.ask("ann:pw", "one.template.instantiate", &[int(0), text("")]), refused);
    let gone = [int(0), text(""), Arg::Bool(false), text("AS_UID=77")];
    assert_eq!(zone.ask(ADMIN, "one.template.instantiate", &gone), "Error getting user [77].");
}

#[test]
fn a_refused_instance_leaves_no_private_copy() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text("NAME=t CPU=1")]), "0");
    let persistent = [int(0), text("mine"), Arg::Bool(false), text(""), Arg::Bool(true)];
    let reason = "MEMORY attribute must be a positive integer value.";
    let refused = format!("Error allocating a new virtual machine template. {reason}");
    assert_eq!(zone.ask(ADMIN, "one.template.instantiate", &persistent), refused);
    assert_eq!(zone.state.pool(Kind::Template).len(), 1);
    let extra = [int(0), text("mine"), Arg::Bool(false), text("MEMORY=64"), Arg::Bool(true)];
    // The refused VM was the pool's first: its id is lost.
    assert_eq!(zone.ask(ADMIN, "one.template.instantiate", &extra), "1");
    assert_eq!(zone.state.object(Kind::Vm, 1).unwrap().name, "mine");
    assert_eq!(template(&mut zone, "one.template.info", 1), "<CPU>{1}</CPU><MEMORY>{64}</MEMORY>");
}

#[test]
fn users_and_images_keep_one_attribute_of_a_name() {
    let mut zone = zone_with_ann();
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text("A=1 A=2 V=[X=1] V=[Y=2]")]), "2");
    assert_eq!(template(&mut zone, "one.user.info", 2), "<A>{2}</A><V><Y>{2}</Y></V>");
}
