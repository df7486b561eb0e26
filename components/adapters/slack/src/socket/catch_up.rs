//! Events, and what was missed of them, which is read between the frames of the connection.

use std::time::Duration;

use openpact_sdk::adapter::InboundEvent;
use openpact_sdk::serde_json::Value;

use crate::event::Unread;

use super::link::Dial;
use super::{Pair, Receiver, WAIT};

impl<D: Dial, N: Fn() -> Duration, S: Fn(Duration)> Receiver<D, N, S> {
    /// Takes what the payload of `events_api` tells; says whether it is to be acknowledged.
    pub(super) fn event(&mut self, payload: &Value) -> bool {
        self.missed.heard(payload, (self.now)());
        let read = self.reader.event(payload);
        let is_done = self.pass_on(read);
        if !is_done {
            self.missed.failed_to_store(payload, (self.now)());
        }
        is_done
    }

    /// How long to wait for a frame.
    pub(super) fn wait(&self, pair: &Pair<D::Link>) -> Duration {
        let missed = self.missed.wait((self.now)()).filter(|_| pair.life.is_ready());
        missed.map_or(WAIT, |wait| wait.min(WAIT))
    }

    /// Does some of what is to be done about what was missed, if it is time for that.
    pub(super) fn catch_up(&mut self, now: Duration, is_idle: bool) {
        self.missed.keep(now);
        if !self.missed.is_due(now, is_idle) {
            return;
        }
        let payloads = self.missed.step(now, |method, fields| self.dial.history(method, fields));
        let done = payloads.iter().take_while(|payload| self.missed_event(payload)).count();
        if !payloads.is_empty() {
            self.missed.pass(done, payloads.len(), now);
        }
    }

    /// Takes what the history tells; says whether it is done with.
    fn missed_event(&mut self, payload: &Value) -> bool {
        let is_said = |event: &InboundEvent| self.missed.was_said(event);
        let read: Result<_, Unread> = self.reader.event(payload).map(|event| event.filter(is_said));
        self.pass_on(read)
    }
}
