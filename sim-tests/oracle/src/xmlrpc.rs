//! The calls of OpenNebula's API that stand for actions, and what a refusal says about their outcome.

use quorate_model::api::Arg;
use quorate_model::error::ErrorCode;

use crate::history::{Action, Outcome};

impl Action {
    /// The method and its arguments behind the session. A document's value is its attribute VALUE. `None` for
    /// [`Action::Drive`], whose work needs what the oracle does not know.
    #[must_use]
    pub fn request(&self) -> Option<(&'static str, Vec<Arg>)> {
        let id = |id: &i32| Arg::Int(i64::from(*id));
        Some(match self {
            Action::Create(name) => {
                let template = format!("NAME=\"{name}\"\nVALUE=\"{name}\"");
                ("one.document.allocate", vec![Arg::Str(template), Arg::Int(0)])
            }
            Action::Write(document, value) => {
                ("one.document.update", vec![id(document), Arg::Str(format!("VALUE=\"{value}\"")), Arg::Int(0)])
            }
            Action::Read(document) => ("one.document.info", vec![id(document)]),
            Action::Delete(document) => ("one.document.delete", vec![id(document)]),
            Action::Claim(name) => ("one.template.allocate", vec![Arg::Str(format!("NAME=\"{name}\""))]),
            Action::Enable(on) => ("one.zone.enable", vec![Arg::Int(0), Arg::Bool(*on)]),
            Action::Drive(_) => return None,
        })
    }
}

impl Outcome {
    /// What a refusal with this text and error code means.
    #[must_use]
    pub fn of_refusal(text: String, code: i64) -> Outcome {
        const NO_EXISTS: i64 = ErrorCode::NoExists as i64;
        match code {
            NO_EXISTS => Outcome::Missing,
            // The one refusal of this kind that says that nothing was done.
            _ if text.contains("zone disabled") => Outcome::Refused(text),
            // It may have been committed all the same.
            _ if text.contains("Cannot process request") || text.contains("answered already") => Outcome::Unknown(text),
            _ => Outcome::Refused(text),
        }
    }
}
