//! The receive loop: Socket Mode (<https://docs.slack.dev/apis/events-api/using-socket-mode>).
//!
//! An envelope is acknowledged only when the host has stored what is in it; what is not acknowledged within seconds
//! Slack sends again, and the host knows it by its id. Before Slack closes a connection the next one is opened, and it
//! is used when it has said hello and the old one is read to its end.

mod catch_up;
mod frame;
mod life;
mod link;
mod people;

use std::time::Duration;

use openpact_sdk::adapter::inbox::{self, Account, Connection};
use openpact_sdk::adapter::{AdapterError, InboundEvent};
use openpact_sdk::serde_json;
use openpact_sdk::{clock, log};
use slack_morphism::api::SlackApiAuthTestResponse;

use crate::api::{self, Api, Exchange, Failure, Payload};
use crate::event::{Reader, Unread};
use crate::missed::Missed;
use crate::settings::Settings;
use crate::thread::Mentions;

use frame::{Envelope, Frame, Kind};
use life::{Life, Side, Step};
use link::{Dial, Link, Received, Sockets};
use people::People;

/// The waits between tries while Slack does not answer, in seconds; then the host starts the adapter again.
const WAITS: [u64; 6] = [1, 2, 4, 8, 16, 30];
/// The longest wait that Slack may ask for before the host is told to start again.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// A connection that worked for so long was no failure.
const LASTING: Duration = Duration::from_mins(1);
/// How long to wait for a frame: alone, and while there are two connections.
const WAIT: Duration = Duration::from_secs(5);
const SHORT_WAIT: Duration = Duration::from_millis(100);
/// The wait before the second try to store an event. Slack waits for three seconds.
const STORE_WAIT: Duration = Duration::from_millis(500);
/// The most frames that are read from a connection that is given up.
const LEFT: usize = 1_000;

/// Receives until something ends it.
pub(crate) fn run() -> Result<(), AdapterError> {
    let settings = Settings::read().map_err(AdapterError::Configuration)?;
    let api = Api::at(&settings);
    inbox::report(Connection::Connecting)?;
    let mut patience = Patience { sleep: std::thread::sleep, failures: 0, lost: false };
    let me = me(&api, &mut patience)?;
    let account = Account { id: me.user_id.0.clone(), name: account_name(&me) };
    let reader = Reader {
        user: me.user_id.0,
        bot: me.bot_id.map(|bot| bot.0),
        name: me.user.unwrap_or_else(|| "the assistant".to_owned()),
        respond_all: settings.respond_all,
        bots: settings.bots,
        mentions: Mentions::default(),
    };
    let start = clock::monotonic();
    let now = || clock::monotonic().saturating_duration_since(start);
    let dial = Sockets { api };
    let people = People::default();
    let missed = Missed::load(&reader);
    let mut receiver = Receiver { dial, now, reader, people, missed, account, patience, warned: false };
    loop {
        receiver.connection()?;
    }
}

/// Who the bot is.
fn me<S: Fn(Duration)>(
    api: &impl Exchange,
    patience: &mut Patience<S>,
) -> Result<SlackApiAuthTestResponse, AdapterError> {
    loop {
        match api.call("auth.test", Payload::Form(vec![])) {
            Ok(me) => {
                patience.failures = 0;
                return serde_json::from_value(me).map_err(|error| {
                    AdapterError::Protocol(format!("Slack's answer to auth.test makes no sense: {error}"))
                });
            }
            Err(failure) => patience.endure(failure)?,
        }
    }
}

fn account_name(me: &SlackApiAuthTestResponse) -> String {
    match &me.user {
        Some(user) => format!("@{user} ({})", me.team),
        None => me.team.clone(),
    }
}

/// Waits, longer and longer.
pub(crate) struct Patience<S> {
    /// Waits.
    sleep: S,
    /// How often in a row it went wrong.
    failures: usize,
    /// Whether the host was told that the connection is lost.
    lost: bool,
}

