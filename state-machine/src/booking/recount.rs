//! What quotas should say, counted from the objects: an invariant that tests and simulation check.

use std::collections::BTreeMap;

use quorate_model::kind::Kind;
use quorate_model::quota::{Amount, Quotas};
use quorate_model::records::group::Group;
use quorate_model::records::user::User;

use crate::state::State;

/// Where usage differs from what the objects use, in words; nothing when all is well.
#[must_use]
pub fn recount(state: &State) -> Vec<String> {
    let (mut users, mut groups) = (BTreeMap::<i32, Quotas>::new(), BTreeMap::<i32, Quotas>::new());
    for object in Kind::ALL.into_iter().flat_map(|kind| state.pool(kind).values()) {
        for charge in object.charges() {
            users.entry(object.uid).or_default().force(&charge);
            groups.entry(object.gid).or_default().force(&charge);
        }
    }
    let none = Quotas::default();
    let booked_users = state.each::<User>().map(|(object, user)| ("user", object.id, &user.quotas, &users));
    let booked_groups = state.each::<Group>().map(|(object, group)| ("group", object.id, &group.quotas, &groups));
    // The administrator and its group are never counted.
    booked_users
        .chain(booked_groups)
        .filter(|(_, id, ..)| *id != 0)
        .flat_map(|(what, id, booked, counted)| {
            let differences = difference(booked, counted.get(&id).unwrap_or(&none));
            differences.into_iter().map(move |text| format!("{what} {id}: {text}"))
        })
        .collect()
}

fn difference(booked: &Quotas, counted: &Quotas) -> Vec<String> {
    let (booked, counted) = (booked.usage(), counted.usage());
    let mut all: Vec<_> = booked.keys().chain(counted.keys()).collect();
    all.sort();
    all.dedup();
    all.into_iter()
        .filter(|metric| booked.get(*metric) != counted.get(*metric))
        .map(|metric| {
            let number = |from: &BTreeMap<_, Amount>| from.get(metric).copied().unwrap_or_default();
            format!("{metric:?} is {}, counted {}", number(&booked), number(&counted))
        })
        .collect()
}
