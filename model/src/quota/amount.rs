//! The numbers of quotas: exact to two decimals. And what objects use, one checked reading per metric.
//!
//! A reading never fails. When a value cannot be counted as it is, the reading has two things: the nearest amount that can
//! be counted, because counters must follow whatever is stored; and the reason, with which a call that would book such a
//! value is refused. A counter is lowered only by the difference of two readings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::template::{float_text, whole_float, whole_int};

/// A quota number in hundredths: the reference keeps two decimals, and sums of hundredths are exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Amount(pub(super) i64);

impl Amount {
    /// The limit is the one of the default quotas.
    pub(super) const DEFAULT: Amount = Amount(-100);
    /// There is no limit.
    pub(super) const UNLIMITED: Amount = Amount(-200);

    /// No amount is larger, in hundredths, so that sums of very many are still exact: one that saturated would take
    /// others' usage with it when it is given back.
    const LARGEST: i64 = 100_000_000_000_000;
    /// The same in CPUs.
    const LARGEST_CPU: f64 = 1e12;

    /// A whole number; at most 10^12, whatever its sign.
    #[must_use]
    pub(super) fn whole(n: i64) -> Amount {
        Amount(n.saturating_mul(100).clamp(-Amount::LARGEST, Amount::LARGEST))
    }

    /// A number, rounded to hundredths; at most 10^12, whatever its sign.
    fn of(number: f64) -> Amount {
        // Saturates for absurd numbers, which is what a limit beyond all limits should do.
        #[expect(clippy::cast_possible_truncation)]
        Amount(((number * 100.0).round() as i64).clamp(-Amount::LARGEST, Amount::LARGEST))
    }

    /// The limit that a text is, as a whole; `None` when it is no number.
    pub(super) fn parse(text: &str) -> Option<Amount> {
        text.trim_start().parse::<f64>().ok().filter(|number| number.is_finite()).map(Amount::of)
    }

    /// As texts show it: no trailing zeros.
    pub(super) fn in_text(self) -> String {
        let text = self.to_string();
        if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text }
    }

    pub(super) fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    pub(super) fn less(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }

    pub(super) fn minus(self, other: Amount) -> Amount {
        // Counters never go negative, whatever was booked before.
        Amount(self.0.saturating_sub(other.0).max(0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 100 == 0 {
            write!(f, "{}", self.0 / 100)
        } else {
            let sign = if self.0 < 0 { "-" } else { "" };
            write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
        }
    }
}

/// What an object uses of a metric: from 0 to 10^12, and why it may not be booked, when what was given is nothing like it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Used {
    /// What is counted.
    pub amount: Amount,
    /// The refusal of a booking.
    pub fault: Option<String>,
}

impl Used {
    fn or(amount: Option<Amount>, refusal: &str) -> Used {
        Used { amount: amount.unwrap_or_default(), fault: amount.is_none().then(|| refusal.to_owned()) }
    }

    /// The megabytes of memory that a text is. As in the reference (`QuotaVirtualMachine.cc`, `check`) a 32-bit number;
    /// what a stored VM has beyond that counts nevertheless.
    pub fn memory(text: &str) -> Used {
        let given = whole_int(text).filter(|n| *n >= 0);
        let read = Used::or(given.map(Amount::whole), "MEMORY attribute must be a positive integer value");
        if given.is_some_and(|n| i32::try_from(n).is_err()) {
            return Used { fault: Used::memory("").fault, ..read };
        }
        read
    }

    /// The CPUs that a text is (`QuotaVirtualMachine.cc`, `check`): hundredths, and at least one when it is above 0.
    /// (The reference rounds 0.004 to nothing, and lets any number of such VMs run.)
    pub fn cpu(text: &str) -> Used {
        // As the VM keeps it, so that what is booked for a new VM is what the VM then uses.
        #[expect(clippy::cast_possible_truncation)]
        let kept = |n: f64| whole_float(&float_text(n as f32));
        let given = whole_float(text).filter(|n| (0.0..=Amount::LARGEST_CPU).contains(n)).and_then(kept);
        let counted = given.map(|n| if n > 0.0 { Amount::of(n).max(Amount(1)) } else { Amount(0) });
        Used::or(counted, "CPU attribute must be a positive float or integer value")
    }

