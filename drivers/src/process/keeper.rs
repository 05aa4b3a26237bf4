//! Who starts a process again when it ends, after a pause that grows while it does not work.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::running::Running;
use super::{Ask, Launch, Protocol};

/// A process that ran this long is started again soon.
const STEADY: Duration = Duration::from_secs(60);
/// The pause before the first new start; each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a new start.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Questions wait during pauses up to this; during longer ones they fail.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps a process running for as long as anybody can ask.
pub(super) struct Keeper<P: Protocol> {
    pub launch: Launch,
    pub asks: mpsc::Receiver<Ask<P::Question>>,
    pub protocol: P,
}

/// Why a process is not served any longer.
pub(super) enum Ending {
    /// Nobody can ask any more.
    Wanted,
    /// It does not work.
    Failed(String),
}

impl<P: Protocol> Keeper<P> {
    pub async fn run(mut self) {
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
            let name = self.protocol.name();
            tracing::warn!(reason, pause_ms = millis, "the {name} does not run; it is started again");
            if !self.wait(pause).await {
                return;
            }
        }
    }

    /// One process from start to end.
    async fn serve_one(&mut self) -> Ending {
        match Running::start(&self.launch, &mut self.protocol) {
            Ok(mut running) => running.serve(&mut self.asks).await,
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
                    Some(ask) => drop(ask.answer.send(Err(format!("The {} does not run", self.protocol.name())))),
                    None => return false,
                },
            }
        }
    }
}
