//! The seed of a simulation and the command that repeats it.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// The seed of the simulation that runs on this thread.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}
static HOOK: Once = Once::new();

/// The seed that the environment asks for (`QUORATE_SIM_SEED`), else `default`.
///
/// # Panics
/// When the environment holds something that is no number.
#[must_use]
pub fn seed(default: u64) -> u64 {
    match std::env::var("QUORATE_SIM_SEED") {
        Ok(text) => text.parse().expect("QUORATE_SIM_SEED must be a number"),
        Err(_) => default,
    }
}

/// From now on a panic of this thread says how to repeat it.
pub fn announce(seed: u64) {
    SEED.set(Some(seed));
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            // Once: what breaks afterwards, while a simulation is taken down, only follows from it.
            if let Some(seed) = SEED.take() {
                eprintln!("\nrepeat with: {}\n", command(seed));
            }
        }));
    });
}

/// The command that repeats the running test with `seed`.
#[must_use]
pub fn command(seed: u64) -> String {
    let program = std::env::args().next().unwrap_or_default();
    let stem = std::path::Path::new(&program).file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
    // Test programs are named `<test>-<hash>`; libtest names a test's thread after it.
    match (stem.rsplit_once('-'), std::thread::current().name()) {
        (Some((target, hash)), Some(test)) if hash.len() == 16 && test != "main" => {
            let target = if target == "quorate_sim_tests" { "--lib".to_owned() } else { format!("--test {target}") };
            format!("QUORATE_SIM_SEED={seed} cargo test -p quorate-sim-tests {target} -- --exact {test}")
        }
        _ => format!("cargo run -p quorate-sim-tests --release -- --seeds {seed}..{}", seed + 1),
    }
}
