//! The life of a connection, and of the one that takes its place: what to do next, without doing it.

use std::time::Duration;

use super::frame::{Envelope, Frame};

/// How long Slack may take to say hello.
const HELLO: Duration = Duration::from_secs(30);

/// A connection that Slack ends sooner is followed by the next one only after as long.
const SOON: Duration = Duration::from_secs(10);

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that is used.
    Current,
    /// The one that takes its place.
    Next,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// The first connection works, and the app has so many.
    Ready(u32),
    /// Deliver, then acknowledge.
    Handle(Envelope),
    /// Open the next connection beside this one.
    Renew,
    /// The next connection works: read what is left in the current one, close it, and use the next.
    Swap,
    /// The current connection is gone: use the next one, which has not said hello yet.
    Promote,
    /// The next connection is no good, for this reason: drop it.
    Drop(String),
    /// There is no connection any more, for this reason.
    Lost(String),
    /// Somebody switched Socket Mode off.
    Disabled,
}

/// How far a connection is; times are those of a clock that only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for hello since then.
    Waiting(Duration),
    /// It works since then.
    Ready(Duration),
}

/// What is known of the two connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    current: Phase,
    next: Option<Phase>,
    /// When the next connection is to be opened.
    renew: Option<Duration>,
}

impl Life {
    /// A connection was opened.
    pub(super) fn new(now: Duration) -> Self {
        Self { current: Phase::Waiting(now), next: None, renew: None }
    }

    /// The next connection was opened.
    pub(super) fn renewed(&mut self, now: Duration) {
        (self.next, self.renew) = (Some(Phase::Waiting(now)), None);
    }

    /// The next connection could not be opened, or was no good.
    pub(super) fn dropped(&mut self, now: Duration) {
        (self.next, self.renew) = (None, Some(now + SOON));
    }

    /// The next connection is the current one now.
    pub(super) fn promoted(&mut self) {
        if let Some(next) = self.next.take() {
            (self.current, self.renew) = (next, None);
        }
    }

    /// Whether the current connection worked for at least so long.
    pub(super) fn lasted(&self, least: Duration, now: Duration) -> bool {
        matches!(self.current, Phase::Ready(since) if now.saturating_sub(since) >= least)
    }

    /// Whether the current connection works.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.current, Phase::Ready(_))
    }

    /// A frame came.
    pub(super) fn frame(&mut self, side: Side, frame: Frame, now: Duration) -> Step {
        match frame {
            Frame::Envelope(envelope) => Step::Handle(envelope),
            Frame::Hello { connections } => self.hello(side, connections, now),
            Frame::Disconnect(reason) if reason == "link_disabled" => Step::Disabled,
            Frame::Disconnect(reason) => self.disconnect(side, &reason, now),
            Frame::Other => Step::Nothing,
        }
    }

    fn hello(&mut self, side: Side, connections: u32, now: Duration) -> Step {
        match (side, self.current) {
            (Side::Next, _) => {
                self.next = Some(Phase::Ready(now));
                Step::Swap
            }
            (Side::Current, Phase::Waiting(_)) => {
                self.current = Phase::Ready(now);
                Step::Ready(connections)
            }
            (Side::Current, Phase::Ready(_)) => Step::Nothing,
        }
    }

    /// Slack will close it: a warning some seconds before, a refresh at once.
    fn disconnect(&mut self, side: Side, reason: &str, now: Duration) -> Step {
        if side == Side::Next {
            return Step::Drop(format!("Slack ends the new connection ({reason})"));
        }
        if self.next.is_some() || self.renew.is_some() {
            return Step::Nothing;
        }
        if self.lasted(SOON, now) {
            return Step::Renew;
        }
        self.renew = Some(now + SOON);
        Step::Nothing
    }

    /// A connection was closed or broke.
    pub(super) fn lost(&mut self, side: Side, why: &str) -> Step {
        match (side, self.next) {
            (Side::Next, _) => Step::Drop(why.to_owned()),
            (Side::Current, Some(_)) => Step::Promote,
            (Side::Current, None) => Step::Lost(why.to_owned()),
        }
    }

    /// Time went by.
    pub(super) fn tick(&mut self, now: Duration) -> Step {
        let late =
            |phase: Phase| matches!(phase, Phase::Waiting(since) if now.saturating_sub(since) >= HELLO);
        let silent = "Slack does not say hello";
        if self.next.is_some_and(late) {
            return Step::Drop(silent.to_owned());
        }
        if late(self.current) {
            return self.lost(Side::Current, silent);
        }
        match self.renew {
            Some(at) if now >= at && self.next.is_none() => Step::Renew,
            _ => Step::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
