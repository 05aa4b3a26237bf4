//! The faults: what each does to the zone, for how long, and that it ends.
//!
//! A fault leaves every process running and every link whole; whether the zone is well then is `episode.rs`'s to see.

use std::ops::Range;
use std::time::Duration;

use quorate_node::client::Client;
use quorate_node::local_zone::SESSION;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use tokio::time::{Instant, sleep, timeout};

use crate::switch::{CLIENTS, Port};
use crate::target::Target;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// SIGKILL, then started again.
    KillLeader,
    /// The same for another node.
    KillFollower,
    /// The same for all nodes at once.
    KillAll,
    /// SIGTERM, then started again.
    StopLeader,
    /// The same for another node.
    StopFollower,
    /// SIGSTOP for longer than an election takes, then SIGCONT.
    FreezeLeader,
    /// SIGSTOP of another node, then SIGCONT.
    FreezeFollower,
    /// No other node reaches the leader, nor it them; clients do.
    IsolateLeader,
    /// Packets of one node to another, to all others, or from all others are lost; not those of the other direction.
    OneWay,
    /// Two nodes do not reach each other.
    Pair,
    /// Two parts of the zone do not reach each other.
    Split,
    /// A node's network card goes down: clients do not reach it, either.
    Unplug,
    /// No space is left on a node's disk.
    FullDisk,
    /// Nodes are killed or stopped and started again, several of them at a time.
    Storm,
    /// A server is lost with its disk: it is removed, declared anew, and joins empty.
    Replace,
    /// Leadership is handed over.
    Transfer,
    /// Weather: packets between nodes are late, all a little or one node's much.
    Slow,
    /// Weather: packets between nodes are lost.
    Loss,
    /// Weather: packets between nodes overtake others.
    Overtaking,
}

impl Fault {
    /// All kinds but weather.
    pub const ACUTE: [Fault; 16] = [
        Fault::KillLeader,
        Fault::KillFollower,
        Fault::KillAll,
        Fault::StopLeader,
        Fault::StopFollower,
        Fault::FreezeLeader,
        Fault::FreezeFollower,
        Fault::IsolateLeader,
        Fault::OneWay,
        Fault::Pair,
        Fault::Split,
        Fault::Unplug,
        Fault::FullDisk,
        Fault::Storm,
        Fault::Replace,
        Fault::Transfer,
    ];
    /// What can be there at the same time as another fault.
    pub const WEATHER: [Fault; 3] = [Fault::Slow, Fault::Loss, Fault::Overtaking];

    /// Its name, for people and `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Fault::KillLeader => "kill-leader",
            Fault::KillFollower => "kill-follower",
            Fault::KillAll => "kill-all",
            Fault::StopLeader => "stop-leader",
            Fault::StopFollower => "stop-follower",
            Fault::FreezeLeader => "freeze-leader",
            Fault::FreezeFollower => "freeze-follower",
            Fault::IsolateLeader => "isolate-leader",
            Fault::OneWay => "one-way-cut",
            Fault::Pair => "pair-cut",
            Fault::Split => "split",
            Fault::Unplug => "link-down",
            Fault::FullDisk => "full-disk",
            Fault::Storm => "restart-storm",
            Fault::Replace => "replace-server",
            Fault::Transfer => "transfer",
            Fault::Slow => "latency",
            Fault::Loss => "loss",
            Fault::Overtaking => "reordering",
        }
    }

    /// Whether it lasts beside other faults.
    pub fn is_weather(self) -> bool {
        Fault::WEATHER.contains(&self)
    }

    /// Whether a majority runs and is connected all the time.
    pub fn keeps_majority(self) -> bool {
        !matches!(self, Fault::KillAll | Fault::Storm)
    }

    /// How long it lasts, in milliseconds.
    fn lasts(self) -> Range<u64> {
        match self {
            Fault::KillAll => 0..1_000,
            Fault::FreezeLeader => 800..6_000,
            Fault::FreezeFollower => 100..5_000,
            Fault::FullDisk | Fault::Slow | Fault::Loss | Fault::Overtaking => 1_500..4_000,
            Fault::Storm => 2_000..5_000,
            Fault::Transfer => 0..1,
            _ => 300..3_500,
        }
    }
}

