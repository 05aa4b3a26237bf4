//! The tables of limits and usage: what may be set, what stops a booking, how they are shown.
//!
//! It must not know who owns them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clean::Name;
use crate::quota::amount::Amount;
use crate::quota::charge::Charge;
use crate::template::{Template, VectorAttribute};
use crate::xml::XmlWriter;

/// What is counted apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Table {
    /// Images and megabytes, by datastore.
    Datastore,
    /// Leases, by virtual network.
    Network,
    /// VMs and their capacity, all together.
    Vm,
    /// Running VMs, by image.
    Image,
}

impl Table {
    /// In the order of the documents.
    const ALL: [Table; 4] = [Table::Datastore, Table::Network, Table::Vm, Table::Image];

    fn name(self) -> &'static str {
        match self {
            Table::Datastore => "DATASTORE",
            Table::Network => "NETWORK",
            Table::Vm => "VM",
            Table::Image => "IMAGE",
        }
    }

    fn metrics(self) -> &'static [&'static str] {
        match self {
            Table::Datastore => &["SIZE", "IMAGES"],
            Table::Network => &["LEASES"],
            Table::Vm => &["VMS", "RUNNING_VMS", "CPU", "RUNNING_CPU", "MEMORY", "RUNNING_MEMORY", "SYSTEM_DISK_SIZE"],
            Table::Image => &["RVMS"],
        }
    }

    /// Whether rows are told apart by an id.
    fn by_id(self) -> bool {
        self != Table::Vm
    }
}

/// Limit and usage of one metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Metric {
    limit: Amount,
    used: Amount,
}

type Row = BTreeMap<Name, Metric>;

/// Limits and usage of a user or a group, or the limits of those that have none of their own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quotas(BTreeMap<Table, BTreeMap<i32, Row>>);

/// Which limits a [`Quotas`] holds, and so what an omitted limit means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Of one user or group: what is left out falls back to the defaults.
    Own,
    /// The defaults: what is left out is unlimited.
    Defaults,
}

impl Scope {
    fn implicit(self) -> Amount {
        match self {
            Scope::Own => Amount::DEFAULT,
            Scope::Defaults => Amount::UNLIMITED,
        }
    }

    fn takes(self, limit: Amount) -> bool {
        limit.0 >= 0 || limit == Amount::UNLIMITED || limit == Amount::DEFAULT && self == Scope::Own
    }
}

impl Quotas {
    /// Sets limits from a quota template; the first wrong vector refuses it whole.
    ///
    /// # Errors
    /// Names the wrong vector: its ID is not a number, or one of its limits is negative and does not stand for
    /// "unlimited" or "default" (the reference: `Quota.cc`, `set`).
    pub fn set(&mut self, template: &Template, scope: Scope) -> Result<(), String> {
        let mut new = self.clone();
        for table in [Table::Datastore, Table::Network, Table::Image, Table::Vm] {
            for vector in template.vectors(table.name()) {
                new.set_limits(table, vector, scope).ok_or_else(|| {
                    let given: Vec<String> = vector.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    format!("Negative limits or bad format in quota {} = [ {} ]", table.name(), given.join(","))
                })?;
            }
        }
        *self = new;
        Ok(())
    }

    fn set_limits(&mut self, table: Table, vector: &VectorAttribute, scope: Scope) -> Option<()> {
        let id = if table.by_id() { vector.value("ID").parse().ok()? } else { -1 };
        let mut limits = Vec::new();
        for metric in table.metrics() {
            // As in the reference (`Quota.cc`, `update_limits`), a text that is not a number counts as left out.
            let limit = Amount::parse(vector.value(metric)).unwrap_or(scope.implicit());
            if !scope.takes(limit) {
                return None;
            }
            limits.push((*metric, limit));
        }
        let row = self.row_mut(table, id);
        for (metric, limit) in limits {
            row.entry(metric.into()).or_insert(Metric { limit, used: Amount(0) }).limit = limit;
        }
        self.clean(table, id, scope);
        Some(())
    }

    fn row_mut(&mut self, table: Table, id: i32) -> &mut Row {
        self.0.entry(table).or_default().entry(id).or_insert_with(|| {
            let unset = Metric { limit: Amount::DEFAULT, used: Amount(0) };
            table.metrics().iter().map(|m| (Name::from(*m), unset)).collect()
        })
    }

    fn metric(&self, table: Table, id: i32, metric: &str) -> Option<Metric> {
        self.0.get(&table)?.get(&id)?.get(metric).copied()
    }

    /// Removes a row that says nothing: no usage and only implicit limits.
    fn clean(&mut self, table: Table, id: i32, scope: Scope) {
        let Some(rows) = self.0.get_mut(&table) else { return };
        let idle = |row: &Row| row.values().all(|m| m.used.0 == 0 && m.limit == scope.implicit());
        if rows.get(&id).is_some_and(idle) {
            rows.remove(&id);
        }
    }

