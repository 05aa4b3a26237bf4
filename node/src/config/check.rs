//! Whether a node can work by a configuration: what is wrong is said at the start, not found out while it runs.
//!
//! It looks at the configuration alone: what depends on the machine (files, ports, disks) fails where it is used.

use anyhow::{Context as _, bail, ensure};

use super::{Clients, Config, Hook, Server, Told};
use crate::address;

/// Characters of a zone's id at most: it travels in every call between nodes.
const MAX_CLUSTER: usize = 128;
/// Characters of a name at most, as of any name in OpenNebula.
const MAX_NAME: usize = 128;
/// Seconds that a hook may take at most: a day.
const MAX_HOOK_SECONDS: u64 = 24 * 3600;
/// Milliseconds that anything else may take at most: a day.
const MAX_MS: u64 = 24 * 3600 * 1000;

/// Checks a configuration, and brings the peers' addresses to their canonical form.
pub(super) fn check(config: &mut Config) -> anyhow::Result<()> {
    config.raft.check().map_err(|e| anyhow::anyhow!("[raft] {e}"))?;
    ensure!(!config.data_dir.as_os_str().is_empty(), "data_dir is empty");
    listeners(config)?;
    clients(&config.clients)?;
    zone(config)?;
    helpers(config)?;
    if config.join.is_some() { join(config) } else { servers(config) }
}

fn listeners(config: &Config) -> anyhow::Result<()> {
    for (name, address) in [("listen", config.listen), ("peer_listen", config.peer_listen)] {
        ensure!(address.port() != 0, "{name} has port 0: nobody would know where it is");
    }
    let (one, other) = (config.listen, config.peer_listen);
    let same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    ensure!(one.port() != other.port() || !same, "listen and peer_listen are the same address");
    Ok(())
}

fn clients(clients: &Clients) -> anyhow::Result<()> {
    let Clients { connections, connections_by_address, balancers, balancers_say } = clients;
    ensure!(*connections > 0 && *connections_by_address > 0, "[clients] allows no connections");
    let lone = balancers.is_empty() && *balancers_say != Told::Nothing;
    ensure!(!lone, "[clients] balancers_say needs balancers: whose word is to be believed?");
    Ok(())
}

fn zone(config: &Config) -> anyhow::Result<()> {
    let zone = &config.zone;
    cluster(&zone.cluster_id)?;
    name("zone.name", &zone.name)?;
    address::url(&zone.endpoint).map_err(anyhow::Error::msg).context("zone.endpoint")?;
    let location = &zone.datastore_location;
    ensure!(location.starts_with('/'), "zone.datastore_location '{location}' is no absolute path");
    ensure!(!location.contains(char::is_control), "zone.datastore_location has a control character");
    Ok(())
}

/// A zone's id is a header of every call between nodes, and part of certificates' names.
fn cluster(id: &str) -> anyhow::Result<()> {
    ensure!(!id.is_empty(), "zone.cluster_id is empty");
    ensure!(id.len() <= MAX_CLUSTER, "zone.cluster_id has more than {MAX_CLUSTER} characters");
    let visible = id.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(visible, "zone.cluster_id {id:?} has other characters than visible ASCII");
    Ok(())
}

/// Names stand in XML and in templates, between quotes.
fn name(what: &str, text: &str) -> anyhow::Result<()> {
    ensure!(!text.trim().is_empty(), "{what} is empty");
    ensure!(text.chars().count() <= MAX_NAME, "{what} has more than {MAX_NAME} characters");
    let fits = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{fffe}' | '\u{ffff}');
    ensure!(text.chars().all(fits), "{what} {text:?} has characters that no name may have");
    Ok(())
}

