//! Every action in every state that a VM can get into: `../shared/api/vm_fsm.json`, measured on the reference, says
//! what is refused and how, which states follow, and where drivers' failures lead.

use quorate_state_machine::booking;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use quorate_model::api::{ApiReply, Arg};
use quorate_model::pending::{Operation, VmmAction};
use quorate_model::records::group::Group;
use quorate_model::records::user::User;
use quorate_state_machine::pools::vm::fsm::steps;
use quorate_state_machine::pools::vm::fsm::table::Event;
use quorate_testkit::vms::{VM, VmZone, arguments};
use quorate_testkit::zone::{int, text};
use serde_json::Value as Json;

const UP: &str = "deploy, ok, ok";

/// How a VM that has just been made gets into each state. The other states are passed through within one call (INIT,
/// LCM_INIT, CLEANUP_DELETE) or are of drivers that the configuration does not have (HOTPLUG_NIC_POWEROFF).
const WAYS: &[(&str, &str)] = &[
    ("PENDING", ""),
    ("HOLD", "hold"),
    ("CLONING_FAILURE", "cannot clone"),
    ("PROLOG", "deploy"),
    ("PROLOG_FAILURE", "deploy, fail"),
    ("BOOT", "deploy, ok"),
    ("BOOT_FAILURE", "deploy, ok, fail"),
    ("RUNNING", "UP"),
    ("MIGRATE", "UP, migrate live"),
    ("SAVE_STOP", "UP, stop"),
    ("EPILOG_STOP", "UP, stop, ok"),
    ("EPILOG_STOP_FAILURE", "UP, stop, ok, fail"),
    ("STOPPED", "UP, stop, ok, ok"),
    ("PROLOG_RESUME", "UP, stop, ok, ok, deploy"),
    ("PROLOG_RESUME_FAILURE", "UP, stop, ok, ok, resume, deploy, fail"),
    ("BOOT_STOPPED", "UP, stop, ok, ok, deploy, ok"),
    ("BOOT_STOPPED_FAILURE", "UP, stop, ok, ok, deploy, ok, fail"),
    ("HOTPLUG_SAVEAS_STOPPED", "UP, stop, ok, ok, disk save-as"),
    ("SAVE_SUSPEND", "UP, suspend"),
    ("SUSPENDED", "UP, suspend, ok"),
    ("BOOT_SUSPENDED", "UP, suspend, ok, resume"),
    ("HOTPLUG_SAVEAS_SUSPENDED", "UP, suspend, ok, disk save-as"),
    ("DISK_SNAPSHOT_SUSPENDED", "UP, suspend, ok, disk snapshot create"),
    ("DISK_SNAPSHOT_DELETE_SUSPENDED", "UP, suspend, ok, disk snapshot delete"),
    ("PROLOG_MIGRATE_SUSPEND", "UP, suspend, ok, migrate"),
    ("PROLOG_MIGRATE_SUSPEND_FAILURE", "UP, suspend, ok, migrate, fail"),
    ("SAVE_MIGRATE", "UP, migrate"),
    ("PROLOG_MIGRATE", "UP, migrate, ok"),
    ("PROLOG_MIGRATE_FAILURE", "UP, migrate, ok, fail"),
    ("BOOT_MIGRATE", "UP, migrate, ok, ok"),
    ("BOOT_MIGRATE_FAILURE", "UP, migrate, ok, ok, fail"),
    ("SHUTDOWN", "UP, terminate"),
    ("EPILOG", "UP, terminate, ok"),
    ("EPILOG_FAILURE", "UP, terminate, ok, fail"),
    ("DONE", "UP, terminate, ok, ok"),
    ("CLEANUP_RESUBMIT", "UP, recover 4"),
    ("UNKNOWN", "UP, lost"),
    ("BOOT_UNKNOWN", "UP, lost, resume"),
    ("PROLOG_MIGRATE_UNKNOWN", "UP, lost, migrate"),
    ("PROLOG_MIGRATE_UNKNOWN_FAILURE", "UP, lost, migrate, fail"),
    ("SHUTDOWN_POWEROFF", "UP, poweroff"),
    ("POWEROFF", "UP, poweroff, ok"),
    ("BOOT_POWEROFF", "UP, poweroff, ok, resume"),
    ("HOTPLUG_SAVEAS_POWEROFF", "UP, poweroff, ok, disk save-as"),
    ("HOTPLUG_PROLOG_POWEROFF", "UP, poweroff, ok, attach disk"),
    ("HOTPLUG_EPILOG_POWEROFF", "UP, poweroff, ok, detach disk"),
    ("DISK_SNAPSHOT_POWEROFF", "UP, poweroff, ok, disk snapshot create"),
    ("DISK_SNAPSHOT_REVERT_POWEROFF", "UP, poweroff, ok, disk snapshot revert"),
    ("DISK_SNAPSHOT_DELETE_POWEROFF", "UP, poweroff, ok, disk snapshot delete"),
    ("DISK_RESIZE_POWEROFF", "UP, poweroff, ok, grow disk"),
    ("PROLOG_MIGRATE_POWEROFF", "UP, poweroff, ok, migrate"),
    ("PROLOG_MIGRATE_POWEROFF_FAILURE", "UP, poweroff, ok, migrate, fail"),
    ("BACKUP_POWEROFF", "UP, poweroff, ok, backup"),
    ("SHUTDOWN_UNDEPLOY", "UP, undeploy"),
    ("EPILOG_UNDEPLOY", "UP, undeploy, ok"),
    ("EPILOG_UNDEPLOY_FAILURE", "UP, undeploy, ok, fail"),
    ("UNDEPLOYED", "UP, undeploy, ok, ok"),
    ("PROLOG_UNDEPLOY", "UP, undeploy, ok, ok, deploy"),
    ("PROLOG_UNDEPLOY_FAILURE", "UP, undeploy, ok, ok, resume, deploy, fail"),
    ("BOOT_UNDEPLOY", "UP, undeploy, ok, ok, deploy, ok"),
    ("BOOT_UNDEPLOY_FAILURE", "UP, undeploy, ok, ok, deploy, ok, fail"),
    ("HOTPLUG_SAVEAS_UNDEPLOYED", "UP, undeploy, ok, ok, disk save-as"),
    ("DISK_RESIZE_UNDEPLOYED", "UP, undeploy, ok, ok, grow disk"),
    ("HOTPLUG", "UP, attach disk"),
    ("HOTPLUG_NIC", "UP, attach NIC"),
    ("HOTPLUG_SNAPSHOT", "UP, snapshot create"),
    ("HOTPLUG_SAVEAS", "UP, disk save-as"),
    ("HOTPLUG_RESIZE", "UP, resize"),
    ("DISK_SNAPSHOT", "UP, disk snapshot create"),
    ("DISK_SNAPSHOT_DELETE", "UP, disk snapshot delete"),
    ("DISK_RESIZE", "UP, grow disk"),
    ("BACKUP", "UP, backup"),
];

