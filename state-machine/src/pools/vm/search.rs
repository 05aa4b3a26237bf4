//! Searching VMs by what is said of them: `KEY=VALUE` in their templates, their name, their owner, their host.
//!
//! As the reference's full-text index: words in a row, in any case; `-`, `.` and `:` belong to words.

use quorate_model::object::Object;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::template::{Attribute, Template};

/// What is looked for: words in a row.
pub struct Query(Vec<String>);

/// The words of a text.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    text.split(move |c| !part(c)).filter(|word| !word.is_empty()).map(|word| {
        let joined = word.replace(['-', '.', ':'], "_");
        joined.to_lowercase()
    })
}

impl Query {
    /// The query of a text; an empty one finds everything.
    #[must_use]
    pub fn new(text: &str) -> Query {
        Query(words(text).collect())
    }

    /// Whether it finds a VM.
    #[must_use]
    pub fn finds(&self, object: &Object, vm: &Vm) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let mut said: Vec<String> = Vec::new();
        let mut say = |name: &str, value: &str| {
            said.extend(words(name));
            said.extend(words(value));
        };
        say("UNAME", &object.uname);
        say("GNAME", &object.gname);
        [&vm.template, &object.template].into_iter().for_each(|template| say_template(template, &mut say));
        say("NAME", &object.name);
        if let Some(History { hostname, hid, cid, ds_id, .. }) = vm.record() {
            say("HOSTNAME", hostname);
            [("HID", hid), ("CID", cid), ("DS_ID", ds_id)]
                .into_iter()
                .for_each(|(name, id)| say(name, &id.to_string()));
        }
        said.windows(self.0.len()).any(|window| window == self.0)
    }
}

fn say_template(template: &Template, say: &mut impl FnMut(&str, &str)) {
    for (name, attribute) in template.iter() {
        match attribute {
            Attribute::Single(value) => say(name, value),
            Attribute::Vector(vector) => {
                vector.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| say(name, value));
            }
        }
    }
}
