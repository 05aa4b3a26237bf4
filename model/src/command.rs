//! What stands in the log: an envelope around an API call or one of a few internal commands.
//!
//! The command in the log is the call: there is no second vocabulary to keep in step with the API.
//! Everything that is not a function of state (time, randomness, driver facts) travels here.

use serde::{Deserialize, Serialize};

use crate::api::Arg;
use crate::pending::DriverReport;
use crate::settings::change::ChangeSettings;

/// Identifies a proposal, so that one that is retried after a lost reply is applied once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestId {
    /// The proposing node's incarnation: random at each start, never 0 (0 = not tracked).
    pub client: u64,
    /// The proposal's number within the incarnation, from 1.
    pub seq: u64,
    /// Every number below this one has been answered and will never be retried.
    pub acked_below: u64,
}

/// A log entry's payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Envelope {
    /// The zone's time as of this entry, unix seconds: see `State::time_of`. An
    /// earlier one
    /// than the state's says nothing.
    pub time: i64,
    /// Who proposes, and which proposal this is.
    pub request: RequestId,
    /// Randomness for secrets made by this command (tokens, passwords, lock ids).
    pub entropy: [u8; 32],
    /// What to do.
    pub command: Command,
}

/// What to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// An API call.
    Call(Call),
    /// A driver's answer to a pending operation.
    Report(DriverReport),
    /// Something that was noticed outside, unasked.
    Observed(Observation),
    /// Time passes: what is due happens (see `timers`). Scheduled actions of VMs do not: they are the work of
    /// a
    /// scheduler.
    Tick,
    /// Makes the content of a fresh zone; ignored when the zone exists already.
    Bootstrap(Bootstrap),
    /// Declares the servers of the zone as operators see them. No build proposes it: servers come and go by API calls.
    /// It
    /// stays because the format of the log has it.
    Servers(Vec<ZoneServer>),
    /// Every node supports a higher feature level.
    RaiseLevel(RaiseLevel),
    /// oneadmin changes the zone's settings.
    ChangeSettings(ChangeSettings),
    /// The administrator sets the zone's time, unix seconds: see `zone_time`.
    SetTime(i64),
}

/// Something that was noticed outside although nobody had asked for it. Only what a decision of the zone depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation {
    /// What the hypervisor of a host says of a VM there.
    Vm {
        /// The host.
        host: i32,
        /// The VM.
        vm: i32,
        /// The hypervisor's name of it; empty: it says none.
        deploy_id: String,
        /// What it does.
        power: Power,
    },
    /// What the monitoring of a host has found: the attributes of its SYSTEM_HOST message, or why there is none any more.
    Host {
        /// The host.
        host: i32,
        /// What was found.
        outcome: Result<String, String>,
    },
}

/// What a hypervisor says of a VM, with the reference's names (STATE_VM).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// RUNNING
    Running,
    /// SUSPENDED: it is paused.
    Suspended,
    /// POWEROFF: it is off, or not there.
    Poweroff,
    /// FAILURE: it is in error, or nobody knows.
    Failure,
}

/// An API call with its authenticated actor.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The method's full name.
    pub method: String,
    /// Who calls.
    pub actor: Actor,
    /// Typed arguments, defaults filled in.
    pub args: Vec<Arg>,
    /// What the proposer found out from drivers before proposing.
    pub facts: Facts,
}

/// Answers of drivers that a call needs before it is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Size in MB of the image at the given PATH, or why the driver could not tell.
    pub image_size: Option<Result<i64, String>>,
    /// What the driver has restored a backup to (ids of a template and images), or why it could not.
    pub restored: Option<Result<String, String>>,
}

/// In place of a user: the node itself proposes, not a client. Only for methods of `pools::INTERNAL`.
pub const SYSTEM: i32 = -2;

/// An authenticated caller.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Actor {
    /// The user.
    pub uid: i32,
    /// The group a login token is bound to; -1: all groups of the user.
    pub token_gid: i32,
    /// Fingerprint of the credential it authenticated with: apply refuses when it is no longer valid.
    pub credential: u64,
}

/// What a fresh zone is told at its first start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// The zone's name (`OpenNebula` in the reference).
    pub zone_name: String,
    /// The XML-RPC endpoint of the zone.
    pub endpoint: String,
    /// SHA-256, in hex, of oneadmin's password.
    pub oneadmin_hash: String,
    /// Where datastores keep their data on hosts (`/var/lib/one//datastores`).
    pub datastore_location: String,
    /// The servers of the zone; empty: the API looks like OpenNebula without HA.
    pub servers: Vec<ZoneServer>,
}

/// A feature level that every node supports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RaiseLevel {
    /// The level.
    pub level: u32,
    /// The version of the program that asks: one that supports it.
    pub version: String,
}

/// A server as `one.zone.info` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ZoneServer {
    /// OpenNebula's SERVER_ID: a label, unrelated to the Raft node id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The XML-RPC address that clients can reach.
    pub endpoint: String,
}