/// Pairs that differ from the table, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("attach disk", "PENDING", "the host is looked for first; the table's VMs had one in every state"),
    ("attach disk", "HOLD", "the same"),
    ("attach disk", "CLONING", "the same"),
    ("attach disk", "CLONING_FAILURE", "the same"),
    ("snapshot delete", "POWEROFF", "this driver keeps snapshots (a note of the table)"),
    ("disk snapshot rename", "CLEANUP_RESUBMIT", "the snapshots are gone"),
];

fn table() -> Option<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/api/vm_fsm.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("vm_fsm.json is JSON"))
}

/// A lab for each state.
fn labs() -> BTreeMap<&'static str, VmZone> {
    let mut fresh = VmZone::new();
    fresh.allocate();
    let mut labs = BTreeMap::new();
    for (state, way) in WAYS {
        let mut lab = fresh.copy();
        lab.walk(&way.replace("UP", UP));
        assert_eq!(lab.state(), *state, "{way}");
        labs.insert(*state, lab);
    }
    let mut cloning = VmZone::with_new_image();
    cloning.allocate();
    assert_eq!(cloning.state(), "CLONING");
    labs.insert("CLONING", cloning);
    labs
}

/// The states after the call, and after each answer of the drivers, without those that do not change; `works` says
/// which answers succeed.
fn states(lab: &mut VmZone, works: impl Fn(&Operation) -> bool) -> Vec<&'static str> {
    let mut seen = vec![lab.state()];
    for _ in 0..20 {
        if lab.pending(true).is_empty() {
            // A new image may have to be made first.
            lab.settle();
        }
        let Some(next) = lab.pending(true).into_iter().next() else { break };
        lab.answer(works(&next.operation));
        if seen.last() != Some(&lab.state()) {
            seen.push(lab.state());
        }
    }
    seen
}

