//! Showback: what VMs have cost, month by month. Computed on demand from their history records and kept with them.
//!
//! Months are those of the zone's local time (the reference: src/vm/VirtualMachinePool.cc, calculate_showback).

use std::collections::BTreeMap;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::showback::Showback;
use quorate_model::settings::local_time::LocalTime;
use quorate_model::template::{Template, leading_float, parse};
use quorate_model::xml::XmlWriter;

use super::accounting::seen;
use crate::methods::{Request, View};
use crate::txn::Txn;

/// The months from year 0: a month of -1, or a year, is none.
fn month_index(month: i32, year: i32) -> Option<i64> {
    (month != -1 && year != -1).then(|| i64::from(year) * 12 + i64::from(month) - 1)
}

/// `one.vmpool.showback`: parameters filter flag, first month and year, last month and year (-1: open).
pub fn showback(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let (first, last) = (month_index(request.int(1), request.int(2)), month_index(request.int(3), request.int(4)));
    let mut found: BTreeMap<(i64, i32), &Showback> = BTreeMap::new();
    for (object, vm) in seen(view, request.int(0))? {
        for record in &vm.showback {
            let month = record.year * 12 + record.month - 1;
            if first.is_none_or(|first| month >= first) && last.is_none_or(|last| month <= last) {
                found.insert((month, object.id), record);
            }
        }
    }
    let mut w = XmlWriter::new();
    w.open("SHOWBACK_RECORDS");
    found.iter().for_each(|((_, vm), record)| record.render(*vm, &mut w));
    w.close("SHOWBACK_RECORDS");
    Ok(Value::Text(w.finish()))
}

/// `one.vmpool.calculateshowback`: parameters first month and year (-1: from the beginning), last month and year (-1:
/// until now).
pub fn calculate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let actor = txn.actor();
    if txn.effective_gid(actor) != 0 {
        return Err(ApiError::authorization(actor.uid, "Action reserved for group 0 only"));
    }
    let now = txn.now();
    let earliest = || txn.each::<Vm>().flat_map(|(_, vm)| vm.history.iter()).map(|record| record.stime).min();
    let local = txn.settings().local_time();
    let start = match month_index(request.int(0), request.int(1)) {
        Some(month) => local.month_start(month),
        None => earliest().unwrap_or(now),
    };
    let end = month_index(request.int(2), request.int(3)).map_or(now, |month| local.month_start(month + 1).min(now));
    let rates = Rates::of(txn);
    let mut computed = Vec::new();
    for (object, vm) in txn.each::<Vm>() {
        let months = months_of(vm, &rates, &local, start, end);
        if !months.is_empty() {
            computed.push((object.id, months));
        }
    }
    for (id, months) in computed {
        let records = &mut txn.body_mut::<Vm>(id)?.showback;
        records.retain(|old| !months.iter().any(|new| (new.year, new.month) == (old.year, old.month)));
        records.extend(months);
        records.sort_by_key(|record| (record.year, record.month));
    }
    Ok(Value::Text(String::new()))
}

/// What things cost by the hour where a VM's template says nothing, and whether a VM that is off costs its capacity.
struct Rates {
    cpu: f64,
    memory: f64,
    disk: f64,
    only_running: bool,
}

impl Rates {
    fn of(txn: &Txn) -> Rates {
        let costs = txn.settings().all().vector("DEFAULT_COST");
        let cost = |name: &str| costs.and_then(|c| leading_float(c.value(name))).unwrap_or(0.0);
        Rates {
            cpu: cost("CPU_COST"),
            memory: cost("MEMORY_COST"),
            disk: cost("DISK_COST"),
            only_running: txn.settings().is_yes("SHOWBACK_ONLY_RUNNING"),
        }
    }
}

/// The VM as a history record keeps it.
struct Recorded {
    head: Showback,
    template: Template,
}

