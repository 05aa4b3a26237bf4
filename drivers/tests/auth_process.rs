//! The authentication driver's process: a script of this test, which does what the secret says.

use std::time::Duration;

use quorate_drivers::Outcome;
use quorate_drivers::auth::Authenticator as _;
use quorate_drivers::auth::process::AuthProcess;
use quorate_drivers::process::Launch;
use quorate_state_machine::login::driver::AuthQuestion;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Writes into its directory, the first argument, how often it began and ended in order.
const SCRIPT: &str = r#"#!/bin/sh
echo "$$ $*" >> "$1/begun"
[ -e "$1/broken" ] && exit 1
[ -e "$1/mute" ] && sleep 60
while read -r action id uid driver user password secret; do
    case "$action" in
        INIT) echo "what is this"; echo "INIT SUCCESS - -" ;;
        FINALIZE) echo "$$" >> "$1/ended"; exit 0 ;;
        AUTHENTICATE)
            secret=$(echo "$secret" | base64 -d)
            case "$secret" in
                right) echo "LOG I $id a word about $id"; echo "AUTHENTICATE SUCCESS $id $driver $user $password $$" ;;
                wrong) echo "AUTHENTICATE FAILURE $id Bad user/password" ;;
                garbage)
                    head -c 100000 /dev/zero; echo
                    printf 'AUTHENTICATE SUCCESS 99999 x\nAUTHENTICATE SUCCESS\nAUTHENTICATE SUCCESS -1 x\n\377\376\n\n'
                    echo "AUTHENTICATE FAILURE $id found it" ;;
                twice) echo "AUTHENTICATE FAILURE $id no"; echo "AUTHENTICATE SUCCESS $id yes" ;;
                slow) (sleep 0.4; echo "AUTHENTICATE SUCCESS $id slow") & ;;
                die) exit 3 ;;
                silent) ;;
            esac ;;
    esac
done
"#;

fn question(secret: &str) -> AuthQuestion {
    AuthQuestion {
        uid: 7,
        driver: "custom".to_owned(),
        username: "kim".to_owned(),
        password: "key".to_owned(),
        secret: secret.to_owned(),
        on_behalf: None,
    }
}

struct Driver {
    dir: tempfile::TempDir,
    process: AuthProcess,
    task: JoinHandle<()>,
}

