//! The VM's documents: in full, and as pool listings show it.

use super::record::Vm;
use crate::head::Head;
use crate::template::Template;
use crate::xml::XmlWriter;

/// Which history records a document shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// None, as in the copies that accounting keeps (see [`Vm::document`]).
    None,
    /// The current one, as in extended listings.
    Last,
    /// All of them.
    All,
}

/// The sub-attributes of a disk in listings.
const DISK_SHORT: [&str; 11] = [
    "DISK_ID",
    "DATASTORE",
    "DATASTORE_ID",
    "IMAGE",
    "IMAGE_ID",
    "SIZE",
    "TYPE",
    "CLONE",
    "CLONE_TARGET",
    "LN_TARGET",
    "DISK_SNAPSHOT_TOTAL_SIZE",
];

/// The sub-attributes of a NIC in listings that are shown when they are set.
const NIC_SHORT_IF_SET: [&str; 9] = [
    "IP",
    "EXTERNAL_IP",
    "IP6",
    "IP6_ULA",
    "IP6_LINK",
    "IP6_GLOBAL",
    "NETWORK_MODE",
    "SCHED_REQUIREMENTS",
    "SCHED_RANK",
];

/// The sub-attributes of a NIC in listings that are always shown.
const NIC_SHORT: [&str; 5] = ["MAC", "NETWORK", "NETWORK_ID", "NIC_ID", "SECURITY_GROUPS"];

/// The user attributes of listings that are shown when they are not empty.
const USER_SHORT_IF_SET: [&str; 3] = ["LABELS", "ERROR", "SCHED_MESSAGE"];

/// The user attributes of listings that are shown when they exist.
const USER_SHORT: [&str; 5] =
    ["SCHED_RANK", "SCHED_DS_RANK", "SCHED_REQUIREMENTS", "SCHED_DS_REQUIREMENTS", "USER_PRIORITY"];

impl Vm {
    /// The full document.
    pub fn render_with(&self, head: &Head<'_>, shown: Shown, w: &mut XmlWriter) {
        self.render_marked(head, shown, w, |_| ());
    }

    /// The full document; `mark` is called where a piece of it ends that hardly ever changes together with the next.
    fn render_marked(&self, head: &Head<'_>, shown: Shown, w: &mut XmlWriter, mut mark: impl FnMut(&XmlWriter)) {
        w.element("VM", |w| {
            head.render_head(w);
            head.permissions.render(w);
            w.plain("LAST_POLL", 0);
            w.plain("STATE", self.state.number()).plain("LCM_STATE", self.lcm_state.number());
            w.plain("PREV_STATE", self.prev_state.number()).plain("PREV_LCM_STATE", self.prev_lcm_state.number());
            w.plain("RESCHED", i32::from(self.resched)).plain("STIME", self.stime).plain("ETIME", self.etime);
            w.plain("DEPLOY_ID", &self.deploy_id);
            head.render_lock(w);
            w.element("MONITORING", |_| {});
            mark(w);
            self.template.render("TEMPLATE", w);
            mark(w);
            head.template.render("USER_TEMPLATE", w);
            mark(w);
            self.render_history(head.id, shown, w);
            for snapshots in self.snapshots.values() {
                snapshots.render(w);
            }
            self.backups.render(w);
        });
    }

    fn render_history(&self, id: i32, shown: Shown, w: &mut XmlWriter) {
        let shown = if self.history.is_empty() { Shown::None } else { shown };
        match shown {
            Shown::None => w.empty("HISTORY_RECORDS"),
            Shown::Last => w.element("HISTORY_RECORDS", |w| {
                self.history.current().into_iter().for_each(|record| record.render(id, w));
            }),
            Shown::All => w.element("HISTORY_RECORDS", |w| {
                self.history.iter().for_each(|record| record.render(id, w));
            }),
        };
    }

    /// The document in pool listings.
    pub fn render_short(&self, head: &Head<'_>, w: &mut XmlWriter) {
        w.element("VM", |w| {
            head.render_head(w);
            w.plain("LAST_POLL", 0);
            w.plain("STATE", self.state.number()).plain("LCM_STATE", self.lcm_state.number());
            w.plain("RESCHED", i32::from(self.resched)).plain("STIME", self.stime).plain("ETIME", self.etime);
            w.plain("DEPLOY_ID", &self.deploy_id);
            if let Some(lock) = &head.lock {
                w.element("LOCK", |w| {
                    w.plain("LOCKED", lock.level);
                });
            }
            w.element("TEMPLATE", |w| self.render_short_template(w));
            w.empty("MONITORING");
            render_short_user_template(head.template, w);
            match self.history.current() {
                Some(record) => w.element("HISTORY_RECORDS", |w| record.render_short(head.id, w)),
                None => w.empty("HISTORY_RECORDS"),
            };
        });
    }

    /// The document without history, in four pieces: who it is and its state; its template; what its user wrote; the
    /// rest.
    #[must_use]
    pub fn document(&self, head: &Head<'_>) -> [String; 4] {
        let (mut w, mut ends) = (XmlWriter::new(), Vec::new());
        self.render_marked(head, Shown::None, &mut w, |w| ends.push(w.len()));
        let text = w.finish();
        ends.push(text.len());
        let mut begin = 0;
        let mut pieces =
            ends.into_iter().map(|end| text.get(std::mem::replace(&mut begin, end)..end).unwrap_or("").to_owned());
        std::array::from_fn(|_| pieces.next().unwrap_or_default())
    }

    fn render_short_template(&self, w: &mut XmlWriter) {
        for name in ["CPU", "MEMORY", "VCPU"] {
            w.plain(name, self.template.value(name));
        }
        for disk in self.disks() {
            w.element("DISK", |w| {
                for name in DISK_SHORT {
                    w.cdata(name, disk.value(name));
                }
            });
        }
        for (_, nic) in self.nics() {
            w.element("NIC", |w| {
                for name in NIC_SHORT_IF_SET.iter().filter(|name| !nic.value(name).is_empty()) {
                    w.cdata(name, nic.value(name));
                }
                for name in NIC_SHORT {
                    w.cdata(name, nic.value(name));
                }
            });
        }
        if let Some(graphics) = self.template.vector("GRAPHICS") {
            graphics.render("GRAPHICS", w);
        }
    }
}

fn render_short_user_template(template: &Template, w: &mut XmlWriter) {
    if template.is_empty() {
        w.empty("USER_TEMPLATE");
        return;
    }
    w.element("USER_TEMPLATE", |w| {
        for name in USER_SHORT_IF_SET.iter().filter(|name| !template.value(name).is_empty()) {
            w.cdata(name, template.value(name));
        }
        for name in USER_SHORT {
            if let Some(value) = template.get(name) {
                w.cdata(name, value);
            }
        }
        for name in ["PUBLIC_CLOUD", "SCHED_ACTION"] {
            template.vectors(name).for_each(|vector| vector.render(name, w));
        }
    });
}
