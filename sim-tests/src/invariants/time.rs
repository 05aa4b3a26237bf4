//! The zone's time is never further ahead of the true time than clocks may be off, whatever a minority of clocks says.
//!
//! Simulated machines tell without a fault how long they have been up; only their wall clocks are wrong. A zone that is
//! down is behind until it is up again: that is checked when all is well (`fuzz/check.rs`).

use super::NodeView;
use crate::host::EPOCH;

/// How far the zone's time may be off, in seconds: what CLOCK_STEP_MAX allows, and what clocks drift meanwhile.
pub const BOUND: i64 = 300 + 60;

/// Looks at a node.
pub fn observe(node: &NodeView<'_>) -> Result<(), String> {
    let voters = node.metrics.membership_config.membership().voter_ids().count();
    let ahead = node.published.state.globals().time - (EPOCH + node.elapsed);
    // Fewer than three have no majority without the one that is wrong.
    if voters >= 3 && ahead > BOUND {
        return Err(format!("the zone's time is {ahead} seconds ahead of the true time"));
    }
    Ok(())
}
