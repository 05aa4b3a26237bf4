//! The zone's limits: settings of Quorate's own, beside those that the reference's `oned.conf` knows.
//!
//! It must not enforce them: who books, stores or reads something asks [`Settings::number`].

use super::Settings;
use crate::template::whole_u64;

/// The attribute of a user's template that comes before the zone's setting of the same name; only administrators may set it.
/// What is no whole number is refused when it is set (`sizes.rs`); where it stands all the same, the zone's setting holds.
pub const OWNED_SIZE_MAX: &str = "OWNED_SIZE_MAX";

/// A limit that the zone's administrator may set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// `OBJECT_SIZE_MAX`
    ObjectSizeMax,
    /// `OBJECT_SIZE_MAX_ADMIN`
    ObjectSizeMaxAdmin,
    /// `OWNED_SIZE_MAX`
    OwnedSizeMax,
    /// `NETWORK_LEASES_MAX`
    NetworkLeasesMax,
    /// `USER_WRITES_MAX`
    UserWritesMax,
    /// `USER_WRITES_SIZE_MAX`
    UserWritesSizeMax,
    /// `CLOCK_STEP_MAX`
    ClockStepMax,
    /// `MESSAGE_SIZE`, a name of the reference: there the size of replies that its client accepts.
    MessageSize,
}

/// What there is to know about a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name among the settings.
    pub name: &'static str,
    /// What a fresh zone has.
    pub default: u64,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// What is counted: `bytes`, `seconds`, ...
    pub unit: &'static str,
    /// What it limits.
    pub what: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 8] = [
        Limit::ObjectSizeMax,
        Limit::ObjectSizeMaxAdmin,
        Limit::OwnedSizeMax,
        Limit::NetworkLeasesMax,
        Limit::UserWritesMax,
        Limit::UserWritesSizeMax,
        Limit::ClockStepMax,
        Limit::MessageSize,
    ];

    /// What there is to know about it.
    #[must_use]
    #[rustfmt::skip]
    pub fn row(self) -> Row {
        let row = |name, default, min, max, unit, what| Row { name, default, min, max, unit, what };
        match self {
            Limit::ObjectSizeMax => row("OBJECT_SIZE_MAX", MIB, 16 * KIB, 64 * MIB, "bytes",
                "how large an object may become that a user changes: the bytes of its stored record (of a user or group: of its template)"),
            Limit::ObjectSizeMaxAdmin => row("OBJECT_SIZE_MAX_ADMIN", 16 * MIB, 16 * KIB, 64 * MIB, "bytes",
                "how large an object may become that the administrators' group changes: the bytes of its stored record (of a user or group: of its template)"),
            Limit::OwnedSizeMax => row("OWNED_SIZE_MAX", 64 * MIB, MIB, MIB * MIB, "bytes",
                "how large all objects of one user may become together: the bytes of their stored records and of their VMs' history"),
            Limit::NetworkLeasesMax => row("NETWORK_LEASES_MAX", 65_536, 1, 1_048_576, "leases",
                "how many leases of one network may be in use"),
            Limit::UserWritesMax => row("USER_WRITES_MAX", 2, 1, 4096, "calls",
                "how many writes of one user each node carries out at a time; more of them wait"),
            Limit::UserWritesSizeMax => row("USER_WRITES_SIZE_MAX", 64 * KIB, KIB, 64 * MIB, "bytes",
                "how many bytes the writes of one user may have together that each node carries out at a time; one write alone may have more"),
            Limit::ClockStepMax => row("CLOCK_STEP_MAX", 300, 1, 86_400, "seconds",
                "how far the zone's time may go forward between two entries beyond the time that has passed"),
            Limit::MessageSize => row("MESSAGE_SIZE", 4 * MIB, 64 * KIB, 16 * MIB, "bytes",
                "how large the body of a call may be"),
        }
    }
}

impl Settings {
    /// A limit, in the unit of its [`Row`] and within its range.
    #[must_use]
    pub fn number(&self, limit: Limit) -> u64 {
        let row = limit.row();
        let value = self.all().get(row.name).and_then(whole_u64);
        value.unwrap_or(row.default).clamp(row.min, row.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_zone_has_the_defaults_and_they_are_in_range() {
        let shipped = Settings::shipped("/datastores").expect("the shipped settings");
        for limit in Limit::ALL {
            let row = limit.row();
            assert!((row.min..=row.max).contains(&row.default), "{}", row.name);
            assert_eq!(shipped.value(row.name), row.default.to_string(), "{} is shown", row.name);
            assert_eq!(shipped.number(limit), row.default, "{}", row.name);
            assert_eq!(Settings::default().number(limit), row.default, "{}: absent", row.name);
        }
    }

    #[test]
    fn a_limit_never_leaves_its_range() {
        let mut settings = Settings::default();
        for (text, expected) in [("0", 1), ("400", 400), ("99999999999", 86_400), ("x", 300), ("-1", 300)] {
            settings.set("CLOCK_STEP_MAX", text);
            assert_eq!(settings.number(Limit::ClockStepMax), expected, "{text}");
        }
    }
}