    /// Adds usage, unless a limit stops it. A negative amount is the difference of a change.
    ///
    /// # Errors
    /// Which limit stops it, in the reference's words.
    pub fn add(&mut self, charge: &Charge, defaults: &Quotas) -> Result<(), String> {
        let Charge { table, id, amounts, fault } = charge;
        if let Some(reason) = fault {
            return Err(reason.clone());
        }
        for name in table.metrics() {
            let Some((_, amount)) = amounts.iter().find(|(n, _)| n == name) else { continue };
            let own = self.metric(*table, *id, name);
            let limit = match own.map_or(Amount::DEFAULT, |m| m.limit) {
                Amount::DEFAULT => defaults.metric(*table, *id, name).map_or(Amount::UNLIMITED, |m| m.limit),
                limit => limit,
            };
            let total = own.map(|m| m.used).unwrap_or_default().plus(*amount);
            if limit != Amount::UNLIMITED && total > limit {
                let place = if table.by_id() { format!(" with ID: {id}") } else { String::new() };
                let limit = limit.in_text();
                return Err(format!("limit of {limit} reached for {name} quota in {}{place}", table.name()));
            }
        }
        self.force(charge);
        Ok(())
    }

    /// Adds usage (or the difference of a change), whatever the limits say. Counters never go negative.
    pub fn force(&mut self, charge: &Charge) {
        self.change(charge, |used, amount| Amount(used.plus(amount).0.max(0)));
        self.clean(charge.table, charge.id, Scope::Own);
    }

    /// Everything that is used: table, id, metric, amount.
    #[must_use]
    pub fn usage(&self) -> BTreeMap<(Table, i32, String), Amount> {
        let rows = self.0.iter().flat_map(|(table, rows)| rows.iter().map(move |(id, row)| (*table, *id, row)));
        let metrics =
            rows.flat_map(|(table, id, row)| row.iter().map(move |(name, m)| ((table, id, name.to_string()), m.used)));
        metrics.filter(|(_, used)| *used != Amount::default()).collect()
    }

    /// Gives usage back.
    pub fn subtract(&mut self, charge: &Charge) {
        if self.0.get(&charge.table).is_some_and(|rows| rows.contains_key(&charge.id)) {
            self.change(charge, Amount::minus);
            self.clean(charge.table, charge.id, Scope::Own);
        }
    }

    fn change(&mut self, charge: &Charge, step: impl Fn(Amount, Amount) -> Amount) {
        let row = self.row_mut(charge.table, charge.id);
        for (name, amount) in &charge.amounts {
            if let Some(metric) = row.get_mut(*name) {
                metric.used = step(metric.used, *amount);
            }
        }
    }

    /// `<DATASTORE_QUOTA>`, `<NETWORK_QUOTA>`, `<VM_QUOTA>`, `<IMAGE_QUOTA>`
    pub fn render(&self, w: &mut XmlWriter) {
        for table in Table::ALL {
            w.element(&Name::of_parts(&[table.name(), "_QUOTA"]), |w| {
                for (id, row) in self.0.get(&table).into_iter().flatten() {
                    let mut vector: VectorAttribute = row
                        .iter()
                        .flat_map(|(name, m)| [(name.clone(), m.limit), (name.with("_USED"), m.used)])
                        .collect();
                    if table.by_id() {
                        vector.set("ID", id);
                    }
                    vector.render(table.name(), w);
                }
            });
        }
    }

    /// The default quotas' document.
    #[must_use]
    pub fn document(&self, root: &'static str) -> String {
        let mut w = XmlWriter::new();
        w.element(root, |w| self.render(w));
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse::parse;

    fn limits(text: &str) -> Result<Quotas, String> {
        let mut quotas = Quotas::default();
        quotas.set(&parse(text)?, Scope::Own).map(|()| quotas)
    }

    fn xml(quotas: &Quotas) -> String {
        quotas.document("Q")
    }

    #[test]
    fn a_wrong_vector_changes_nothing() -> Result<(), String> {
        let mut quotas = limits("IMAGE=[ID=1,RVMS=2]")?;
        let before = quotas.clone();
        let refused = quotas.set(&parse("DATASTORE=[ID=1,SIZE=5] VM=[VMS=-5]")?, Scope::Own);
        assert_eq!(refused, Err("Negative limits or bad format in quota VM = [ VMS=-5 ]".to_owned()));
        assert_eq!(quotas, before);
        Ok(())
    }

    #[test]
    fn an_omitted_metric_is_reset_and_an_empty_row_vanishes() -> Result<(), String> {
        let mut quotas = limits("DATASTORE=[ID=1,SIZE=5,IMAGES=2]")?;
        quotas.set(&parse("DATASTORE=[ID=1,IMAGES=3]")?, Scope::Own)?;
        assert!(xml(&quotas).contains("<SIZE><![CDATA[-1]]></SIZE>"));
        quotas.set(&parse("DATASTORE=[ID=1]")?, Scope::Own)?;
        assert!(xml(&quotas).contains("<DATASTORE_QUOTA></DATASTORE_QUOTA>"));
        Ok(())
    }

    #[test]
    fn limits_stop_usage_and_defaults_count_where_there_is_no_own_limit() -> Result<(), String> {
        let mut own = limits("VM=[CPU=2]")?;
        let mut defaults = Quotas::default();
        defaults.set(&parse("VM=[VMS=1,CPU=1]")?, Scope::Defaults)?;
        let vm = Charge::vm(vec![("VMS", Amount::whole(1)), ("CPU", Amount(150))]);
        own.add(&vm, &defaults)?;
        let refused = own.add(&vm, &defaults);
        assert_eq!(refused, Err("limit of 1 reached for VMS quota in VM".to_owned()));
        own.subtract(&vm);
        own.subtract(&vm);
        assert!(xml(&own).contains("<CPU_USED><![CDATA[0]]></CPU_USED>"), "{}", xml(&own));
        Ok(())
    }
}