fn is_transfer(operation: &Operation) -> bool {
    matches!(operation, Operation::Transfer { .. })
}

fn is_boot(operation: &Operation) -> bool {
    matches!(operation, Operation::Vmm { action, .. } if [VmmAction::Deploy, VmmAction::Restore].contains(action))
}

/// What is wrong with an accepted action.
fn check_row(action: &str, lab: &VmZone, row: &Json) -> Vec<String> {
    let text = |key: &str| row[key].as_str();
    let success = text("success").expect("a row says where it leads");
    let via: Vec<&str> = row["via"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    // Passed through within the call.
    let via = via.into_iter().filter(|state| *state != "CLEANUP_DELETE");
    let expected: Vec<&str> = via.chain([success]).collect();
    if expected == [row["from"].as_str().unwrap_or_default()] {
        // Nothing happens, whatever else is going on.
        return if lab.state() == success { Vec::new() } else { vec![format!("leads to {}", lab.state())] };
    }
    let mut wrong = Vec::new();
    let seen = states(&mut lab.copy(), |_| true);
    let as_expected = match action {
        // What it is in already.
        "recover 2 retry" => seen == expected || seen.get(1..) == Some(&expected[..]),
        // What the table saw between is passed through within the call.
        _ if action.starts_with("recover") => expected.ends_with(&seen),
        _ => seen == expected,
    };
    if !as_expected {
        wrong.push(format!("goes {seen:?}, not {expected:?}"));
    }
    let mut failing = |what: &str, works: &dyn Fn(&Operation) -> bool| {
        let Some(expected) = text(what) else { return };
        let seen = states(&mut lab.copy(), works);
        if seen.last() != Some(&expected) {
            wrong.push(format!("{what} ends as {seen:?}, not {expected}"));
        }
    };
    failing("vm_driver_failure", &is_transfer);
    failing("transfer_failure", &|operation| !is_transfer(operation));
    failing("boot_failure", &|operation| !is_boot(operation));
    wrong
}

/// What is wrong with a refused action.
fn check_refusal(action: &Json, state: &str, reply: &ApiReply) -> Option<String> {
    let refusal = match reply {
        Ok(_) => return Some("is accepted".to_owned()),
        Err(refusal) => refusal,
    };
    let format = action["not_allowed"]["format"].as_str().unwrap_or_default();
    let code = action["not_allowed"]["code"].as_i64();
    let format = format.split_once("] ").map_or(format, |(_, text)| text);
    let texts: Vec<String> = format
        .split(" | ")
        .map(|text| {
            let snapshot =
                if action["action"] == "snapshot revert" || action["action"] == "snapshot delete" { "0" } else { "1" };
            text.replace("<id>", &VM.to_string()).replace("<S>", state).replace("<n>", "0").replace("<s>", snapshot)
        })
        .collect();
    let known = texts.contains(&refusal.text) && Some(i64::from(refusal.code as i32)) == code;
    (!known).then(|| format!("is refused with {:?}, not {texts:?}", refusal.text))
}

/// What monitoring reports about a VM.
fn event(report: &str) -> Option<Event> {
    Some(match report {
        "RUNNING" => Event::FoundRunning,
        "FAILURE" | "host enters ERROR" => Event::Lost,
        "SUSPENDED" => Event::FoundSuspended,
        "POWEROFF" => Event::FoundPoweroff,
        // Full synchronization with hosts is the drivers'.
        _ => return None,
    })
}

#[test]
fn drivers_answers_and_monitoring_lead_where_they_did_when_measured() {
    let Some(table) = table() else { return };
    let labs = labs();
    let mut wrong = Vec::new();
    for row in table["driver_events"].as_array().expect("a table of answers") {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let Some(lab) = labs.get(text("lcm")) else { continue };
        if text("operation").starts_with("none") {
            continue;
        }
        let ends = if text("success_end").is_empty() { text("success_next") } else { text("success_end") };
        let succeeds = states(&mut lab.copy(), |_| true);
        let mut lab = lab.copy();
        if lab.pending(true).is_empty() {
            lab.settle();
        }
        let begins = lab.state();
        let mut fails = lab.copy();
        lab.answer(true);
        fails.answer(false);
        let found = [lab.state(), fails.state(), succeeds.last().copied().unwrap_or(begins)];
        let expected = [text("success_next"), text("failure_next"), ends];
        if found != expected {
            wrong.push(format!("{begins}: success, failure, end are {found:?}, not {expected:?}"));
        }
    }
    for row in table["monitor_events"].as_array().expect("a table of findings") {
        let Some(event) = row["report"].as_str().and_then(event) else { continue };
        let from: Vec<&str> = row["from"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let to = row["to"].as_str().expect("a finding leads somewhere");
        for (state, lab) in labs.iter().filter(|(state, _)| from.contains(state)) {
            let mut lab = lab.copy();
            let mut shut_down = lab.copy();
            lab.change(|txn| steps::happen(txn, VM, event)).expect("findings are accepted");
            let to = if to == "as shutdown success" {
                shut_down.answer(true);
                shut_down.state()
            } else {
                to
            };
            if lab.state() != to {
                wrong.push(format!("{event:?} in {state} leads to {}, not {to}", lab.state()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_action_in_every_state_is_as_measured() {
    let Some(table) = table() else { return };
    let labs = labs();
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for action in table["actions"].as_array().expect("a table of actions") {
        let name = action["action"].as_str().expect("an action has a name");
        let (method, args) = arguments(name).expect("every action is a call");
        assert!(action["method"].as_str().is_some_and(|of| of == method), "{name} is not {method}");
        for (state, lab) in &labs {
            let mut lab = lab.copy();
            let reply = lab.call(method, &args);
            let rows = action["allowed"].as_array();
            let row = rows.and_then(|rows| rows.iter().find(|row| row["from"] == **state));
            let denied = action["denied"].as_array();
            let denied = denied.is_some_and(|denied| denied.iter().any(|other| other == state));
            let faults = match (rows, row, &reply) {
                (Some(_), None, _) => check_refusal(action, state, &reply).into_iter().collect(),
                (None, _, _) if denied => check_refusal(action, state, &reply).into_iter().collect(),
                (_, _, Err(refusal)) => vec![format!("is refused: {}", refusal.text)],
                (Some(_), Some(row), Ok(_)) => check_row(name, &lab, row),
                (None, _, Ok(_)) if lab.state() == *state => Vec::new(),
                (None, _, Ok(_)) => vec![format!("leads to {}", lab.state())],
            };
            pairs += 1;
            let excepted = EXCEPTIONS.iter().any(|(of, at, _)| *of == name && at == state);
            match (excepted, faults.is_empty()) {
                (true, true) => wrong.push(format!("{name} in {state} is no exception any more")),
                (false, false) => wrong.extend(faults.into_iter().map(|fault| format!("{name} in {state}: {fault}"))),
                _ => {}
            }
        }
    }
    println!("{pairs} pairs");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

const REST: [&str; 4] = ["POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED"];
const ANN: i32 = 2;

/// Whether a VM that got somewhere by `way` counts as running: from when it is made until it is at rest, and again once
/// it is brought back or terminated; not while something is done to it at rest.
fn runs(way: &str) -> bool {
    let mut lab = VmZone::new();
    lab.allocate();
    let mut runs = true;
    for word in way.split(", ") {
        lab.walk(word);
        if REST.contains(&lab.state()) {
            runs = false;
        } else if ["resume", "deploy", "terminate"].contains(&word) {
            runs = true;
        }
    }
    runs
}

/// What Ann and her group use, as they are shown.
fn used_by_ann(lab: &VmZone) -> (String, String) {
    let (_, user) = lab.zone.state.get::<User>(ANN).expect("a user");
    let (_, group) = lab.zone.state.get::<Group>(1).expect("a group");
    (user.quotas.document("QUOTAS"), group.quotas.document("QUOTAS"))
}

/// Makes Ann and gives her the VM; what she and her group used before.
fn give_to_ann(lab: &mut VmZone) -> (String, String) {
    let made = lab.must("one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(vec![1])]);
    assert_eq!(made, ANN.to_string());
    let before = used_by_ann(lab);
    lab.must("one.vm.chown", &[int(VM.into()), int(ANN.into()), int(1)]);
    before
}

/// A lab for each state but DONE, with what Ann and her group used before the VM was hers.
fn labs_of_ann() -> impl Iterator<Item = (&'static str, VmZone, (String, String))> {
    labs().into_iter().filter(|(state, _)| *state != "DONE").map(|(state, mut lab)| {
        let before = give_to_ann(&mut lab);
        (state, lab, before)
    })
}

/// Usage equals what the objects use.
fn assert_recounted(lab: &VmZone, when: &str) {
    assert_eq!(booking::recount(&lab.zone.state), Vec::<String>::new(), "{when}: {}", lab.state());
}

#[test]
fn a_vm_at_rest_does_not_count_as_running_whatever_is_done_to_it() {
    let ways: BTreeMap<&str, &str> = WAYS.iter().copied().chain([("CLONING", "")]).collect();
    for (state, lab, _) in labs_of_ann() {
        let running = i32::from(runs(&ways[state].replace("UP", UP)));
        for used in <[String; 2]>::from(used_by_ann(&lab)) {
            let shown = format!("<RUNNING_VMS_USED><![CDATA[{running}]]></RUNNING_VMS_USED>");
            assert!(used.contains(&shown), "{state}: {used}");
            assert!(used.contains("<VMS_USED><![CDATA[1]]></VMS_USED>"), "{state}: {used}");
        }
        assert_recounted(&lab, state);
    }
}

#[test]
fn a_vm_that_ends_leaves_no_usage_wherever_it_was() {
    for (state, lab, nothing) in labs_of_ann() {
        let mut endings = 0;
        for ending in ["terminate", "terminate-hard", "recover 3 delete", "recover 5 delete-db"] {
            let mut lab = lab.copy();
            let (method, args) = arguments(ending).expect("an action");
            if lab.call(method, &args).is_err() {
                continue;
            }
            let when = format!("{ending} in {state}");
            assert_recounted(&lab, &when);
            while lab.state() != "DONE" && lab.answer(true).is_some() {
                assert_recounted(&lab, &when);
            }
            assert_eq!(lab.state(), "DONE", "{when}");
            assert_eq!(used_by_ann(&lab), nothing, "{when}");
            endings += 1;
        }
        assert!(endings >= 2, "{state} can always be deleted");
    }
}
