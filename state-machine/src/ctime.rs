//! Times in texts of errors, as the reference's C library words them, in the zone's local time.

use quorate_model::template::Template;

use crate::state::State;

/// The attribute that shows a driver's failure.
pub const ERROR: &str = "ERROR";

impl State {
    /// The zone's time in words: `Wed Nov 25 09:34:17 2026`.
    #[must_use]
    pub fn time_in_words(&self) -> String {
        self.settings().local_time().ctime(self.globals().time)
    }
}

/// Shows a driver's failure in a template: attribute `name` becomes the time, in words, and the text.
pub fn set_error(template: &mut Template, name: &'static str, time: &str, text: &str) {
    template.set(name, format!("{time} : {text}"));
}
