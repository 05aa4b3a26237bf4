//! What is believed, what is not, and what holds whatever clocks say.

use proptest::prelude::*;

use super::*;

/// A right wall clock when the machine has been up for [`UP`].
const NOW: i64 = 1_790_000_000_000;
const UP: i64 = 86_400_000;
const YEARS: i64 = 27_000 * 86_400_000;
const HOUR: i64 = 3_600_000;
/// The zone's CLOCK_STEP_MAX.
const MOST: i64 = 300_000;

fn stamp(time: i64) -> Stamp {
    Stamp { era: 0, time: time / SECOND }
}

/// A node whose zone's time was right when the machine had been up for [`UP`].
fn right() -> ZoneClock {
    let mark = ClockMark { boot: "b".to_owned(), uptime: UP, time: NOW, era: 0 };
    ZoneClock::open(stamp(NOW), Some(&mark), "b", UP)
}

#[test]
fn a_right_clock_is_followed() {
    let mut clock = right();
    for passed in [0, 1, 15_000, 15_000, HOUR] {
        assert_eq!(clock.look(NOW + passed, UP + passed, Agreement::Agreed, MOST), Step::Followed);
        assert_eq!(clock.read(UP + passed), NOW + passed);
    }
    assert_eq!(clock.stamp(UP + HOUR + 1999).time, (NOW + HOUR + 1999) / 1000);
}

/// One write through a node whose clock said 2100 moved the zone there for good.
#[test]
fn a_clock_that_says_2100_is_not_believed_and_not_followed_in_small_steps_either() {
    for agreement in [Agreement::Alone, Agreement::Unknown, Agreement::Off(YEARS)] {
        let mut clock = right();
        for passed in (0..1000).map(|n| n * 10_000) {
            let step = clock.look(NOW + passed + YEARS, UP + passed, agreement, MOST);
            assert_eq!(step, Step::Doubted(YEARS), "{agreement:?}");
            assert_eq!(clock.read(UP + passed), NOW + passed, "{agreement:?}");
        }
        let later = 3 * HOUR;
        assert_eq!(clock.look(NOW + later, UP + later, Agreement::Alone, MOST), Step::Followed);
    }
}

#[test]
fn a_small_step_is_made_at_once_but_many_small_ones_are_one_large_one() {
    let mut clock = right();
    assert_eq!(clock.look(NOW + 200_000, UP, Agreement::Alone, MOST), Step::Followed);
    assert_eq!(clock.read(UP), NOW + 200_000);
    assert_eq!(clock.look(NOW + 400_000, UP, Agreement::Alone, MOST), Step::Doubted(200_000));
    assert_eq!(clock.read(UP), NOW + 200_000);
    // One part in a thousand is forgiven.
    let later = 110_000_000;
    let step = clock.look(NOW + 400_000 + later, UP + later, Agreement::Alone, MOST);
    assert_eq!(step, Step::Followed);
}

#[test]
fn time_that_is_ahead_of_a_believed_clock_runs_at_half_pace_until_they_meet() {
    for agreement in [Agreement::Alone, Agreement::Agreed] {
        let mut clock = right();
        assert_eq!(clock.look(NOW - HOUR, UP, agreement, MOST), Step::Approached(-HOUR));
        assert_eq!(clock.read(UP), NOW);
        assert_eq!(clock.read(UP + HOUR), NOW + HOUR / 2);
        assert_eq!(clock.read(UP + 3 * HOUR), NOW + 2 * HOUR, "they have met");
    }
    let mut clock = right();
    assert_eq!(clock.look(NOW - HOUR, UP, Agreement::Off(-HOUR), MOST), Step::Doubted(-HOUR));
    assert_eq!(clock.read(UP + HOUR), NOW + HOUR);
}

/// However often it is looked at: half of a millisecond is no whole number.
#[test]
fn time_does_not_stand_still_under_load() {
    let mut clock = right();
    for passed in 0..10_000 {
        clock.look(NOW - HOUR + passed, UP + passed, Agreement::Agreed, MOST);
    }
    assert!(clock.read(UP + 10_000) >= NOW + 5_000);
}

#[test]
fn time_that_is_behind_what_most_clocks_say_runs_at_double_pace_until_they_meet() {
    let mut clock = right();
    assert_eq!(clock.look(NOW + HOUR, UP, Agreement::Agreed, MOST), Step::Approached(HOUR));
    assert_eq!(clock.read(UP), NOW);
    assert_eq!(clock.read(UP + HOUR / 2), NOW + HOUR);
    assert_eq!(clock.read(UP + 2 * HOUR), NOW + 3 * HOUR, "they have met");
}

