//! What clients do: real XML-RPC calls through all nodes, with little patience and many retries elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, Client, records};
use quorate_oracle::{Action, Call, History, Outcome, Work};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::shape::Plan;
use crate::console::SESSION;
use crate::host::endpoint;
use crate::net::SimNet;
use crate::zone::Zone;

/// Documents in use at the same time: few, so that clients meet.
const IN_USE: usize = 6;
/// Calls on one document at most: the search for an order of them is exponential at worst.
const CALLS_PER_DOCUMENT: usize = 100;
/// Names that clients compete for.
const CLAIMS: u32 = 40;
/// A user with quotas to count; what oneadmin uses is never counted.
const WORKER: (&str, &str) = ("worker", "worker:secret");
/// What is done to VMs.
const ACTIONS: [&str; 5] = ["terminate", "terminate-hard", "poweroff", "resume", "suspend"];

/// The workload of a run. Clones share everything.
#[derive(Clone)]
pub struct Workload {
    net: SimNet,
    /// The machines to call.
    nodes: Rc<RefCell<Vec<u64>>>,
    /// A datastore of the dummy driver, which finds every path.
    datastore: i32,
    pace: Range<u64>,
    /// Whether the zone is disabled now and then.
    maintenance: bool,
    history: Rc<History>,
    /// The documents in use and how often each was called for.
    documents: Rc<RefCell<BTreeMap<i32, usize>>>,
    /// Every document that was ever acknowledged.
    created: Rc<RefCell<Vec<i32>>>,
    /// What drivers work on.
    fleet: Rc<RefCell<Fleet>>,
    serial: Rc<Cell<u64>>,
    stopped: Rc<Cell<bool>>,
}

/// The ids of what drivers work on, as far as they were acknowledged.
#[derive(Default)]
struct Fleet {
    hosts: Vec<i32>,
    images: Vec<i32>,
    vms: Vec<i32>,
}

impl Workload {
    /// A workload for a zone; makes the user and the datastore that it works with.
    pub fn new(zone: &mut Zone, history: Rc<History>, plan: &Plan) -> Workload {
        let (name, session) = WORKER;
        let text = |text: &str| Arg::Str(text.to_owned());
        let password = session.rsplit(':').next().unwrap_or_default();
        zone.value(1, "one.user.allocate", &[text(name), text(password), text("core"), Arg::Ints(Vec::new())]);
        let store = text("NAME=\"dummy\"\nDS_MAD=\"dummy\"\nTM_MAD=\"dummy\"");
        let datastore: i32 = zone.value(1, "one.datastore.allocate", &[store, Arg::Int(-1)]).parse().expect("an id");
        // Everybody may use it.
        let rights = [1, 1, 0, 1, 0, 0, 1, 0, 0].into_iter().map(Arg::Int);
        let args: Vec<Arg> = std::iter::once(Arg::Int(i64::from(datastore))).chain(rights).collect();
        zone.value(1, "one.datastore.chmod", &args);
        Workload {
            net: zone.net(),
            nodes: zone.in_service(),
            datastore,
            pace: plan.pace.clone(),
            maintenance: plan.maintenance,
            history,
            documents: Rc::default(),
            created: Rc::default(),
            fleet: Rc::default(),
            serial: Rc::default(),
            stopped: Rc::default(),
        }
    }

    /// Clients end after the call they are in.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// A client, to run on a machine for clients.
    pub fn client(&self, number: usize, seed: u64) -> impl Future<Output = ()> + use<> {
        let workload = self.clone();
        async move {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut caller = Caller { number, workload: workload.clone(), connections: BTreeMap::new() };
            while !workload.stopped.get() {
                let action = workload.draw(&mut rng);
                let node = workload.nodes.borrow().choose(&mut rng).copied().unwrap_or(1);
                // Mostly patient; sometimes it gives up while the write is under way.
                let patience = [40, 300, 3_000, 15_000][rng.random_range(0..4)];
                caller.call(node, action, Duration::from_millis(patience)).await;
                if workload.maintenance && rng.random_bool(0.01) {
                    caller.maintain(node, &mut rng).await;
                }
                tokio::time::sleep(Duration::from_millis(rng.random_range(workload.pace.clone()))).await;
            }
        }
    }

