//! How a configuration file is read, and which ones are refused.

use std::path::Path;

use proptest::prelude::*;
use quorate_raft_store::config::raft_config;
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::Identity;

use super::*;
use crate::net::Tcp;
use crate::transport::Links;

/// A zone of two servers, of which this is the first.
const GOOD: &str = r#"
node_id = 1
data_dir = "/var/lib/quorate"
listen = "0.0.0.0:2633"
peer_listen = "10.0.0.1:2683"
[zone]
cluster_id = "b7c7f6b2"
name = "OpenNebula"
endpoint = "http://one.example.org:2633/RPC2"
auth_file = "/etc/quorate/one_auth"
datastore_location = "/var/lib/one//datastores"
[[zone.servers]]
id = 1
name = "one-1"
endpoint = "http://10.0.0.1:2633/RPC2"
peer = "10.0.0.1:2683"
[[zone.servers]]
id = 2
name = "one-2"
endpoint = "http://10.0.0.2:2633/RPC2"
peer = "10.0.0.2:2683"
"#;

/// A server that joins.
const JOINING: &str = r#"
data_dir = "/var/lib/quorate"
listen = "0.0.0.0:2633"
peer_listen = "10.0.0.4:2683"
[zone]
cluster_id = "b7c7f6b2"
endpoint = "http://one.example.org:2633/RPC2"
auth_file = "/etc/quorate/one_auth"
[join]
name = "one-4"
peer = "10.0.0.4:2683"
seeds = ["10.0.0.1:2683", "10.0.0.2:2683"]
"#;

fn read(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::read(file.path()).map_err(|e| format!("{e:#}").replace(&format!("{}: ", file.path().display()), ""))
}

