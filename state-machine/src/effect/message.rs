//! What a driver is told, as data: an action, an object, and what else the action needs.
//!
//! Objects are shared, not copied, and become XML only when a driver wants that. Nothing here prints: objects have
//! secrets.

use std::fmt;
use std::sync::Arc;

use super::driver_name::DriverName;
use quorate_model::body::Variant;
use quorate_model::head::Form;
use quorate_model::object::Object;
use quorate_model::pending::TransferAction;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::xml::Shown;
use quorate_model::xml::XmlWriter;

/// What a driver is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Who is told.
    pub driver: DriverName,
    /// What to do, by the name that OpenNebula's protocol has for it.
    pub action: &'static str,
    /// The id of the object that it is done with.
    pub object: i32,
    /// What else the driver needs.
    pub payload: Payload,
}

/// What a driver needs beside the action.
#[derive(Clone, PartialEq)]
pub enum Payload {
    /// A document of the protocol.
    Document(Document),
    /// A host that is to be monitored.
    Host(Arc<Object>),
    /// What a hypervisor driver needs.
    Hypervisor(Box<Hypervisor>),
    /// What a transfer driver needs.
    Transfer(Box<Transfer>),
    /// A hook that is to be run.
    Hook(HookRun),
}

impl fmt::Debug for Payload {
    /// Objects have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

/// A document of elements, one after the other.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// The element around them; empty: there is none.
    pub root: &'static str,
    /// What is in it.
    pub parts: Vec<Part>,
}

/// A piece of a document.
#[derive(Clone, PartialEq)]
pub enum Part {
    /// An element with a text.
    Text(&'static str, String),
    /// An object, as the API shows it in full.
    Object(Arc<Object>),
    /// A VM with its current history record only.
    Vm(Arc<Object>),
    /// XML that was written before.
    Xml(String),
    /// An element with more in it.
    Element(&'static str, Vec<Part>),
}

impl Document {
    /// A document with this element around it.
    #[must_use]
    pub fn new(root: &'static str, parts: Vec<Part>) -> Document {
        Document { root, parts }
    }

    /// The document as text.
    #[must_use]
    pub fn xml(&self) -> String {
        let mut w = XmlWriter::new();
        match self.root {
            "" => self.parts.iter().for_each(|part| part.write(&mut w)),
            root => {
                w.element(root, |w| self.parts.iter().for_each(|part| part.write(w)));
            }
        }
        w.finish()
    }
}

impl Part {
    fn write(&self, w: &mut XmlWriter) {
        match self {
            Part::Text(name, text) => {
                w.plain(name, text);
            }
            Part::Object(object) => {
                w.raw(&object.xml(Form::Full));
            }
            Part::Vm(object) => {
                if let Some(vm) = Vm::of(&object.body) {
                    vm.render_with(&object.head(), Shown::Last, w);
                }
            }
            Part::Xml(xml) => {
                w.raw(xml);
            }
            Part::Element(name, parts) => {
                w.element(name, |w| parts.iter().for_each(|part| part.write(w)));
            }
        }
    }
}

impl fmt::Debug for Document {
    /// Objects have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A file beside a message.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// Its name in the VM's directory.
    pub name: String,
    /// What is in it.
    pub content: Document,
}

/// What a hypervisor driver needs.
#[derive(Clone, PartialEq)]
pub struct Hypervisor {
    /// The VM.
    pub vm: Arc<Object>,
    /// The name of the host that the action is for; empty: the VM is on none.
    pub host: String,
    /// The other host: where a VM moves to, or what else is cleaned up.
    pub other_host: Option<String>,
    /// The directory of the VM on the host.
    pub directory: String,
    /// The datastore: the system datastore on the host, or the one that a backup goes to.
    pub datastore: Option<Arc<Object>>,
    /// The security group whose rules changed.
    pub security_group: Option<i32>,
    /// The virtual network whose NICs changed.
    pub network: Option<i32>,
}

/// What a transfer driver needs to bring disks somewhere.
#[derive(Clone, PartialEq)]
pub struct Transfer {
    /// Which list of commands.
    pub action: TransferAction,
    /// The VM.
    pub vm: Arc<Object>,
    /// Where it is now.
    pub at: Option<Stay>,
    /// Where it was before.
    pub before: Option<Stay>,
}

/// One stay of a VM on a host, as far as its files are concerned.
#[derive(Clone, PartialEq)]
pub struct Stay {
    /// The number of the history record.
    pub seq: i32,
    /// The host's name.
    pub host: String,
    /// The directory of the VM there.
    pub directory: String,
    /// The system datastore.
    pub datastore: Option<Arc<Object>>,
}

/// A hook that is to be run.
#[derive(Clone, PartialEq)]
pub struct HookRun {
    /// The hook: its template has COMMAND and how that is called.
    pub hook: Arc<Object>,
    /// What the command is given.
    pub arguments: String,
    /// The host to run it on; empty: the leader's machine.
    pub remote_host: String,
    /// Whether it ran before.
    pub retry: bool,
}

/// The directory of a VM on a host.
pub(super) fn directory(location: &str, record: &History, vm: i32) -> String {
    format!("{location}/{}/{vm}", record.ds_id)
}
