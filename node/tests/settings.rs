//! The zone's settings on three servers: set on one, in force on all, kept by a server that was away or starts again.

mod common;

use common::{TestZone, quorate, run, write};
use quorate_node::local_zone::SESSION;
use serde_json::Value;

/// A setting as a server shows it.
fn shown(via: &str, name: &str) -> Value {
    let json = quorate(via, &["zone", "settings", "show", name, "--json"]).unwrap();
    serde_json::from_str::<Vec<Value>>(&json).unwrap().remove(0)
}

#[test]
fn a_setting_is_in_force_on_every_server_and_survives_them() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let urls: Vec<String> = (0..3).map(|index| zone.plan.url(index)).collect();
        let leader = zone.leader(&[0, 1, 2]).await;
        let (asked, away) = ((leader + 1) % 3, (leader + 2) % 3);
        zone.zone.kill(away).await.unwrap();
        // Through a server that does not lead, and while one is away.
        let via = &urls[usize::from(asked)];
        let said = quorate(via, &["zone", "settings", "set", "ONEGATE_ENDPOINT", "http://10.0.0.9:5030"]).unwrap();
        assert_eq!(said, "ONEGATE_ENDPOINT: (nothing) -> http://10.0.0.9:5030");
        quorate(via, &["zone", "settings", "set", "VM_RESTRICTED_ATTR", "-NIC/MAC"]).unwrap();
        zone.zone.restart(away).unwrap().ready().await.unwrap();
        for (index, url) in (0..).zip(&urls) {
            assert_eq!(shown(url, "ONEGATE_ENDPOINT")["value"], "http://10.0.0.9:5030");
            let config =
                zone.client(index).call("one.system.config", SESSION, &[]).await.unwrap().into_value().unwrap();
            assert!(config.contains("http://10.0.0.9:5030") && !config.contains("<![CDATA[NIC/MAC]]>"), "{config}");
            assert!(!quorate(url, &["zone", "settings", "show"]).unwrap().contains("ONE_KEY"));
        }

        let file = zone.dir.path().join("oned.conf");
        std::fs::write(&file, "PORT = 2634\nMAC_PREFIX = \"02:0a\"\nVNC_PORTS = [ START = 99999 ]\n").unwrap();
        let file = file.to_str().unwrap();
        let refusal = quorate(via, &["zone", "settings", "apply", file]).unwrap_err();
        assert!(refusal.contains("line 3: VNC_PORTS: START: '99999' is not"), "{refusal}");
        assert_eq!(shown(via, "MAC_PREFIX")["value"], "02:00");
        std::fs::write(file, "PORT = 2634\nMAC_PREFIX = \"02:0a\"\n").unwrap();
        let said = quorate(via, &["zone", "settings", "diff", file]).unwrap();
        assert!(said.contains("line 1: PORT is left out") && said.contains("MAC_PREFIX: 02:00 -> 02:0a"), "{said}");
        assert_eq!(shown(via, "MAC_PREFIX")["value"], "02:00", "diff changes nothing");
        assert_eq!(quorate(via, &["zone", "settings", "apply", file]).unwrap(), said);
        assert!(quorate(via, &["zone", "settings", "diff", file]).unwrap().ends_with("no setting differs"));

        write(&mut zone.client(0), "before-the-restart").await;
        let zone = zone.restart().await;
        for index in 0..3 {
            assert_eq!(shown(&zone.plan.url(index), "MAC_PREFIX")["value"], "02:0a");
        }
        quorate(&urls[0], &["zone", "settings", "reset", "MAC_PREFIX"]).unwrap();
        assert_eq!(shown(&urls[1], "MAC_PREFIX")["value"], "02:00");
        let unknown = quorate(&urls[0], &["zone", "settings", "set", "ONE_KEY", "0"]).unwrap_err();
        assert!(unknown.contains("ONE_KEY cannot be set"), "{unknown}");
    });
}
