//! openraft's own test suite for storage passes on both engines and with both ways of syncing.

mod common;

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::TypeConfig;
use quorate_raft_store::{LogStore, StateStore, SyncPolicy, open};
use tempfile::TempDir;

struct Builder {
    rocks: bool,
    policy: SyncPolicy,
}

impl StoreBuilder<TypeConfig, LogStore, StateStore, Option<TempDir>> for Builder {
    async fn build(&self) -> Result<(Option<TempDir>, LogStore, StateStore), StorageError<TypeConfig>> {
        let directory = self.rocks.then(|| TempDir::new().unwrap());
        let engine: Arc<dyn Engine> = match &directory {
            Some(directory) => Arc::new(RocksEngine::open(directory.path()).unwrap()),
            None => Arc::new(MemoryEngine::new()),
        };
        let stores = open(engine, self.policy, common::key()).unwrap();
        Ok((directory, stores.log, stores.state))
    }
}

fn passes(rocks: bool, policy: SyncPolicy) {
    TypeConfig::run(Suite::test_all(Builder { rocks, policy })).unwrap();
}

#[test]
fn memory_inline() {
    passes(false, SyncPolicy::Inline);
}

#[test]
fn memory_thread() {
    passes(false, SyncPolicy::Thread);
}

#[test]
fn rocks_inline() {
    passes(true, SyncPolicy::Inline);
}

#[test]
fn rocks_thread() {
    passes(true, SyncPolicy::Thread);
}
