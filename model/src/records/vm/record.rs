//! What is stored of a VM, and its parts: disks, interfaces, history records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backups::Backups;
use super::history::History;
use super::history_records::Records;
use super::showback::Showback;
use super::state::{LcmState, State};
use crate::records::image::snapshots::Snapshots;
use crate::template::{Attribute, Template, VectorAttribute};

/// The particular part of a VM. The object's own template is USER_TEMPLATE.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Vm {
    /// `STATE`. Changed by [`Vm::set_state`] and [`Vm::set_lcm`].
    pub state: State,
    /// `LCM_STATE`: what an active VM is doing.
    pub lcm_state: LcmState,
    /// `STATE` at the last change; of a new VM the state that it was meant to begin in.
    pub prev_state: State,
    /// `LCM_STATE` at the last change.
    pub prev_lcm_state: LcmState,
    /// Whether the scheduler shall move it.
    pub resched: bool,
    /// When it was made.
    pub stime: i64,
    /// When it ended; 0 before.
    pub etime: i64,
    /// The hypervisor's id of it.
    pub deploy_id: String,
    /// `TEMPLATE`: what OpenNebula derived from the user's template.
    pub template: Template,
    /// Where it was, oldest first; in records of their own.
    #[serde(skip)]
    pub history: Records,
    /// `SNAPSHOTS` by disk.
    pub snapshots: BTreeMap<i32, Snapshots>,
    /// `BACKUPS`.
    pub backups: Backups,
    /// What it has cost, by month.
    pub showback: Vec<Showback>,
}

impl std::default::Default for Vm {
    fn default() -> Self {
        Vm {
            state: State::Init,
            lcm_state: LcmState::LcmInit,
            prev_state: State::Init,
            prev_lcm_state: LcmState::LcmInit,
            resched: false,
            stime: 0,
            etime: 0,
            deploy_id: String::new(),
            template: Template::new(),
            history: Records::default(),
            snapshots: BTreeMap::new(),
            backups: Backups::default(),
            showback: Vec::new(),
        }
    }
}

impl Vm {
    /// The host of the current history record.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        self.record().map(|record| record.hostname.as_str())
    }

    /// A state other than ACTIVE.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.lcm_state = LcmState::LcmInit;
    }

    /// ACTIVE, doing this.
    pub fn set_lcm(&mut self, lcm_state: LcmState) {
        self.state = State::Active;
        self.lcm_state = lcm_state;
    }

    /// Whether it is ACTIVE and doing exactly this.
    #[must_use]
    pub fn is_doing(&self, lcm_state: LcmState) -> bool {
        self.state == State::Active && self.lcm_state == lcm_state
    }

    /// The state's name in texts: what it is doing when it is active.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        if self.state == State::Active { self.lcm_state.name() } else { self.state.name() }
    }

    /// The current history record.
    #[must_use]
    pub fn record(&self) -> Option<&History> {
        self.history.current()
    }

    /// The current history record, to change.
    pub fn record_mut(&mut self) -> Option<&mut History> {
        self.history.back_mut(0)
    }

    /// The record before the current one.
    #[must_use]
    pub fn previous_record(&self) -> Option<&History> {
        self.history.back(1)
    }

    /// The record before the current one, to change.
    pub fn previous_record_mut(&mut self) -> Option<&mut History> {
        self.history.back_mut(1)
    }

    /// The disks, by id.
    pub fn disks(&self) -> impl Iterator<Item = &VectorAttribute> {
        let mut disks: Vec<&VectorAttribute> = self.template.vectors("DISK").collect();
        disks.sort_by_key(|disk| disk.id("DISK_ID"));
        disks.into_iter()
    }

    /// A disk.
    #[must_use]
    pub fn disk(&self, id: i32) -> Option<&VectorAttribute> {
        self.template.vectors("DISK").find(|disk| disk.id("DISK_ID") == Some(id))
    }

    /// A disk, to change.
    pub fn disk_mut(&mut self, id: i32) -> Option<&mut VectorAttribute> {
        self.template.vectors_mut("DISK").find(|disk| disk.id("DISK_ID") == Some(id))
    }

    /// The interfaces (`NIC`, `NIC_ALIAS`, `PCI` of type NIC) with the name of their attribute, by id.
    pub fn nics(&self) -> impl Iterator<Item = (&'static str, &VectorAttribute)> {
        let of = |name: &'static str| self.template.vectors(name).map(move |nic| (name, nic));
        let pcis = of("PCI").filter(|(_, pci)| pci.value("TYPE") == "NIC");
        let mut nics: Vec<_> = of("NIC").chain(pcis).chain(of("NIC_ALIAS")).collect();
        nics.sort_by_key(|(_, nic)| nic.id("NIC_ID"));
        nics.into_iter()
    }

    /// An interface with the name of its attribute.
    #[must_use]
    pub fn nic(&self, id: i32) -> Option<(&'static str, &VectorAttribute)> {
        self.nics().find(|(_, nic)| nic.id("NIC_ID") == Some(id))
    }

    /// An interface to change.
    pub fn nic_mut(&mut self, id: i32) -> Option<&mut VectorAttribute> {
        let (name, _) = self.nic(id)?;
        self.template.vectors_mut(name).find(|nic| nic.id("NIC_ID") == Some(id))
    }

    /// Removes the first attribute `name` whose `key` is `id`; returns it.
    pub fn take_vector(&mut self, name: &'static str, key: &str, id: i32) -> Option<VectorAttribute> {
        let mut all = self.template.remove(name);
        let at = all.iter().position(|a| matches!(a, Attribute::Vector(v) if v.id(key) == Some(id)));
        let taken = at.map(|i| all.remove(i));
        all.into_iter().for_each(|a| self.template.push(name, a));
        match taken {
            Some(Attribute::Vector(v)) => Some(v),
            _ => None,
        }
    }
}