    /// Enables the zone, once all is well again.
    pub fn enable(&self, zone: &mut Zone) {
        let workload = self.clone();
        let enabled = zone.run(0, async move {
            let mut caller = Caller { number: usize::MAX, workload: workload.clone(), connections: BTreeMap::new() };
            let node = |at: usize| workload.nodes.borrow()[at % workload.nodes.borrow().len()];
            for at in 0.. {
                // Some may be down for good, and do not even refuse.
                caller.call(node(at), Action::Enable(true), Duration::from_secs(2)).await;
                if matches!(caller.workload.history.last().map(|call| call.outcome), Some(Outcome::Done(_))) {
                    return;
                }
            }
        });
        zone.wait("the zone is enabled", |_| enabled.is_kept());
    }

    /// Reads every document through every node, once all is well again: part of the history like any call.
    pub fn read_everything(&self, zone: &mut Zone) {
        for node in zone.ids() {
            let workload = self.clone();
            let reads = zone.run(0, async move {
                let number = usize::MAX;
                let mut caller = Caller { number, workload: workload.clone(), connections: BTreeMap::new() };
                let created = workload.created.borrow().clone();
                for document in created {
                    caller.call(node, Action::Read(document), Duration::from_secs(10)).await;
                }
            });
            zone.wait("all documents are read", |_| reads.is_kept());
        }
    }

    fn unique(&self, prefix: &str) -> String {
        self.serial.set(self.serial.get() + 1);
        format!("{prefix}{}", self.serial.get())
    }

    fn draw(&self, rng: &mut StdRng) -> Action {
        let kind = rng.random_range(0..100);
        match (kind, self.document(rng)) {
            (0..5, _) => Action::Claim(format!("claim-{}", rng.random_range(0..CLAIMS))),
            (5..20, _) => Action::Drive(self.work(rng)),
            (20..45, Some(id)) => Action::Write(id, self.unique("w")),
            (45..90, Some(id)) => Action::Read(id),
            (90..93, Some(id)) => Action::Delete(id),
            _ => Action::Create(self.unique("c")),
        }
    }

    /// Work for drivers.
    fn work(&self, rng: &mut StdRng) -> Work {
        let mut fleet = self.fleet.borrow_mut();
        let any = |ids: &[i32], rng: &mut StdRng| (!ids.is_empty()).then(|| ids[rng.random_range(0..ids.len())]);
        match rng.random_range(0..10) {
            0 if fleet.hosts.len() < 3 => Work::Host,
            1 => Work::Image,
            2 if !fleet.images.is_empty() => {
                let at = rng.random_range(0..fleet.images.len());
                Work::RemoveImage(fleet.images.remove(at))
            }
            3..6 => match (any(&fleet.vms, rng), any(&fleet.hosts, rng)) {
                (Some(vm), Some(host)) => Work::Deploy(vm, host),
                _ => Work::Host,
            },
            6..9 => match any(&fleet.vms, rng) {
                Some(vm) => Work::Act(ACTIONS[rng.random_range(0..ACTIONS.len())], vm),
                None => Work::Vm,
            },
            _ => Work::Vm,
        }
    }

    fn request(&self, action: &Action) -> (&'static str, Vec<Arg>) {
        match action {
            Action::Drive(work) => self.work_request(*work),
            other => other.request().expect("only work for drivers has no request of its own"),
        }
    }

    fn work_request(&self, work: Work) -> (&'static str, Vec<Arg>) {
        let text = |s: &str| Arg::Str(s.to_owned());
        let id = |id: i32| Arg::Int(i64::from(id));
        let name = self.unique("d");
        match work {
            Work::Host => ("one.host.allocate", vec![Arg::Str(name), text("dummy"), text("dummy"), Arg::Int(-1)]),
            Work::Image => {
                let template = format!("NAME=\"{name}\"\nPATH=\"/nowhere\"\nTYPE=\"OS\"");
                ("one.image.allocate", vec![Arg::Str(template), id(self.datastore), Arg::Bool(false)])
            }
            Work::RemoveImage(image) => ("one.image.delete", vec![id(image)]),
            Work::Vm => {
                let template = format!("NAME=\"{name}\"\nCPU=\"0.1\"\nMEMORY=\"64\"");
                ("one.vm.allocate", vec![Arg::Str(template), Arg::Bool(false)])
            }
            Work::Deploy(vm, host) => {
                ("one.vm.deploy", vec![id(vm), id(host), Arg::Bool(false), Arg::Int(-1), text("")])
            }
            Work::Act(action, vm) => ("one.vm.action", vec![text(action), id(vm)]),
        }
    }

