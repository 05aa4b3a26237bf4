//! A history record: one stay of a VM on a host, and by which action it ended; the base of accounting.

use serde::{Deserialize, Serialize};

use super::state::VmAction;
use crate::xml::XmlWriter;

/// The user, group and request that an action is recorded with; -1 for what the system does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct By {
    /// User.
    pub uid: i32,
    /// Group.
    pub gid: i32,
    /// Request id.
    pub request: i64,
}

impl By {
    /// The system itself.
    pub const INTERNAL: By = By { uid: -1, gid: -1, request: -1 };
}

/// One stay of a VM on a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Number within the VM, from 0.
    pub seq: i32,
    /// The host's name.
    pub hostname: String,
    /// The host's id.
    pub hid: i32,
    /// The host's cluster.
    pub cid: i32,
    /// Hypervisor driver.
    pub vm_mad: String,
    /// Transfer driver of the system datastore.
    pub tm_mad: String,
    /// The system datastore.
    pub ds_id: i32,
    /// From scheduling to leaving the host.
    pub stime: i64,
    /// See `stime`; 0 while it is there.
    pub etime: i64,
    /// Prolog.
    pub pstime: i64,
    /// End of prolog.
    pub petime: i64,
    /// Running.
    pub rstime: i64,
    /// End of running.
    pub retime: i64,
    /// Epilog.
    pub estime: i64,
    /// End of epilog.
    pub eetime: i64,
    /// The last action recorded.
    pub action: VmAction,
    /// Who did that.
    pub by: By,
    /// The VM as it was at the last accounted moment of this record. Set by [`Records`].
    pub info: Info,
}

impl std::default::Default for History {
    fn default() -> Self {
        History {
            seq: 0,
            hostname: String::new(),
            hid: -1,
            cid: -1,
            vm_mad: String::new(),
            tm_mad: String::new(),
            ds_id: 0,
            stime: 0,
            etime: 0,
            pstime: 0,
            petime: 0,
            rstime: 0,
            retime: 0,
            estime: 0,
            eetime: 0,
            action: VmAction::None,
            by: By::INTERNAL,
            info: Info::default(),
        }
    }
}

impl History {
    /// Records an action.
    pub fn set_action(&mut self, action: VmAction, by: By) {
        self.action = action;
        self.by = by;
    }

    /// Whether the VM runs on a public cloud, whose drivers keep no disks here.
    #[must_use]
    pub fn on_cloud(&self) -> bool {
        self.ds_id == -1 && self.tm_mad.is_empty()
    }

    /// `<HISTORY>` as in the VM's own document.
    pub fn render(&self, vm: i32, w: &mut XmlWriter) {
        w.element("HISTORY", |w| self.render_inner(vm, w));
    }

    /// `<HISTORY>` as accounting shows it: with the VM's document, which is `info` (see [`Records::info`]).
    pub fn render_with_vm(&self, vm: i32, info: &str, w: &mut XmlWriter) {
        w.element("HISTORY", |w| {
            self.render_inner(vm, w);
            w.raw(info);
        });
    }

    fn render_inner(&self, vm: i32, w: &mut XmlWriter) {
        w.plain("OID", vm).plain("SEQ", self.seq).plain("HOSTNAME", &self.hostname);
        w.plain("HID", self.hid).plain("CID", self.cid).plain("STIME", self.stime).plain("ETIME", self.etime);
        w.cdata("VM_MAD", &self.vm_mad).cdata("TM_MAD", &self.tm_mad).plain("DS_ID", self.ds_id);
        w.plain("PSTIME", self.pstime).plain("PETIME", self.petime);
        w.plain("RSTIME", self.rstime).plain("RETIME", self.retime);
        w.plain("ESTIME", self.estime).plain("EETIME", self.eetime);
        w.plain("ACTION", self.action.number()).plain("UID", self.by.uid).plain("GID", self.by.gid);
        w.plain("REQUEST_ID", self.by.request);
    }

    /// `<HISTORY>` of pool listings.
    pub fn render_short(&self, vm: i32, w: &mut XmlWriter) {
        w.element("HISTORY", |w| {
            w.plain("OID", vm).plain("SEQ", self.seq).cdata("HOSTNAME", &self.hostname);
            w.plain("HID", self.hid).plain("CID", self.cid).plain("DS_ID", self.ds_id);
            w.cdata("VM_MAD", &self.vm_mad).cdata("TM_MAD", &self.tm_mad);
            w.cdata("ACTION", &self.action.number().to_string());
        });
    }
}

/// What a history record knows of its VM.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The beginning of the document.
    pub(super) head: String,
    /// The texts that follow, by number.
    pub(super) texts: Vec<u64>,
}
