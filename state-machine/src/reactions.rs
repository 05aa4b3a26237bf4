//! What follows in higher pools from what lower ones have announced: the one place that knows both sides.
//!
//! It runs within the transaction that has announced it, after the call's, report's or tick's own work, so that both
//! are committed or discarded together. It must not decide anything by itself: what an announcement means for an object
//! is its pool's to say.

use quorate_model::announcement::Announcement;
use quorate_model::error::ApiError;
use quorate_model::records::host::Host;

use crate::pools::vm::fsm::steps;
use crate::pools::vm::fsm::table::Event;
use crate::pools::vm::{image_events, network_change};
use crate::txn::Txn;

/// Carries out what was announced, the oldest first. What a reaction itself announces comes before the next one.
///
/// # Errors
/// Those of the pools that react, which refuse the whole transaction.
pub fn carry_out(txn: &mut Txn) -> Result<(), ApiError> {
    for announcement in txn.take_announcements() {
        react(txn, &announcement)?;
        carry_out(txn)?;
    }
    Ok(())
}

fn react(txn: &mut Txn, announcement: &Announcement) -> Result<(), ApiError> {
    match *announcement {
        Announcement::NetworkChanged { network } => {
            network_change::proceed(txn, network);
            Ok(())
        }
        Announcement::HostLost { host } => {
            let vms = txn.find_typed::<Host>(host).map(|(_, host)| host.vms.clone()).unwrap_or_default();
            vms.into_iter().try_for_each(|vm| steps::happen(txn, vm, Event::Lost))
        }
        Announcement::ImageSettled { image } => image_events::settled(txn, image),
        Announcement::SaveTargetMade { image, vm, disk } => image_events::save_target_made(txn, image, vm, disk),
        Announcement::SaveTargetLost { vm } => image_events::save_target_lost(txn, vm),
        Announcement::BackupRemoved { image, vm } => image_events::backup_removed(txn, vm, image),
        Announcement::IncrementsFlattened { vm } => image_events::increments_flattened(txn, vm),
    }
}
