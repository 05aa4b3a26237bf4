//! The authentication driver's process (the reference's `one_auth_mad`, or any that speaks its lines): kept running,
//! asked over its standard input, heard over its standard output.
//!
//! A question that was sent is never sent again: a process that ends, or ends because of it, refuses. Secrets travel
//! through the pipe only; the process's standard error goes nowhere, since nobody knows what it says.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use quorate_state_machine::login::driver::AuthQuestion;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::auth::Authenticator;
use crate::auth::protocol::{self, FINALIZE, INIT, Lines, Said};
use crate::auth::withhold::{Secrets, WITHHELD, presentable};
use crate::{Answer, Outcome};

/// How long a process may take until it can work.
const INIT_TIME: Duration = Duration::from_secs(10);
/// How long a process may take to end when asked.
const FINALIZE_TIME: Duration = Duration::from_secs(2);
/// A process that ran this long is started again soon.
const STEADY: Duration = Duration::from_secs(60);
/// The pause before the first new start; each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a new start.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Questions wait during pauses up to this; during longer ones they are refused.
const PATIENCE: Duration = Duration::from_secs(1);
/// Questions that may wait for the process.
const WAITING: usize = 256;
/// Questions that the process may have at the same time; the reference's works on 15.
const IN_FLIGHT: usize = 512;
/// Bytes that may wait for the process to read them.
const OUTBOX: usize = 1 << 20;

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// How long an answer may take.
    pub limit: Duration,
}

/// The process, from outside: asked, and ended by dropping it.
#[derive(Clone, Debug)]
pub struct AuthProcess {
    asks: mpsc::Sender<Ask>,
    limit: Duration,
}

#[derive(Debug)]
struct Ask {
    question: AuthQuestion,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

impl AuthProcess {
    /// Keeps a process running from now on; the task ends in order, once every clone of this is gone.
    #[must_use]
    pub fn start(launch: Launch) -> (AuthProcess, JoinHandle<()>) {
        let (sender, asks) = mpsc::channel(WAITING);
        let limit = launch.limit;
        let keeper = Keeper { launch, asks, last_id: 0 };
        (AuthProcess { asks: sender, limit }, tokio::spawn(keeper.run()))
    }
}

fn refusal(reason: &str) -> Outcome {
    Err(reason.to_owned())
}

impl Authenticator for AuthProcess {
    fn authenticate(&self, question: &AuthQuestion) -> Answer<Outcome> {
        let deadline = Instant::now() + self.limit;
        let (answer, said) = oneshot::channel();
        let sent = self.asks.try_send(Ask { question: question.clone(), deadline, answer });
        Box::pin(async move {
            if sent.is_err() {
                return refusal("Too many wait for the authentication driver");
            }
            match timeout_at(deadline, said).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => refusal("The authentication driver ended"),
                Err(_) => refusal("Request timeout"),
            }
        })
    }
}

/// Who starts the process again when it ends.
struct Keeper {
    launch: Launch,
    asks: mpsc::Receiver<Ask>,
    /// Never given twice, so that no late answer is taken for another question's.
    last_id: u64,
}

/// Why a process is not served any longer.
enum Ending {
    /// Nobody can ask any more.
    Wanted,
    /// It does not work.
    Failed(String),
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let begin = Instant::now();
            let reason = match self.serve_one().await {
                Ending::Wanted => return,
                Ending::Failed(reason) => reason,
            };
            let steady = begin.elapsed() >= STEADY;
            pause = if steady { FIRST_PAUSE } else { (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE) };
            let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(reason, pause_ms = millis, "the authentication driver does not run; it is started again");
            if !self.wait(pause).await {
                return;
            }
        }
    }

    /// One process from start to end.
    async fn serve_one(&mut self) -> Ending {
        match Running::start(&self.launch) {
            Ok(mut running) => running.serve(&mut self.asks, &mut self.last_id).await,
            Err(e) => Ending::Failed(format!("{}: {e}", self.launch.command.display())),
        }
    }

    /// Lets the pause pass. `false`: nobody can ask any more.
    async fn wait(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        if pause <= PATIENCE {
            sleep_until(end).await;
            return !(self.asks.is_closed() && self.asks.is_empty());
        }
        loop {
            tokio::select! {
                () = sleep_until(end) => return true,
                ask = self.asks.recv() => match ask {
                    // Who asked may have given up.
                    Some(ask) => drop(ask.answer.send(refusal("The authentication driver does not run"))),
                    None => return false,
                },
            }
        }
    }
}