    fn made(&self, work: Work, id: i32) {
        let mut fleet = self.fleet.borrow_mut();
        match work {
            Work::Host => fleet.hosts.push(id),
            Work::Image => fleet.images.push(id),
            Work::Vm => fleet.vms.push(id),
            Work::RemoveImage(_) | Work::Deploy(..) | Work::Act(..) => {}
        }
    }

    /// One of the documents in use; `None` when there should be another.
    fn document(&self, rng: &mut StdRng) -> Option<i32> {
        let mut documents = self.documents.borrow_mut();
        documents.retain(|_, calls| *calls < CALLS_PER_DOCUMENT);
        let at = rng.random_range(0..IN_USE);
        let (id, calls) = documents.iter_mut().nth(at)?;
        *calls += 1;
        Some(*id)
    }
}

struct Caller {
    number: usize,
    workload: Workload,
    connections: BTreeMap<u64, Client<SimNet>>,
}

impl Caller {
    /// Disables the zone for a while.
    async fn maintain(&mut self, node: u64, rng: &mut StdRng) {
        let pause = Duration::from_millis(rng.random_range(50..500));
        for on in [false, true] {
            self.call(node, Action::Enable(on), Duration::from_secs(3)).await;
            tokio::time::sleep(pause).await;
        }
    }

    async fn call(&mut self, node: u64, action: Action, patience: Duration) {
        let (method, args) = self.workload.request(&action);
        let from = turmoil::sim_elapsed().unwrap_or_default();
        let reply = match self.connections.entry(node) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                Client::over(self.workload.net.clone(), &endpoint(node)).map(|client| new.insert(client))
            }
        };
        let reply = match reply {
            Ok(client) => tokio::time::timeout(patience, client.call(method, session(&action), &args)).await,
            Err(e) => Ok(Err(e)),
        };
        let outcome = match reply {
            Ok(reply) => outcome(&action, reply),
            Err(_) => {
                // The connection has a request under way that nobody waits for.
                self.connections.remove(&node);
                Outcome::Unknown("no reply in time".to_owned())
            }
        };
        if let (Action::Create(_), Outcome::Done(id)) = (&action, &outcome)
            && let Ok(id) = id.parse()
        {
            self.workload.documents.borrow_mut().insert(id, 0);
            self.workload.created.borrow_mut().push(id);
        }
        if let (Action::Drive(work), Outcome::Done(id)) = (&action, &outcome)
            && let Ok(id) = id.parse()
        {
            self.workload.made(*work, id);
        }
        if let Action::Delete(id) = action {
            // A few more calls may find it missing.
            let mut documents = self.workload.documents.borrow_mut();
            documents.entry(id).and_modify(|calls| *calls = (*calls).max(CALLS_PER_DOCUMENT - 5));
        }
        let to = turmoil::sim_elapsed().unwrap_or_default();
        self.workload.history.record(Call { client: self.number, node, from, to, action, outcome });
    }
}

/// Who calls: images and VMs belong to the worker.
fn session(action: &Action) -> &'static str {
    match action {
        Action::Drive(Work::Image | Work::Vm) => WORKER.1,
        _ => SESSION,
    }
}

fn outcome(action: &Action, reply: anyhow::Result<ApiReply>) -> Outcome {
    match reply {
        Ok(ApiReply::Success(xml)) if matches!(action, Action::Read(_)) => match value(&xml) {
            Some(value) => Outcome::Done(value),
            None => Outcome::Refused(format!("no value in {xml}")),
        },
        Ok(ApiReply::Success(value)) => Outcome::Done(value),
        Ok(ApiReply::Refused(text, code)) => Outcome::of_refusal(text, code),
        Err(e) => Outcome::Unknown(format!("{e:#}")),
    }
}

fn value(xml: &str) -> Option<String> {
    records(xml, "TEMPLATE").ok()?.into_iter().next()?.remove("VALUE")
}