fn helpers(config: &Config) -> anyhow::Result<()> {
    if let Some(driver) = &config.auth_driver {
        let useful = !driver.command.as_os_str().is_empty() && (1..=MAX_MS).contains(&driver.timeout_ms);
        ensure!(useful, "[auth_driver] needs a command, and a timeout_ms of 1 to {MAX_MS}");
    }
    let hooks = [("leader", &config.raft_hooks.leader), ("follower", &config.raft_hooks.follower)];
    for (role, hook) in hooks.into_iter().filter_map(|(role, hook)| Some((role, hook.as_ref()?))) {
        let Hook { command, timeout_seconds, .. } = hook;
        let useful = !command.as_os_str().is_empty() && (1..=MAX_HOOK_SECONDS).contains(timeout_seconds);
        ensure!(useful, "[raft_hooks.{role}] needs a command, and timeout_seconds of 1 to {MAX_HOOK_SECONDS}");
    }
    for (name, delay) in [("monitor_delay_ms", config.dummy.monitor_delay_ms), ("delay_ms", config.dummy.delay_ms)] {
        ensure!(delay <= MAX_MS, "[dummy] {name} is {delay}, not 0 to {MAX_MS}");
    }
    Ok(())
}

/// `host:port`, of the server that is called so in messages.
fn peer(whose: &str, text: &mut String) -> anyhow::Result<()> {
    *text = address::host_and_port(text).map_err(|e| anyhow::anyhow!("{whose}: peer {e}"))?;
    Ok(())
}

/// What is seldom meant so, though a node can work by it: for the log.
pub(super) fn remarks(config: &Config) -> Vec<String> {
    let everybody = config.clients.balancers.iter().map(|network| network.0).find(|network| network.prefix_len() == 0);
    let believed = everybody.map(|balancers| {
        format!(
            "clients.balancers has {balancers}, which is every address: no bound by address holds for anybody, and what \
             any client says of where it comes from is believed. List the load balancers alone"
        )
    });
    [believed, led_elsewhere(config)].into_iter().flatten().collect()
}

/// Where others reach this server is not where it listens.
fn led_elsewhere(config: &Config) -> Option<String> {
    let own = config.zone.servers.iter().find(|server| server.id == config.node_id).map(|own| &own.peer);
    let peer = config.join.as_ref().map(|join| &join.peer).or(own)?;
    // Others dial `peer`. Something between may lead them on to where this node listens.
    let (listen, (ip, port)) = (config.peer_listen, address::literal(peer)?);
    // A name may stand for any address.
    let same = ip.is_none_or(|ip| ip == listen.ip() || listen.ip().is_unspecified());
    let fits = same && port == listen.port();
    (!fits).then(|| {
        format!(
            "peer_listen is {listen}, and others are told to reach this server at {peer}: that works only where \
             something (NAT, a container's port) leads from there to here"
        )
    })
}

fn join(config: &mut Config) -> anyhow::Result<()> {
    let own = config.join.as_mut().context("no [join]")?;
    ensure!(config.zone.servers.is_empty(), "zone.servers and [join] exclude each other: this server is added");
    ensure!(config.node_id == 0, "node_id and [join] exclude each other: the zone gives this server its id");
    name("[join] name", &own.name)?;
    peer("[join]", &mut own.peer)?;
    for seed in &mut own.seeds {
        *seed = address::host_and_port(seed).map_err(|e| anyhow::anyhow!("[join] seed {e}"))?;
    }
    ensure!(own.seeds.iter().any(|seed| *seed != own.peer), "[join] needs seeds: peer addresses of other servers");
    Ok(())
}

fn servers(config: &mut Config) -> anyhow::Result<()> {
    let servers = &mut config.zone.servers;
    ensure!(!servers.is_empty(), "zone.servers is empty");
    for i in 0..servers.len() {
        let (others, rest) = servers.split_at_mut(i);
        let Server { id, name: called, endpoint, peer: at } = &mut rest[0];
        ensure!(*id > 0, "zone.servers: the id of {called:?} is 0, which is no node's");
        let whose = format!("zone.servers: {called}");
        name("zone.servers: a name", called)?;
        address::url(endpoint).map_err(|e| anyhow::anyhow!("{whose}: endpoint {e}"))?;
        peer(&whose, at)?;
        let twice = others.iter().any(|other| other.id == *id || other.name == *called);
        ensure!(!twice, "zone.servers names id {id} or name {called} twice");
        let shares = |other: &&Server| other.peer == *at || address::is_same_url(&other.endpoint, endpoint);
        if let Some(other) = others.iter().find(shares) {
            bail!(
                "zone.servers: {called} and {} share an address: each server has its own peer and endpoint",
                other.name
            );
        }
    }
    let own = servers.iter().find(|server| server.id == config.node_id);
    own.map(drop).with_context(|| format!("node_id {} is not among zone.servers", config.node_id))
}
