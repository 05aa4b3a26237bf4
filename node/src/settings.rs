//! What operators ask about the zone's settings (`/admin/settings`): all of them, changes, what a file would change.
//!
//! Apply decides on changes; nothing here does.

use quorate_gateway::control::{AdminReply, AdminRequest};
use quorate_model::command::Command;
use quorate_model::settings::Settings;
use quorate_model::settings::change::{self, Change, ChangeSettings};
use quorate_model::settings::names::Name;
use serde::{Deserialize, Serialize};

use crate::members::Members;
use crate::proposer::Proposer;

/// A setting as operators see it. Values are written as `quorate zone settings set` takes them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SettingRow {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The value that a fresh zone has.
    pub shipped: String,
    /// What values it takes; empty: it cannot be set.
    pub takes: String,
    /// What it does, or why it does nothing.
    pub what: String,
}

/// A setting and its new value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewValue {
    /// The setting, or `NAME/PART`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// All settings, as of every change that was acknowledged before.
pub async fn show(members: &Members) -> Result<AdminReply, String> {
    let settings = newest(members).await?;
    let shipped = settings.as_shipped()?;
    let row = |known: Name| SettingRow {
        name: known.name.to_owned(),
        value: settings.text_of(known.name),
        shipped: shipped.text_of(known.name),
        takes: known.shape.expected(),
        what: known.what.to_owned(),
    };
    let rows: Vec<SettingRow> = change::shown().into_iter().map(row).collect();
    serde_json::to_string(&rows).map(AdminReply::Json).map_err(|e| e.to_string())
}

/// What a file would change.
pub async fn diff(members: &Members, file: String) -> Result<AdminReply, String> {
    let settings = newest(members).await?;
    let (_, report) = change::changed(&settings, &Change::Apply(file))?;
    serde_json::to_string(&report).map(AdminReply::Json).map_err(|e| e.to_string())
}

/// Changes settings: `settings/set` with a [`NewValue`], `settings/reset` with a name, `settings/apply` with a file.
pub async fn change(proposer: &Proposer, request: &AdminRequest) -> Result<AdminReply, String> {
    let argument = request.argument.clone();
    let change = match request.name.as_str() {
        "settings/set" => {
            let NewValue { name, value } = serde_json::from_str(&argument).map_err(|e| e.to_string())?;
            Change::Set { name, value }
        }
        "settings/reset" => Change::Reset(argument),
        "settings/apply" => Change::Apply(argument),
        other => return Err(format!("there is nothing called {other}")),
    };
    let asked = ChangeSettings { actor: request.actor.clone(), change };
    let report = proposer.propose(Command::ChangeSettings(asked)).await.map_err(|e| e.text)?;
    tracing::info!(change = request.name, "the zone's settings are changed");
    Ok(AdminReply::Json(report.to_text()))
}

async fn newest(members: &Members) -> Result<Settings, String> {
    Ok(members.gate.read().await.map_err(|e| e.text)?.state.settings().clone())
}
