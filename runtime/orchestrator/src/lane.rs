//! One lane for each channel that has something to do: a queue of turns, of which one runs at a time, and beside it
//! commands, which wait only for each other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpact_model::role::Channel;
use tokio_util::sync::CancellationToken;

/// The lanes of all channels. A channel without work has none.
pub(crate) struct Lanes<Job> {
    lanes: Arc<Mutex<HashMap<Channel, Lane<Job>>>>,
    limit: usize,
}

struct Lane<Job> {
    waiting: VecDeque<Waiting<Job>>,
    /// Whether a worker serves this lane.
    served: bool,
    /// Cancels the job that runs.
    running: Option<CancellationToken>,
    /// Cancelled when the last command that was given here is done.
    last_command: Option<CancellationToken>,
}

struct Waiting<Job> {
    job: Job,
    after: Option<CancellationToken>,
    cancel: CancellationToken,
}

/// What happened to a job that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<Job> {
    /// Nobody works in this lane: the caller has to.
    Start,
    /// It waits behind so many others, the running one counted.
    Waits(usize),
    /// The queue is full; here it is back.
    Full(Job),
}

/// A job whose turn it is.
pub(crate) struct Next<Job> {
    pub(crate) job: Job,
    /// The command that was given before this job and has to be done before it starts.
    pub(crate) after: Option<CancellationToken>,
    /// Cancelled when somebody stops it.
    pub(crate) cancel: CancellationToken,
}

/// A command's place in the order of commands. Dropping it lets the next one go on.
pub(crate) struct Place<Job> {
    lanes: Arc<Mutex<HashMap<Channel, Lane<Job>>>>,
    channel: Channel,
    /// The command before this one.
    after: Option<CancellationToken>,
    done: CancellationToken,
}

impl<Job> Default for Lane<Job> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), served: false, running: None, last_command: None }
    }
}

impl<Job> Lane<Job> {
    fn is_idle(&self) -> bool {
        !self.served && self.waiting.is_empty() && self.last_command.is_none()
    }
}

