//! The network of a run: a namespace per node, each with one network card whose cable ends in our own switch.
//!
//! Names and addresses are in the sandbox only. It decides nothing about packets: that is `switch.rs`.

use std::process::Command;
use std::sync::Arc;

use anyhow::Context as _;
use quorate_node::local_zone::Namespace;
use tokio_tun::Tun;

use crate::switch::{self, Links, Port};

/// The network.
pub struct Network {
    /// Every node's namespace, in order.
    pub namespaces: Vec<Namespace>,
    /// How the cables are.
    pub links: Arc<Links>,
}

impl Network {
    /// A network for so many nodes and for clients, who are in this process's own namespace.
    ///
    /// # Errors
    /// When the kernel, `ip` or `mount` refuse.
    pub async fn make(nodes: u16, seed: u64) -> anyhow::Result<Network> {
        // `ip netns` keeps its names in /run: ours alone, from now on.
        command("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
        let mut cards = vec![plug(switch::CLIENTS, None)?];
        let mut namespaces = Vec::new();
        for index in 0..nodes {
            let name = name(index);
            command("ip", &["netns", "add", &name])?;
            let port = Port::of_node(index);
            cards.push(plug(port, Some(&name))?);
            namespaces.push(Namespace { file: format!("/run/netns/{name}").into(), address: port.address() });
        }
        let links = Arc::new(Links::new(cards.len()));
        switch::start(cards, &links, seed);
        Ok(Network { namespaces, links })
    }

    /// Pulls a node's cable, or plugs it in again: its card goes down or up, with its routes.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn set_plugged(&self, index: u16, plugged: bool) -> anyhow::Result<()> {
        let state = if plugged { "up" } else { "down" };
        command("ip", &["-n", &name(index), "link", "set", CARD, state])
    }
}

/// Every machine's network card.
const CARD: &str = "net0";

fn name(index: u16) -> String {
    format!("node-{index}")
}

/// A network card with a port's address, in a namespace or here.
fn plug(port: Port, namespace: Option<&str>) -> anyhow::Result<Tun> {
    // Here a name is taken once: a node's card gets its own where it goes.
    let here = namespace.unwrap_or(CARD);
    let card = Tun::builder().name(here).close_on_exec().build().map_err(|e| anyhow::anyhow!("/dev/net/tun: {e}"))?;
    let card = card.into_iter().next().context("/dev/net/tun gave nothing")?;
    let inside: &[&str] = match namespace {
        Some(name) => {
            command("ip", &["link", "set", here, "netns", name, "name", CARD])?;
            command("ip", &["-n", name, "link", "set", "lo", "up"])?;
            &["-n", name]
        }
        None => &[],
    };
    let address = format!("{}/24", port.address());
    command("ip", &[inside, &["address", "add", &address, "dev", CARD]].concat())?;
    command("ip", &[inside, &["link", "set", CARD, "up"]].concat())?;
    Ok(card)
}

/// Runs a command; its complaint as an error.
pub fn command(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program} {}: {}", args.join(" "), said.trim());
    Ok(())
}