    /// The megabytes of an image in its datastore (`QuotaDatastore.cc`, `check`).
    pub fn image_size(size_mb: i64) -> Used {
        Used::count(size_mb, "Image size must be a positive integer value")
    }

    /// Megabytes of disks and snapshots in the system datastore.
    pub fn system_disk(size_mb: i64) -> Used {
        Used::count(size_mb, "SIZE attribute must be a positive integer value.")
    }

    /// So many things: images, leases.
    pub fn number(n: i64) -> Used {
        Used::count(n, "Too many resources are asked for at once")
    }

    fn count(n: i64, refusal: &str) -> Used {
        let amount = Amount(Amount::whole(n).0.max(0));
        Used { amount, fault: (!(0..=Amount::LARGEST / 100).contains(&n)).then(|| refusal.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_as_the_reference_does() {
        assert_eq!(Amount::parse("1.5").map(|a| a.to_string()), Some("1.50".to_owned()));
        assert_eq!(Amount(350).in_text(), "3.5");
        assert_eq!(Amount::parse("-1").map(|a| a.to_string()), Some("-1".to_owned()));
        assert_eq!(Amount(i64::MIN).to_string(), "-92233720368547758.08");
        assert_eq!(Amount::parse("x"), None);
        assert_eq!(Amount::parse("5 GB"), None);
    }

    #[test]
    fn what_is_no_amount_counts_as_nothing_and_is_refused() {
        let refused = |used: &Used| used.fault.is_some();
        for text in ["", " ", "x", "-1", "1.5", "NaN", "64MB", "9223372036854775808", "-9223372036854775809"] {
            let used = Used::memory(text);
            assert!(refused(&used) && used.amount == Amount(0), "MEMORY={text}");
        }
        for text in ["", "x", "-1", "-0.001", "NaN", "nan", "inf", "1e400", "1e13", "1,5", "0x10"] {
            let used = Used::cpu(text);
            assert!(refused(&used) && used.amount == Amount(0), "CPU={text}");
        }
        for n in [-1, -90, i64::MIN] {
            for used in [Used::image_size(n), Used::system_disk(n), Used::number(n)] {
                assert!(refused(&used) && used.amount == Amount(0), "{n}");
            }
        }
    }

    #[test]
    fn what_is_too_much_is_refused_but_counts_where_it_is_stored() {
        let most = Used::memory("2147483647");
        assert_eq!((most.amount, most.fault), (Amount::whole(2_147_483_647), None));
        let more = Used::memory("2147483648");
        assert_eq!((more.amount, more.fault.is_some()), (Amount::whole(2_147_483_648), true));
        let sizes = [Used::image_size(i64::MAX), Used::system_disk(i64::MAX), Used::number(i64::MAX)];
        assert!(sizes.iter().all(|used| used.fault.is_some() && used.amount == Amount(Amount::LARGEST)));
    }

    #[test]
    fn the_least_cpu_counts() {
        let counted = |text: &str| Used::cpu(text).amount.to_string();
        assert_eq!(["0.001", "0.004", "0.01", "0.125", "1e-9"].map(counted), ["0.01", "0.01", "0.01", "0.13", "0.01"]);
        assert_eq!(["0", "1", "0.1", "1e2", " 2"].map(counted), ["0", "1", "0.10", "100", "2"]);
        // Stored as 0.125.
        assert_eq!([counted("0.12499999"), counted("0.125")], ["0.13", "0.13"]);
        assert!(["0", "0.004", "1e-9"].iter().all(|text| Used::cpu(text).fault.is_none()));
    }
}