impl<Job> Lanes<Job> {
    /// Lanes in which up to `limit` jobs wait each.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lanes: Arc::default(), limit }
    }

    /// Puts a job at the end of its channel's queue. After [`Pushed::Start`] the caller calls [`Self::next`] until
    /// there is nothing left.
    pub(crate) fn push(&self, channel: &Channel, job: Job) -> Pushed<Job> {
        let mut lanes = self.lock();
        let lane = lanes.entry(channel.clone()).or_default();
        if lane.waiting.len() >= self.limit {
            return Pushed::Full(job);
        }
        let (after, cancel) = (lane.last_command.clone(), CancellationToken::new());
        lane.waiting.push_back(Waiting { job, after, cancel });
        if !lane.served {
            lane.served = true;
            return Pushed::Start;
        }
        Pushed::Waits(lane.waiting.len())
    }

    /// The next job of the channel, whose worker asks; `None` when there is none, and the worker ends.
    pub(crate) fn next(&self, channel: &Channel) -> Option<Next<Job>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(channel)?;
        let Some(Waiting { job, after, cancel }) = lane.waiting.pop_front() else {
            lane.served = false;
            lane.running = None;
            if lane.is_idle() {
                lanes.remove(channel);
            }
            return None;
        };
        lane.running = Some(cancel.clone());
        Some(Next { job, after, cancel })
    }

    /// Stops what runs in the channel; says how many still wait, or that nothing ran.
    pub(crate) fn stop(&self, channel: &Channel) -> Option<usize> {
        let lanes = self.lock();
        let lane = lanes.get(channel)?;
        if let Some(running) = &lane.running {
            running.cancel();
            return Some(lane.waiting.len());
        }
        // Given to a worker that has not looked yet.
        lane.waiting.front()?.cancel.cancel();
        Some(lane.waiting.len() - 1)
    }

    /// Stops what runs, everywhere.
    pub(crate) fn stop_all(&self) {
        self.lock().values().filter_map(|lane| lane.running.as_ref()).for_each(CancellationToken::cancel);
    }

    /// Takes away all that waits, everywhere.
    pub(crate) fn clear(&self) -> Vec<Job> {
        self.lock().values_mut().flat_map(|lane| lane.waiting.drain(..)).map(|waiting| waiting.job).collect()
    }

    /// A place behind the commands that were given in the channel before.
    pub(crate) fn command(&self, channel: &Channel) -> Place<Job> {
        let done = CancellationToken::new();
        let after = self.lock().entry(channel.clone()).or_default().last_command.replace(done.clone());
        Place { lanes: Arc::clone(&self.lanes), channel: channel.clone(), after, done }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Channel, Lane<Job>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Job> Place<Job> {
    /// Waits until the command before this one is done.
    pub(crate) async fn wait(&self) {
        if let Some(after) = &self.after {
            after.cancelled().await;
        }
    }
}

impl<Job> Drop for Place<Job> {
    fn drop(&mut self) {
        self.done.cancel();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&self.channel) else { return };
        // Only if no later command took the place; then this token is the one that was just cancelled.
        if lane.last_command.as_ref().is_some_and(CancellationToken::is_cancelled) {
            lane.last_command = None;
        }
        if lane.is_idle() {
            lanes.remove(&self.channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel { provider: "test".into(), channel: name.into(), thread: None }
    }

    #[test]
    fn one_worker_serves_a_channel_in_order_and_leaves_nothing_behind() {
        let lanes = Lanes::new(2);
        let here = channel("a");
        assert_eq!(lanes.push(&here, 1), Pushed::Start);
        assert_eq!(lanes.push(&here, 2), Pushed::Waits(2));
        assert_eq!(lanes.next(&here).unwrap().job, 1);
        assert_eq!(lanes.push(&here, 3), Pushed::Waits(2));
        assert_eq!(lanes.push(&here, 4), Pushed::Full(4));
        assert_eq!(lanes.push(&channel("b"), 9), Pushed::Start, "another channel is not full");
        assert_eq!(lanes.next(&here).unwrap().job, 2);
        assert_eq!(lanes.next(&here).unwrap().job, 3);
        assert!(lanes.next(&here).is_none());
        assert_eq!(lanes.next(&channel("b")).unwrap().job, 9);
        assert!(lanes.next(&channel("b")).is_none());
        assert!(lanes.lock().is_empty());
    }

    #[test]
    fn stop_reaches_what_runs_and_nothing_else() {
        let lanes = Lanes::new(8);
        let here = channel("a");
        assert_eq!(lanes.stop(&here), None);
        lanes.push(&here, 1);
        lanes.push(&here, 2);
        let first = lanes.next(&here).unwrap();
        assert_eq!(lanes.stop(&here), Some(1));
        assert!(first.cancel.is_cancelled());
        assert!(!lanes.next(&here).unwrap().cancel.is_cancelled());
        assert_eq!(lanes.stop(&channel("b")), None);
    }

    #[test]
    fn stop_reaches_a_job_that_its_worker_has_not_taken_yet() {
        let lanes = Lanes::new(8);
        let here = channel("a");
        lanes.push(&here, 1);
        lanes.push(&here, 2);
        assert_eq!(lanes.stop(&here), Some(1));
        assert!(lanes.next(&here).unwrap().cancel.is_cancelled());
        assert!(!lanes.next(&here).unwrap().cancel.is_cancelled());
    }

    #[test]
    fn a_job_waits_for_the_command_before_it_and_not_for_a_later_one() {
        let lanes = Lanes::new(8);
        let here = channel("a");
        let first = lanes.command(&here);
        assert!(first.after.is_none());
        lanes.push(&here, 1);
        let second = lanes.command(&here);
        assert!(second.after.as_ref().is_some_and(|token| !token.is_cancelled()));
        let job = lanes.next(&here).unwrap();
        drop(first);
        assert!(second.after.as_ref().unwrap().is_cancelled());
        assert!(job.after.unwrap().is_cancelled());
        assert!(lanes.command(&here).after.as_ref().is_some_and(|token| !token.is_cancelled()));
        drop(second);
        assert!(lanes.next(&here).is_none());
        assert!(lanes.lock().is_empty());
    }
}
