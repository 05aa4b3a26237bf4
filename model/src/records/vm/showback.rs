//! What a VM has cost in a month. It is kept with the VM; computing it is the pool's work.

use serde::{Deserialize, Serialize};

use crate::xml::XmlWriter;

/// What a VM has cost in a month.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Showback {
    /// The year.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// The VM's name then.
    pub name: String,
    /// Its owner then.
    pub uid: i32,
    /// Its group then.
    pub gid: i32,
    /// The owner's name.
    pub uname: String,
    /// The group's name.
    pub gname: String,
    /// Cost of CPU.
    pub cpu: f64,
    /// Cost of memory.
    pub memory: f64,
    /// Cost of disks.
    pub disk: f64,
    /// Hours it was on a host.
    pub hours: f64,
    /// Hours it ran.
    pub running_hours: f64,
}

impl Showback {
    /// `<SHOWBACK>`
    pub fn render(&self, vm: i32, w: &mut XmlWriter) {
        w.element("SHOWBACK", |w| {
            w.plain("VMID", vm).plain("VMNAME", &self.name).plain("UID", self.uid).plain("GID", self.gid);
            w.plain("UNAME", &self.uname).plain("GNAME", &self.gname);
            w.plain("YEAR", self.year).plain("MONTH", self.month);
            w.plain("CPU_COST", number(self.cpu)).plain("MEMORY_COST", number(self.memory));
            w.plain("DISK_COST", number(self.disk)).plain("TOTAL_COST", number(self.cpu + self.memory + self.disk));
            w.plain("HOURS", number(self.hours)).plain("RHOURS", number(self.running_hours));
        });
    }
}

/// A whole number without decimals, any other with two.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