impl<S: Fn(Duration)> Patience<S> {
    /// Waits where waiting helps; gives what ends the loop where it does not.
    fn endure(&mut self, failure: Failure) -> Result<(), AdapterError> {
        match failure {
            Failure::Limited(wait) if wait <= LONGEST_WAIT => {
                (self.sleep)(wait);
                Ok(())
            }
            failure if failure.is_passing() => self.pause(&failure.text()),
            failure => Err(failure.into()),
        }
    }

    /// Waits, and at last gives up.
    fn pause(&mut self, why: &str) -> Result<(), AdapterError> {
        let Some(wait) = WAITS.get(self.failures) else {
            return Err(AdapterError::Unavailable(why.to_owned()));
        };
        self.failures += 1;
        // One connection that broke is nothing that anybody needs to know.
        if self.failures > 1 && !std::mem::replace(&mut self.lost, true) {
            inbox::report(Connection::Lost(why.to_owned()))?;
        }
        (self.sleep)(Duration::from_secs(*wait));
        Ok(())
    }
}

/// The loop.
struct Receiver<D, N, S> {
    dial: D,
    /// A clock that only goes forward.
    now: N,
    reader: Reader,
    /// What people are called.
    people: People,
    missed: Missed,
    account: Account,
    patience: Patience<S>,
    /// Whether the admin was told of events that make no sense.
    warned: bool,
}

/// The connections that are open.
struct Pair<L> {
    current: L,
    next: Option<L>,
    life: Life,
}

impl<D: Dial, N: Fn() -> Duration, S: Fn(Duration)> Receiver<D, N, S> {
    /// Opens a connection and uses it, and those that take its place, until there is none.
    fn connection(&mut self) -> Result<(), AdapterError> {
        let current = match self.dial.dial() {
            Ok(link) => link,
            Err(failure) => return self.patience.endure(failure),
        };
        self.people.ask_again();
        let mut pair = Pair { current, next: None, life: Life::new((self.now)()) };
        let why = loop {
            if let Some(why) = self.round(&mut pair)? {
                break why;
            }
        };
        if pair.life.lasted(LASTING, (self.now)()) {
            self.patience.failures = 0;
        }
        self.patience.pause(&why)
    }

    /// Waits for what comes next, and does it; gives why there is no connection any more.
    fn round(&mut self, pair: &mut Pair<D::Link>) -> Result<Option<String>, AdapterError> {
        let wait = if pair.next.is_some() { SHORT_WAIT } else { self.wait(pair) };
        let received = pair.current.receive(wait);
        let is_idle = received == Received::Nothing;
        let mut lost = self.take(pair, Side::Current, received)?;
        if let (None, Some(next)) = (&lost, &pair.next) {
            let received = next.receive(SHORT_WAIT);
            lost = self.take(pair, Side::Next, received)?;
        }
        if lost.is_some() {
            return Ok(lost);
        }
        let now = (self.now)();
        let step = pair.life.tick(now);
        let lost = self.step(pair, Side::Current, step)?;
        if lost.is_none() && pair.life.is_ready() {
            self.catch_up(now, is_idle);
        }
        Ok(lost)
    }

    /// Takes what came; gives why there is no connection any more.
    fn take(
        &mut self,
        pair: &mut Pair<D::Link>,
        side: Side,
        received: Received,
    ) -> Result<Option<String>, AdapterError> {
        let step = match received {
            Received::Nothing => Step::Nothing,
            Received::Text(text) => match Frame::read(&text) {
                Some(frame) => pair.life.frame(side, frame, (self.now)()),
                None => Step::Nothing,
            },
            Received::Lost(why) => pair.life.lost(side, &why),
        };
        self.step(pair, side, step)
    }

