//! The numbers of quotas: exact to two decimals.

use std::fmt;

use serde::{Deserialize, Serialize};

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

    /// A whole number; at most 10^12, whatever its sign.
    #[must_use]
    pub fn whole(n: i64) -> Amount {
        Amount(n.saturating_mul(100).clamp(-Amount::LARGEST, Amount::LARGEST))
    }

    /// A number, rounded to hundredths; at most 10^12, whatever its sign.
    #[must_use]
    pub fn of(number: f64) -> Amount {
        // Saturates for absurd numbers, which is what a limit beyond all limits should do.
        #[expect(clippy::cast_possible_truncation)]
        Amount(((number * 100.0).round() as i64).clamp(-Amount::LARGEST, Amount::LARGEST))
    }

    /// The number that a text is, as a whole; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Amount> {
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
}
