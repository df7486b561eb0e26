//! What is in memory of a channel while something happens there, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use openpact_model::role::Channel;
use tokio_util::sync::CancellationToken;

/// The channels in which something happens.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<Channel, Lane>>);

#[derive(Default)]
struct Lane {
    /// Grows with everything that comes, so that a worker that found nothing knows whether that is still true.
    arrived: u64,
    served: bool,
    waiting: usize,
    /// Whether somebody was told that too much waits; of the messages, and of what goes beside them.
    told: bool,
    controls_told: bool,
    current: Option<Current>,
    /// What was given before this number is stopped when it begins.
    stopped: i64,
    /// What is done beside the turns, by number: cancelled when it is done.
    controls: BTreeMap<i64, Control>,
}

struct Current {
    number: i64,
    cancel: CancellationToken,
}

struct Control {
    is_immediate: bool,
    done: CancellationToken,
}

/// What a new message finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Free,
    /// There is none; this is the first to hear it.
    Full,
    /// There is none, and that was told.
    StillFull,
}

impl Room {
    fn none(told: &mut bool) -> Self {
        if std::mem::replace(told, true) { Self::StillFull } else { Self::Full }
    }
}

impl Lane {
    /// Stops what runs or is about to, for a message before that number; gives how many wait behind it.
    fn stop(&mut self, before: i64) -> Option<usize> {
        match &self.current {
            Some(current) if current.number < before => current.cancel.cancel(),
            None if self.waiting > 0 => self.stopped = before,
            // Nothing is there, or it was said before the message that is being answered.
            _ => return None,
        }
        Some(self.waiting.saturating_sub(1))
    }

    fn is_idle(&self) -> bool {
        !self.served && self.controls.is_empty()
    }
}

/// Whether `other` is a whole channel or one of its threads.
fn is_within(other: &Channel, whole: &Channel) -> bool {
    whole.thread.is_none() && other.provider == whole.provider && other.channel == whole.channel
}

impl Lanes {
    /// Whether one more message may wait.
    pub(super) fn room(&self, channel: &Channel, most: usize) -> Room {
        match self.lock().get_mut(channel) {
            Some(lane) if lane.waiting >= most => Room::none(&mut lane.told),
            _ => Room::Free,
        }
    }

    /// Whether one more may wait of what goes beside the messages.
    pub(super) fn control_room(&self, channel: &Channel, most: usize) -> Room {
        match self.lock().get_mut(channel) {
            Some(lane) if lane.controls.len() >= most => Room::none(&mut lane.controls_told),
            _ => Room::Free,
        }
    }

    /// Messages have come; says whether a worker has to be started.
    pub(super) fn arrive(&self, channel: &Channel, count: usize) -> bool {
        let mut lanes = self.lock();
        let lane = lanes.entry(channel.clone()).or_default();
        lane.arrived += 1;
        lane.waiting += count;
        !std::mem::replace(&mut lane.served, true)
    }

    /// What a worker remembers before it looks whether there is something to do.
    pub(super) fn arrived(&self, channel: &Channel) -> u64 {
        self.lock().get(channel).map_or(0, |lane| lane.arrived)
    }

    /// A worker ends, unless something came since it looked; says whether it may.
    pub(super) fn leave(&self, channel: &Channel, seen: u64) -> bool {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(channel) else { return true };
        if lane.arrived != seen {
            return false;
        }
        (lane.served, lane.waiting, lane.told) = (false, 0, false);
        if lane.is_idle() {
            lanes.remove(channel);
        }
        true
    }

