//! How what is being made from an image holds it: copies, and apps of marketplaces.

use quorate_model::error::ApiError;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};

use super::states;
use crate::state::State;
use crate::txn::Txn;

/// What is being made from an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copy {
    /// An image.
    Image(i32),
    /// An app of a marketplace.
    App(i32),
}

/// Refuses to copy an image in its state.
///
/// # Errors
/// The image is gone, a backup, or in a state in which nothing is copied.
pub fn check(state: &State, id: i32) -> Result<(), String> {
    let Some((_, image)) = state.find_typed::<Image>(id) else {
        return Err("Cannot clone image, it does not exist".to_owned());
    };
    if image.image_type == ImageType::Backup {
        return Err("Cannoe clone backup images".to_owned());
    }
    match image.state {
        ImageState::Ready | ImageState::Used | ImageState::Clone => Ok(()),
        state => Err(format!("Cannot clone image in state: {}", state.name())),
    }
}

/// A copy is being made: the original is held until [`end`].
///
/// # Errors
/// Those of [`check`].
pub fn begin(txn: &mut Txn, id: i32, copy: Copy) -> Result<(), String> {
    check(txn, id)?;
    let image = txn.body_mut::<Image>(id).map_err(|e| e.text)?;
    match copy {
        Copy::Image(copy) => image.clones.insert(copy),
        Copy::App(copy) => image.app_clones.insert(copy),
    };
    let (state, persistent) = (image.state, image.persistent);
    match (state, persistent) {
        (ImageState::Ready, true) => states::set(txn, id, ImageState::Clone),
        (ImageState::Ready, false) => states::set(txn, id, ImageState::Used),
        _ => Ok(()),
    }
    .map_err(|e| e.text)
}

/// A copy has been made, or never will be.
///
/// # Errors
/// None for an image that is gone or held by nothing.
pub fn end(txn: &mut Txn, id: i32, copy: Copy) -> Result<(), ApiError> {
    let Some((_, image)) = txn.find_typed::<Image>(id) else { return Ok(()) };
    if !matches!(image.state, ImageState::Used | ImageState::Clone) {
        return Ok(());
    }
    let image = txn.body_mut::<Image>(id)?;
    match copy {
        Copy::Image(copy) => image.clones.remove(&copy),
        Copy::App(copy) => image.app_clones.remove(&copy),
    };
    if image.cloning_operations() == 0 && image.vms.is_empty() {
        states::set(txn, id, ImageState::Ready)?;
    }
    Ok(())
}
