//! When the next message may go out.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use openpact_model::chat::Info;
use openpact_model::random::Random;
use tokio::time::Instant;

use super::{Pace, lock};

/// The longest that a platform may ask to wait; a longer time is looked at again then.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Above this many channels, those that may send are forgotten: they say nothing.
const MANY: usize = 256;

/// The pace of one adapter.
pub(super) struct Pacer {
    /// Between two messages in one channel.
    interval: Duration,
    /// Between two messages anywhere.
    spacing: Duration,
    /// Whoever has this waits for the next moment over all channels; the others wait for this, in order.
    gate: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Nothing is sent before.
    paused: Option<Instant>,
    /// The next free moment over all channels.
    next: Option<Instant>,
    /// When each channel may send again, the threads of one together.
    channels: HashMap<String, Instant>,
    /// The channel that the platform slows down for the longest, and until when.
    limited: Option<(String, Instant)>,
    /// Until when no sign of typing is shown in a channel, and anywhere.
    silent: HashMap<String, Instant>,
    all_silent: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(info: &Info, pace: Pace) -> Self {
        let interval = pace.per_channel.unwrap_or(Duration::from_millis(info.send_interval.into()));
        let rate = pace.per_second.or(info.send_rate);
        let spacing = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, spacing, gate: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    /// Waits until a message may go into `channel`, behind the channels that waited before.
    pub(super) async fn wait(&self, channel: &str) {
        loop {
            if let Some(until) = self.closed(channel, Instant::now()) {
                tokio::time::sleep_until(until).await;
                continue;
            }
            let _gate = self.gate.lock().await;
            // The channel itself may be closed meanwhile; then it must not keep the others waiting.
            while self.closed(channel, Instant::now()).is_none() {
                match self.take(channel, Instant::now()) {
                    Ok(()) => return,
                    Err(until) => tokio::time::sleep_until(until).await,
                }
            }
        }
    }

    /// Until when the channel itself may send nothing.
    fn closed(&self, channel: &str, now: Instant) -> Option<Instant> {
        lock(&self.state).channels.get(channel).copied().filter(|until| *until > now)
    }

    /// Takes the next moment at which a message may go into `channel`; `Err` with when to ask again.
    fn take(&self, channel: &str, now: Instant) -> Result<(), Instant> {
        let mut state = lock(&self.state);
        let closed = [state.paused, state.channels.get(channel).copied(), state.next];
        if let Some(until) = closed.into_iter().flatten().max().filter(|until| *until > now) {
            return Err(until);
        }
        if !self.spacing.is_zero() {
            state.next = Some(now + self.spacing);
        }
        state.close(channel, now, self.interval);
        Ok(())
    }

    /// The channel may send nothing for a while: the platform asked for it.
    pub(super) fn pause(&self, channel: &str, now: Instant, time: Duration) {
        lock(&self.state).close(channel, now, time.min(LONGEST_WAIT));
    }

    /// The platform refused a message because there are too many. One that says it for one channel while it does for
    /// another means all of them.
    pub(super) fn limited(&self, channel: &str, now: Instant, time: Duration, global: bool) {
        let until = now + time.min(LONGEST_WAIT);
        let is_everywhere = {
            let mut state = lock(&self.state);
            let before = state.limited.take().filter(|(_, until)| *until > now);
            let is_another = before.as_ref().is_some_and(|(other, _)| other != channel);
            let before = before.filter(|(other, before)| other != channel && *before > until);
            state.limited = Some(before.unwrap_or_else(|| (channel.to_owned(), until)));
            is_another || global
        };
        if is_everywhere {
            self.pause_all(now, time);
        } else {
            self.pause(channel, now, time);
        }
    }

    /// Takes a moment for a call that nothing depends on, if there is one right now. It is none of the channel's
    /// messages, so that no message of it waits longer.
    fn spare(&self, channel: &str, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let is_limited =
            state.limited.as_ref().is_some_and(|(limited, until)| limited == channel && *until > now);
        let closed = [state.paused, state.next];
        if is_limited || closed.into_iter().flatten().any(|until| until > now) {
            return false;
        }
        if !self.spacing.is_zero() {
            state.next = Some(now + self.spacing);
        }
        true
    }

    /// The platform refused a sign of typing because there are too many. Nobody waits for one, and none is shown for that
    /// long; messages do not wait for it, however many it says there are.
    pub(super) fn typing_limited(&self, channel: &str, now: Instant, time: Duration, global: bool) {
        let until = now + time.min(LONGEST_WAIT);
        let mut state = lock(&self.state);
        if global {
            state.all_silent = state.all_silent.max(Some(until));
            return;
        }
        if state.silent.len() >= MANY {
            state.silent.retain(|_, until| *until > now);
        }
        let silent = state.silent.entry(channel.to_owned()).or_insert(until);
        *silent = (*silent).max(until);
    }

    /// Takes a moment for a sign of typing, if there is one right now and nobody waits for another.
    pub(super) fn may_type(&self, channel: &str, now: Instant) -> bool {
        let is_silent = {
            let state = lock(&self.state);
            let silent = [state.all_silent, state.silent.get(channel).copied()];
            silent.into_iter().flatten().any(|until| until > now)
        };
        !is_silent && self.try_spare(channel, now)
    }

    /// Takes a moment for a message that nobody waits for, if there is one right now and nobody waits for another.
    pub(super) fn try_take(&self, channel: &str, now: Instant) -> bool {
        let Ok(_gate) = self.gate.try_lock() else { return false };
        self.take(channel, now).is_ok()
    }

    /// The same for the change of a message, which is none of the channel's messages.
    pub(super) fn try_spare(&self, channel: &str, now: Instant) -> bool {
        let Ok(_gate) = self.gate.try_lock() else { return false };
        self.spare(channel, now)
    }

    /// No channel may.
    fn pause_all(&self, now: Instant, time: Duration) {
        let mut state = lock(&self.state);
        state.paused = state.paused.max(Some(now + time.min(LONGEST_WAIT)));
    }

    /// Whether a message may go into `channel` right after another.
    pub(super) fn is_free(&self, channel: &str, now: Instant) -> bool {
        let state = lock(&self.state);
        let closed = [state.paused, state.channels.get(channel).copied(), state.next];
        closed.into_iter().flatten().all(|until| until <= now)
    }
}

impl State {
    /// Nothing goes into `channel` for that time.
    fn close(&mut self, channel: &str, now: Instant, time: Duration) {
        if time.is_zero() {
            return;
        }
        if self.channels.len() >= MANY {
            self.channels.retain(|_, until| *until > now);
        }
        let until = self.channels.entry(channel.to_owned()).or_insert(now);
        *until = (*until).max(now + time);
    }
}

/// How long to wait after failure number `failures` (from 1): twice as long each time, and spread over the upper half,
/// so that not everybody comes back at the same instant.
pub(super) fn backoff(base: Duration, most: Duration, failures: u32, random: &dyn Random) -> Duration {
    let wait = base.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(most);
    let mut byte = [0];
    random.fill(&mut byte);
    wait / 2 + wait / 2 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use openpact_model::chat::{Abilities, LengthUnit};
    use openpact_model::random::SystemRandom;

    use super::*;

    fn pacer(interval: u32, rate: Option<u32>, pace: Pace) -> Pacer {
        let info = Info {
            platform: "test".into(),
            title: "Test".into(),
            abilities: Abilities::default(),
            message_length: 100,
            length_unit: LengthUnit::Bytes,
            typing_interval: None,
            edit_interval: 0,
            send_interval: interval,
            send_rate: rate,
        };
        Pacer::new(&info, pace)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_channel_waits_for_itself_and_for_no_other() {
        let (pacer, now) = (pacer(1000, None, Pace::default()), Instant::now());
        assert_eq!(pacer.take("a", now), Ok(()));
        assert_eq!(pacer.take("a", now), Err(now + 1000 * MS));
        assert_eq!(pacer.take("a", now + 999 * MS), Err(now + 1000 * MS));
        assert_eq!(pacer.take("b", now), Ok(()));
        assert_eq!(pacer.take("a", now + 1000 * MS), Ok(()));
    }

    #[test]
    fn all_channels_together_keep_the_rate() {
        let (pacer, start) = (pacer(0, Some(4), Pace::default()), Instant::now());
        let mut now = start;
        let mut sent = 0;
        for channel in 0..100 {
            while let Err(until) = pacer.take(&channel.to_string(), now) {
                now = until;
            }
            sent += 1;
            if now >= start + 2000 * MS {
                break;
            }
        }
        assert_eq!(sent, 9, "four in a second, and the first of the third second");
    }

    #[test]
    fn what_the_admin_says_counts_and_what_the_platform_asks_for_too() {
        let pace = Pace { per_channel: Some(10 * MS), per_second: Some(1000) };
        let (pacer, now) = (pacer(1000, Some(1), pace), Instant::now());
        assert_eq!(pacer.take("a", now), Ok(()));
        assert_eq!(pacer.take("b", now), Err(now + MS));
        assert_eq!(pacer.take("a", now + 10 * MS), Ok(()));
        pacer.pause("a", now, 500 * MS);
        assert_eq!(pacer.take("a", now + 499 * MS), Err(now + 500 * MS));
        assert_eq!(pacer.take("b", now + 400 * MS), Ok(()));
        pacer.pause_all(now, 700 * MS);
        assert_eq!(pacer.take("b", now + 600 * MS), Err(now + 700 * MS));
        pacer.pause_all(now, Duration::from_hours(1000));
        assert_eq!(pacer.take("b", now + 700 * MS), Err(now + LONGEST_WAIT));
    }

    #[test]
    fn one_channel_that_is_slowed_down_slows_no_other_and_two_slow_all() {
        let (pacer, now) = (pacer(0, None, Pace::default()), Instant::now());
        pacer.limited("a", now, 1000 * MS, false);
        assert_eq!(pacer.take("a", now), Err(now + 1000 * MS));
        assert_eq!(pacer.take("b", now), Ok(()));
        // The same one again is still one; another after its pause is as well.
        pacer.limited("a", now + 10 * MS, 990 * MS, false);
        pacer.limited("b", now + 1000 * MS, 100 * MS, false);
        assert_eq!(pacer.take("c", now + 1050 * MS), Ok(()));
        pacer.limited("c", now + 1099 * MS, 500 * MS, false);
        assert_eq!(pacer.take("d", now + 1100 * MS), Err(now + 1599 * MS));
        assert_eq!(pacer.take("d", now + 1599 * MS), Ok(()));
        pacer.limited("a", now + 5000 * MS, 100 * MS, true);
        assert_eq!(pacer.take("d", now + 5099 * MS), Err(now + 5100 * MS));
    }

    #[test]
    fn what_nothing_depends_on_takes_a_spare_moment_or_none() {
        let (pacer, now) = (pacer(1000, Some(10), Pace::default()), Instant::now());
        assert!(pacer.spare("a", now));
        assert!(!pacer.spare("b", now + 99 * MS), "the rate over all channels holds for it too");
        assert_eq!(pacer.take("a", now + 100 * MS), Ok(()), "a message of the channel does not wait for it");
        assert!(pacer.spare("a", now + 200 * MS));
        pacer.limited("a", now + 300 * MS, 1000 * MS, false);
        assert!(!pacer.spare("a", now + 1299 * MS));
        assert!(pacer.spare("b", now + 1299 * MS));
        pacer.limited("a", now + 2000 * MS, 1000 * MS, true);
        assert!(!pacer.spare("b", now + 2999 * MS));
    }

    #[test]
    fn signs_of_typing_that_are_refused_keep_no_message_waiting() {
        let (pacer, now) = (pacer(0, Some(10), Pace::default()), Instant::now());
        assert!(pacer.may_type("a", now));
        assert_eq!(pacer.take("a", now + 100 * MS), Ok(()));
        pacer.typing_limited("a", now + 100 * MS, 1000 * MS, false);
        for (at, channel, expected) in
            [(200, "a", false), (300, "b", true), (1099, "a", false), (1200, "a", true)]
        {
            assert_eq!(pacer.may_type(channel, now + at * MS), expected, "{channel} at {at}");
        }
        pacer.typing_limited("a", now + 2000 * MS, 1000 * MS, true);
        pacer.typing_limited("a", now + 2000 * MS, 10 * MS, true);
        for (at, channel, expected) in [(2100, "a", false), (2999, "b", false), (3000, "b", true)] {
            assert_eq!(pacer.may_type(channel, now + at * MS), expected, "{channel} at {at}");
        }
        pacer.typing_limited("a", now + 4000 * MS, Duration::from_hours(9), true);
        assert_eq!(pacer.take("a", now + 4000 * MS), Ok(()), "a message is sent all the same");
        assert!(pacer.try_spare("a", now + 4100 * MS), "and so is a change of one");
        let gate = pacer.gate.try_lock().unwrap();
        assert!(!pacer.may_type("a", now + 2 * LONGEST_WAIT), "whoever waits comes before it");
        drop(gate);
        assert!(pacer.may_type("a", now + 2 * LONGEST_WAIT));
    }

    #[test]
    fn only_so_many_silent_channels_are_remembered() {
        let (pacer, start) = (pacer(0, None, Pace::default()), Instant::now());
        for number in 0..10_000_u32 {
            pacer.typing_limited(&number.to_string(), start + number * MS, 10 * MS, false);
        }
        assert!(lock(&pacer.state).silent.len() <= MANY);
    }

    #[test]
    fn whoever_waits_comes_before_what_nobody_waits_for() {
        let (pacer, now) = (pacer(1000, Some(10), Pace::default()), Instant::now());
        assert!(pacer.try_take("a", now));
        assert!(!pacer.try_take("a", now + 999 * MS), "a channel keeps its pace");
        assert!(!pacer.try_spare("b", now + 99 * MS), "so do all of them");
        assert!(pacer.try_spare("a", now + 100 * MS), "a change is no message");
        let gate = pacer.gate.try_lock().unwrap();
        assert!(!pacer.try_take("a", now + 2000 * MS) && !pacer.try_spare("a", now + 2000 * MS));
        drop(gate);
        assert!(pacer.try_take("a", now + 2000 * MS));
    }

    #[test]
    fn channels_that_may_send_are_forgotten() {
        let (pacer, now) = (pacer(1000, None, Pace::default()), Instant::now());
        for second in 0..10_u32 {
            for channel in 0..MANY {
                let at = now + Duration::from_secs(2) * second;
                assert_eq!(pacer.take(&format!("{second}-{channel}"), at), Ok(()));
            }
        }
        assert!(lock(&pacer.state).channels.len() <= MANY + 1);
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let wait = |failures| backoff(100 * MS, 1000 * MS, failures, &SystemRandom);
        for (failures, most) in [(1, 100), (2, 200), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            let wait = wait(failures);
            assert!(wait >= most * MS / 2 && wait <= most * MS, "{failures}: {wait:?}");
        }
    }
}
