//! A slow network, and one that loses messages and with them connections: slower, but right.

use std::time::Duration;

use quorate_sim_tests::{Shape, Zone, reproduce};

fn writes_get_through(zone: &mut Zone) {
    zone.elect();
    let mut written = Vec::new();
    for n in 0..30u64 {
        let node = n % 3 + 1;
        let template = quorate_model::api::Arg::Str(format!("NAME=\"w{n}\""));
        let args = [template, quorate_model::api::Arg::Int(0)];
        // A reply may be lost with its connection: then the write is made again, as a client would.
        let id = (0..10).find_map(|_| zone.call(node, "one.document.allocate", &args).ok()?.into_value().ok());
        written.push(id.expect("a write gets through in ten attempts").parse::<i32>().expect("an id"));
    }
    zone.set_loss(0.0);
    zone.set_latency(Duration::from_millis(5));
    zone.converge();
    for node in zone.ids() {
        for (n, id) in written.iter().enumerate() {
            assert!(zone.read(node, *id).contains(&format!("<NAME>w{n}</NAME>")), "document {id} on node {node}");
        }
    }
}

#[test]
fn a_slow_network() {
    let millis = Duration::from_millis;
    let mut zone = Zone::new(reproduce::seed(1), Shape { latency: (millis(5), millis(40)), ..Shape::default() });
    writes_get_through(&mut zone);
}

#[test]
fn a_lossy_network() {
    let mut zone = Zone::new(reproduce::seed(2), Shape::default());
    zone.elect();
    zone.set_loss(0.003);
    writes_get_through(&mut zone);
}

#[test]
fn a_slow_and_lossy_network() {
    let millis = Duration::from_millis;
    let mut zone = Zone::new(reproduce::seed(3), Shape { latency: (millis(2), millis(30)), ..Shape::default() });
    zone.elect();
    zone.set_loss(0.003);
    writes_get_through(&mut zone);
}
