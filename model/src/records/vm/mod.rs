//! The record of a VM.
//!
//! | file | what |
//! |---|---|
//! | `record` | what is stored of it, and its parts |
//! | `state` | states and history actions with numbers and names, and what follows from them |
//! | `history`, `history_records` | where it was, and when |
//! | `backups`, `backing_up` | the configuration of its backups, and what a backup takes |
//! | `showback` | what it has cost |
//! | `xml` | its documents |

pub mod backing_up;
pub mod backups;
pub mod history;
pub mod history_records;
mod record;
pub mod showback;
pub mod state;
pub mod xml;

use self::state::{State, counts_as_running};
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::quota::vm::whole;
use crate::records::Record;
use crate::template::Template;
use crate::xml::XmlWriter;

pub use self::record::Vm;

impl Record for Vm {
    const KIND: Kind = Kind::Vm;
    const RESTRICTED: &'static str = "VM_RESTRICTED_ATTR";

    fn overhead(&self) -> u64 {
        self.template.overhead() + self.backups.config.overhead()
    }

    fn template(&self) -> Option<&Template> {
        Some(&self.template)
    }

    fn template_mut(&mut self) -> Option<&mut Template> {
        Some(&mut self.template)
    }

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        match form {
            Form::Full => self.render_with(head, xml::Shown::All, w),
            Form::Short => self.render_short(head, w),
        }
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.history)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.history as &mut dyn Parts)
    }

    const OWNS_PARTS: bool = true;

    /// A driver's report may close the history record, which then keeps the document as it is: room for that copy.
    fn reserved(&self, head: &Head<'_>, record: u64) -> u64 {
        match self.state {
            State::Done => 0,
            // All of the document would come in. The record, with what is counted for each attribute, is about as
            // large, and is known without rendering anything: most new VMs wait in great numbers.
            _ if self.history.is_empty() => record,
            _ => self.history.growth(&self.document(head)),
        }
    }

    /// As in the reference (`VirtualMachinePool::update`), the previous state of a VM that was changed is the state it
    /// is stored with; only what is seen of it while it changes (in its history) is older. A new VM keeps the one that
    /// `one.vm.allocate` gives it: PENDING or HOLD, also when it waits for its images or is imported.
    fn before_commit(&mut self) {
        self.prev_state = self.state;
        self.prev_lcm_state = self.lcm_state;
    }

    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        match self.state {
            State::Done => Vec::new(),
            _ => {
                let mut charges = whole(&self.template, counts_as_running(self.state, self.lcm_state));
                charges.extend(self.backup_reserve());
                charges
            }
        }
    }
}
