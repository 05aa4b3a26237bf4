//! What can be done to the parts of a VM, beyond what the recordings show: failures of drivers, recovery, who pays.

use quorate_model::records::host::Host;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::state::LcmState;
use quorate_model::records::vnet::Vnet;
use quorate_testkit::vm_parts::{
    ANN, call, disk, drain, fail, ok, power_off, refused, running, running_on, used, vm, zone,
};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

#[test]
fn recovery_takes_what_is_plugged_for_plugged_in_and_later_answers_do_not_count() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=5]");
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    ok(&mut zone, "one.vm.recover", &[int(id.into()), int(1)]);
    assert!(disk(&zone, id, 0).is_some(), "it counts as attached");
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    assert_eq!(zone.report(|_| Some(Ok("-".to_owned()))), 0, "nobody waits for the driver");
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    ok(&mut zone, "one.vm.recover", &[int(id.into()), int(0)]);
    assert!(disk(&zone, id, 0).is_none(), "it counts as not attached");
}

#[test]
fn a_nic_takes_its_aliases_and_their_leases_along() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "CONTEXT=[NETWORK=YES]");
    for nic in ["NIC=[NETWORK_ID=0]", "NIC_ALIAS=[NETWORK_ID=0,PARENT=NIC0]", "NIC_ALIAS=[NETWORK_ID=0,PARENT=NIC0]"] {
        ok(&mut zone, "one.vm.attachnic", &[int(id.into()), text(nic)]);
        drain(&mut zone);
    }
    let context = |zone: &Zone| vm(zone, id).template.vector("CONTEXT").cloned().expect("a context");
    assert_eq!(vm(&zone, id).nic(0).map(|(_, nic)| nic.value("ALIAS_IDS")), Some("1,2"));
    assert_eq!(context(&zone).value("ETH0_ALIAS1_IP"), "10.0.0.3");
    assert!(zone.state.find_typed::<SecGroup>(0).unwrap().1.vms.updated.contains(&id));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(1)]);
    drain(&mut zone);
    assert_eq!(vm(&zone, id).nic(0).map(|(_, nic)| nic.value("ALIAS_IDS")), Some("2"));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert_eq!(vm(&zone, id).nics().count(), 0);
    assert!(context(&zone).iter().all(|(name, _)| !name.starts_with("ETH")), "{:?}", context(&zone));
    assert!(!zone.state.find_typed::<SecGroup>(0).unwrap().1.vms.updated.contains(&id));
    let network = zone.state.find_typed::<Vnet>(0).unwrap().0.xml(quorate_model::head::Form::Full);
    assert!(network.contains("<USED_LEASES>0</USED_LEASES>"), "{network}");
}

#[test]
fn a_nic_that_could_not_be_attached_gives_its_lease_back() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    call(&mut zone, ANN, "one.vm.attachnic", &[int(id.into()), text("NIC=[NETWORK_ID=0]")]);
    assert_eq!(used(&mut zone, "LEASES"), "1");
    fail(&mut zone);
    assert_eq!((vm(&zone, id).nics().count(), used(&mut zone, "LEASES")), (0, "0".to_owned()));
    assert!(vm(&zone, id).template.vector("SECURITY_GROUP_RULE").is_none());
}

