//! Ways in that an attack on a running zone found, each closed: a plain user gains no right and no quota by them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::api::Arg;
use quorate_model::crypto;
use quorate_testkit::vms::VmZone;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

const ANN: &str = "ann:secret";
const BOB: &str = "bob:secret";

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

/// A zone in which bob may manage a running VM of oneadmin's, and has no right to its image and network.
fn lab_of_bob() -> VmZone {
    let mut lab = VmZone::new();
    lab.must("one.user.allocate", &[text("bob"), text("secret"), text("core"), Arg::Ints(Vec::new())]);
    lab.must("one.vdc.delcluster", &[int(0), int(0), int(-10)]);
    lab.allocate();
    lab.walk("deploy, ok, ok");
    assert_eq!(lab.state(), "RUNNING");
    lab.must("one.vm.chmod", &[0, -1, -1, -1, -1, -1, -1, 1, 1, -1].map(int));
    lab
}

#[test]
fn a_name_of_the_owners_asks_for_the_callers_right() {
    let mut lab = lab_of_bob();
    let mut bob = |method, template| lab.zone.ask(BOB, method, &[int(0), text(template)]);
    for disk in
        ["DISK=[IMAGE_ID=0]", "DISK=[IMAGE=os]", "DISK=[IMAGE=os,IMAGE_UID=0]", "DISK=[IMAGE=os,IMAGE_UNAME=oneadmin]"]
    {
        let refused = bob("one.vm.attach", disk);
        assert!(refused.contains("Not authorized to perform USE IMAGE [0]"), "{disk}: {refused}");
    }
    for nic in [
        "NIC=[NETWORK_ID=0]",
        "NIC=[NETWORK=net]",
        "NIC=[NETWORK=net,NETWORK_UID=0]",
        "NIC_ALIAS=[NETWORK=net,PARENT=NIC0]",
    ] {
        let refused = bob("one.vm.attachnic", nic);
        assert!(refused.contains("Not authorized to perform USE NET [0]"), "{nic}: {refused}");
    }
    lab.must("one.vrouter.allocate", &[text("NAME=router")]);
    lab.must("one.vrouter.chmod", &[0, -1, -1, -1, -1, -1, -1, 1, 1, -1].map(int));
    let refused = lab.zone.ask(BOB, "one.vrouter.attachnic", &[int(0), text("NIC=[NETWORK=net]")]);
    assert!(refused.contains("Not authorized to perform USE NET [0]"), "router: {refused}");
    // Names still mean the owner's images, for who may use them.
    lab.must("one.image.chmod", &[0, -1, -1, -1, -1, -1, -1, 1, -1, -1].map(int));
    assert_eq!(lab.zone.ask(BOB, "one.vm.attach", &[int(0), text("DISK=[IMAGE=os]")]), "0");
}

/// The value of a variable in the context of the VM, as bob has it written there.
fn shown_to_bob(lab: &mut VmZone, variable: &str) -> String {
    let context = text(&format!("CONTEXT=[SHOWN=\"{variable}\"]"));
    assert_eq!(lab.zone.ask(BOB, "one.vm.updateconf", &[int(0), context, int(1)]), "0");
    let shown = lab.vm().template.vector("CONTEXT").expect("a context").value("SHOWN").to_owned();
    lab.walk("ok");
    BASE64.decode(&shown).map_or(shown, |plain| String::from_utf8(plain).expect("text"))
}

