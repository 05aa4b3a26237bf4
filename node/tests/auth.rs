//! Users of other authentication drivers log in to real nodes, each of which keeps a driver process: a script of this
//! test, which does what the secret says.

mod common;

use std::time::Duration;

use common::{TestZone, run};
use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, records};
use quorate_node::config::AuthDriver;
use quorate_node::local_zone::{LocalZone, Plan, SESSION};
use tokio::time::Instant;

/// What nobody may ever read in a log; all secrets of the test contain it.
const SECRET: &str = "hush-hush";

const SCRIPT: &str = r#"#!/bin/sh
while read -r action id uid driver user password secret; do
    case "$action" in
        INIT) echo "INIT SUCCESS - -" ;;
        FINALIZE) echo "$$" >> "$1/ended"; exit 0 ;;
        AUTHENTICATE)
            secret=$(echo "$secret" | base64 -d)
            echo "$user" >> "$1/asked"
            case "$secret" in
                right*) echo "AUTHENTICATE SUCCESS $id custom $user cn=$user 1" ;;
                garbage*) printf '$secret\n\377\nAUTHENTICATE SUCCESS 0 x\n'; echo "AUTHENTICATE SUCCESS $id -" ;;
                die*) exit 3 ;;
                silent*) ;;
                *)
                    echo "LOG E $id the secret $secret is wrong"
                    echo "LOG E $id the driver is well"
                    echo "an unknown line with $secret"
                    echo "AUTHENTICATE FAILURE $id not $secret" ;;
            esac ;;
    esac
done
"#;

async fn start(nodes: u16, driven: bool) -> TestZone {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("driver");
    std::fs::write(&script, SCRIPT).unwrap();
    let args = [script.as_path(), dir.path()].map(|path| path.display().to_string()).to_vec();
    let driver = AuthDriver { command: "/bin/sh".into(), args, timeout_ms: 1500 };
    let binary = env!("CARGO_BIN_EXE_quorate").into();
    let plan = Plan { binary, auth_driver: driven.then_some(driver), ..Plan::new(nodes, 0).unwrap() };
    let zone = LocalZone::start(&plan, dir.path()).unwrap();
    zone.ready().await.unwrap();
    TestZone { zone, plan, dir }
}

/// The name of the user whom a node takes a session for.
async fn who(zone: &TestZone, node: u16, session: &str) -> Option<String> {
    match zone.client(node).call("one.user.info", session, &[Arg::Int(-1)]).await.unwrap() {
        ApiReply::Success(xml) => Some(records(&xml, "USER").unwrap()[0]["NAME"].clone()),
        ApiReply::Refused(_, 256) => None,
        ApiReply::Refused(text, code) => panic!("{code}: {text}"),
    }
}

/// A user of this driver, in group 1 (users) or 0 (administrators).
async fn make_user(zone: &TestZone, name: &str, driver: &str, group: i64) {
    let texts = [name, "stored", driver].map(|text| Arg::Str(text.to_owned()));
    let args = [&texts[..], &[Arg::Ints(vec![group])]].concat();
    zone.client(0).call("one.user.allocate", SESSION, &args).await.unwrap().into_value().unwrap();
}

fn asked(zone: &TestZone) -> usize {
    std::fs::read_to_string(zone.dir.path().join("asked")).map_or(0, |text| text.lines().count())
}

#[test]
fn users_of_a_driver_log_in_on_every_node_and_secrets_stay_secret() {
    run(async {
        let zone = start(3, true).await;
        make_user(&zone, "kim", "custom", 1).await;
        let session = |what: &str| format!("kim:{what} {SECRET}");
        let kim = Some("kim".to_owned());
        for node in 0..3 {
            assert_eq!(who(&zone, node, &session("right")).await, kim);
            let before = asked(&zone);
            assert_eq!(who(&zone, node, &session("right")).await, kim);
            assert_eq!(asked(&zone), before, "a consent counts for a while");
            assert_eq!(who(&zone, node, &session("wrong")).await, None);
        }
        // A node's driver that is of no use once is of use again soon, and others' do not care.
        assert_eq!(who(&zone, 1, &session("garbage")).await, kim);
        assert_eq!(who(&zone, 1, &session("die")).await, None);
        assert_eq!(who(&zone, 2, &session("right again")).await, kim);
        assert_eq!(who(&zone, 1, &session("right again")).await, kim);
        let begin = Instant::now();
        assert_eq!(who(&zone, 1, &session("silent")).await, None);
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert_eq!(who(&zone, 1, &session("right at last")).await, kim);

        // A stranger whom the driver knows is enrolled by whichever node it came to, and is known to all.
        assert_eq!(who(&zone, 2, &format!("lee:right {SECRET}")).await, Some("lee".to_owned()));
        assert_eq!(who(&zone, 0, &format!("lee:right {SECRET}")).await, Some("lee".to_owned()));
        assert_eq!(who(&zone, 0, &format!("eve:wrong {SECRET}")).await, None);
        // A service that the driver vouches for acts for a user.
        make_user(&zone, "service", "server_custom", 0).await;
        assert_eq!(who(&zone, 0, &format!("service:kim:right {SECRET}")).await, kim);
        assert_eq!(who(&zone, 0, &format!("service:kim:wrong {SECRET}")).await, None);
        // Those of `core` need no driver.
        let before = asked(&zone);
        assert_eq!(who(&zone, 0, SESSION).await, Some("oneadmin".to_owned()));
        assert_eq!(who(&zone, 0, &format!("oneadmin:{SECRET}")).await, None);
        assert_eq!(asked(&zone), before);

        let TestZone { zone, dir, .. } = zone;
        zone.stop().await;
        let ended = std::fs::read_to_string(dir.path().join("ended")).unwrap();
        assert_eq!(ended.lines().count(), 3, "every driver was told to end");
        for node in 0..3 {
            let log = std::fs::read_to_string(dir.path().join(format!("node-{node}/quorate.log"))).unwrap();
            assert!(log.contains("the driver is well"), "what harms nobody is shown: {log}");
            assert!(!log.contains(SECRET), "{log}");
            assert!(!log.contains("stored"), "{log}");
        }
    });
}

#[test]
fn without_a_driver_its_users_are_refused() {
    run(async {
        let zone = start(1, false).await;
        make_user(&zone, "kim", "custom", 1).await;
        assert_eq!(who(&zone, 0, &format!("kim:right {SECRET}")).await, None);
        assert_eq!(who(&zone, 0, "kim:stored").await, None);
        assert_eq!(asked(&zone), 0);
    });
}