/// Injects a fault that is no weather, lets it last, and ends it.
///
/// # Errors
/// When it cannot be injected or ended.
pub async fn inflict(fault: Fault, target: &mut Target, rng: &mut StdRng) -> anyhow::Result<()> {
    let mut nodes = target.nodes();
    nodes.shuffle(rng);
    if let Some(leader) = target.leader().await {
        nodes.retain(|node| *node != leader);
        nodes.insert(0, leader);
    }
    // Who leads comes first, as far as anybody knows; the others are in a random order.
    let (leader, follower) = (nodes[0], nodes[1]);
    let any = nodes[rng.random_range(0..nodes.len())];
    let lasting = Duration::from_millis(rng.random_range(fault.lasts()));
    match fault {
        Fault::KillLeader => kill(target, &[leader], lasting).await,
        Fault::KillFollower => kill(target, &[follower], lasting).await,
        Fault::KillAll => kill(target, &nodes, lasting).await,
        Fault::StopLeader => stop(target, leader, lasting).await,
        Fault::StopFollower => stop(target, follower, lasting).await,
        Fault::FreezeLeader => freeze(target, leader, lasting).await,
        Fault::FreezeFollower => freeze(target, follower, lasting).await,
        Fault::IsolateLeader => {
            cut(target, lasting, |from, to| (from == Port::of_node(leader)) != (to == Port::of_node(leader))).await
        }
        Fault::OneWay => {
            let (one, other) = (Port::of_node(leader), Port::of_node(follower));
            match rng.random_range(0..4) {
                0 => cut(target, lasting, |from, to| from == one && to == other).await,
                1 => cut(target, lasting, |from, to| from == other && to == one).await,
                2 => cut(target, lasting, |from, _| from == one).await,
                _ => cut(target, lasting, |_, to| to == one).await,
            }
        }
        Fault::Pair => {
            let pair = [Port::of_node(any), Port::of_node(if any == leader { follower } else { leader })];
            cut(target, lasting, |from, to| pair.contains(&from) && pair.contains(&to)).await
        }
        Fault::Split => {
            nodes.shuffle(rng);
            let few: Vec<Port> =
                nodes[..rng.random_range(1..=nodes.len() / 2)].iter().copied().map(Port::of_node).collect();
            cut(target, lasting, |from, to| few.contains(&from) != few.contains(&to)).await
        }
        Fault::Unplug => {
            target.network.set_plugged(any, false)?;
            sleep(lasting).await;
            target.network.set_plugged(any, true)
        }
        Fault::FullDisk => {
            target.fill_disk(any)?;
            sleep(lasting).await;
            target.free_disk(any)
        }
        Fault::Storm => storm(target, rng, lasting).await,
        Fault::Replace => {
            target.kill(any).await?;
            sleep(lasting).await;
            target.replace(any, if any == leader { follower } else { leader }).await
        }
        Fault::Transfer => transfer(target, leader, follower, rng).await,
        Fault::Slow | Fault::Loss | Fault::Overtaking => {
            change_weather(Some(fault), target, rng);
            sleep(lasting).await;
            change_weather(None, target, rng);
            Ok(())
        }
    }
}

/// Makes the weather between nodes what it is from now on.
pub fn change_weather(weather: Option<Fault>, target: &Target, rng: &mut StdRng) {
    let links = &target.network.links;
    links.mend();
    let between_nodes = |from: Port, to: Port| from != CLIENTS && to != CLIENTS;
    match weather {
        Some(Fault::Slow) => {
            let one = rng.random_bool(0.5).then(|| target.nodes().choose(rng).copied().map(Port::of_node)).flatten();
            let delay = Duration::from_millis(rng.random_range(if one.is_some() { 50..500 } else { 10..60 }));
            let slow = |from, to| between_nodes(from, to) && one.is_none_or(|one| from == one || to == one);
            links.change(slow, |link| (link.delay, link.jitter) = (delay, delay / 2));
        }
        Some(Fault::Loss) => {
            let loss = rng.random_range(0.01..0.2);
            links.change(between_nodes, |link| link.loss = loss);
        }
        Some(Fault::Overtaking) => {
            let share = rng.random_range(0.05..0.5);
            links.change(between_nodes, |link| link.overtaken = share);
        }
        _ => {}
    }
}

async fn kill(target: &mut Target, nodes: &[u16], lasting: Duration) -> anyhow::Result<()> {
    for node in nodes {
        target.kill(*node).await?;
    }
    sleep(lasting).await;
    nodes.iter().try_for_each(|node| target.start_again(*node))
}

async fn stop(target: &mut Target, node: u16, lasting: Duration) -> anyhow::Result<()> {
    target.stop(node).await?;
    sleep(lasting).await;
    target.start_again(node)
}

async fn freeze(target: &mut Target, node: u16, lasting: Duration) -> anyhow::Result<()> {
    target.freeze(node)?;
    sleep(lasting).await;
    target.thaw(node)
}

/// Cuts links between nodes.
async fn cut(target: &Target, lasting: Duration, which: impl Fn(Port, Port) -> bool) -> anyhow::Result<()> {
    let set = |cut: bool| {
        let between_nodes = |from, to| from != CLIENTS && to != CLIENTS && which(from, to);
        target.network.links.change(between_nodes, |link| link.cut = cut);
    };
    set(true);
    sleep(lasting).await;
    set(false);
    Ok(())
}

async fn storm(target: &mut Target, rng: &mut StdRng, lasting: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + lasting;
    while Instant::now() < end {
        let mut nodes = target.nodes();
        nodes.shuffle(rng);
        nodes.truncate(rng.random_range(1..=nodes.len()));
        if rng.random_bool(0.3) {
            stop(target, nodes[0], Duration::ZERO).await?;
        } else {
            kill(target, &nodes, Duration::from_millis(rng.random_range(0..200))).await?;
        }
        sleep(Duration::from_millis(rng.random_range(20..800))).await;
    }
    Ok(())
}

/// Lets another node lead, of a name or whoever is best prepared. It may be refused: nobody is hurt then.
async fn transfer(target: &Target, leader: u16, follower: u16, rng: &mut StdRng) -> anyhow::Result<()> {
    let heir = if rng.random_bool(0.5) { format!("node-{follower}") } else { String::new() };
    let mut client = Client::new(&target.urls[usize::from(leader)])?;
    let mut ignore = |_| Ok(());
    let asked = client.admin("transfer", SESSION, Some(&heir), &mut ignore);
    if let Ok(Err(refusal)) = timeout(Duration::from_secs(5), asked).await {
        println!("       refused: {refusal:#}");
    }
    Ok(())
}