#[test]
fn variables_show_what_the_caller_may_see_and_never_credentials() {
    let mut lab = lab_of_bob();
    lab.must("one.user.update", &[int(0), text("TOKEN_PASSWORD=tp SSH_PUBLIC_KEY=key SSH_PASSPHRASE=phrase"), int(1)]);
    lab.must("one.user.login", &[text("oneadmin"), text(""), int(36_000), int(-1)]);
    for variable in [
        "$USER[TEMPLATE]",
        "$USER[TOKEN_PASSWORD]",
        "$USER[SSH_PUBLIC_KEY]",
        "$IMAGE[TEMPLATE,IMAGE_ID=0]",
        "$NETWORK[TEMPLATE,NETWORK_ID=0]",
    ] {
        assert_eq!(shown_to_bob(&mut lab, variable), "", "{variable}");
    }
    // The owner sees what it says about itself, but nothing that opens anything; of a network only its own lease.
    lab.must("one.vm.allocate", &[text("CPU=1 MEMORY=1 NIC=[NETWORK_ID=0]"), Arg::Bool(true)]);
    let conf = "CONTEXT=[U=\"$USER[TEMPLATE]\",K=\"$USER[SSH_PUBLIC_KEY]\",T=\"$USER[TOKEN_PASSWORD]\",\
        N=\"$NETWORK[TEMPLATE,NETWORK_ID=0]\",I=\"$IMAGE[TEMPLATE,IMAGE_ID=0]\"]";
    lab.must("one.vm.updateconf", &[int(0), text(conf), int(1)]);
    let context = lab.vm().template.vector("CONTEXT").expect("a context").clone();
    let plain = |name| String::from_utf8(BASE64.decode(context.value(name)).expect("base64")).expect("text");
    let user = plain("U");
    assert!(user.contains("<NAME>oneadmin</NAME>") && user.contains("<SSH_PUBLIC_KEY><![CDATA[key]]>"), "{user}");
    let hash = crypto::sha256_hex("opennebula");
    for secret in [hash.as_str(), "<LOGIN_TOKEN>", "TOKEN_PASSWORD", "SSH_PASSPHRASE"] {
        assert!(!user.contains(secret), "{secret}: {user}");
    }
    assert_eq!((context.value("K"), context.value("T")), ("key", ""));
    assert!(plain("I").contains("<NAME>os</NAME>"));
    let network = plain("N");
    assert_eq!(network.matches("<LEASE>").count(), 1, "{network}");
    assert!(network.contains("<VM><![CDATA[0]]></VM>"), "{network}");
}

#[test]
fn what_an_interface_says_is_not_expanded_for_whoever_brings_the_vm_forward() {
    let mut lab = lab_of_bob();
    lab.must("one.vn.chmod", &[0, -1, -1, -1, -1, -1, -1, 1, -1, -1].map(int));
    lab.must("one.user.update", &[int(0), text("SSH_PUBLIC_KEY=key"), int(1)]);
    assert_eq!(
        lab.zone.ask(BOB, "one.vm.attachnic", &[int(0), text("NIC=[NETWORK_ID=0,METRIC=\"$USER[SSH_PUBLIC_KEY]\"]")]),
        "0"
    );
    lab.walk("ok");
    lab.must("one.vm.updateconf", &[int(0), text("CONTEXT=[NETWORK=YES,A=B]"), int(1)]);
    let context = lab.vm().template.vector("CONTEXT").expect("a context");
    assert_eq!(context.value("ETH1_METRIC"), "$USER[SSH_PUBLIC_KEY]");
}

#[test]
fn a_size_that_is_none_is_refused() {
    let mut zone = zone();
    zone.call(ADMIN, "one.user.quota", &[int(2), text("VM=[CPU=2,VMS=100]")]).unwrap();
    assert_eq!(allocate(&mut zone, ""), "0");
    for (size, refusal) in [
        ("CPU=1e39", "CPU must be a positive float or integer value."),
        ("CPU=-1e39", "CPU must be a positive float or integer value."),
        ("VCPU=2147483648", "VCPU must be a positive integer value."),
    ] {
        let refused = zone.ask(ANN, "one.vm.resize", &[int(0), text(size), Arg::Bool(false)]);
        assert_eq!(refused, refusal, "{size}");
    }
    let refused = zone.ask(ANN, "one.vm.allocate", &[text("CPU=1 MEMORY=1 VCPU=2147483648"), Arg::Bool(true)]);
    assert_eq!(refused, "VCPU attribute must be a positive integer value.");
}
