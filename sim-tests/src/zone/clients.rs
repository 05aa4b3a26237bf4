//! What clients of a simulated zone do: jobs on their machines, and calls of a node's API.

use std::future::Future;

use quorate_model::api::Arg;
use quorate_node::client::ApiReply;

use super::{CALL_LIMIT, Zone};
use crate::console::{self, Promise};

impl Zone {
    /// Starts a job on a client's machine.
    pub fn run<T: 'static>(&self, console: usize, job: impl Future<Output = T> + 'static) -> Promise<T> {
        self.consoles[console].run(job)
    }

    /// Lets time pass until the job is done.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub fn keep<T>(&mut self, promise: &Promise<T>) -> T {
        self.wait("a client's job", |_| promise.is_kept());
        promise.take().expect("just seen")
    }

    /// Starts a call of a node's API.
    pub fn start_call(&self, node: u64, method: &str, args: &[Arg]) -> Promise<anyhow::Result<ApiReply>> {
        self.run(0, console::call(self.net(), node, method.to_owned(), args.to_vec(), CALL_LIMIT))
    }

    /// Calls a node's API.
    ///
    /// # Errors
    /// When there is no reply.
    pub fn call(&mut self, node: u64, method: &str, args: &[Arg]) -> anyhow::Result<ApiReply> {
        let promise = self.start_call(node, method, args);
        self.keep(&promise)
    }

    /// Calls a node's API and expects success.
    ///
    /// # Panics
    /// When there is no reply or a refusal.
    pub fn value(&mut self, node: u64, method: &str, args: &[Arg]) -> String {
        let reply = self.call(node, method, args);
        match reply.and_then(ApiReply::into_value) {
            Ok(value) => value,
            Err(e) => panic!("{:?}: {method} on node {node}: {e:#}\n{}", self.elapsed(), self.describe()),
        }
    }

    /// Makes a document through a node; its id.
    ///
    /// # Panics
    /// When the node does not acknowledge it.
    pub fn write(&mut self, node: u64, name: &str) -> i32 {
        let template = Arg::Str(format!("NAME=\"{name}\"\nVALUE=\"{name}\""));
        let id = self.value(node, "one.document.allocate", &[template, Arg::Int(0)]);
        id.parse().expect("an id")
    }

    /// A document's text as a node shows it.
    pub fn read(&mut self, node: u64, id: i32) -> String {
        self.value(node, "one.document.info", &[Arg::Int(i64::from(id))])
    }
}
