//! At-most-once application: recent replies by proposing client (section 6.3 of the Raft dissertation).
//!
//! A proposal that is retried after a lost reply finds its first reply here instead of being applied again.

use std::collections::BTreeMap;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::{ApiError, ErrorCode};
use serde::{Deserialize, Serialize};

/// Replies of one client incarnation that it may still ask for again.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ClientSession {
    /// Every number below has been answered for good.
    acked_below: u64,
    /// When this client last proposed, unix seconds.
    last_time: i64,
    replies: BTreeMap<u64, StoredReply>,
}

/// Bytes of a reply's text that are kept: hardly any write answers more, and a session is written with each of them.
const TEXT_MAX: usize = 8192;

/// A reply as kept: writes answer numbers and short texts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum StoredReply {
    Int(i32),
    Int64(i64),
    Bool(bool),
    Text(String),
    Refused(i32, String, i32),
    /// A text that is too long to be kept.
    Long,
}

/// Seconds after which a silent client is forgotten.
pub const EXPIRY_SECONDS: i64 = 3600;

impl ClientSession {
    /// The reply of proposal `seq`, if it was applied and not yet acknowledged.
    #[must_use]
    pub fn reply(&self, seq: u64) -> Option<ApiReply> {
        self.replies.get(&seq).map(StoredReply::to_reply)
    }

    /// Whether proposal `seq` was answered for good: its retry is a stray that must not be applied.
    #[must_use]
    pub fn is_acknowledged(&self, seq: u64) -> bool {
        seq < self.acked_below
    }

    /// Whether the client has been silent for long.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.last_time.saturating_add(EXPIRY_SECONDS) < now
    }

    /// The zone's time is set to `time`, unix seconds, which is so many seconds later (negative: earlier): this client has
    /// been silent for as long as before.
    pub fn shift(&mut self, seconds: i64, time: i64) {
        self.last_time = self.last_time.saturating_add(seconds).min(time);
    }

    /// Keeps the reply of proposal `seq` and forgets those below `acked_below`.
    pub fn record(&mut self, seq: u64, acked_below: u64, now: i64, reply: &ApiReply) {
        self.last_time = now;
        self.acked_below = self.acked_below.max(acked_below.min(seq));
        self.replies = self.replies.split_off(&self.acked_below);
        self.replies.insert(seq, StoredReply::of(reply));
    }
}

/// What a text that was cut off ends with.
const ELLIPSIS: &str = "...";

/// As much of a text as is kept.
fn shortened(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_MAX - ELLIPSIS.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{ELLIPSIS}", &text[..end])
}

impl StoredReply {
    fn of(reply: &ApiReply) -> StoredReply {
        match reply {
            Ok(Value::Int(n)) => StoredReply::Int(*n),
            Ok(Value::Int64(n)) => StoredReply::Int64(*n),
            Ok(Value::Bool(b)) => StoredReply::Bool(*b),
            Ok(value @ (Value::Text(_) | Value::Xml(_))) => {
                Some(value.to_text()).filter(|text| text.len() <= TEXT_MAX).map_or(StoredReply::Long, StoredReply::Text)
            }
            Err(e) => StoredReply::Refused(e.code as i32, shortened(&e.text), e.object_id),
        }
    }

    fn to_reply(&self) -> ApiReply {
        match self {
            StoredReply::Int(n) => Ok(Value::Int(*n)),
            StoredReply::Int64(n) => Ok(Value::Int64(*n)),
            StoredReply::Bool(b) => Ok(Value::Bool(*b)),
            StoredReply::Text(t) => Ok(Value::Text(t.clone())),
            StoredReply::Long => {
                Err(ApiError::internal("This call was carried out, but its long answer was lost and is not kept"))
            }
            StoredReply::Refused(code, text, object_id) => Err(ApiError {
                code: ErrorCode::from_i32(*code).unwrap_or(ErrorCode::Internal),
                text: text.clone(),
                object_id: *object_id,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_answers_are_not_kept_and_a_retry_hears_that_the_call_was_carried_out() {
        let mut session = ClientSession::default();
        session.record(1, 0, 7, &Ok(Value::Text("x".repeat(TEXT_MAX))));
        session.record(2, 0, 7, &Ok(Value::Text("x".repeat(TEXT_MAX + 1))));
        session.record(3, 0, 7, &Err(ApiError::internal("ä".repeat(TEXT_MAX))));
        assert_eq!(session.reply(1), Some(Ok(Value::Text("x".repeat(TEXT_MAX)))));
        let lost = session.reply(2).expect("it was answered").expect_err("not the answer");
        assert!(lost.text.contains("was carried out"), "{}", lost.text);
        let refused = session.reply(3).expect("it was answered").expect_err("a refusal");
        assert_eq!(refused.text, format!("{}...", "ä".repeat(TEXT_MAX / 2 - 2)));
        let kept = rmp_serde::to_vec_named(&session).expect("plain data").len();
        assert!(kept < 3 * TEXT_MAX, "{kept}");
    }
}