/// It ran at double or half pace towards what nobody confirms any more.
#[test]
fn time_approaches_a_clock_only_while_that_is_believed() {
    for (off, after_an_hour) in [(YEARS, 2 * HOUR), (-YEARS, HOUR / 2)] {
        for doubt in [Agreement::Unknown, Agreement::Off(off)] {
            let mut clock = right();
            assert_eq!(clock.look(NOW + off, UP, Agreement::Agreed, MOST), Step::Approached(off));
            let wall = NOW + HOUR + off;
            let step = clock.look(wall, UP + HOUR, doubt, MOST);
            assert_eq!(step, Step::Doubted(wall - NOW - after_an_hour));
            assert_eq!(clock.read(UP + HOUR), NOW + after_an_hour);
            assert_eq!(clock.read(UP + 2 * HOUR), NOW + after_an_hour + HOUR, "by what has passed since, only");
            clock.look(wall + HOUR, UP + 2 * HOUR, doubt, MOST);
            assert_eq!(clock.read(UP + 3 * HOUR), NOW + after_an_hour + 2 * HOUR);
        }
    }
}

#[test]
fn after_a_restart_of_the_machine_a_wall_clock_is_believed_if_most_agree() {
    let weekend = 60 * HOUR;
    let mark = ClockMark { boot: "before".to_owned(), uptime: UP, time: NOW, era: 0 };
    let restarted = || ZoneClock::open(stamp(NOW), Some(&mark), "after", 1000);
    for agreement in [Agreement::Alone, Agreement::Agreed] {
        let mut clock = restarted();
        assert_eq!(clock.mark("after", 1000), None);
        assert_eq!(clock.look(NOW + weekend, 1000, agreement, MOST), Step::Resumed(weekend));
        assert_eq!(clock.read(1000), NOW + weekend);
        // Once only.
        let step = clock.look(NOW + 2 * weekend, 1000, Agreement::Alone, MOST);
        assert_eq!(step, Step::Doubted(weekend));
    }
    for agreement in [Agreement::Unknown, Agreement::Off(weekend)] {
        let mut clock = restarted();
        assert_eq!(clock.look(NOW + weekend, 1000, agreement, MOST), Step::Doubted(weekend));
        assert_eq!(clock.read(1000), NOW);
    }
}

#[test]
fn after_a_restart_of_the_process_the_uptime_tells_what_has_passed() {
    let mark = right().mark("b", UP + 5000).unwrap();
    assert_eq!(mark.time, NOW + 5000);
    let mut clock = ZoneClock::open(stamp(NOW), Some(&mark), "b", UP + HOUR);
    assert_eq!(clock.read(UP + HOUR), NOW + HOUR);
    assert_eq!(clock.look(NOW + YEARS, UP + HOUR, Agreement::Alone, MOST), Step::Doubted(YEARS - HOUR));
    let impossible = ClockMark { uptime: UP + 2 * HOUR, ..mark };
    let clock = ZoneClock::open(stamp(NOW), Some(&impossible), "b", UP + HOUR);
    assert_eq!(clock.mark("b", UP + HOUR), None);
}

/// Killed between the entry that sets the time and the mark of it: then a wrong clock was believed, whatever it said.
#[test]
fn after_the_time_was_set_no_more_can_have_passed_than_since_the_last_mark() {
    let mark = right().mark("b", UP + 5000).unwrap();
    // An hour later it was set to an hour from then, at once followed by a restart.
    let set = Stamp { era: 1, time: (NOW + 2 * HOUR) / SECOND };
    let opened = || ZoneClock::open(set, Some(&mark), "b", UP + HOUR + 5000);
    assert_eq!(opened().read(UP + HOUR + 5000), NOW + 2 * HOUR);
    assert_eq!(opened().mark("b", UP + HOUR + 5000), None, "nobody can tell exactly");
    for (ahead, believed) in [(YEARS, false), (2 * HOUR, false), (HOUR, true), (-HOUR, true)] {
        let mut clock = opened();
        let step = clock.look(NOW + 2 * HOUR + ahead, UP + HOUR + 5000, Agreement::Alone, MOST);
        assert_eq!(!matches!(step, Step::Doubted(_)), believed, "{ahead}: {step:?}");
        assert_eq!(clock.read(UP + HOUR + 5000), NOW + 2 * HOUR + if believed { ahead.max(0) } else { 0 });
        assert_eq!(clock.mark("b", UP + HOUR + 5000).is_some(), believed);
    }
}

