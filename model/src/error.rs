//! The one error type of the API: OpenNebula's codes, the reference's exact texts.
//!
//! A refusal is a reply, not a failure: handlers return these and the transaction is discarded whole.
//! The `[method] ` prefix of the wire form is added in one place, the edge's encoder.

use crate::kind::Kind;

/// OpenNebula's error codes (third element of a failed reply).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum ErrorCode {
    /// The session does not authenticate.
    Authentication = 0x0100,
    /// Rights, locks, quotas.
    Authorization = 0x0200,
    /// The object does not exist.
    NoExists = 0x0400,
    /// Wrong state for the action.
    Action = 0x0800,
    /// Wrong parameter value of the call itself.
    XmlRpcApi = 0x1000,
    /// Everything else.
    Internal = 0x2000,
    /// Clone and instantiate.
    Allocate = 0x4000,
    /// Kept for completeness; the reference does not send it.
    Locked = 0x8000,
}

impl ErrorCode {
    /// The code with this number, as it travels between nodes.
    #[must_use]
    pub fn from_i32(n: i32) -> Option<ErrorCode> {
        use ErrorCode as E;
        [E::Authentication, E::Authorization, E::NoExists, E::Action, E::XmlRpcApi, E::Internal, E::Allocate, E::Locked]
            .into_iter()
            .find(|code| *code as i32 == n)
    }
}

/// A refused call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text}")]
pub struct ApiError {
    /// The code.
    pub code: ErrorCode,
    /// The text, without the `[method] ` prefix.
    pub text: String,
    /// The fourth element of the reply: the id of the missing object, else -1.
    pub object_id: i32,
}

impl ApiError {
    /// An error with this code and text.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> ApiError {
        ApiError { code, text: text.into(), object_id: -1 }
    }
    /// The session does not authenticate.
    #[must_use]
    pub fn authentication() -> ApiError {
        ApiError::new(ErrorCode::Authentication, "User couldn't be authenticated, aborting call.")
    }
    /// User `uid` may not do it; `reason` as in `User [uid] : reason.`
    pub fn authorization(uid: i32, reason: impl std::fmt::Display) -> ApiError {
        ApiError::new(ErrorCode::Authorization, format!("User [{uid}] : {reason}."))
    }
    /// There is no such object.
    #[must_use]
    pub fn no_exists(kind: Kind, id: i32) -> ApiError {
        let noun = kind.info().noun;
        let text =
            if id == -1 { format!("Error getting {noun} Pool.") } else { format!("Error getting {noun} [{id}].") };
        ApiError { code: ErrorCode::NoExists, text, object_id: id }
    }
    /// Wrong state for the action.
    pub fn action(text: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::Action, text)
    }
    /// Wrong value of a parameter of the call itself.
    pub fn api(text: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::XmlRpcApi, text)
    }
    /// Everything else.
    pub fn internal(text: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::Internal, text)
    }
    /// What the refusal said before its code worded it: for texts that quote another call's refusal.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self.code {
            ErrorCode::NoExists => "",
            ErrorCode::Authorization => {
                let reason = self.text.split_once(" : ").map_or("", |(_, reason)| reason);
                reason.strip_suffix('.').unwrap_or(reason)
            }
            ErrorCode::Allocate => self.text.split_once(". ").map_or("", |(_, reason)| reason),
            _ => &self.text,
        }
    }
    /// An object of `kind` could not be made: a failed clone or instantiation, or a refused allocation.
    pub fn allocate(kind: Kind, reason: impl std::fmt::Display) -> ApiError {
        ApiError::new(ErrorCode::Allocate, format!("Error allocating a new {}. {reason}", kind.info().noun))
    }
}

/// Persisted bytes that cannot be read back: the node must stop.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Storage is corrupt.
    #[error("corrupt state at key {key:?}: {reason}")]
    Corrupt {
        /// The key of the record.
        key: Vec<u8>,
        /// What is wrong with it.
        reason: String,
    },
    /// A zone at a feature level that this build does not support; says what to install.
    #[error("{0}")]
    Beyond(String),
}
