//! Where clients run: a simulated machine that does what the test tells it to, one task per job.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, Client};
use tokio::sync::mpsc;
use turmoil::Sim;

use crate::host::endpoint;
use crate::net::SimNet;

/// Who calls.
pub const SESSION: &str = "oneadmin:opennebula";

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// A machine for clients.
pub struct Console {
    /// Its name in the network.
    pub name: String,
    jobs: mpsc::UnboundedSender<Job>,
}

/// A result that a job will have.
pub struct Promise<T>(Rc<RefCell<Option<T>>>);

impl<T> Promise<T> {
    /// The result, once.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.0.borrow_mut().take()
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Console {
    /// Adds a machine to the simulation.
    pub fn add(sim: &mut Sim<'static>, name: String) -> Console {
        let (jobs, queue) = mpsc::unbounded_channel::<Job>();
        let queue = Rc::new(RefCell::new(Some(queue)));
        sim.host(name.as_str(), move || {
            let queue = queue.borrow_mut().take();
            async move {
                let mut queue = queue.ok_or("a console is never restarted")?;
                while let Some(job) = queue.recv().await {
                    tokio::task::spawn_local(job);
                }
                Ok(())
            }
        });
        Console { name, jobs }
    }

    /// Starts a job.
    pub fn run<T: 'static>(&self, job: impl Future<Output = T> + 'static) -> Promise<T> {
        let kept = Rc::new(RefCell::new(None));
        let promise = Promise(kept.clone());
        let job = Box::pin(async move {
            let result = job.await;
            *kept.borrow_mut() = Some(result);
        });
        // Fails only when the machine is gone with the simulation, and then nobody asks for the result.
        let _ = self.jobs.send(job);
        promise
    }
}

/// Calls a node's API over a new connection; an error when there is no reply in time.
///
/// # Errors
/// When the node cannot be reached, answers a fault or nothing: the call may or may not have had an effect.
pub async fn call(net: SimNet, node: u64, method: String, args: Vec<Arg>, limit: Duration) -> anyhow::Result<ApiReply> {
    let mut client = Client::over(net, &endpoint(node))?;
    tokio::time::timeout(limit, client.call(&method, SESSION, &args)).await?
}