/// Whoever reads the newest state just before another sees the time set must not set it back.
#[test]
fn an_era_begins_once_and_none_comes_back() {
    let mut clock = right();
    let set = Stamp { era: 2, time: (NOW - HOUR) / SECOND };
    clock.begin(set, UP);
    clock.begin(set, UP + 2 * SECOND);
    assert_eq!(clock.stamp(UP + 2 * SECOND), Stamp { time: set.time + 2, ..set });
    for era in [0, 1] {
        clock.begin(Stamp { era, time: NOW / SECOND }, UP + 2 * SECOND);
        clock.applied(Stamp { era, time: NOW / SECOND }, UP + 2 * SECOND, true, false);
        assert_eq!(clock.stamp(UP + 2 * SECOND), Stamp { time: set.time + 2, ..set });
    }
}

#[test]
fn a_fresh_zone_takes_the_time_of_its_founder_unless_most_disagree() {
    let fresh = || ZoneClock::open(Stamp::default(), None, "b", UP);
    for agreement in [Agreement::Alone, Agreement::Agreed, Agreement::Unknown] {
        let mut clock = fresh();
        assert_eq!(clock.look(NOW, UP, agreement, MOST), Step::Followed);
        assert_eq!(clock.stamp(UP), stamp(NOW));
    }
    assert!(matches!(fresh().look(NOW, UP, Agreement::Off(YEARS), MOST), Step::Doubted(_)));
}

#[test]
fn a_follower_shows_the_leaders_time_and_goes_on_while_it_is_silent() {
    let mut clock = ZoneClock::open(stamp(NOW), None, "b", UP);
    assert_eq!(clock.mark("b", UP), None);
    // What it catches up with may be old.
    clock.applied(stamp(NOW + 1000), UP + 10, false, false);
    assert_eq!(clock.mark("b", UP + 10), None);
    clock.applied(stamp(NOW + 50_000), UP + 20, false, true);
    assert!(clock.mark("b", UP + 20).is_some());
    assert_eq!(clock.read(UP + 20 + 700), NOW + 50_700);
    // The next stamp is of the same second.
    clock.applied(stamp(NOW + 50_000), UP + 20 + 700, false, true);
    assert_eq!(clock.read(UP + 20 + 1700), NOW + 51_700);
    // A leader whose time is earlier is waited for, not gone back to.
    clock.applied(stamp(NOW + 41_000), UP + 20 + 1700, false, true);
    assert_eq!(clock.read(UP + 20 + 1700), NOW + 51_700);
    assert_eq!(clock.read(UP + 20 + 11_700), NOW + 56_700);
}

#[test]
fn what_the_administrator_sets_counts_at_once_everywhere() {
    for leads in [false, true] {
        let mut clock = right();
        clock.look(NOW, UP, Agreement::Alone, MOST);
        clock.applied(Stamp { era: 1, time: (NOW - HOUR) / SECOND }, UP + 5, leads, true);
        assert_eq!(clock.stamp(UP + 5), Stamp { era: 1, time: (NOW - HOUR) / SECOND });
    }
}

#[test]
fn a_majority_agrees_or_nobody_knows() {
    let most = |offsets: &[i64], voters| majority(offsets.iter().copied(), voters, MOST);
    assert_eq!(most(&[0], 1), Some(0));
    assert_eq!(most(&[0], 3), None);
    assert_eq!(most(&[0, 5], 3), Some(5));
    assert_eq!(most(&[0, YEARS, YEARS + 10], 3), Some(YEARS + 10), "this one is behind");
    assert_eq!(most(&[-YEARS, 0, YEARS], 3), None);
    assert_eq!(most(&[0, YEARS], 2), None, "one of two: nobody can tell which");
    assert_eq!(most(&[0, 1, YEARS, YEARS], 4), None);
    assert_eq!(most(&[0, MOST, 2 * MOST], 3), Some(MOST));
}

proptest! {
    /// Whatever a wall clock says that nobody confirms, and however often it is looked at: time goes forwards, at least at
    /// half pace, and in all by no more than what passes, one step, and what is forgiven.
    #[test]
    fn time_stays_near_what_passes(looks in prop::collection::vec((0_i64..100_000, -YEARS..YEARS, 0_u8..4), 1..200)) {
        let mut clock = right();
        let (mut uptime, mut before) = (UP, NOW);
        for (passed, off, kind) in looks {
            uptime += passed;
            let wall = NOW + (uptime - UP);
            let off = match kind { 0 => off, 1 => off % HOUR, 2 => off % SECOND, _ => 0 };
            let shown = clock.read(uptime);
            prop_assert!(shown >= before + passed / 2);
            clock.look(wall + off, uptime, Agreement::Alone, MOST);
            before = clock.read(uptime);
            prop_assert!(before >= shown);
            let limit = NOW + (uptime - UP) + MOST + (uptime - UP) / FORGIVEN;
            prop_assert!(before <= limit, "{before} > {limit}");
        }
    }
}
