//! The hash that nodes compare is kept up by each change: it must be the one of the whole state, whatever has happened.

mod common;

use common::{apply, bootstrap, entry, open_inline, run};
use proptest::prelude::*;
use quorate_model::command::{Actor, Call, Command, Facts};
use quorate_model::pending::DriverReport;
use quorate_raft_store::memory::MemoryEngine;
use quorate_state_machine::state::State;
use quorate_testkit::random;

/// The drivers' answers to all that is asked of them.
fn reports(state: &State) -> Vec<Command> {
    let outcome =
        |id: u64| if id.is_multiple_of(5) { Err("it did not work".to_owned()) } else { Ok("LQ==".to_owned()) };
    let pending = state.pending().values();
    pending
        .map(|p| Command::Report(DriverReport { operation: p.id, attempt: p.attempt, outcome: outcome(p.id) }))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A store writes the hash that it has kept up with every batch, and refuses to open when it is not that of the
    /// records, all of which are encoded and hashed anew.
    #[test]
    fn the_hash_after_any_history_of_calls_is_that_of_the_whole_state(
        history in random::calls(2, 1..60),
        batch in 1_usize..8,
    ) {
        run(async {
            let engine = MemoryEngine::new();
            let mut state = open_inline(&engine).state;
            let mut index = 1;
            apply(&mut state, vec![entry(index, index, bootstrap())]).await.unwrap();
            for calls in history.chunks(batch) {
                let call = |call: &random::RandomCall| {
                    // The administrator or another user of that group.
                    let actor = Actor { uid: [0, 1][call.caller], ..Actor::default() };
                    let (method, args) = (call.method.to_owned(), call.args.clone());
                    Command::Call(Call { method, actor, args, facts: Facts::default() })
                };
                let reports = reports(&state.published().borrow().state);
                let mut next = |command: Command| {
                    index += 1;
                    entry(index, index, command)
                };
                let entries = reports.into_iter().chain(calls.iter().map(call)).map(&mut next).collect();
                apply(&mut state, entries).await.unwrap();
                let again = open_inline(&engine).state;
                assert_eq!(again.published().borrow().state, state.published().borrow().state);
            }
        });
    }
}
