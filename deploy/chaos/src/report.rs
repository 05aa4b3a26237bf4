//! The table at the end of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_oracle::{Call, Outcome};

use crate::episode::Episode;
use crate::faults::Fault;
use crate::workload::is_acknowledged_write;

/// How many calls came to what.
#[derive(Clone, Copy, Default)]
struct Calls {
    done: usize,
    unknown: usize,
    refused: usize,
}

impl Calls {
    fn count<'a>(calls: impl Iterator<Item = &'a Call>) -> Calls {
        let mut counted = Calls::default();
        for call in calls {
            match call.outcome {
                // That something is missing is an answer, too.
                Outcome::Done(_) | Outcome::Missing => counted.done += 1,
                Outcome::Unknown(_) => counted.unknown += 1,
                Outcome::Refused(_) => counted.refused += 1,
            }
        }
        counted
    }
}

/// A kind of fault.
#[derive(Default)]
struct Row {
    times: usize,
    calls: Calls,
    /// The longest pause of episodes in good weather.
    alone: Option<Duration>,
    /// The same in bad weather.
    in_weather: Option<Duration>,
    anomalies: usize,
}

/// The table of faults, and a line of totals.
pub fn table(episodes: &[Episode], calls: &[Call]) -> String {
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_by_key(|call| call.to);
    let writes: Vec<Duration> = calls.iter().filter(|call| is_acknowledged_write(call)).map(|call| call.to).collect();
    let mut rows: BTreeMap<Fault, Row> = BTreeMap::new();
    for episode in episodes {
        let row = rows.entry(episode.fault).or_default();
        let within = calls.iter().filter(|call| episode.from <= call.to && call.to < episode.to).copied();
        let counted = Calls::count(within);
        row.times += 1;
        row.calls.done += counted.done;
        row.calls.unknown += counted.unknown;
        row.calls.refused += counted.refused;
        row.anomalies += episode.anomalies.len();
        let longest = if episode.weather.is_some() { &mut row.in_weather } else { &mut row.alone };
        *longest = (*longest).max(Some(pause(episode, &writes)));
    }
    let mut lines = vec![
        "                          calls while it lasted       longest write pause, ms".to_owned(),
        "fault            times     done  unknown  refused       alone  in weather  anomalies".to_owned(),
    ];
    lines.extend(rows.iter().map(|(fault, row)| {
        let Row { times, calls: Calls { done, unknown, refused }, .. } = row;
        let (alone, in_weather) = (millis(row.alone), millis(row.in_weather));
        let name = fault.name();
        format!(
            "{name:<15} {times:>6} {done:>8} {unknown:>8} {refused:>8} {alone:>11} {in_weather:>11} {:>10}",
            row.anomalies
        )
    }));
    let all = Calls::count(calls.iter().copied());
    lines.push(format!(
        "in all: {} faults; {} calls: {} done ({} of them writes), {} unknown, {} refused",
        episodes.len(),
        calls.len(),
        all.done,
        writes.len(),
        all.unknown,
        all.refused
    ));
    lines.join("\n")
}

/// The longest time of an episode without an acknowledged write, while a majority ran and was connected. It may end
/// after the episode, with the next write.
fn pause(episode: &Episode, writes: &[Duration]) -> Duration {
    let from = if episode.fault.keeps_majority() { episode.from } else { episode.mended };
    let first = writes.partition_point(|at| *at < from);
    let mut longest = Duration::ZERO;
    let mut last = from;
    for at in &writes[first..] {
        longest = longest.max(*at - last);
        last = *at;
        if last >= episode.to {
            return longest;
        }
    }
    // Nobody wrote any more.
    longest.max(episode.to.saturating_sub(last))
}

fn millis(time: Option<Duration>) -> String {
    time.map_or("-".to_owned(), |time| time.as_millis().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(all: &[u64]) -> Vec<Duration> {
        all.iter().copied().map(Duration::from_secs).collect()
    }

    fn episode(fault: Fault) -> Episode {
        let time = Duration::from_secs;
        Episode { fault, weather: None, from: time(10), mended: time(15), to: time(20), anomalies: Vec::new() }
    }

    #[test]
    fn a_pause_is_the_longest_time_between_acknowledged_writes_of_the_episode() {
        let longest = |writes: &[u64]| pause(&episode(Fault::KillLeader), &seconds(writes)).as_secs();
        assert_eq!(longest(&[1, 9, 11, 14, 19, 21]), 5);
        assert_eq!(longest(&[1, 11, 12, 13, 14, 15, 16, 17, 18, 19, 29]), 10, "it ends with the next write");
        assert_eq!(longest(&[1, 17, 18, 21]), 7, "it begins with the fault");
        assert_eq!(longest(&[1, 11]), 9, "nobody writes any more");
        assert_eq!(longest(&[]), 10);
    }

    #[test]
    fn without_a_majority_a_pause_begins_when_everything_is_mended() {
        assert_eq!(pause(&episode(Fault::KillAll), &seconds(&[9, 16, 17, 18, 19, 20])).as_secs(), 1);
    }
}
