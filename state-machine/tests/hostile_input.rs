//! What clients send: no panic whatever it is, and no more time and memory than its length is worth.

use quorate_state_machine::booking;
use std::time::Duration;

use proptest::prelude::*;
use quorate_model::clean::is_text;
use quorate_model::records::vm::Vm;
use quorate_model::template::parse::parse;
use quorate_state_machine::login;
use quorate_testkit::vms::VmZone;
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};
use rustix::time::{ClockId, clock_gettime};

/// Texts near what the parsers expect, and any others.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "NAME",
        "=",
        "\"",
        "[",
        "]",
        ",",
        "\n",
        " ",
        "#",
        "\\",
        "\\\"",
        "]]>",
        "<",
        ">",
        "</",
        "/>",
        "<A>",
        "</A>",
        "<![CDATA[",
        "&amp;",
        "&#0;",
        "&",
        "ä",
        "\u{0}",
        "1",
        "-1",
        "0x1",
        "ffffffffffffffffffff",
        "@",
        "VM",
        "$NAME",
        "<?xml",
        "<!--",
    ]);
    let near = prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat());
    prop_oneof![3 => near, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn templates_parse_or_are_refused(text in texts()) {
        if let Ok(template) = parse(&text) {
            // What was read is shown and read again as the same.
            let mut w = quorate_model::xml::XmlWriter::new();
            template.render("TEMPLATE", &mut w);
            let shown = w.finish();
            prop_assert!(shown.starts_with("<TEMPLATE>") && shown.ends_with("</TEMPLATE>"));
        }
        let _ = booking::parse(&text);
    }

    #[test]
    fn sessions_and_rules_are_read_or_refused(a in texts(), b in texts(), c in texts()) {
        let mut zone = Zone::fresh();
        for session in [format!("oneadmin:{a}"), format!("serveradmin:{a}:{b}"), format!("serveradmin:oneadmin:{a}:{b}"), a.clone()] {
            prop_assert!(login::authenticate(&zone.state, &session, 0).is_err());
            prop_assert!(login::stale_token(&zone.state, &session).is_none());
        }
        let rule = zone.ask(ADMIN, "one.acl.addrule", &[text(&a), text(&b), text(&c)]);
        let carried = [&a, &b, &c].iter().all(|text| is_text(text));
        prop_assert!(!carried || rule.contains("malformed") || rule.parse::<i32>().is_ok(), "{rule}");
        prop_assert!(carried || rule == "An argument has characters that XML cannot carry", "{rule}");
        zone.ask(ADMIN, "one.user.login", &[text("oneadmin"), text(&a), int(10)]);
        prop_assert!(login::authenticate(&zone.state, ADMIN, 0).is_ok());
    }
}

/// `piece` over and over, `length` bytes in all.
fn long(piece: &str, length: usize) -> String {
    piece.repeat(length / piece.len())
}

/// Processor time that reading a text so often takes this thread: whatever else the machine does is not counted. The least
/// of three times.
fn cost_of(read: &dyn Fn(&str), text: &str, often: usize) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.try_into().expect("not negative"), time.tv_nsec.try_into().expect("below 10^9"))
    };
    let cost = || {
        let begin = now();
        (0..often).for_each(|_| read(text));
        now() - begin
    };
    (0..3).map(|_| cost()).min().unwrap_or_default()
}

/// A text is compared with its own eighth, read eight times: in the same time, whatever that is, what is in proportion is
/// read once, and an eighth of what is quadratic.
#[test]
fn long_texts_take_time_in_proportion() {
    // A megabyte; less without optimization.
    let length = if cfg!(debug_assertions) { 1 << 18 } else { 1 << 20 };
    let zone = Zone::fresh();
    let template = |text: &str| drop(parse(text));
    let session = |text: &str| drop(login::identify(&zone.state, text, 0));
    let pieces = [
        "A",
        "A=1\n",
        "A=[",
        "A=[B=1,",
        "\"",
        "A=\"",
        "A=\"x\\\"",
        "[",
        "]",
        ",",
        "=",
        "#",
        "\n",
        "\\",
        "<",
        "<A>",
        "<A/>",
        "<A>1</A>",
        "</A>",
        "&amp;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "ä",
        ":",
        "1:",
    ];
    for piece in pieces {
        for (what, head, read) in [
            ("template", "", &template as &dyn Fn(&str)),
            ("template in XML", "<TEMPLATE>", &template),
            ("template with an open vector", "A=[B=\"", &template),
            ("password", "oneadmin:", &session),
            ("service's session", "serveradmin:oneadmin:", &session),
        ] {
            let [eighth, whole] = [length / 8, length].map(|length| format!("{head}{}", long(piece, length)));
            let measure = || (cost_of(read, &eighth, 8), cost_of(read, &whole, 1));
            let in_proportion = |(eighths, whole): &(Duration, Duration)| *whole <= *eighths * 4;
            // Caches can disturb one measurement, but what is quadratic is so every time.
            let measured: Vec<_> = (0..5).map(|_| measure()).take_while(|costs| !in_proportion(costs)).collect();
            assert!(measured.len() < 5, "{what} of {piece:?}, eight eighths and all of it: {measured:?}");
        }
    }
}

/// Calls that are a few bytes long and ask for billions of something; a node that gave in would never come to the end.
#[test]
fn a_short_call_cannot_ask_for_everything() {
    let mut lab = VmZone::new();
    let mut refusal = |template: &str| lab.zone.ask(ADMIN, "one.vm.allocate", &[text(template)]);
    let nodes = "CPU=1 VCPU=0 MEMORY=0 TOPOLOGY=[PIN_POLICY=THREAD,SOCKETS=9000000000000000000]";
    assert!(refusal(nodes).ends_with("At most 1024 NUMA nodes can be defined"));
    let documents = format!("CPU=1 MEMORY=1 CONTEXT=[A=\"{}\"]", "$TEMPLATE".repeat(5000));
    assert_eq!(refusal(&documents), "More than 67108864 bytes would be made by one call.");
    let interfaces = format!("CPU=1 MEMORY=1 {}", "NIC=[NETWORK_MODE=auto]".repeat(1025));
    assert_eq!(refusal(&interfaces), "Exceeded the maximum number of network interfaces (1024)");
}

#[test]
fn showback_from_the_beginning_of_time_costs_what_the_history_is_long() {
    let mut lab = VmZone::new();
    lab.allocate();
    lab.must("one.vm.deploy", &[int(0), int(0)]);
    lab.change(|txn| {
        let record = txn.body_mut::<Vm>(0).expect("the VM").record_mut().expect("it is on a host");
        record.stime = NOW - 3600;
    });
    let months = |lab: &mut VmZone, year: i64| {
        lab.must("one.vmpool.calculateshowback", &[int(1), int(year), int(-1), int(-1)]);
        lab.must("one.vmpool.showback", &[int(-2), int(-1), int(-1), int(-1), int(-1)])
    };
    let recent = months(&mut lab, 2023);
    assert_eq!(recent.matches("<SHOWBACK>").count(), 1);
    assert_eq!(months(&mut lab, -2_000_000_000), recent);
}
