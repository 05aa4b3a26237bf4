//! Zones: what is stored of them, and their XML.
//!
//! The servers here are labels that operators and clients see, and what the leader makes Raft's members follow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::ZoneServer;
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::template::VectorAttribute;
use crate::xml::XmlWriter;

/// The particular part of a zone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Whether the zone takes calls.
    pub enabled: bool,
    /// The servers, when there are several.
    pub servers: Vec<ZoneServer>,
    /// Where declared servers must serve their peers (`host:port`), by name, where that was said.
    pub peers: BTreeMap<String, String>,
    /// Names of servers that were removed while the nodes behind them may still replicate.
    pub leaving: Vec<String>,
    /// The greatest Raft node id ever used: ids are never given twice.
    pub highest_node: i64,
}

impl Record for Zone {
    const KIND: Kind = Kind::Zone;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("ZONE", |w| {
            w.plain("ID", head.id).plain("NAME", head.name).plain("STATE", i32::from(!self.enabled));
            head.template.render("TEMPLATE", w);
            w.element("SERVER_POOL", |w| {
                for server in &self.servers {
                    let ZoneServer { id, name, endpoint } = server;
                    let fields = [("ENDPOINT", endpoint.clone()), ("ID", id.to_string()), ("NAME", name.clone())];
                    VectorAttribute::from_iter(fields).render("SERVER", w);
                }
            });
        });
    }
}
