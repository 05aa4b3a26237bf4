//! Hooks: when they run, what they are told, what is kept of their runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::pending::Operation;
use quorate_model::records::hook::Hook;
use quorate_state_machine::pools::hook::log;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

#[test]
fn a_hooks_update_must_leave_it_readable() {
    let mut zone = Zone::fresh();
    let hook = "NAME=h\nTYPE=state\nCOMMAND=x\nRESOURCE=IMAGE\nSTATE=READY";
    assert_eq!(zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]), "0");
    let update =
        |zone: &mut Zone, template: &str| zone.ask(ADMIN, "one.hook.update", &[int(0), text(template), int(1)]);
    for (template, reason) in [
        ("RESOURCE=PRINTER", "Invalid resource type: PRINTER"),
        ("RESOURCE=VM", "Invalid VM state"),
        ("STATE=NONSENSE", "Invalid or unknown STATE attribute"),
    ] {
        assert_eq!(update(&mut zone, template), format!("Cannot update template. {reason}"));
    }
    assert_eq!(update(&mut zone, "RESOURCE=NET\nSTATE=ERROR"), "0");
    assert_eq!(update(&mut zone, "RESOURCE=HOST\nSTATE=ERROR\nREMOTE=yes"), "0");
    assert!(zone.ask(ADMIN, "one.hook.info", &[int(0)]).contains("<REMOTE><![CDATA[YES]]></REMOTE>"));
}

#[test]
fn the_log_of_a_hook_keeps_the_latest_runs_and_can_repeat_them() {
    let mut zone = Zone::fresh();
    let hook = "NAME=h\nTYPE=api\nCOMMAND=x\nCALL=one.vm.allocate";
    assert_eq!(zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]), "0");
    let run = |zone: &mut Zone, code: i32, arguments: &str| {
        let result = BASE64.encode(format!("<ARGUMENTS>{arguments}</ARGUMENTS><CODE>{code}</CODE>"));
        let payload = format!("{code} {result}");
        zone.change(|txn| log::executed(txn, 0, Ok(&payload))).expect("an answer");
    };
    for n in 0..22 {
        run(&mut zone, n % 2, &format!("run-{n}"));
    }
    let ids: Vec<i32> = zone.state.get::<Hook>(0).expect("hook 0").1.log.values().map(|e| e.id).collect();
    assert_eq!(ids, (2..22).collect::<Vec<_>>(), "twenty are kept");
    let count = |zone: &mut Zone, result: i64| {
        let log = zone.ask(ADMIN, "one.hooklog.info", &[int(-1), int(-1), int(0), int(result)]);
        log.matches("<HOOK_EXECUTION_RECORD>").count()
    };
    assert_eq!((count(&mut zone, 0), count(&mut zone, 1), count(&mut zone, -1)), (20, 10, 10));
    let refusal = zone.ask(ADMIN, "one.hook.retry", &[int(0), int(1)]);
    assert_eq!(refusal, "Invalid HookLog body. Arguments not found.", "it is no longer known");
    assert_eq!(zone.ask(ADMIN, "one.hook.retry", &[int(0), int(5)]), "0");
    let is_retry =
        |o: &Operation| matches!(o, Operation::Hook { hook: 0, arguments, retry: true, .. } if arguments == "run-5");
    assert_eq!(zone.state.pending().values().filter(|p| is_retry(&p.operation)).count(), 1);
}

fn hook_runs(zone: &Zone) -> Vec<(i32, String, String)> {
    let runs = zone.state.pending().values().filter_map(|p| match &p.operation {
        Operation::Hook { hook, arguments, remote_host, .. } => Some((*hook, arguments.clone(), remote_host.clone())),
        _ => None,
    });
    runs.collect()
}

#[test]
fn hooks_run_when_an_object_reaches_their_state() {
    let mut zone = Zone::fresh();
    let mut allocate = |hook: &str| zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]);
    assert_eq!(
        allocate(
            "NAME=a\nTYPE=state\nCOMMAND=x\nRESOURCE=HOST\nSTATE=MONITORED\nREMOTE=YES\nARGUMENTS=\"-v $TEMPLATE $API\""
        ),
        "0"
    );
    assert_eq!(allocate("NAME=b\nTYPE=state\nCOMMAND=x\nRESOURCE=HOST\nSTATE=ERROR"), "1");
    let args = [text("node"), text("dummy"), text("dummy"), int(-1)];
    assert_eq!(zone.ask(ADMIN, "one.host.allocate", &args), "0");
    assert_eq!(hook_runs(&zone), []);
    let monitored = "HYPERVISOR=dummy TOTALCPU=800 TOTALMEMORY=8388608";
    let is_monitoring = |operation: &Operation| matches!(operation, Operation::MonitorHost { .. });
    assert_eq!(zone.report(|operation| is_monitoring(operation).then(|| Ok(monitored.to_owned()))), 1);
    let [(0, arguments, host)] = &hook_runs(&zone)[..] else { panic!("one run of hook 0") };
    assert_eq!(host, "node");
    let document = arguments.strip_prefix("-v ").expect("the first argument");
    let document = String::from_utf8(BASE64.decode(document).expect("base64")).expect("a text");
    assert_eq!(document, zone.ask(ADMIN, "one.host.info", &[int(0)]));
    assert_eq!(zone.ask(ADMIN, "one.host.update", &[int(0), text("A=1"), int(1)]), "0");
    assert_eq!(hook_runs(&zone).len(), 1, "only when the state changes");
}

#[test]
fn hooks_run_when_their_call_was_answered() {
    let mut zone = Zone::fresh();
    let hook = "NAME=a\nTYPE=api\nCOMMAND=x\nCALL=one.user.allocate\nARGUMENTS=\"$API\"";
    assert_eq!(zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]), "0");
    let user = [text("ann"), text("sesame"), text("core")];
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &user), "2");
    let refusal = zone.ask(ADMIN, "one.user.allocate", &user);
    let runs = hook_runs(&zone);
    assert_eq!(runs.len(), 2, "refused calls count as well");
    let read = |i: usize| String::from_utf8(BASE64.decode(&runs[i].1).expect("base64")).expect("a text");
    let (made, refused) = (read(0), read(1));
    assert!(made.starts_with("<CALL_INFO><RESULT>1</RESULT>"), "{made}");
    assert!(made.contains("<POSITION>2</POSITION><TYPE>IN</TYPE><VALUE>ann</VALUE>"));
    assert!(made.contains("<POSITION>2</POSITION><TYPE>OUT</TYPE><VALUE>2</VALUE>"));
    assert!(made.contains("<EXTRA><USER><ID>2</ID>"));
    assert!(!made.contains("sesame") && !refused.contains("sesame"), "passwords are hidden");
    assert!(refused.starts_with("<CALL_INFO><RESULT>0</RESULT>"));
    assert!(refused.contains(&format!("<VALUE>[one.user.allocate] {refusal}</VALUE>")));
    assert!(refused.ends_with("<EXTRA></EXTRA></CALL_INFO>"));
}
