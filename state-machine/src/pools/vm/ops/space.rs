//! Whose quotas pay when a disk grows, by a snapshot or a resize: the owner of the VM, of the image, or both.
//!
//! What the VM's owner pays follows from the VM's template. What the image's owner pays is noted in the image when the
//! growth is asked for, and given back when it comes to nothing: its size and snapshots may follow only when the VM
//! ends.

use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::quota::Charge;
use quorate_model::quota::vm::{payers, system_disk_size};
use quorate_model::records::image::Image;
use quorate_model::template::VectorAttribute;

use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::pools::vm::rights;
use crate::txn::Txn;

/// A disk that takes more space.
#[derive(Clone, Debug)]
pub struct Growth {
    /// The image whose owner pays.
    image: Option<i32>,
    /// How much, MB.
    size_mb: i64,
    /// In the image's datastore.
    store: Charge,
    /// What the VM's owner pays.
    of_vm: Vec<Charge>,
}

impl Growth {
    /// `disk` takes `size_mb` more.
    #[must_use]
    pub fn of(disk: &VectorAttribute, size_mb: i64) -> Growth {
        let payers = payers(disk);
        let store = Charge::datastore(disk.id("DATASTORE_ID").unwrap_or(-1), 0, size_mb);
        let in_store = payers.vm_owner.then(|| store.clone());
        let in_system = payers.system.then(|| system_disk_size(size_mb));
        Growth {
            image: disk.id("IMAGE_ID").filter(|_| payers.image_owner),
            of_vm: in_store.into_iter().chain(in_system).collect(),
            size_mb,
            store,
        }
    }

    /// The right to the image whose owner pays.
    ///
    /// # Errors
    /// NO_EXISTS.
    pub fn wish(&self, txn: &Txn) -> Result<Option<AuthRequest>, ApiError> {
        self.image.map(|image| Ok(AuthRequest::on(txn.object(Kind::Image, image)?, Op::Manage))).transpose()
    }

    fn payer(&self, txn: &Txn) -> Option<(i32, i32)> {
        let image = txn.find(Kind::Image, self.image?)?;
        Some((image.uid, image.gid))
    }

    /// Refuses what limits do not allow, then books what the image's owner pays.
    ///
    /// # Errors
    /// AUTHORIZATION.
    pub fn book(&self, txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
        let owner = rights::owner(txn, vm)?;
        let payer = self.payer(txn);
        if let Some(payer) = payer {
            rights::check_quota(txn, payer, payer.0, std::slice::from_ref(&self.store))?;
        }
        rights::check_quota(txn, owner, owner.0, &self.of_vm)?;
        self.note(txn, self.size_mb);
        Ok(())
    }

    /// Gives back what the image's owner pays.
    pub fn give_back(&self, txn: &mut Txn) {
        self.note(txn, -self.size_mb);
    }

    fn note(&self, txn: &mut Txn, more_mb: i64) {
        let Some(image) = self.image else { return };
        booking::following(txn, Kind::Image, image, |txn| {
            // An image that is gone pays for nothing.
            if let Ok(image) = txn.body_mut::<Image>(image) {
                image.grown_mb = image.grown_mb.saturating_add(more_mb);
            }
        });
    }
}
