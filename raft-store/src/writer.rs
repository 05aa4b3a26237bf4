//! One writer per log: jobs are done in the order they were given, and those that wait together share one sync.
//!
//! With [`SyncPolicy::Thread`] a thread does them, so that nobody's task waits for the disk. Simulation must
//! do without threads: with [`SyncPolicy::Inline`] the caller does them, with [`SyncPolicy::Delayed`] a task.
//! After the first failure every later job fails too: once a sync has failed, nobody knows what the disk holds.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::{Batch, Engine};
use crate::high_water::{Effect, HighWater};

/// Who writes the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPolicy {
    /// The caller, one sync per append: deterministic.
    Inline,
    /// One thread, one sync for all that waits: fast.
    Thread,
    /// A task of the caller's runtime that takes so long for each sync: deterministic, with a disk that is slow
    /// and a crash that can come before the sync.
    Delayed(Duration),
}

/// How many jobs share a sync at most; bounds the batch, and so the latency of its first job.
const MAX_GROUP: usize = 1024;

/// What is called when a job is done.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A write and whom to tell.
pub(crate) struct Job {
    /// What to write.
    pub batch: Batch,
    /// Whether it must be durable before it is done.
    pub sync: bool,
    /// What it means for the high-water mark.
    pub effect: Effect,
    /// Whom to tell.
    pub done: Done,
}

/// Does jobs, in order. Dropping it finishes those that wait.
pub(crate) struct Writer {
    mode: Mode,
}

enum Mode {
    Inline(Box<Mutex<Groups>>),
    Thread { jobs: Option<Sender<Job>>, thread: Option<JoinHandle<()>> },
    Task(UnboundedSender<Job>),
}

impl Writer {
    /// A writer to `engine`.
    pub fn new(engine: Arc<dyn Engine>, high_water: Arc<HighWater>, policy: SyncPolicy) -> io::Result<Writer> {
        let mut groups = Groups { engine, high_water, failure: None };
        let mode = match policy {
            SyncPolicy::Inline => Mode::Inline(Box::new(Mutex::new(groups))),
            SyncPolicy::Thread => {
                let (jobs, queue) = channel();
                let run = move || groups.run(&queue);
                let thread = std::thread::Builder::new().name("quorate-log".to_owned()).spawn(run)?;
                Mode::Thread { jobs: Some(jobs), thread: Some(thread) }
            }
            SyncPolicy::Delayed(delay) => {
                let (jobs, queue) = unbounded_channel();
                tokio::spawn(groups.run_delayed(queue, delay));
                Mode::Task(jobs)
            }
        };
        Ok(Writer { mode })
    }

    /// Does the job, or hands it to the thread.
    pub fn submit(&self, job: Job) {
        match &self.mode {
            Mode::Inline(groups) => groups.lock().unwrap_or_else(PoisonError::into_inner).write(vec![job]),
            Mode::Thread { jobs, .. } => {
                if let Some(Err(rejected)) = jobs.as_ref().map(|jobs| jobs.send(job)) {
                    (rejected.0.done)(Err(io::Error::other("the log's thread has ended")));
                }
            }
            Mode::Task(jobs) => {
                if let Err(rejected) = jobs.send(job) {
                    (rejected.0.done)(Err(io::Error::other("the log's task has ended")));
                }
            }
        }
    }

    /// Writes and waits until it is done.
    pub async fn write(&self, batch: Batch, sync: bool, effect: Effect) -> io::Result<()> {
        let (tell, told) = tokio::sync::oneshot::channel();
        // Nobody listens any more when the waiting task has been cancelled; the write is done all the same.
        let done = Box::new(move |result| drop(tell.send(result)));
        self.submit(Job { batch, sync, effect, done });
        told.await.unwrap_or_else(|_| Err(io::Error::other("the log's thread has ended")))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Mode::Thread { jobs, thread } = &mut self.mode {
            drop(jobs.take());
            if let Some(Err(_)) = thread.take().map(JoinHandle::join) {
                tracing::error!("the log's thread panicked");
            }
        }
    }
}

struct Groups {
    engine: Arc<dyn Engine>,
    high_water: Arc<HighWater>,
    failure: Option<(io::ErrorKind, String)>,
}

impl Groups {
    fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let waiting = queue.try_iter().take(MAX_GROUP - 1);
            let group = std::iter::once(first).chain(waiting).collect();
            self.write(group);
        }
    }

    async fn run_delayed(mut self, mut queue: UnboundedReceiver<Job>, delay: Duration) {
        let mut group = Vec::new();
        while queue.recv_many(&mut group, MAX_GROUP).await > 0 {
            tokio::time::sleep(delay).await;
            self.write(std::mem::take(&mut group));
        }
    }

    fn write_marked(&self, batch: Batch, sync: bool, effects: &[Effect]) -> io::Result<()> {
        self.high_water.before(effects)?;
        self.engine.write(batch, sync)?;
        self.high_water.after(effects)
    }

    fn write(&mut self, group: Vec<Job>) {
        let mut batch = Batch::default();
        let mut sync = false;
        let (mut effects, mut waiting) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for job in group {
            batch.append(job.batch);
            sync |= job.sync;
            effects.push(job.effect);
            waiting.push(job.done);
        }
        if self.failure.is_none()
            && let Err(error) = self.write_marked(batch, sync, &effects)
        {
            tracing::error!(%error, "the log cannot be written; this node stops taking part");
            self.failure = Some((error.kind(), error.to_string()));
        }
        for done in waiting {
            done(match &self.failure {
                None => Ok(()),
                Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            });
        }
    }
}