impl Driver {
    fn start(limit: Duration, prepare: &[&str]) -> Driver {
        let dir = tempfile::tempdir().unwrap();
        for file in prepare {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let script = dir.path().join("driver");
        std::fs::write(&script, SCRIPT).unwrap();
        let args = vec![script.display().to_string(), dir.path().display().to_string()];
        let (process, task) = AuthProcess::start(Launch { command: "/bin/sh".into(), args }, limit);
        Driver { dir, process, task }
    }

    async fn ask(&self, secret: &str) -> Outcome {
        self.process.authenticate(&question(secret)).await
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The id of the process that answers.
    async fn pid(&self) -> String {
        let said = self.ask("right").await.unwrap();
        said.strip_prefix("custom kim key ").unwrap().to_owned()
    }
}

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_consents_or_refuses_and_what_it_says_besides_is_passed_over() {
    let driver = Driver::start(LIMIT, &[]);
    assert!(driver.ask("right").await.unwrap().starts_with("custom kim key "));
    assert_eq!(driver.ask("wrong").await, Err("Bad user/password".to_owned()));
    assert_eq!(driver.ask("garbage").await, Err("found it".to_owned()));
    assert_eq!(driver.ask("twice").await, Err("no".to_owned()), "the first answer counts");
    assert!(driver.ask("right").await.is_ok());
    assert!(driver.ask("").await.is_err(), "an empty secret is no secret");
    let begun = driver.lines("begun");
    assert_eq!(begun.len(), 1, "one process did all of it: {begun:?}");
}

#[tokio::test]
async fn answers_find_their_questions_whatever_their_order() {
    let driver = Driver::start(LIMIT, &[]);
    let (slow, wrong, right) = tokio::join!(driver.ask("slow"), driver.ask("wrong"), driver.ask("right"));
    assert_eq!(slow, Ok("slow".to_owned()));
    assert_eq!(wrong, Err("Bad user/password".to_owned()));
    assert!(right.is_ok());
}

#[tokio::test]
async fn a_process_that_dies_refuses_what_it_had_and_another_takes_its_place() {
    let driver = Driver::start(LIMIT, &[]);
    let first = driver.pid().await;
    let begin = Instant::now();
    let (slow, die) = tokio::join!(driver.ask("slow"), driver.ask("die"));
    assert_eq!(
        (slow, die),
        (Err("The authentication driver ended".to_owned()), Err("The authentication driver ended".to_owned()))
    );
    assert!(begin.elapsed() < LIMIT / 2, "nobody waits for an answer that cannot come");
    assert_ne!(driver.pid().await, first);
}

#[tokio::test]
async fn a_question_without_an_answer_ends_and_a_silent_process_is_replaced() {
    let driver = Driver::start(Duration::from_millis(600), &[]);
    // Generous, because the first start may be slow.
    while driver.ask("right").await.is_err() {}
    let first = driver.pid().await;
    // While it answers others, it is not to blame.
    let silent = async {
        let asked = driver.ask("silent").await;
        (asked, driver.pid().await)
    };
    let busy = async {
        sleep(Duration::from_millis(200)).await;
        driver.ask("wrong").await
    };
    let ((asked, pid), busy) = tokio::join!(silent, busy);
    assert_eq!((asked, busy), (Err("Request timeout".to_owned()), Err("Bad user/password".to_owned())));
    assert_eq!(pid, first);
    assert_eq!(driver.ask("silent").await, Err("Request timeout".to_owned()));
    let begin = Instant::now();
    while driver.ask("right").await.is_ok_and(|said| said.ends_with(&first)) {
        assert!(begin.elapsed() < LIMIT, "the silent process still runs");
    }
}

#[tokio::test]
async fn a_driver_that_does_not_start_is_tried_ever_more_seldom_and_comes_back() {
    let driver = Driver::start(Duration::from_millis(500), &["broken"]);
    let begin = Instant::now();
    while driver.lines("begun").len() < 5 {
        assert!(begin.elapsed() < LIMIT);
        assert!(driver.ask("right").await.is_err());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(100 + 200 + 400 + 800), "{:?}", begin.elapsed());
    // In a longer pause nobody waits.
    sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    assert_eq!(driver.ask("right").await, Err("The authentication driver does not run".to_owned()));
    assert!(begin.elapsed() < Duration::from_millis(400));
    std::fs::remove_file(driver.dir.path().join("broken")).unwrap();
    while driver.ask("right").await.is_err() {
        assert!(begin.elapsed() < LIMIT);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_missing_program_and_a_mute_one_refuse_in_time() {
    let (process, _task) =
        AuthProcess::start(Launch { command: "/nonexistent/driver".into(), args: Vec::new() }, LIMIT);
    let driver = Driver { dir: tempfile::tempdir().unwrap(), process, task: tokio::spawn(async {}) };
    assert!(timeout(LIMIT / 2, driver.ask("right")).await.unwrap().is_err());
    let driver = Driver::start(Duration::from_millis(300), &["mute"]);
    assert_eq!(driver.ask("right").await, Err("Request timeout".to_owned()));
}

#[tokio::test]
async fn it_is_told_to_end_when_nobody_can_ask_any_more() {
    let driver = Driver::start(LIMIT, &[]);
    let pid = driver.pid().await;
    let Driver { dir, process, task } = driver;
    drop(process);
    timeout(LIMIT, task).await.unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("ended")).unwrap().trim(), pid);
}

#[tokio::test]
async fn more_questions_than_it_reads_are_refused_not_kept() {
    let driver = Driver::start(Duration::from_millis(800), &["mute"]);
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let process = driver.process.clone();
        tasks.spawn(async move { process.authenticate(&question("right")).await });
    }
    let outcomes = tasks.join_all().await;
    let refused =
        outcomes.iter().filter(|o| **o == Err("Too many wait for the authentication driver".to_owned())).count();
    assert!(refused >= 100 && outcomes.iter().all(Result::is_err), "{refused}");
    assert!(begin.elapsed() < LIMIT);
}