    fn step(
        &mut self,
        pair: &mut Pair<D::Link>,
        side: Side,
        step: Step,
    ) -> Result<Option<String>, AdapterError> {
        match step {
            Step::Nothing => {}
            Step::Ready(connections) => self.ready(connections)?,
            Step::Handle(envelope) => {
                let link = if side == Side::Current { Some(&pair.current) } else { pair.next.as_ref() };
                // An acknowledgement that does not go out is a connection that is lost, which the next read tells.
                if let (true, Some(link)) = (self.deliver(&envelope), link) {
                    link.send(&envelope.acknowledgement());
                    self.patience.failures = 0;
                }
            }
            Step::Renew => match self.dial.dial() {
                Ok(link) => {
                    pair.next = Some(link);
                    pair.life.renewed((self.now)());
                }
                Err(failure) if failure.is_passing() => pair.life.dropped((self.now)()),
                Err(failure) => return Err(failure.into()),
            },
            Step::Swap => self.swap(pair, true),
            Step::Promote => self.swap(pair, false),
            Step::Drop(why) => {
                log::info(&why);
                pair.next = None;
                pair.life.dropped((self.now)());
            }
            Step::Lost(why) => return Ok(Some(why)),
            Step::Disabled => return Err(api::link_disabled()),
        }
        Ok(None)
    }

    fn ready(&mut self, connections: u32) -> Result<(), AdapterError> {
        if connections > 1 {
            log::warn(&format!(
                "this app has {connections} connections: if another program uses it too, Slack gives each of them a \
                 part of the events, and those are not answered here"
            ));
        }
        self.patience.lost = false;
        self.missed.begin((self.now)());
        Ok(inbox::report(Connection::Connected(self.account.clone()))?)
    }

    /// Uses the next connection in place of the current one, which is read to its end if it is still there.
    fn swap(&mut self, pair: &mut Pair<D::Link>, is_there: bool) {
        let Some(next) = pair.next.take() else { return };
        let old = std::mem::replace(&mut pair.current, next);
        pair.life.promoted();
        if !is_there {
            return;
        }
        for _ in 0..LEFT {
            let Received::Text(text) = old.receive(Duration::ZERO) else { break };
            if let Some(Frame::Envelope(envelope)) = Frame::read(&text)
                && self.deliver(&envelope)
            {
                old.send(&envelope.acknowledgement());
            }
        }
        old.close();
    }

    /// Delivers what is in an envelope; says whether it is to be acknowledged.
    fn deliver(&mut self, envelope: &Envelope) -> bool {
        let read = match envelope.kind {
            Kind::Event => return self.event(&envelope.payload),
            Kind::Slash => self.reader.slash(&envelope.payload),
            Kind::Interactive => self.reader.interaction(&envelope.payload),
            Kind::Unknown => Ok(None),
        };
        self.pass_on(read)
    }

    /// Gives the host what was read; says whether it is done with.
    fn pass_on(&mut self, read: Result<Option<InboundEvent>, Unread>) -> bool {
        match read {
            Ok(Some(mut event)) => {
                self.people.name(&mut event.sender, |user| self.dial.user(user));
                self.store(&event)
            }
            Ok(None) => true,
            Err(Unread::Unknown(what)) => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn(&format!(
                        "Slack sent something that this version does not understand ({what}); such events are \
                         skipped, further ones without a word"
                    ));
                }
                true
            }
            Err(Unread::Unavailable(why)) => {
                log::warn(&format!("an event is not taken now: {why}"));
                false
            }
        }
    }

    fn store(&mut self, event: &InboundEvent) -> bool {
        let mut stored = inbox::deliver(event.clone());
        if matches!(stored, Err(inbox::Error::Unavailable(_))) {
            (self.patience.sleep)(STORE_WAIT);
            stored = inbox::deliver(event.clone());
        }
        match stored {
            Ok(()) => {
                self.missed.stored(event, (self.now)());
                true
            }
            Err(inbox::Error::Invalid(why)) => {
                log::warn(&format!("the event {} was not taken: {why}", event.id));
                true
            }
            // Slack sends it again.
            Err(inbox::Error::WrongAccount) => {
                log::warn("an event is not taken: the account is not this instance's any more");
                false
            }
            Err(inbox::Error::Unavailable(why)) => {
                log::warn(&format!("the event {} could not be stored: {why}", event.id));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
