//! VMs: rules that the recordings and the table of `vm_fsm.rs` do not show, and what holds whatever happens.

use quorate_state_machine::booking;
use std::collections::{BTreeMap, BTreeSet};

use quorate_model::api::Arg;
use quorate_model::command::Command;
use quorate_model::head::{Form, Op};
use quorate_model::kind::Kind;
use quorate_model::pending::DriverReport;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::cluster::Cluster;
use quorate_model::records::host::Host;
use quorate_model::records::image::Image;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State};
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vnet::holder::Holder;
use quorate_state_machine::pools::acl::changes;
use quorate_testkit::vms::{FAILURE, HOST, OTHER_HOST, TEMPLATE, VM, VmZone, arguments_for};
use quorate_testkit::zone::{ADMIN, NOW, int, text};

const ANN: &str = "ann:pw";

/// A lab with a plain user who may do everything to her VMs.
fn lab() -> VmZone {
    let mut lab = VmZone::new();
    lab.must("one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(vec![1])]);
    let kinds = [Kind::Vm, Kind::Image, Kind::Net, Kind::Datastore, Kind::SecGroup, Kind::Template];
    let rule = Acl {
        user: acl::who(acl::INDIVIDUAL, 2),
        resource: acl::on(&kinds, acl::ALL, 0),
        rights: acl::rights(&[Op::Use, Op::Manage, Op::Create]),
        zone: acl::ALL,
    };
    lab.change(|txn| changes::add(txn, rule)).expect("a rule");
    lab
}

/// A running VM of a lab.
fn running() -> VmZone {
    let mut lab = lab();
    lab.allocate();
    lab.walk("deploy, ok, ok");
    lab
}

fn document(lab: &mut VmZone, vm: i32) -> String {
    lab.must("one.vm.info", &[int(vm.into())])
}

fn host(lab: &VmZone, id: i32) -> (i64, i64, i64, Vec<i32>) {
    let host = lab.zone.state.get::<Host>(id).expect("a host").1;
    let share = &host.share;
    (share.cpu_usage, share.mem_usage, share.running_vms, host.vms.iter().copied().collect())
}

#[test]
fn an_answer_to_what_was_asked_before_changes_nothing() {
    let mut lab = running();
    lab.walk("terminate");
    let shutdown = lab.pending(true).remove(0);
    lab.walk("terminate-hard");
    assert_eq!(lab.state(), "SHUTDOWN");
    lab.report(&shutdown, Err(FAILURE));
    assert_eq!(lab.state(), "SHUTDOWN", "the shutdown does not count any more");
    let cancel = lab.pending(true).remove(0);
    lab.report(&cancel, Ok("-"));
    assert_eq!(lab.state(), "EPILOG");
    lab.report(&cancel, Err(FAILURE));
    assert_eq!(lab.state(), "EPILOG", "it was answered");
    let epilog = lab.pending(true).remove(0);
    let other = DriverReport { operation: epilog.id, attempt: epilog.attempt + 1, outcome: Ok(String::new()) };
    lab.zone.apply(Command::Report(other)).expect("reports are accepted");
    assert_eq!(lab.state(), "EPILOG", "nobody was asked for that attempt");
    lab.report(&epilog, Ok("-"));
    assert_eq!(lab.state(), "DONE");
    assert_eq!(lab.pending(true).len(), 0);
}

#[test]
fn a_failure_is_shown_until_the_user_clears_it() {
    let mut lab = lab();
    lab.allocate();
    lab.walk("deploy, fail");
    let shown = lab.zone.state.object(Kind::Vm, VM).expect("the VM").template.value("ERROR").to_owned();
    assert_eq!(shown, "Tue Nov 14 22:13:20 2023: Error executing image transfer script: it did not work");
    lab.walk("recover 2, ok, ok");
    assert_eq!(lab.state(), "RUNNING");
    assert!(document(&mut lab, VM).contains("<ERROR>"));
    let operation = {
        lab.walk("suspend");
        lab.pending(true).remove(0)
    };
    lab.report(&operation, Err(&"x".repeat(300)));
    let shown = lab.zone.state.object(Kind::Vm, VM).expect("the VM").template.value("ERROR").to_owned();
    assert!(shown.ends_with("x... see more details in VM log"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
}

#[test]
fn a_migration_takes_the_new_host_and_leaves_the_old_one() {
    let one = (100, 64 * 1024, 1, vec![VM]);
    let nothing = (0, 0, 0, vec![]);
    let mut lab = running();
    assert_eq!((host(&lab, HOST), host(&lab, OTHER_HOST)), (one.clone(), nothing.clone()));
    lab.walk("migrate");
    assert_eq!((host(&lab, HOST), host(&lab, OTHER_HOST)), (one.clone(), one.clone()), "both until it has left");
    let mut stays = lab.copy();
    lab.walk("ok, ok, ok");
    assert_eq!(lab.state(), "RUNNING");
    assert_eq!((host(&lab, HOST), host(&lab, OTHER_HOST)), (nothing.clone(), one.clone()));
    let hosts: Vec<(i32, bool)> = lab.vm().history.iter().map(|r| (r.hid, r.etime != 0)).collect();
    assert_eq!(hosts, [(HOST, true), (OTHER_HOST, false)]);
    // It could not be saved.
    stays.walk("fail");
    assert_eq!(stays.state(), "RUNNING");
    assert_eq!((host(&stays, HOST), host(&stays, OTHER_HOST)), (one.clone(), nothing.clone()));
    let hosts: Vec<(i32, bool)> = stays.vm().history.iter().map(|r| (r.hid, r.etime != 0)).collect();
    assert_eq!(hosts, [(HOST, true), (OTHER_HOST, true), (HOST, false)]);
    // Undeploying gives the capacity back, powering off keeps it.
    stays.walk("poweroff, ok");
    assert_eq!(host(&stays, HOST), one);
    stays.walk("undeploy, ok");
    assert_eq!(host(&stays, HOST), nothing);
}

#[test]
fn a_host_takes_what_fits_when_that_is_asked() {
    let mut lab = lab();
    lab.allocate();
    lab.must("one.vm.resize", &[int(VM.into()), text("CPU=9"), Arg::Bool(false)]);
    let refusal = lab.zone.ask(ADMIN, "one.vm.deploy", &[int(VM.into()), int(HOST.into()), Arg::Bool(true)]);
    assert_eq!(refusal, "virtual machine [0] does not fit in host [0]. Not enough CPU: 900/800");
    assert_eq!(host(&lab, HOST).3, Vec::<i32>::new());
    lab.walk("deploy");
    assert_eq!(host(&lab, HOST).0, 900, "unless capacity is not enforced");
}

#[test]
fn quotas_follow_a_vm_through_its_life() {
    let mut lab = lab();
    let quota = "VM=[VMS=2,RUNNING_VMS=1,CPU=2,MEMORY=200,RUNNING_CPU=-2,RUNNING_MEMORY=-2,SYSTEM_DISK_SIZE=-2]";
    lab.must("one.user.quota", &[int(2), text(quota)]);
    let small = "NAME=small CPU=1 MEMORY=64";
    let make = |lab: &mut VmZone, template: &str| lab.zone.ask(ANN, "one.vm.allocate", &[text(template)]);
    assert_eq!(make(&mut lab, small), "0");
    // A VM counts as running from the start.
    let refusal = "User [2] : user [2] limit of 1 reached for RUNNING_VMS quota in VM.";
    assert_eq!(make(&mut lab, small), refusal);
    lab.walk("deploy, ok, ok, poweroff, ok");
    assert_eq!(make(&mut lab, small), "1");
    assert_eq!(make(&mut lab, small), "User [2] : user [2] limit of 2 reached for VMS quota in VM.");
    // It may not run beside the other one.
    let refusal = lab.zone.ask(ANN, "one.vm.action", &[text("resume"), int(0)]);
    assert!(refusal.contains("limit of 1 reached for RUNNING_VMS quota in VM"), "{refusal}");
    assert_eq!(lab.state(), "POWEROFF");
    lab.must("one.vm.recover", &[int(1), int(3)]);
    assert_eq!(lab.zone.ask(ANN, "one.vm.action", &[text("resume"), int(0)]), "0");
    assert_eq!(booking::recount(&lab.zone.state), Vec::<String>::new());
}

#[test]
fn a_refused_vm_leaves_nothing() {
    let mut lab = lab();
    let before = lab.zone.state.clone();
    for faulty in [
        format!("{TEMPLATE}\nSCHED_ACTION=[ACTION=poweroff,TIME=+3600,REPEAT=9]"),
        format!("{TEMPLATE}\nVMGROUP=[VMGROUP_ID=0,ROLE=front]"),
        format!("{TEMPLATE}\nDEPLOY_ID=one-7"),
    ] {
        assert!(lab.zone.call(ANN, "one.vm.allocate", &[text(&faulty)]).is_err(), "{faulty}");
        for kind in Kind::ALL {
            for (id, object) in lab.zone.state.pool(kind) {
                let same = before
                    .find(kind, *id)
                    .is_some_and(|old| old.rendered(Form::Full).as_ref() == object.rendered(Form::Full).as_ref());
                assert!(same, "{faulty} changed {kind:?} {id}");
            }
        }
    }
}

#[test]
fn secrets_of_a_context_are_sealed_once_even_when_instantiated() {
    let mut lab = lab();
    let template = "NAME=t CPU=1 MEMORY=64 CONTEXT=[PASSWORD=hush,NETWORK=YES]";
    assert_eq!(lab.must("one.template.allocate", &[text(template)]), "0");
    assert_eq!(lab.must("one.template.instantiate", &[int(0), text("a"), Arg::Bool(false), text("")]), "0");
    assert!(!document(&mut lab, VM).contains("hush"));
    let clear = lab.must("one.vm.info", &[int(0), Arg::Bool(true)]);
    assert!(clear.contains("<PASSWORD><![CDATA[hush]]></PASSWORD>"), "{clear}");
}

#[test]
fn a_vm_waits_for_images_that_are_not_there_yet() {
    let mut lab = VmZone::with_new_image();
    lab.must("one.vm.allocate", &[text(TEMPLATE)]);
    assert_eq!(lab.vm().state, State::Cloning);
    // As in the reference (`VirtualMachinePool::allocate`), what is inserted keeps the previous state that it was meant
    // to begin in; any change makes it the present one.
    assert_eq!(lab.vm().prev_state, State::Pending);
    let refusal = lab.zone.ask(ADMIN, "one.vm.deploy", &[int(0), int(0)]);
    assert_eq!(refusal, "Deploy action is not available for state CLONING");
    let copy = lab.pending(false).remove(0);
    let mut fails = lab.copy();
    lab.report(&copy, Ok("source raw"));
    assert_eq!((lab.vm().state, lab.vm().prev_state), (State::Pending, State::Pending));
    fails.report(&copy, Err(FAILURE));
    assert_eq!((fails.vm().state, fails.vm().prev_state), (State::CloningFailure, State::CloningFailure));
}

#[test]
fn the_previous_state_of_a_new_vm_is_the_one_it_was_to_begin_in() {
    for (hold, deploy_id, state, previous) in [
        (false, "", "1", "1"),
        (true, "", "2", "2"),
        (false, "DEPLOY_ID=wild", "2", "1"),
        (true, "DEPLOY_ID=wild", "2", "2"),
    ] {
        let mut lab = lab();
        let id = lab.must("one.vm.allocate", &[text(&format!("CPU=1 MEMORY=64 {deploy_id}")), Arg::Bool(hold)]);
        let shown = lab.must("one.vm.info", &[int(id.parse().unwrap())]);
        let wanted = format!("<STATE>{state}</STATE><LCM_STATE>0</LCM_STATE><PREV_STATE>{previous}</PREV_STATE>");
        assert!(shown.contains(&wanted), "{hold} {deploy_id}: {shown}");
        // Any change of the VM makes it the present one.
        lab.must("one.vm.rename", &[int(id.parse().unwrap()), text("other")]);
        let shown = lab.must("one.vm.info", &[int(id.parse().unwrap())]);
        assert!(shown.contains(&format!("<PREV_STATE>{state}</PREV_STATE>")), "{hold} {deploy_id}: {shown}");
    }
}

#[test]
fn vms_that_run_already_are_taken_over() {
    let mut lab = lab();
    let wild = "NAME=wild CPU=1 MEMORY=64 DEPLOY_ID=\"wild-thing\"";
    assert_eq!(lab.must("one.vm.allocate", &[text(wild)]), "0");
    assert_eq!(lab.state(), "HOLD");
    let again = lab.zone.ask(ADMIN, "one.vm.allocate", &[text(wild)]);
    assert_eq!(again, "Virtual Machine wild-thing already imported.");
    lab.walk("deploy");
    assert_eq!((lab.state(), lab.pending(true).len()), ("RUNNING", 0));
    assert_eq!(host(&lab, HOST).3, [VM]);
    let refusal = lab.zone.ask(ADMIN, "one.vm.migrate", &[int(0), int(1), Arg::Bool(false)]);
    assert_eq!(refusal, "Migration is not supported for imported VMs");
    lab.walk("terminate, ok, ok");
    assert_eq!(lab.must("one.vm.allocate", &[text(wild)]), "1", "it may run again");
}

#[test]
fn listings_find_words_of_the_document() {
    let mut lab = lab();
    for (name, extra) in [("web", "COLOR=red"), ("db", "COLOR=blue"), ("web two", "COLOR=\"dark red\"")] {
        lab.must("one.vm.allocate", &[text(&format!("NAME=\"{name}\" CPU=1 MEMORY=64 {extra}"))]);
    }
    let mut find = |query: &str| {
        let all = lab.must("one.vmpool.info", &[int(-2), int(-1), int(-1), int(-2), text(query)]);
        all.matches("<VM>").count()
    };
    assert_eq!(find(""), 3);
    assert_eq!(find("NAME=web"), 2);
    assert_eq!(find("COLOR=red"), 1, "words in a row");
    assert_eq!(find("COLOR=green"), 0);
}

#[test]
fn numbers_out_of_proportion_break_nothing() {
    let mut lab = lab();
    let huge = "NAME=huge CPU=1e30 VCPU=2147483647 MEMORY=9223372036854775807 DISK=[TYPE=fs,SIZE=9223372036854775807]";
    for template in [huge.to_owned(), format!("{huge} DISK=[IMAGE_ID=0,SIZE=9223372036854775807]")] {
        // Quotas would not count it; the administrator is not counted.
        let refused = lab.zone.ask(ANN, "one.vm.allocate", &[text(&template)]);
        assert!(refused.contains("MEMORY attribute must be a positive integer value"), "{refused}");
        lab.must("one.vm.allocate", &[text(&template)]);
    }
    lab.walk("deploy, ok, ok, poweroff, ok");
    lab.zone.ask(ADMIN, "one.vm.deploy", &[int(1), int(HOST.into())]);
    for size in ["CPU=-1", "MEMORY=-1", "CPU=1e38", "CPU=0.000001", "VCPU=9223372036854775807"] {
        lab.zone.ask(ADMIN, "one.vm.resize", &[int(VM.into()), text(size), Arg::Bool(false)]);
    }
    lab.zone.ask(ADMIN, "one.vm.diskresize", &[int(VM.into()), int(0), text("9223372036854775807")]);
    lab.must("one.host.info", &[int(HOST.into())]);
    lab.must("one.vmpool.accounting", &[int(-2), int(-1), int(-1)]);
    lab.zone.ask(ADMIN, "one.vmpool.calculateshowback", &[int(-1), int(-1), int(-1), int(-1)]);
    lab.must("one.vmpool.showback", &[int(-2), int(-1), int(-1), int(-1), int(-1)]);
    for vm in 0..2 {
        lab.must("one.vm.recover", &[int(vm), int(3)]);
    }
    assert_eq!((host(&lab, HOST).2, host(&lab, HOST).3), (0, vec![]));
}

/// What users and administrators do to VMs in random order (backups are in `vm_operations_random.rs`).
const ACTIONS: [&str; 43] = [
    "deploy",
    "deploy",
    "deploy",
    "deploy",
    "terminate",
    "terminate-hard",
    "undeploy",
    "undeploy-hard",
    "poweroff",
    "poweroff-hard",
    "hold",
    "release",
    "stop",
    "suspend",
    "resume",
    "resume",
    "resume",
    "resched",
    "migrate",
    "migrate",
    "migrate off",
    "migrate live",
    "attach disk",
    "detach disk",
    "attach NIC",
    "detach NIC",
    "update NIC",
    "snapshot create",
    "snapshot delete",
    "disk snapshot create",
    "disk snapshot revert",
    "disk snapshot delete",
    "resize",
    "disk resize",
    "disk save-as",
    "update configuration",
    "attach security group",
    "detach security group",
    "recover 0",
    "recover 1",
    "recover 2",
    "recover 3",
    "recover 4",
];

const SEEDS: u64 = 12;
const STEPS: usize = 300;

/// A small generator of its own: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// The hosts whose capacity a VM has.
fn hosts_of(vm: &Vm) -> BTreeSet<i32> {
    let current = vm.record().map(|record| record.hid);
    let previous = vm.previous_record().map(|record| record.hid);
    match (vm.state, vm.lcm_state) {
        (State::Active, LcmState::CleanupResubmit) => BTreeSet::new(),
        (State::Active, LcmState::SaveMigrate | LcmState::Migrate) => current.into_iter().chain(previous).collect(),
        (
            State::Active,
            LcmState::HotplugSaveasUndeployed | LcmState::HotplugSaveasStopped | LcmState::DiskResizeUndeployed,
        ) => BTreeSet::new(),
        (State::Active | State::Poweroff | State::Suspended, _) => current.into_iter().collect(),
        _ => BTreeSet::new(),
    }
}

/// What is wrong in a zone.
fn faults(lab: &VmZone) -> Vec<String> {
    let state = &lab.zone.state;
    let mut faults = booking::recount(state);
    let mut check = |what: String, found: String, expected: String| {
        if found != expected {
            faults.push(format!("{what} is {found}, not {expected}"));
        }
    };
    let alive: Vec<(i32, &Vm)> =
        state.each::<Vm>().filter(|(_, vm)| vm.state != State::Done).map(|(object, vm)| (object.id, vm)).collect();
    for (object, host) in state.each::<Host>() {
        // A VM that is terminated may have been stopped or undeployed before.
        let ends = |vm: &Vm| matches!(vm.lcm_state, LcmState::Epilog | LcmState::EpilogFailure);
        let is_here = |id: i32, vm: &Vm| hosts_of(vm).contains(&object.id) && (!ends(vm) || host.vms.contains(&id));
        let here: Vec<&(i32, &Vm)> = alive.iter().filter(|(id, vm)| is_here(*id, vm)).collect();
        let ids: Vec<i32> = here.iter().map(|(id, _)| *id).collect();
        let found: Vec<i32> = host.vms.iter().copied().collect();
        check(format!("VMs of host {}", object.id), format!("{found:?}"), format!("{ids:?}"));
        let sum = |name: &str, unit: i64| -> i64 {
            here.iter().filter_map(|(_, vm)| vm.template.int(name)).map(|n| n * unit).sum()
        };
        check(
            format!("usage of host {}", object.id),
            format!("{:?}", (host.share.cpu_usage, host.share.mem_usage)),
            format!("{:?}", (sum("CPU", 100), sum("MEMORY", 1024))),
        );
    }
    for (object, image) in state.each::<Image>().filter(|(object, _)| object.id == 0) {
        let users: Vec<i32> = alive
            .iter()
            .filter(|(_, vm)| vm.disks().any(|disk| disk.int("IMAGE_ID") == Some(0)))
            .map(|(id, _)| *id)
            .collect();
        let found: Vec<i32> = image.vms.iter().copied().collect();
        check(format!("users of image {}", object.id), format!("{found:?}"), format!("{users:?}"));
    }
    let network = state.get::<Vnet>(0).expect("the network").1;
    let taken: BTreeMap<u32, Holder> = network.ranges.get(0).expect("a range").taken.iter().collect();
    let leased: BTreeMap<u32, Holder> = alive
        .iter()
        .flat_map(|(id, vm)| vm.nics().map(move |nic| (*id, nic)))
        .filter_map(|(id, nic)| {
            Some((nic.1.value("IP").strip_prefix("10.0.0.")?.parse::<u32>().ok()? - 1, Holder::Vm(id)))
        })
        .collect();
    check("leases".to_owned(), format!("{taken:?}"), format!("{leased:?}"));
    for group in [0, 100, 101] {
        let vms = &state.get::<SecGroup>(group).expect("a group").1.vms;
        let lists = [&vms.updated, &vms.outdated, &vms.updating, &vms.error];
        let found: BTreeSet<i32> = lists.into_iter().flatten().copied().collect();
        let has = |vm: &Vm| {
            vm.nics().any(|(_, nic)| nic.value("SECURITY_GROUPS").split(',').any(|id| id == group.to_string()))
        };
        let expected: BTreeSet<i32> = alive.iter().filter(|(_, vm)| has(vm)).map(|(id, _)| *id).collect();
        check(format!("VMs of security group {group}"), format!("{found:?}"), format!("{expected:?}"));
    }
    let ports = &state.get::<Cluster>(0).expect("the default cluster").1.vnc_ports;
    let graphics = alive.iter().filter_map(|(_, vm)| vm.template.vector("GRAPHICS"));
    let expected: BTreeSet<u32> = graphics
        .flat_map(|graphics| ["PORT", "PREVIOUS_PORT"].map(|name| graphics.value(name).parse()))
        .flatten()
        .collect();
    let ports: BTreeSet<u32> = ports.iter().copied().collect();
    check("ports".to_owned(), format!("{ports:?}"), format!("{expected:?}"));
    for (id, vm) in state.each::<Vm>().map(|(object, vm)| (object.id, vm)) {
        let active = vm.state == State::Active;
        // As in the reference (`DispatchManager::snapshot_delete`, which leaves the VM's state alone), a powered off VM
        // whose snapshot is deleted does that, and then RUNNING, in name only.
        let deletes =
            vm.state == State::Poweroff && matches!(vm.lcm_state, LcmState::HotplugSnapshot | LcmState::Running);
        if active == (vm.lcm_state == LcmState::LcmInit) && !deletes {
            faults.push(format!("VM {id} is {:?} and does {:?}", vm.state, vm.lcm_state));
        }
        if !vm.history.iter().enumerate().all(|(i, record)| usize::try_from(record.seq) == Ok(i)) {
            faults.push(format!("VM {id}: history out of sequence"));
        }
    }
    faults
}

#[test]
fn whatever_happens_nothing_is_used_twice_or_left_behind() {
    for seed in 0..SEEDS {
        let mut lab = lab();
        let mut dice = Dice(seed);
        let mut done = Vec::new();
        let check = |lab: &VmZone, done: &[String]| {
            let faults = faults(lab);
            let last = &done[done.len().saturating_sub(12)..];
            assert!(faults.is_empty(), "seed {seed}: after {last:#?}:\n{}", faults.join("\n"));
        };
        for _ in 0..STEPS {
            let vms: Vec<i32> = lab
                .zone
                .state
                .each::<Vm>()
                .filter(|(_, vm)| vm.state != State::Done)
                .map(|(object, _)| object.id)
                .collect();
            if vms.len() < 3 {
                let made = lab.zone.ask(ANN, "one.vm.allocate", &[text(TEMPLATE)]);
                assert!(made.parse::<i32>().is_ok(), "{made}");
                done.push(format!("allocate {made}"));
            } else if dice.roll(5) < 2 {
                let pending: Vec<_> = lab.zone.state.pending().values().cloned().collect();
                if let Some(picked) = pending.get(dice.roll(pending.len().max(1))) {
                    let works = dice.roll(4) != 0;
                    let answer = VmZone::success(&picked.operation);
                    lab.report(picked, if works { Ok(&answer) } else { Err(FAILURE) });
                    done.push(format!("{works} {:?}", picked.operation));
                }
            } else {
                let vm = vms[dice.roll(vms.len())];
                let action = ACTIONS[dice.roll(ACTIONS.len())];
                let (method, args) = arguments_for(action, vm).expect("a call");
                let before = lab.zone.state.get::<Vm>(vm).expect("a VM").1.state_name();
                if lab.zone.call(ADMIN, method, &args).is_ok() {
                    let after = lab.zone.state.get::<Vm>(vm).expect("a VM").1.state_name();
                    done.push(format!("{action} {vm}: {before} -> {after}"));
                }
            }
            check(&lab, &done);
        }
        let vms: Vec<i32> = lab.zone.state.pool(Kind::Vm).keys().copied().collect();
        for vm in vms {
            lab.must("one.vm.recover", &[int(vm.into()), int(3)]);
            done.push(format!("recover 3 {vm}"));
            check(&lab, &done);
        }
        assert!(lab.zone.state.each::<Vm>().all(|(_, vm)| vm.state == State::Done && vm.etime == NOW));
    }
}
