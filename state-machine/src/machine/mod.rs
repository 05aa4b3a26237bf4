//! What takes calls and carries out entries: the only part that knows all rows.

pub mod admit;
mod arguments;
pub mod change_settings;
pub mod raise_level;
