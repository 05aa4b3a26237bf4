//! Why a call was not looked at: others come first.

use crate::lanes::{Refusal, Who};

/// Why a call was not answered, though nothing is wrong with it. The text is for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Busy {
    /// What its request held was taken for others.
    #[error("Too much is sent at the same time, try again")]
    NoMemory,
    /// Too many wait.
    #[error("Too many requests at the same time, most of them of {}, try again", whose(*.0))]
    Full(Who),
    /// Its turn did not come in time.
    #[error("Too many requests of {} are under way, this one waited too long, try again", whose(*.0))]
    Late(Who),
}

impl Busy {
    /// Of a call of this caller's.
    pub(crate) fn of(refusal: Refusal, who: Who) -> Busy {
        match refusal {
            Refusal::Full => Busy::Full(who),
            Refusal::Late => Busy::Late(who),
        }
    }
}

fn whose(who: Who) -> String {
    match who {
        Who::User(uid) => format!("user [{uid}]"),
        Who::Stranger(_) => "this address".to_owned(),
    }
}