/// A question that the process has.
struct InFlight {
    uid: i32,
    secrets: Secrets,
    sent: Instant,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// A process that runs.
struct Running {
    child: Child,
    /// It and the scripts that it started.
    group: Option<Pid>,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    lines: Lines,
    outbox: VecDeque<u8>,
    /// Whether it has said that it can work.
    ready: bool,
    started: Instant,
    heard: Instant,
    in_flight: BTreeMap<u64, InFlight>,
}

impl Drop for Running {
    /// Nothing of it may stay, nor of the scripts that it started.
    fn drop(&mut self) {
        // Once it is waited for, its group is none of ours.
        if self.child.id().is_some() {
            self.kill();
        }
    }
}

impl Running {
    fn start(launch: &Launch) -> std::io::Result<Running> {
        let mut child = Command::new(&launch.command)
            .args(&launch.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A terminal's SIGINT is not for it: it is ended in order, with its scripts.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("no pipe");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let now = Instant::now();
        Ok(Running {
            group: child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())),
            child,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout),
            lines: Lines::default(),
            outbox: INIT.iter().copied().collect(),
            ready: false,
            started: now,
            heard: now,
            in_flight: BTreeMap::new(),
        })
    }

    fn kill(&self) {
        // Gone already: as wanted.
        let _ = self.group.map(|group| kill_process_group(group, Signal::KILL));
    }

    async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>, last_id: &mut u64) -> Ending {
        let failed = |reason: &str| Ending::Failed(reason.to_owned());
        loop {
            let due = self.due();
            let room = self.ready && self.outbox.len() < OUTBOX && self.in_flight.len() < IN_FLIGHT;
            let Some(stdin) = &mut self.stdin else { return failed("its standard input is closed") };
            tokio::select! {
                // What it said before it ended counts.
                biased;
                read = self.stdout.fill_buf() => {
                    let bytes = match read {
                        Ok([]) => return failed("it ended"),
                        Ok(bytes) => bytes,
                        Err(e) => return Ending::Failed(e.to_string()),
                    };
                    let (lines, read) = (self.lines.feed(bytes), bytes.len());
                    self.stdout.consume(read);
                    self.heard = Instant::now();
                    if !lines.iter().all(|line| self.hear(line)) {
                        return failed("it says that it cannot work");
                    }
                }
                written = stdin.write_buf(&mut self.outbox), if !self.outbox.is_empty() => {
                    if written.is_err() {
                        return failed("it does not read any more");
                    }
                }
                ask = asks.recv(), if room => match ask {
                    Some(ask) => {
                        *last_id += 1;
                        self.send(*last_id, ask);
                    }
                    None => {
                        self.finalize().await;
                        return Ending::Wanted;
                    }
                },
                // A script that outlives it may keep its standard output open.
                status = self.child.wait() => {
                    self.kill();
                    return Ending::Failed(status.map_or_else(|e| e.to_string(), |status| status.to_string()));
                }
                () = sleep_until(due) => if let Some(reason) = self.overdue() {
                    return failed(reason);
                },
            }
        }
    }

    /// When something is late.
    fn due(&self) -> Instant {
        if !self.ready {
            return self.started + INIT_TIME;
        }
        // Without questions nothing is ever late; an hour is as good as never.
        self.in_flight.values().map(|asked| asked.deadline).min().unwrap_or(Instant::now() + Duration::from_secs(3600))
    }

    /// Forgets the questions that took too long; why the process has to be started again, if so.
    fn overdue(&mut self) -> Option<&'static str> {
        let (now, heard) = (Instant::now(), self.heard);
        if !self.ready {
            return Some("it does not answer INIT");
        }
        let silent = self.in_flight.values().any(|asked| asked.deadline <= now && asked.sent >= heard);
        self.in_flight.retain(|_, asked| asked.deadline > now);
        silent.then_some("it is silent")
    }

    fn send(&mut self, id: u64, ask: Ask) {
        if ask.answer.is_closed() {
            return;
        }
        let Ask { question, deadline, answer } = ask;
        let Some(line) = protocol::request(id, &question) else {
            // Who asked may have given up.
            let _ = answer.send(refusal("No authentication driver can be asked this"));
            return;
        };
        self.outbox.extend(line.as_bytes());
        let (uid, secrets, sent) = (question.uid, Secrets::of(&question), Instant::now());
        self.in_flight.insert(id, InFlight { uid, secrets, sent, deadline, answer });
    }

    /// Understands a line. `false`: the process cannot work.
    fn hear(&mut self, line: &str) -> bool {
        match protocol::read(line) {
            Said::Init(can_work) => {
                if can_work && !self.ready {
                    tracing::info!("the authentication driver works");
                }
                self.ready |= can_work;
                return can_work;
            }
            Said::Answer(id, outcome) => {
                // An answer to nobody: too late, or made up.
                let Some(asked) = self.in_flight.remove(&id) else { return true };
                if let Err(reason) = outcome {
                    let others = self.in_flight.values().map(|asked| &asked.secrets);
                    let reason = presentable(reason, others.chain([&asked.secrets]));
                    tracing::info!(user = asked.uid, reason, "the authentication driver refused");
                }
                // Who asked may have given up.
                let _ = asked.answer.send(outcome.map(str::to_owned).map_err(str::to_owned));
            }
            Said::Log(id, text) => {
                // Whose secrets a text about no question might tell, nobody knows any more.
                let known = id.is_some_and(|id| self.in_flight.contains_key(&id));
                let secrets = self.in_flight.values().map(|asked| &asked.secrets);
                let text = if known { presentable(text, secrets) } else { WITHHELD };
                tracing::info!(text, "the authentication driver says");
            }
            Said::Other => tracing::debug!(bytes = line.len(), "the authentication driver said something unknown"),
        }
        true
    }

    /// Ends the process in order, if it does.
    async fn finalize(&mut self) {
        let Some(mut stdin) = self.stdin.take() else { return };
        self.outbox.extend(FINALIZE);
        let ended = async {
            // A process that does not read is killed soon.
            let _ = stdin.write_all_buf(&mut self.outbox).await;
            drop(stdin);
            let _ = self.child.wait().await;
        };
        if timeout(FINALIZE_TIME, ended).await.is_err() {
            tracing::warn!("the authentication driver did not end and is killed");
        }
        self.kill();
    }
}