/// Reads the VM's document without history: what the root's own children say, whatever elements further down are
/// called.
/// TEMPLATE comes after all that is looked for. `None`: it is not well-formed.
fn recorded(xml: &str) -> Option<Recorded> {
    let mut reader = Reader::from_str(xml);
    let mut head = Showback { uid: -1, gid: -1, ..Showback::default() };
    let (mut depth, mut begin, mut text) = (0_u32, 0, String::new());
    loop {
        let at = usize::try_from(reader.buffer_position()).ok()?;
        let event = reader.read_event().ok()?;
        match &event {
            Event::Start(_) => {
                depth += 1;
                if depth == 2 {
                    begin = at;
                    text.clear();
                }
            }
            Event::End(element) => {
                match element.name().as_ref() {
                    _ if depth != 2 => {}
                    "NAME" => text.clone_into(&mut head.name),
                    "UID" => head.uid = text.parse().unwrap_or(-1),
                    "GID" => head.gid = text.parse().unwrap_or(-1),
                    "UNAME" => text.clone_into(&mut head.uname),
                    "GNAME" => text.clone_into(&mut head.gname),
                    "TEMPLATE" => {
                        let end = usize::try_from(reader.buffer_position()).ok()?;
                        return Some(Recorded { head, template: parse::read_written(xml.get(begin..end)?)? });
                    }
                    _ => {}
                }
                depth = depth.checked_sub(1)?;
            }
            Event::Text(part) if depth == 2 => text.push_str(part),
            Event::GeneralRef(name) if depth == 2 => match name.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_xml_entity(name)?),
            },
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// What a VM has cost in each month between `start` and `end`.
fn months_of(vm: &Vm, rates: &Rates, local: &LocalTime, start: i64, end: i64) -> Vec<Showback> {
    let mut months: BTreeMap<i64, Showback> = BTreeMap::new();
    let mut head = Showback::default();
    let in_time = |record: &&History| (record.etime > start || record.etime == 0) && record.stime < end;
    for record in vm.history.iter().filter(in_time) {
        let Some(found) = recorded(&vm.history.info(record)) else { continue };
        head = found.head;
        let costs = Costs::of(&found.template, rates);
        // From the record's own first month on, however long ago the caller's is.
        let begin = [record.stime, record.rstime].into_iter().filter(|time| *time > 0).min().unwrap_or(end);
        let first = local.month_of(start.max(begin.saturating_sub(1)));
        let slots = (first..).map(|month| (month, local.month_start(month), local.month_start(month + 1)));
        for (month, from, next) in slots.take_while(|(_, from, _)| *from < end) {
            let to = next.min(end);
            let on_host = hours(record.stime, record.etime, from, to);
            let running = hours(record.rstime, record.retime, from, to);
            if on_host.is_none() && running.is_none() {
                continue;
            }
            let total = months.entry(month).or_default();
            let capacity = if rates.only_running { running } else { on_host }.unwrap_or(0.0);
            total.cpu += costs.cpu * capacity;
            total.memory += costs.memory * capacity;
            total.disk += costs.disk * on_host.unwrap_or(0.0);
            total.hours += on_host.unwrap_or(0.0);
            total.running_hours += running.unwrap_or(0.0);
        }
    }
    months
        .into_iter()
        .map(|(month, total)| Showback {
            year: month.div_euclid(12),
            month: month.rem_euclid(12) + 1,
            name: head.name.clone(),
            uid: head.uid,
            gid: head.gid,
            uname: head.uname.clone(),
            gname: head.gname.clone(),
            ..total
        })
        .collect()
}

/// The hours that a span of time (an end of 0 is open) has in a window; `None` when it has none.
fn hours(from: i64, to: i64, window_from: i64, window_to: i64) -> Option<f64> {
    if from == 0 || from > window_to || to != 0 && to <= window_from {
        return None;
    }
    let begin = from.max(window_from);
    let end = if to == 0 { window_to } else { to.min(window_to) };
    // Spans of seconds are far below what a float holds exactly.
    #[expect(clippy::cast_precision_loss)]
    let seconds = (end - begin) as f64;
    Some(seconds / 3600.0)
}

/// What a VM costs by the hour.
struct Costs {
    cpu: f64,
    memory: f64,
    disk: f64,
}

impl Costs {
    fn of(template: &Template, rates: &Rates) -> Costs {
        let number = |name: &str| template.float(name).unwrap_or(0.0);
        let sizes =
            |name: &'static str| template.vectors("DISK").filter_map(move |disk| leading_float(disk.value(name)));
        let disk: f64 = sizes("SIZE").chain(sizes("DISK_SNAPSHOT_TOTAL_SIZE")).sum();
        Costs {
            cpu: template.float("CPU_COST").unwrap_or(rates.cpu) * number("CPU"),
            memory: template.float("MEMORY_COST").unwrap_or(rates.memory) * number("MEMORY"),
            disk: template.float("DISK_COST").unwrap_or(rates.disk) * disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_by_its_own_elements_and_as_it_was_written() {
        let name = "<NAME> & \"co\"]]>\r";
        let mut w = XmlWriter::new();
        w.element("VM", |w| {
            w.element("BEFORE", |w| {
                w.plain("NAME", "another").plain("TEMPLATE", "another");
            });
            w.plain("UID", 7).plain("GID", "none").plain("UNAME", "ann").plain("NAME", name);
            w.element("TEMPLATE", |w| {
                w.cdata("NAME", "another").cdata("CPU", "2");
            });
        });
        let xml = w.finish();
        let found = recorded(&xml).expect("a document");
        assert_eq!((found.head.name.as_str(), found.head.uid, found.head.gid), (name, 7, -1));
        assert_eq!((found.head.uname.as_str(), found.head.gname.as_str()), ("ann", ""));
        assert_eq!(found.template.value("CPU"), "2");
        assert!(recorded("<VM><TEMPLATE></VM>").is_none() && recorded("<VM><NAME>a</NAME></VM>").is_none());
    }
}
