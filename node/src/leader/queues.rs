//! Whose turn it is: so many operations of each driver at a time, and one of each target.
//!
//! It must not know what operations are.

use std::collections::{BTreeMap, BTreeSet};

use quorate_state_machine::effect::{DriverName, Target};

/// The operations that wait or are under way, by their ids.
#[derive(Default)]
pub struct Queues {
    entries: BTreeMap<u64, Entry>,
    lines: BTreeMap<Target, Line>,
    drivers: BTreeMap<DriverName, Room>,
}

struct Entry {
    driver: DriverName,
    target: Option<Target>,
    running: bool,
}

/// Those with one target.
struct Line {
    /// Whose turn it is.
    holder: u64,
    waiting: BTreeSet<u64>,
}

/// One driver.
#[derive(Default)]
struct Room {
    width: usize,
    running: usize,
    /// Whose turn it is once there is room.
    ready: BTreeSet<u64>,
}

impl Queues {
    /// An operation that is to be carried out by a driver, which takes `width` of them at a time.
    pub fn add(&mut self, id: u64, driver: DriverName, width: usize, target: Option<Target>) {
        self.drivers.entry(driver.clone()).or_default().width = width;
        self.entries.insert(id, Entry { driver, target, running: false });
        let Some(target) = target else { return self.is_ready(id) };
        match self.lines.get_mut(&target) {
            Some(line) => drop(line.waiting.insert(id)),
            None => {
                self.lines.insert(target, Line { holder: id, waiting: BTreeSet::new() });
                self.is_ready(id);
            }
        }
    }

    fn is_ready(&mut self, id: u64) {
        if let Some(room) = self.entries.get(&id).and_then(|entry| self.drivers.get_mut(&entry.driver)) {
            room.ready.insert(id);
        }
    }

    /// An operation whose turn it is, the oldest of its driver; it is under way from now on.
    pub fn next(&mut self) -> Option<u64> {
        let room = self.drivers.values_mut().find(|room| room.running < room.width && !room.ready.is_empty())?;
        let id = room.ready.pop_first()?;
        room.running += 1;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.running = true;
        }
        Some(id)
    }

    /// An operation that is neither waiting nor under way any more.
    pub fn remove(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if let Some(room) = self.drivers.get_mut(&entry.driver) {
            if entry.running {
                room.running -= 1;
            }
            room.ready.remove(&id);
            if room.running == 0 && room.ready.is_empty() && !self.entries.values().any(|e| e.driver == entry.driver) {
                self.drivers.remove(&entry.driver);
            }
        }
        let Some((target, line)) = entry.target.and_then(|target| Some((target, self.lines.get_mut(&target)?))) else {
            return;
        };
        line.waiting.remove(&id);
        if line.holder != id {
            return;
        }
        match line.waiting.pop_first() {
            Some(next) => {
                line.holder = next;
                self.is_ready(next);
            }
            None => drop(self.lines.remove(&target)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_model::kind::Kind;
    use quorate_state_machine::effect::DriverKind;

    use super::*;

    fn driver(name: &str) -> DriverName {
        DriverName::new(DriverKind::Hypervisor, name)
    }

    fn all(queues: &mut Queues) -> Vec<u64> {
        std::iter::from_fn(|| queues.next()).collect()
    }

    #[test]
    fn a_driver_has_so_many_under_way_and_each_target_one() {
        let mut queues = Queues::default();
        for (id, target) in [(1, 7), (2, 7), (3, 8), (4, 9), (5, 7)] {
            queues.add(id, driver("kvm"), 2, Some((Kind::Vm, target)));
        }
        queues.add(6, driver("qemu"), 1, None);
        assert_eq!(all(&mut queues), [1, 3, 6]);
        // The next of the same target, in order, and not before the one that holds the turn is gone.
        queues.remove(3);
        assert_eq!(all(&mut queues), [4]);
        queues.remove(4);
        assert_eq!(all(&mut queues), Vec::<u64>::new());
        queues.remove(2);
        queues.remove(1);
        assert_eq!(all(&mut queues), [5]);
        // An older one that comes back waits for the one under way.
        queues.add(2, driver("kvm"), 2, Some((Kind::Vm, 7)));
        assert_eq!(all(&mut queues), Vec::<u64>::new());
        queues.remove(5);
        assert_eq!(all(&mut queues), [2]);
    }

    proptest! {
        #[test]
        fn nobody_is_forgotten_and_no_bound_is_broken(
            steps in prop::collection::vec((any::<bool>(), 0..3usize, 0..4i32, any::<u8>()), 1..200),
        ) {
            let names = ["a", "b", "c"];
            let (mut queues, mut running, mut waiting) = (Queues::default(), BTreeMap::new(), BTreeMap::new());
            for (id, (comes, name, target, pick)) in steps.into_iter().enumerate() {
                let id = id as u64;
                if comes {
                    queues.add(id, driver(names[name]), name + 1, (target > 0).then_some((Kind::Vm, target)));
                    waiting.insert(id, (name, target));
                } else {
                    // One that waits or is under way ends.
                    let ids: Vec<u64> = running.keys().chain(waiting.keys()).copied().collect();
                    if let Some(gone) = ids.get(usize::from(pick) % ids.len().max(1)) {
                        queues.remove(*gone);
                        running.remove(gone);
                        waiting.remove(gone);
                    }
                }
                while let Some(next) = queues.next() {
                    let of = waiting.remove(&next).expect("it waits");
                    running.insert(next, of);
                }
                for (name, width) in [(0, 1), (1, 2), (2, 3)] {
                    let of_driver = running.values().filter(|(of, _)| *of == name).count();
                    prop_assert!(of_driver <= width);
                    let held: Vec<i32> = running.values().map(|(_, target)| *target).filter(|t| *t > 0).collect();
                    prop_assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), held.len());
                    // Who waits has a reason to: its driver is full, or its target is held or has an older one.
                    for (id, (of, target)) in waiting.iter().filter(|(_, (of, _))| *of == name) {
                        let older = waiting.iter().any(|(other, (_, t))| other < id && t == target);
                        let must = of_driver == width || held.contains(target) || (*target > 0 && older);
                        prop_assert!(must, "{id} {of}");
                    }
                }
            }
        }
    }
}