#[test]
fn a_configuration_by_which_no_node_can_work_is_refused_and_says_what_is_wrong() {
    read(GOOD).unwrap();
    let own = r#"peer = "10.0.0.1:2683""#;
    for (old, new, said) in [
        (r#"cluster_id = "b7c7f6b2""#, r#"cluster_id = """#, "zone.cluster_id is empty"),
        (r#"cluster_id = "b7c7f6b2""#, r#"cluster_id = "zöne""#, "visible ASCII"),
        (r#"cluster_id = "b7c7f6b2""#, r#"cluster_id = "a b""#, "visible ASCII"),
        (r#"cluster_id = "b7c7f6b2""#, "cluster_id = \"a\\nb\"", "visible ASCII"),
        (own, r#"peer = "somewhere""#, "zone.servers: one-1: peer 'somewhere' is not of the form host:port"),
        (own, r#"peer = "10.0.0.1:0""#, "not of the form host:port"),
        (own, r#"peer = "10.0.0.2:2683""#, "share an address"),
        (r#"endpoint = "http://10.0.0.1:2633/RPC2""#, r#"endpoint = "http://10.0.0.2:2633/RPC2""#, "share an address"),
        (r#"endpoint = "http://10.0.0.1:2633/RPC2""#, r#"endpoint = "10.0.0.1""#, "not of the form http://"),
        (r#"endpoint = "http://one.example.org:2633/RPC2""#, r#"endpoint = """#, "zone.endpoint"),
        (r#"peer_listen = "10.0.0.1:2683""#, r#"peer_listen = "10.0.0.1:2633""#, "are the same address"),
        (r#"listen = "0.0.0.0:2633""#, r#"listen = "0.0.0.0:0""#, "port 0"),
        ("id = 2", "id = 1", "twice"),
        ("id = 2", "id = 0", "which is no node's"),
        (r#"name = "one-2""#, r#"name = "one-1""#, "twice"),
        (r#"name = "one-2""#, r#"name = """#, "is empty"),
        (r#"name = "one-2""#, r#"name = "a<b""#, "characters that no name may have"),
        ("node_id = 1", "node_id = 3", "node_id 3 is not among zone.servers"),
        (r#"data_dir = "/var/lib/quorate""#, r#"data_dir = """#, "data_dir is empty"),
        (r#"name = "OpenNebula""#, r#"name = " ""#, "zone.name is empty"),
        (r#"datastore_location = "/var/lib/one//datastores""#, r#"datastore_location = "x""#, "no absolute path"),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let refused = read(&GOOD.replacen(old, new, 1)).expect_err(new);
        assert!(refused.contains(said) && !refused.contains('\n'), "{new}: {refused}");
    }
    for more in ["[raft_hooks.leader]\ncommand = \"\"", "[raft_hooks.follower]\ncommand = \"x\"\ntimeout_seconds = 0"] {
        assert!(read(&format!("{GOOD}{more}")).unwrap_err().contains("needs a command"));
    }
}

#[test]
fn a_peer_is_an_address_that_one_server_has_however_it_is_spelled() {
    let (own, other) = (r#"peer = "10.0.0.1:2683""#, r#"peer = "10.0.0.2:2683""#);
    let with = |one: &str, two: &str| {
        let text = GOOD.replacen(own, &format!("peer = {one:?}"), 1);
        read(&text.replacen(other, &format!("peer = {two:?}"), 1))
    };
    for nobodys in ["*:5", "0.0.0.0:5", "[::]:5", "127.0.0.001:5"] {
        assert!(with(nobodys, "one-2:5").unwrap_err().contains(&format!("one-1: peer '{nobodys}'")), "{nobodys}");
    }
    for (one, two) in [("One-1.lan:5", "one-1.LAN:5"), ("one-1:5", "one-1.:5"), ("[::1]:5", "[0:0::1]:5")] {
        assert!(with(one, two).unwrap_err().contains("share an address"), "{one} {two}");
    }
    let config = with("One-1.lan.:5", "[0:0::1]:5").unwrap();
    let peers: Vec<&str> = config.zone.servers.iter().map(|server| server.peer.as_str()).collect();
    assert_eq!(peers, ["one-1.lan:5", "[::1]:5"], "as everybody else spells them");
    let seeds = |seed: &str| read(&JOINING.replacen(r#""10.0.0.1:2683", "10.0.0.2:2683""#, &format!("{seed:?}"), 1));
    assert!(seeds("[::ffff:10.0.0.4]:2683").unwrap_err().contains("[join] needs seeds"), "its own peer address");
    assert_eq!(seeds("ONE-1:2683").unwrap().join.unwrap().seeds, ["one-1:2683"]);
}

#[test]
fn a_server_that_joins_needs_to_know_others() {
    read(JOINING).unwrap();
    let with_id = format!("node_id = 4\n{JOINING}");
    assert!(read(&with_id).unwrap_err().contains("node_id and [join] exclude each other"));
    for (old, new, said) in [
        (r#"peer = "10.0.0.4:2683""#, r#"peer = "10.0.0.4""#, "[join]: peer '10.0.0.4' is not of the form host:port"),
        (r#"["10.0.0.1:2683", "10.0.0.2:2683"]"#, "[]", "[join] needs seeds"),
        (r#"["10.0.0.1:2683", "10.0.0.2:2683"]"#, r#"["10.0.0.4:2683"]"#, "[join] needs seeds"),
        (r#"["10.0.0.1:2683", "10.0.0.2:2683"]"#, r#"["10.0.0.1"]"#, "[join] seed '10.0.0.1'"),
        (r#"name = "one-4""#, r#"name = """#, "[join] name is empty"),
    ] {
        let refused = read(&JOINING.replacen(old, new, 1)).expect_err(new);
        assert!(refused.contains(said), "{new}: {refused}");
    }
}

/// Behind NAT, or in a container.
#[test]
fn a_server_that_listens_elsewhere_than_others_reach_it_may_start_and_is_remarked_on() {
    let (listen, joining) = (r#"peer_listen = "10.0.0.1:2683""#, r#"peer_listen = "10.0.0.4:2683""#);
    for (text, old, new, remarked) in [
        (GOOD, listen, listen, false),
        (GOOD, listen, r#"peer_listen = "0.0.0.0:2683""#, false),
        (GOOD, listen, r#"peer_listen = "10.0.0.1:2684""#, true),
        (GOOD, listen, r#"peer_listen = "172.17.0.2:2683""#, true),
        (GOOD, r#"peer = "10.0.0.1:2683""#, r#"peer = "one-1.example.org:2683""#, false),
        (JOINING, joining, joining, false),
        (JOINING, joining, r#"peer_listen = "172.17.0.2:2683""#, true),
    ] {
        assert!(text.contains(old), "{old}");
        let config = read(&text.replacen(old, new, 1)).unwrap();
        assert_eq!(!config.remarks().is_empty(), remarked, "{new}: {:?}", config.remarks());
    }
}

#[test]
fn balancers_that_are_everybody_are_remarked_on() {
    for (balancers, remarked) in [("10.0.0.9/32", false), ("0.0.0.0/0", true), ("::/0", true)] {
        let text = format!("{GOOD}\n[clients]\nbalancers = [\"{balancers}\"]\n");
        assert_eq!(read(&text).unwrap().remarks().len(), usize::from(remarked), "{balancers}");
    }
}

#[test]
fn the_reason_is_said_with_what_it_is_about() {
    let refused = read(&GOOD.replacen("http://one.example.org:2633/RPC2", "nope", 1)).unwrap_err();
    assert!(refused.contains("zone.endpoint: ") && refused.contains("nope"), "{refused}");
}

#[test]
fn the_example_that_is_shipped_is_accepted() {
    let config = Config::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/quorate.toml"))).unwrap();
    assert!(config.remarks().is_empty());
}

/// Text of any kind, and text that nearly is what is wanted.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9.:/@ \\[\\]-]{0,20}",
        Just("10.0.0.1:2683".to_owned()),
        "http://[a-z.:0-9]{1,9}/x"
    ]
}

proptest! {
    /// What is accepted does not fail later for what it says.
    #[test]
    fn whatever_is_accepted_can_start(
        node_id in 0_u64..4, cluster in text(), name in text(), endpoint in text(), peer in text(),
        listen in any::<std::net::SocketAddr>(), peer_listen in any::<std::net::SocketAddr>(),
        field in 0..8, election in any::<u64>(),
    ) {
        let mut config: Config = toml::from_str(GOOD).unwrap();
        match field {
            0 => config.node_id = node_id,
            1 => config.zone.cluster_id = cluster,
            2 => config.zone.name = name,
            3 => config.zone.endpoint = endpoint,
            4 => config.zone.servers[1].peer = peer,
            5 => config.listen = listen,
            6 => config.peer_listen = peer_listen,
            _ => config.raft.election_timeout_ms = election,
        }
        if let Err(refused) = check::check(&mut config) {
            let said = refused.to_string();
            prop_assert!(!said.is_empty());
            return Ok(());
        }
        let me = Identity { cluster: config.zone.cluster_id.clone(), node_id: config.node_id };
        Links::new(Tcp, &me, None).unwrap();
        raft_config(&me.cluster, config.raft).unwrap();
        quorate_raft_store::meta::write_identity(&MemoryEngine::new(), &me).unwrap();
        for server in &config.zone.servers {
            assert_eq!(crate::address::host_and_port(&server.peer).as_deref(), Ok(server.peer.as_str()));
        }
        prop_assert!(config.listen.port() > 0 && config.peer_listen.port() > 0);
        // It can be written and read again, as `quorate dev` does.
        let mut again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        check::check(&mut again).unwrap();
    }
}

#[test]
fn balancers_are_addresses_and_networks_and_believed_as_configured() {
    let text = "balancers = [\"10.0.0.10\", \"fd00::/64\"]\n";
    let clients = |say: &str| toml::from_str::<Clients>(&format!("{text}balancers_say = \"{say}\"")).unwrap();
    let (nothing, proxy, header) = (clients("nothing"), clients("proxy-protocol"), clients("x-forwarded-for"));
    assert_eq!((nothing.proxies().len(), nothing.limits().forwarders.len()), (0, 0));
    assert_eq!((proxy.proxies().len(), proxy.limits().forwarders.len()), (2, 0));
    assert_eq!((header.proxies().len(), header.limits().forwarders.len()), (0, 2));
    assert_eq!(header.limits().balancers.len(), 2);
    assert!(toml::from_str::<Clients>("balancers = [\"somewhere\"]").is_err());
    assert!(toml::from_str::<Clients>("balancers_say = \"forwarded\"").is_err());
}
