//! What an image is made of.

pub mod increments;
pub mod snapshots;
pub mod states;

pub use crate::pools::image::Image;
