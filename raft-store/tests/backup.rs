//! A backup is read whole or not at all.

mod common;

use common::{apply, bootstrap, entry, open_inline, run};
use quorate_raft_store::backup;
use quorate_raft_store::memory::MemoryEngine;

#[test]
fn a_backup_that_is_cut_off_or_followed_by_anything_is_refused() {
    run(async {
        let mut stores = open_inline(&MemoryEngine::new());
        apply(&mut stores.state, vec![entry(1, 1, bootstrap())]).await.unwrap();
        let published = stores.state.published().borrow().clone();
        let whole: Vec<u8> = backup::encode(&published, "zone-a").flatten().collect();
        let read = backup::read(whole.as_slice(), common::key()).unwrap();
        assert_eq!((read.cluster.as_str(), &read.snapshot.snapshot.state), ("zone-a", &published.state));
        for length in 0..whole.len() {
            assert!(backup::read(&whole[..length], common::key()).is_err(), "{length} of {}", whole.len());
        }
        for more in [&b"\n"[..], b"\0", &whole] {
            let refused = backup::read([&whole, more].concat().as_slice(), common::key()).unwrap_err().to_string();
            assert!(refused.contains("something follows"), "{refused}");
        }
    });
}