#[test]
fn traffic_limits_reach_the_host_of_a_running_vm_only_when_they_change() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "NIC=[NETWORK_ID=0,INBOUND_AVG_BW=10]");
    let update = |zone: &mut Zone, nic: &str, append: i64| {
        ok(zone, "one.vm.updatenic", &[int(id.into()), int(0), text(nic), int(append)])
    };
    update(&mut zone, "NIC=[INBOUND_AVG_BW=10]", 0);
    assert!(vm(&zone, id).is_doing(LcmState::Running), "nothing has changed");
    update(&mut zone, "NIC=[OUTBOUND_AVG_BW=7,MODEL=e1000]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::HotplugNic));
    let before = vm(&zone, id).template.vector("VNET_UPDATE").cloned().expect("the old values");
    assert_eq!(
        before.iter().map(|(name, value)| (name.as_str(), value)).collect::<Vec<_>>(),
        [("OUTBOUND_AVG_BW", "")]
    );
    drain(&mut zone);
    let nic = vm(&zone, id).nic(0).map(|(_, nic)| nic.clone()).expect("the NIC");
    assert_eq!((nic.value("INBOUND_AVG_BW"), nic.value("OUTBOUND_AVG_BW"), nic.value("MODEL")), ("10", "7", ""));
    assert!(vm(&zone, id).template.vector("VNET_UPDATE").is_none());
    power_off(&mut zone, id);
    update(&mut zone, "NIC=[OUTBOUND_AVG_BW=7]", 0);
    assert_eq!(zone.state.pending().len(), 0, "no driver is asked");
    assert!(vm(&zone, id).nic(0).is_some_and(|(_, nic)| nic.get("INBOUND_AVG_BW").is_none()));
}