    /// A turn begins. Its token is cancelled when somebody stops it.
    pub(super) fn begin(&self, channel: &Channel, number: i64, cancel: &CancellationToken) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(channel) else { return };
        if number < lane.stopped {
            cancel.cancel();
        }
        lane.stopped = 0;
        lane.current = Some(Current { number, cancel: cancel.clone() });
    }

    /// A turn has ended, or there was none to run.
    pub(super) fn end(&self, channel: &Channel) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(channel) else { return };
        lane.waiting = lane.waiting.saturating_sub(1);
        lane.current = None;
    }

    /// Stops the turn that runs, or that is about to, for a message before number `before`; gives how many wait behind
    /// it, or `None` where there is none. A channel in which all happens in threads has none of its own: those in its
    /// threads are meant then.
    pub(super) fn stop(&self, channel: &Channel, before: i64) -> Option<usize> {
        let mut lanes = self.lock();
        if let Some(lane) = lanes.get_mut(channel)
            && let Some(waiting) = lane.stop(before)
        {
            return Some(waiting);
        }
        let within = lanes.iter_mut().filter(|(other, _)| is_within(other, channel));
        within.filter_map(|(_, lane)| lane.stop(before)).reduce(|all, waiting| all + waiting)
    }

    /// Whether there is a turn that [`Lanes::stop`] would end.
    pub(super) fn is_busy(&self, channel: &Channel) -> bool {
        let lanes = self.lock();
        let is_meant = |other: &Channel| other == channel || is_within(other, channel);
        lanes.iter().any(|(other, lane)| is_meant(other) && (lane.current.is_some() || lane.waiting > 0))
    }

    /// Stops the turn of that one message, if it runs.
    pub(super) fn stop_one(&self, channel: &Channel, number: i64) {
        let lanes = self.lock();
        let current = lanes.get(channel).and_then(|lane| lane.current.as_ref());
        if let Some(current) = current.filter(|current| current.number == number) {
            current.cancel.cancel();
        }
    }

    /// Something is done beside the turns. Gives what is cancelled when all is done that comes before it; `None` where
    /// it is being done already.
    pub(super) fn control(
        &self,
        channel: &Channel,
        number: i64,
        is_immediate: bool,
    ) -> Option<CancellationToken> {
        let mut lanes = self.lock();
        let lane = lanes.entry(channel.clone()).or_default();
        if lane.controls.contains_key(&number) {
            return None;
        }
        let before = lane.controls.range(..number).rfind(|(_, control)| !control.is_immediate);
        let before = before.filter(|_| !is_immediate).map(|(_, control)| control.done.clone());
        lane.controls.insert(number, Control { is_immediate, done: CancellationToken::new() });
        Some(before.unwrap_or_else(|| {
            let nothing = CancellationToken::new();
            nothing.cancel();
            nothing
        }))
    }

    /// It is done.
    pub(super) fn control_done(&self, channel: &Channel, number: i64) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(channel) else { return };
        if let Some(control) = lane.controls.remove(&number) {
            control.done.cancel();
        }
        lane.controls_told &= !lane.controls.is_empty();
        if lane.is_idle() {
            lanes.remove(channel);
        }
    }

    /// What has to be done before the turn of message `number`.
    pub(super) fn controls_before(&self, channel: &Channel, number: i64) -> Vec<CancellationToken> {
        let lanes = self.lock();
        let Some(lane) = lanes.get(channel) else { return Vec::new() };
        let before = lane.controls.range(..number).filter(|(_, control)| !control.is_immediate);
        before.map(|(_, control)| control.done.clone()).collect()
    }

    /// How many channels are in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Channel, Lane>> {
        super::lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_no_turn_that_was_asked_for_after_it() {
        let (lanes, cancel) = (Lanes::default(), CancellationToken::new());
        let channel = Channel { provider: "fake".into(), channel: "a".into(), thread: None };
        lanes.arrive(&channel, 1);
        lanes.begin(&channel, 7, &cancel);
        assert_eq!(lanes.stop(&channel, 6), None);
        assert!(!cancel.is_cancelled());
        assert_eq!(lanes.stop(&channel, 8), Some(0));
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn a_stop_in_a_channel_means_its_threads_where_nothing_runs_in_the_channel_itself() {
        let lanes = Lanes::default();
        let place = |channel: &str, thread: Option<&str>| Channel {
            provider: "fake".into(),
            channel: channel.into(),
            thread: thread.map(str::to_owned),
        };
        let begun = |place: &Channel| {
            let cancel = CancellationToken::new();
            lanes.arrive(place, 2);
            lanes.begin(place, 7, &cancel);
            cancel
        };
        let (first, second) = (begun(&place("a", Some("1"))), begun(&place("a", Some("2"))));
        let (other, own) = (begun(&place("b", Some("1"))), begun(&place("a", None)));
        assert_eq!(lanes.stop(&place("a", None), 8), Some(1));
        assert!(own.is_cancelled() && !first.is_cancelled() && !second.is_cancelled());
        lanes.end(&place("a", None));
        lanes.end(&place("a", None));
        assert_eq!(lanes.stop(&place("a", None), 6), None);
        assert_eq!(lanes.stop(&place("a", None), 8), Some(2));
        assert!(first.is_cancelled() && second.is_cancelled() && !other.is_cancelled());
        assert_eq!(lanes.stop(&place("b", Some("9")), 8), None, "a thread means itself alone");
    }

    #[test]
    fn so_much_may_wait_beside_the_turns_and_no_more() {
        let lanes = Lanes::default();
        let channel = Channel { provider: "fake".into(), channel: "a".into(), thread: None };
        for number in 1..=2 {
            assert_eq!(lanes.control_room(&channel, 2), Room::Free);
            lanes.control(&channel, number, false);
        }
        assert_eq!(lanes.control_room(&channel, 2), Room::Full);
        assert_eq!(lanes.control_room(&channel, 2), Room::StillFull);
        assert_eq!(lanes.control_room(&channel, 4), Room::Free);
        lanes.control_done(&channel, 1);
        assert_eq!(lanes.control_room(&channel, 2), Room::Free);
        lanes.control_done(&channel, 2);
        assert_eq!(lanes.len(), 0);
    }
}
