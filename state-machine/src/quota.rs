//! Quotas: limits and usage of users and groups by datastore, network and image, and for their VMs.
//!
//! Pools describe what an object uses as [`Charge`]s and call [`book`], [`release`] or [`transfer`]; a refused
//! booking discards the whole transaction, so nothing has to be undone. It must not know what an object is.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::authorize;
use crate::error::ApiError;
use crate::pools::group::Group;
use crate::pools::user::User;
use crate::template::{self, Template, VectorAttribute, leading_float};
use crate::txn::Txn;
use crate::xml::XmlWriter;

/// A quota number in hundredths: the reference keeps two decimals, and sums of hundredths are exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Amount(i64);

impl Amount {
    /// The limit is the one of the default quotas.
    const DEFAULT: Amount = Amount(-100);
    /// There is no limit.
    const UNLIMITED: Amount = Amount(-200);

    /// A whole number.
    #[must_use]
    pub const fn whole(n: i64) -> Amount {
        Amount(n.saturating_mul(100))
    }

    /// The number a text begins with, rounded to hundredths; `None` when it begins with none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Amount> {
        // Saturates for absurd numbers, which is what a limit beyond all limits should do.
        #[expect(clippy::cast_possible_truncation)]
        leading_float(text).map(|n| Amount((n * 100.0).round() as i64))
    }

    /// As texts show it: no trailing zeros.
    fn in_text(self) -> String {
        let text = self.to_string();
        if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text }
    }

    fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Amount) -> Amount {
        // Counters never go negative, whatever was booked before.
        Amount(self.0.saturating_sub(other.0).max(0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 100 == 0 {
            write!(f, "{}", self.0 / 100)
        } else {
            let sign = if self.0 < 0 { "-" } else { "" };
            write!(f, "{sign}{}.{:02}", self.0.abs() / 100, self.0.abs() % 100)
        }
    }
}

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

type Row = BTreeMap<String, Metric>;

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
    /// The reference's text.
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
            let limit = match vector.value(metric) {
                "" => scope.implicit(),
                // A text without a number counts as 0, as the reference's stream conversion gives.
                text => Amount::parse(text).unwrap_or_default(),
            };
            if !scope.takes(limit) {
                return None;
            }
            limits.push((*metric, limit));
        }
        let row = self.row_mut(table, id);
        for (metric, limit) in limits {
            row.entry(metric.to_owned()).or_insert(Metric { limit, used: Amount(0) }).limit = limit;
        }
        self.clean(table, id, scope);
        Some(())
    }

    fn row_mut(&mut self, table: Table, id: i32) -> &mut Row {
        self.0.entry(table).or_default().entry(id).or_insert_with(|| {
            let unset = Metric { limit: Amount::DEFAULT, used: Amount(0) };
            table.metrics().iter().map(|m| ((*m).to_owned(), unset)).collect()
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
    fn add(&mut self, charge: &Charge, defaults: &Quotas) -> Result<(), String> {
        let Charge { table, id, amounts } = charge;
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
        self.change(charge, |used, amount| Amount(used.plus(amount).0.max(0)));
        Ok(())
    }

    fn subtract(&mut self, charge: &Charge) {
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
            w.element(&format!("{}_QUOTA", table.name()), |w| {
                for (id, row) in self.0.get(&table).into_iter().flatten() {
                    let mut vector: VectorAttribute = row
                        .iter()
                        .flat_map(|(name, m)| [(name.clone(), m.limit), (format!("{name}_USED"), m.used)])
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
    pub fn document(&self, root: &str) -> String {
        let mut w = XmlWriter::new();
        w.element(root, |w| self.render(w));
        w.finish()
    }
}

/// A quota template as the API takes it.
///
/// # Errors
/// ACTION with the parser's text.
pub fn parse(text: &str) -> Result<Template, ApiError> {
    template::parse::parse(text).map_err(ApiError::action)
}

/// The same for default quotas, which only the administrators' group may change.
///
/// # Errors
/// AUTHORIZATION, ACTION.
pub fn parse_defaults(txn: &Txn, text: &str) -> Result<Template, ApiError> {
    let actor = txn.actor();
    if authorize::effective_gid(txn, actor) != 0 {
        let reason = "The default quotas can only be updated by users in the oneadmin group";
        return Err(ApiError::authorization(actor.uid, reason));
    }
    parse(text)
}

/// What an object uses in one row of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    table: Table,
    id: i32,
    amounts: Vec<(&'static str, Amount)>,
}

impl Charge {
    /// So many images with so many megabytes in a datastore.
    #[must_use]
    pub fn datastore(id: i32, images: i64, size_mb: i64) -> Charge {
        let amounts = vec![("IMAGES", Amount::whole(images)), ("SIZE", Amount::whole(size_mb))];
        Charge { table: Table::Datastore, id, amounts }
    }

    /// A lease of a virtual network.
    #[must_use]
    pub fn lease(network: i32) -> Charge {
        Charge { table: Table::Network, id: network, amounts: vec![("LEASES", Amount::whole(1))] }
    }

    /// A VM that runs with an image.
    #[must_use]
    pub fn image(image: i32) -> Charge {
        Charge { table: Table::Image, id: image, amounts: vec![("RVMS", Amount::whole(1))] }
    }

    /// Metrics of VMs (`VMS`, `CPU`, `RUNNING_CPU`, `MEMORY`, `SYSTEM_DISK_SIZE`, ...).
    #[must_use]
    pub fn vm(amounts: Vec<(&'static str, Amount)>) -> Charge {
        Charge { table: Table::Vm, id: -1, amounts }
    }
}

/// Books usage on a user and a group (oneadmin and -1 are never counted).
///
/// # Errors
/// Which limit stops it, in the reference's words.
pub fn try_book(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) -> Result<(), String> {
    if uid > 0 && txn.find_typed::<User>(uid).is_some() {
        let defaults = txn.globals().default_user_quotas.clone();
        let user = txn.body_mut::<User>(uid).map_err(|e| e.text)?;
        for charge in charges {
            user.quotas.add(charge, &defaults).map_err(|e| format!("user [{uid}] {e}"))?;
        }
    }
    if gid > 0 && txn.find_typed::<Group>(gid).is_some() {
        let defaults = txn.globals().default_group_quotas.clone();
        let group = txn.body_mut::<Group>(gid).map_err(|e| e.text)?;
        for charge in charges {
            group.quotas.add(charge, &defaults).map_err(|e| format!("group [{gid}] {e}"))?;
        }
    }
    Ok(())
}

/// [`try_book`] with the refusal that most methods answer.
///
/// # Errors
/// AUTHORIZATION.
pub fn book(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) -> Result<(), ApiError> {
    let actor = txn.actor().uid;
    try_book(txn, uid, gid, charges).map_err(|reason| ApiError::authorization(actor, reason))
}

/// Gives usage back.
pub fn release(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) {
    if uid > 0
        && let Ok(user) = txn.body_mut::<User>(uid)
    {
        charges.iter().for_each(|charge| user.quotas.subtract(charge));
    }
    if gid > 0
        && let Ok(group) = txn.body_mut::<Group>(gid)
    {
        charges.iter().for_each(|charge| group.quotas.subtract(charge));
    }
}

/// Moves usage to another owner or group (-1 keeps), for `chown`.
///
/// # Errors
/// AUTHORIZATION when the new owner's or group's limits stop it.
pub fn transfer(txn: &mut Txn, from: (i32, i32), to: (i32, i32), charges: &[Charge]) -> Result<(), ApiError> {
    let moved = |old: i32, new: i32| if new >= 0 && new != old { (old, new) } else { (-1, -1) };
    let (users, groups) = (moved(from.0, to.0), moved(from.1, to.1));
    book(txn, users.1, groups.1, charges)?;
    release(txn, users.0, groups.0, charges);
    Ok(())
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
    fn amounts_print_as_the_reference_does() {
        assert_eq!(Amount::parse("1.5").map(|a| a.to_string()), Some("1.50".to_owned()));
        assert_eq!(Amount(350).in_text(), "3.5");
        assert_eq!(Amount::parse("-1").map(|a| a.to_string()), Some("-1".to_owned()));
        assert_eq!(Amount::parse("x"), None);
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