#[test]
fn a_resize_that_the_hypervisor_refuses_is_undone_everywhere() {
    let mut zone = zone();
    let id = running_on(&mut zone, ANN, 1, "");
    let share = |zone: &Zone| {
        let share = &zone.state.find_typed::<Host>(1).unwrap().1.share;
        (share.cpu_usage, share.mem_usage)
    };
    let before = share(&zone);
    assert_eq!(before, (100, 64 * 1024));
    call(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=2.5 MEMORY=128 VCPU=3")]);
    assert!(vm(&zone, id).is_doing(LcmState::HotplugResize));
    assert_eq!(share(&zone), (250, 128 * 1024));
    assert_eq!((used(&mut zone, "RUNNING_CPU"), used(&mut zone, "MEMORY")), ("2.50".into(), "128".into()));
    fail(&mut zone);
    assert_eq!(share(&zone), before);
    assert_eq!((used(&mut zone, "RUNNING_CPU"), used(&mut zone, "MEMORY")), ("1".into(), "64".into()));
    let template = &vm(&zone, id).template;
    assert_eq!((template.value("CPU"), template.value("MEMORY")), ("1", "64"));
    assert!(template.vector("RESIZE").is_none());
    call(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=2")]);
    drain(&mut zone);
    assert_eq!((share(&zone).0, used(&mut zone, "CPU")), (200, "2".to_owned()));
    let too_much = refused(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=9")]);
    assert_eq!(too_much, "Not enough CPU: 900/800");
    assert_eq!(share(&zone).0, 200, "a refusal changes nothing");
}

#[test]
fn the_lists_of_operations_decide_what_it_takes_to_change_a_vm() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "");
    ok(
        &mut zone,
        "one.vm.chmod",
        &[int(id.into()), int(-1), int(-1), int(-1), int(-1), int(-1), int(-1), int(1), int(-1), int(-1)],
    );
    let attach = [int(id.into()), text("DISK=[TYPE=fs,SIZE=5]")];
    let text_of = refused(&mut zone, ANN, "one.vm.attach", &attach);
    assert!(text_of.contains(&format!("Not authorized to perform MANAGE VM [{id}]")), "{text_of}");
    ok(&mut zone, "one.user.update", &[int(2), text("VM_USE_OPERATIONS=\"disk-attach\""), int(1)]);
    call(&mut zone, ANN, "one.vm.attach", &attach);
    drain(&mut zone);
    ok(&mut zone, "one.user.update", &[int(2), text("VM_ADMIN_OPERATIONS=\"disk-attach\""), int(0)]);
    let text_of = refused(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    assert!(text_of.contains(&format!("Not authorized to perform ADMIN VM [{id}]")), "{text_of}");
}

#[test]
fn an_imported_vm_does_only_what_its_hypervisor_driver_offers() {
    let mut zone = zone();
    let id: i64 =
        ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64 DEPLOY_ID=wild HYPERVISOR=lxc")]).parse().unwrap();
    let text_of = refused(&mut zone, ADMIN, "one.vm.snapshotcreate", &[int(id), text("")]);
    assert_eq!(text_of, "Action \"snapshot-create\" is not supported for imported VMs");
    ok(&mut zone, "one.vm.resize", &[int(id), text("MEMORY=128")]);
}

#[test]
fn a_scheduled_action_must_be_a_vector() {
    let mut zone = zone();
    let id: i64 = ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64")]).parse().unwrap();
    let single = refused(&mut zone, ADMIN, "one.vm.schedadd", &[int(id), text("SCHED_ACTION=hold")]);
    assert_eq!(single, "Cannot read SCHED_ACTION from the template: SCHED_ACTION=hold");
    let two = "SCHED_ACTION=[ACTION=hold,TIME=1] SCHED_ACTION=[ACTION=release,TIME=2]";
    ok(&mut zone, "one.vm.schedadd", &[int(id), text(two)]);
    ok(&mut zone, "one.vm.schedadd", &[int(id), text("SCHED_ACTION=[ACTION=resume,TIME=3]")]);
    ok(&mut zone, "one.vm.scheddelete", &[int(id), int(0)]);
    ok(&mut zone, "one.vm.schedupdate", &[int(id), int(1), text("SCHED_ACTION=[ACTION=stop]")]);
    let id = i32::try_from(id).unwrap();
    let actions: Vec<_> = vm(&zone, id).template.vectors("SCHED_ACTION").collect();
    assert_eq!(actions.len(), 1);
    let action: Vec<_> = actions[0].iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(action, [("ACTION", "stop"), ("ID", "1")], "replaced whole");
}

#[test]
fn only_a_change_of_context_or_console_reaches_a_running_vm() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "CONTEXT=[A=1,B=2] OS=[ARCH=x86_64]");
    let update = |zone: &mut Zone, template: &str, append: i64| {
        ok(zone, "one.vm.updateconf", &[int(id.into()), text(template), int(append)])
    };
    update(&mut zone, "OS=[ARCH=arm]", 1);
    update(&mut zone, "CONTEXT=[B=2]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    update(&mut zone, "CONTEXT=[B=3]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::Hotplug));
    fail(&mut zone);
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    let context = vm(&zone, id).template.vector("CONTEXT").cloned().unwrap();
    assert_eq!((context.value("A"), context.value("B")), ("1", "3"), "the change stays");
    update(&mut zone, "GRAPHICS=[TYPE=vnc]", 1);
    drain(&mut zone);
    let port = vm(&zone, id).template.vector("GRAPHICS").map(|g| g.value("PORT").to_owned());
    assert_eq!(port, Some((5900 + id).to_string()));
    let none = ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64")]);
    let args = [int(none.parse().unwrap()), text("CONTEXT=[A=1]")];
    let text_of = refused(&mut zone, ADMIN, "one.vm.updateconf", &args);
    assert_eq!(text_of, "Virtual machine does not have context, cannot add a new one.");
}

#[test]
fn a_device_is_the_vms_while_it_is_plugged_in() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "");
    let holder = |zone: &Zone| zone.state.find_typed::<Host>(0).unwrap().0.xml(quorate_model::head::Form::Full);
    let held = format!("<VMID><![CDATA[{id}]]></VMID>");
    let nic = "PCI=[TYPE=NIC,NETWORK_ID=0,SHORT_ADDRESS=\"02:00.0\"]";
    for fails in [true, false] {
        ok(&mut zone, "one.vm.attachnic", &[int(id.into()), text(nic)]);
        assert!(holder(&zone).contains(&held), "{}", holder(&zone));
        if fails {
            fail(&mut zone)
        } else {
            drain(&mut zone)
        }
        assert_eq!(holder(&zone).contains(&held), !fails);
    }
    let taken = refused(&mut zone, ADMIN, "one.vm.attachnic", &[int(id.into()), text(nic)]);
    assert_eq!(taken, "Cannot assign PCI device in host. Check address and free devices");
    assert_eq!(vm(&zone, id).nic(0).map(|(name, nic)| (name, nic.value("ADDRESS"))), Some(("PCI", "0000:02:00:0")));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert!(!holder(&zone).contains(&held));
}
