//! Times in texts, as the reference's C library words them, always in UTC: what apply writes must not depend on where
//! a node stands.

use crate::template::Template;

/// The attribute that shows a driver's failure.
pub const ERROR: &str = "ERROR";

/// A civil date: year, month from 1, day of month, day of week from Sunday.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
    /// From Sunday, 0.
    pub weekday: u8,
}

/// The civil date of a time in unix seconds (the proleptic Gregorian calendar, counted in eras of 400 years).
#[must_use]
pub fn date(time: i64) -> Date {
    let days = time.div_euclid(86_400);
    // Days since 0000-03-01: leap days then end a year.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let small = |n: i64| u8::try_from(n).unwrap_or(0);
    Date { year, month: small(month), day: small(day), weekday: small((days + 4).rem_euclid(7)) }
}

/// A time as C's `ctime` writes it, without the end of line: `Wed Nov 25 09:34:17 2026`.
#[must_use]
pub fn ctime(time: i64) -> String {
    let Date { year, month, day, weekday } = date(time);
    let weekday = pick(&["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"], weekday);
    let second = time.rem_euclid(86_400);
    format!(
        "{weekday} {} {day:2} {:02}:{:02}:{:02} {year}",
        month_name(month),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The short English name of a month, from 1.
#[must_use]
pub fn month_name(month: u8) -> &'static str {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    pick(&MONTHS, month.saturating_sub(1))
}

fn pick<const N: usize>(names: &[&'static str; N], i: u8) -> &'static str {
    names.get(usize::from(i)).copied().unwrap_or("?")
}

/// Shows a driver's failure in a template: attribute `name` becomes the time and the text.
pub fn set_error(template: &mut Template, name: &str, now: i64, text: &str) {
    template.set(name, format!("{} : {text}", ctime(now)));
}

#[cfg(test)]
mod tests {
    use super::ctime;

    #[test]
    fn times_read_as_the_c_library_writes_them() {
        assert_eq!(ctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(ctime(1_795_599_257), "Wed Nov 25 09:34:17 2026");
        assert_eq!(ctime(951_827_696), "Tue Feb 29 12:34:56 2000");
        assert_eq!(ctime(-1), "Wed Dec 31 23:59:59 1969");
    }
}
