//! `quorate zone settings`: arguments and printing; the zone decides.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quorate_model::settings::change::Report;

use super::Endpoint;
use super::zone::ask;
use super::zone_time::SetTime;
use crate::bounded;
use crate::settings::{NewValue, SettingRow};

/// Bytes of an `oned.conf` at most; the shipped one has a few ten thousand.
const LONGEST_FILE: u64 = 1 << 20;

/// The zone's settings.
#[derive(Subcommand, Debug)]
pub enum Settings {
    /// Show all settings, or what there is to know about one. A star marks those that differ from the shipped ones.
    Show(Show),
    /// Give a setting a value, on all servers at once.
    ///
    /// Lists: `A,B` is the whole list, `+A` adds, `-A` removes. Vectors: `[ PART = "value", ... ]`, or one part as
    /// NAME/PART. Sections (VM_MAD, ...): `[ NAME = "kvm", ... ]` adds or replaces one, `-kvm` removes it.
    Set(Set),
    /// Give a setting its shipped value.
    Reset(Reset),
    /// Take over an oned.conf, whole: what it does not name gets its shipped value.
    Apply(File),
    /// Say what `apply` would change.
    Diff(File),
    /// Set the zone's time, where it has gone wrong.
    SetTime(SetTime),
}

/// Show all settings, or one.
#[derive(Args, Debug)]
pub struct Show {
    /// Which.
    name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Endpoint,
}

/// Give a setting a value.
#[derive(Args, Debug)]
pub struct Set {
    /// Which: NAME, or NAME/PART for a part of a vector.
    name: String,
    /// Its value.
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Endpoint,
}

/// Give a setting its shipped value.
#[derive(Args, Debug)]
pub struct Reset {
    /// Which.
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Endpoint,
}

/// An oned.conf.
#[derive(Args, Debug)]
pub struct File {
    /// Where it is.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Endpoint,
}

impl Settings {
    /// Does what the arguments say.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Settings::Show(show) => show.run().await,
            Settings::Set(Set { name, value, json, at }) => {
                let argument = serde_json::to_string(&NewValue { name, value })?;
                report(&at, "settings/set", &argument, json).await
            }
            Settings::Reset(Reset { name, json, at }) => report(&at, "settings/reset", &name, json).await,
            Settings::Apply(file) => file.run("settings/apply").await,
            Settings::Diff(file) => file.run("settings/diff").await,
            Settings::SetTime(time) => time.run().await,
        }
    }
}

impl File {
    async fn run(self, request: &str) -> anyhow::Result<()> {
        let text = bounded::read_text(&self.file, LONGEST_FILE).with_context(|| self.file.display().to_string())?;
        report(&self.at, request, &text, self.json).await
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<()> {
        let mut rows: Vec<SettingRow> =
            serde_json::from_slice(&ask(&self.at.client()?, "settings", None).await?).context("no settings")?;
        if let Some(name) = &self.name {
            rows.retain(|row| row.name == *name);
            anyhow::ensure!(!rows.is_empty(), "{name} is no setting");
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        for row in &rows {
            let star = if row.value == row.shipped { ' ' } else { '*' };
            if self.name.is_none() {
                println!("{star} {} = {}", row.name, row.value.replace('\n', "\n    "));
            } else {
                // As `set` takes it: a value may have lines, whose indentation is part of it.
                println!("{star} {} = {}", row.name, row.value);
                println!("    shipped: {}", row.shipped.replace('\n', "\n      "));
                println!("    takes: {}", if row.takes.is_empty() { "nothing: it cannot be set" } else { &row.takes });
                println!("    {}", row.what);
            }
        }
        Ok(())
    }
}

/// Asks for a change, or what it would be, and prints it.
async fn report(at: &Endpoint, request: &str, argument: &str, json: bool) -> anyhow::Result<()> {
    let answer = ask(&at.client()?, request, Some(argument)).await?;
    let report: Report = serde_json::from_slice(&answer).context("the answer cannot be read")?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    for left_out in &report.left_out {
        println!("line {}: {} is left out: {}", left_out.line, left_out.name, left_out.why);
    }
    for change in &report.changes {
        println!("{}: {} -> {}", change.name, shown(&change.before), shown(&change.after));
    }
    if report.changes.is_empty() {
        println!("no setting differs");
    }
    Ok(())
}

fn shown(value: &str) -> String {
    if value.is_empty() { "(nothing)".to_owned() } else { value.replace('\n', " ") }
}
