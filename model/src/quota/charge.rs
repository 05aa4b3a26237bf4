//! What an object uses in one row of a quota table.
//!
//! Pure data; which charges a VM makes is in [`super::vm`]. Every amount comes from a checked reading
//! ([`super::amount`]), so that only a difference can be negative.

use std::collections::BTreeMap;

use crate::quota::amount::{Amount, Used};
use crate::quota::limits::Table;

/// What an object uses in one row of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    pub(super) table: Table,
    pub(super) id: i32,
    pub(super) amounts: Vec<(&'static str, Amount)>,
    /// Why it may not be booked, when what it was made from is no amount. What is stored nevertheless (the
    /// administrator is never counted, and may give it away) counts with the nearest amount.
    pub(super) fault: Option<String>,
}

impl Charge {
    pub(super) fn new(table: Table, id: i32, amounts: Vec<(&'static str, Amount)>) -> Charge {
        Charge { table, id, amounts, fault: None }
    }

    /// What is used, with the first refusal among it.
    pub(super) fn used(table: Table, id: i32, used: Vec<(&'static str, Used)>) -> Charge {
        let fault = used.iter().find_map(|(_, used)| used.fault.clone());
        let amounts = used.into_iter().map(|(name, used)| (name, used.amount)).collect();
        Charge { table, id, amounts, fault }
    }

    /// So many images with so many megabytes in a datastore.
    #[must_use]
    pub fn datastore(id: i32, images: i64, size_mb: i64) -> Charge {
        let used = vec![("IMAGES", Used::number(images)), ("SIZE", Used::image_size(size_mb))];
        Charge::used(Table::Datastore, id, used)
    }

    /// A lease of a virtual network.
    #[must_use]
    pub fn lease(network: i32) -> Charge {
        Charge::leases(network, 1)
    }

    /// So many leases of a virtual network (a reservation takes its size).
    #[must_use]
    pub fn leases(network: i32, count: i64) -> Charge {
        Charge::used(Table::Network, network, vec![("LEASES", Used::number(count))])
    }

    /// A VM that runs with an image.
    #[must_use]
    pub fn image(image: i32) -> Charge {
        Charge::new(Table::Image, image, vec![("RVMS", Amount::whole(1))])
    }

    /// Metrics of VMs (`VMS`, `CPU`, `RUNNING_CPU`, `MEMORY`, `SYSTEM_DISK_SIZE`, ...).
    pub(super) fn vm(amounts: Vec<(&'static str, Amount)>) -> Charge {
        Charge::new(Table::Vm, -1, amounts)
    }

    /// A charge of nothing that every user and group refuses with this reason; the administrator's is never looked at.
    pub(super) fn impossible(reason: impl Into<String>) -> Charge {
        Charge { fault: Some(reason.into()), ..Charge::vm(Vec::new()) }
    }

    /// What `after` uses more than `before`, row by row (less is negative); rows without difference are left out.
    #[must_use]
    pub fn difference(before: &[Charge], after: &[Charge]) -> Vec<Charge> {
        type Sums = BTreeMap<(Table, i32), BTreeMap<&'static str, Amount>>;
        let mut sums = Sums::new();
        let mut count = |charges: &[Charge], step: fn(Amount, Amount) -> Amount| {
            for charge in charges {
                let row = sums.entry((charge.table, charge.id)).or_default();
                for (name, amount) in &charge.amounts {
                    let sum = row.entry(name).or_default();
                    *sum = step(*sum, *amount);
                }
            }
        };
        count(after, Amount::plus);
        count(before, Amount::less);
        let changed = |row: BTreeMap<&'static str, Amount>| row.into_iter().filter(|(_, a)| *a != Amount::default());
        sums.into_iter()
            .map(|((table, id), row)| Charge::new(table, id, changed(row).collect()))
            .filter(|charge| !charge.amounts.is_empty())
            .collect()
    }
}
