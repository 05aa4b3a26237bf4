//! One process from its start to its end: what it is sent and what it says.

use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::keeper::Ending;
use super::lines::Lines;
use super::{Ask, Launch, Protocol, Said};
use crate::Outcome;

/// First line to a driver: it answers when it can work.
const INIT: &[u8] = b"INIT\n";
/// Last line to a driver: it ends.
const FINALIZE: &[u8] = b"FINALIZE\n";
/// How long a process may take until it can work.
const INIT_TIME: Duration = Duration::from_secs(10);
/// How long a process may take to end when asked.
const FINALIZE_TIME: Duration = Duration::from_secs(2);
/// Questions that the process may have at the same time; the reference's drivers work on 15.
const IN_FLIGHT: usize = 512;
/// Bytes that may wait for the process to read them.
const OUTBOX: usize = 1 << 20;

/// A question that the process has.
struct InFlight<Q> {
    question: Q,
    sent: Instant,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// A process that runs.
pub(super) struct Running<'p, P: Protocol> {
    protocol: &'p mut P,
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
    in_flight: BTreeMap<P::Key, InFlight<P::Question>>,
}

impl<P: Protocol> Drop for Running<'_, P> {
    /// Nothing of it may stay, nor of the scripts that it started.
    fn drop(&mut self) {
        // Once it is waited for, its group is none of ours.
        if self.child.id().is_some() {
            self.kill();
        }
    }
}

impl<'p, P: Protocol> Running<'p, P> {
    pub fn start(launch: &Launch, protocol: &'p mut P) -> std::io::Result<Running<'p, P>> {
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
            lines: Lines::up_to(protocol.longest_line()),
            protocol,
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

    pub async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask<P::Question>>) -> Ending {
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
                    Some(ask) => self.send(ask),
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

    fn send(&mut self, ask: Ask<P::Question>) {
        if ask.answer.is_closed() {
            return;
        }
        let Ask { question, deadline, answer } = ask;
        match self.protocol.request(&question) {
            Ok((key, _)) if self.in_flight.contains_key(&key) => {
                // An answer could not be told from that of the earlier question.
                let _ = answer.send(Err(format!("The {} has been asked this already", self.protocol.name())));
            }
            Ok((key, lines)) => {
                self.outbox.extend(lines.as_bytes());
                self.in_flight.insert(key, InFlight { question, sent: Instant::now(), deadline, answer });
            }
            // Who asked may have given up.
            Err(reason) => drop(answer.send(Err(reason))),
        }
    }

    /// Understands a line. `false`: the process cannot work.
    fn hear(&mut self, line: &str) -> bool {
        let name = self.protocol.name();
        match self.protocol.read(line) {
            Said::Init(can_work) => {
                if can_work && !self.ready {
                    tracing::info!("the {name} works");
                }
                self.ready |= can_work;
                return can_work;
            }
            Said::Answer(key, outcome) => {
                if let Err(reason) = outcome
                    && let Some(asked) = self.in_flight.get(&key)
                {
                    let reason = self.protocol.presentable(reason, Some(&asked.question), &self.questions());
                    tracing::info!(about = self.protocol.subject(&asked.question), reason, "the {name} refused");
                }
                // An answer to nobody: too late, or made up.
                let Some(asked) = self.in_flight.remove(&key) else { return true };
                // Who asked may have given up.
                let _ = asked.answer.send(outcome.map(str::to_owned).map_err(str::to_owned));
            }
            Said::Log(key, text) => {
                let about = key.and_then(|key| self.in_flight.get(&key)).map(|asked| &asked.question);
                let text = self.protocol.presentable(text, about, &self.questions());
                tracing::info!(text, "the {name} says");
            }
            Said::Other => tracing::debug!(bytes = line.len(), "the {name} said something unknown"),
        }
        true
    }

    fn questions(&self) -> Vec<&P::Question> {
        self.in_flight.values().map(|asked| &asked.question).collect()
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
            tracing::warn!("the {} did not end and is killed", self.protocol.name());
        }
        self.kill();
    }
}
