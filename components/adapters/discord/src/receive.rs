//! The receive loop: connections to the gateway, one after the other.
//!
//! A connection that ends is made again at once; where one after the other ends soon, the host starts the adapter again,
//! later and later.

mod missed;
mod socket;

use std::time::Duration;

use openpact_sdk::adapter::AdapterError;
use openpact_sdk::adapter::inbox::{self, Connection};
use openpact_sdk::websocket::{self, Message};
use openpact_sdk::{credentials, log};
use reqwest::{Method, Url};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::answer;
use crate::api::{self, Api, Call, Exchange, UnusableSocket};
use crate::event::{Places, Read, Reader, Unread};
use crate::gateway::{Act, Dispatch, End, Machine, Session};
use crate::settings::Settings;

use missed::Missed;
use socket::{Line, Outside, World};

/// How many connections in a row may end soon.
const FAILURES: u32 = 5;
/// How long a connection lasts that did not end soon.
const SOON: Duration = Duration::from_secs(30);
/// The code by which a connection is closed that is to be resumed; 1000 and 1001 would end the session.
const RESUMED_LATER: u16 = 4_000;

/// Receives until something ends it.
pub(crate) fn run() -> Result<(), AdapterError> {
    let settings = Settings::read().map_err(AdapterError::Configuration)?;
    let api = Api::at(&settings)?;
    let token = credentials::reference("gateway-token").map_err(UnusableSocket)?;
    inbox::report(Connection::Connecting)?;
    let mut receiver = Receiver::new(api, Outside::default(), settings, token);
    loop {
        receiver.connection()?;
    }
}

/// What outlives a connection.
struct Receiver<E, W> {
    api: E,
    world: W,
    settings: Settings,
    token: String,
    places: Places,
    missed: Missed,
    /// How many connections in a row ended soon.
    failures: u32,
    /// Whether the host was told that the connection is lost.
    lost: bool,
    /// Whether the admin was told of events that make no sense.
    warned: bool,
    /// Whether the connection ended at a frame that cannot be read.
    is_unreadable: bool,
    /// Behind which event that was, the last time.
    unreadable: Option<u64>,
    /// The session that goes on behind such a frame.
    carried: Option<Session>,
}

/// Why a conversation with the gateway ended.
enum Stop {
    /// The connection did.
    End(End),
    /// The host could not store; the session is resumed later.
    Store(String),
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl<E: Exchange, W: World> Receiver<E, W> {
    fn new(api: E, world: W, settings: Settings, token: String) -> Self {
        let (places, missed) = (Places::load(), Missed::load());
        Self {
            api,
            world,
            settings,
            token,
            places,
            missed,
            failures: 0,
            lost: false,
            warned: false,
            is_unreadable: false,
            unreadable: None,
            carried: None,
        }
    }

    /// One connection, from its beginning to its end.
    fn connection(&mut self) -> Result<(), AdapterError> {
        let mut session = self.carried.take();
        if session.is_none() {
            session = Session::load();
            if let Some(session) = &mut session {
                session.begin();
            }
        }
        let line = match self.dial(session.as_ref()) {
            Ok(line) => line,
            Err(error) => {
                // What never came is not to blame.
                if let Some(mut session) = session {
                    session.put_back();
                }
                return Err(error);
            }
        };
        let (start, jitter) = (self.world.now(), self.world.jitter());
        let mut machine = Machine::new(self.token.clone(), session, start, jitter);
        let stop = self.talk(&line, &mut machine);
        self.missed.put_back();
        if std::mem::take(&mut self.is_unreadable) {
            self.pass(&mut machine);
        }
        match machine.session().cloned().filter(|_| !self.missed.is_open()) {
            Some(mut session) => session.put_back(),
            // Also where something is still missed: the next session asks for it again.
            None => Session::forget(),
        }
        line.close(RESUMED_LATER);
        match stop {
            Stop::End(End::Again { why, wait }) => {
                let is_soon = !machine.is_live() || self.world.now().saturating_sub(start) < SOON;
                self.failures = if is_soon { self.failures + 1 } else { 0 };
                self.again(&why, wait, machine.is_live())
            }
            Stop::End(End::Fatal(error)) => Err(error),
            Stop::Store(why) => Err(AdapterError::Unavailable(why)),
        }
    }

    /// A frame that cannot be read, such as one that is longer than the host lets in, comes again when the session is
    /// resumed. If it does so a second time, the session goes on behind it: nothing else would ever come.
    fn pass(&mut self, machine: &mut Machine) {
        let Some(sequence) = machine.session().map(|session| session.sequence) else { return };
        if self.unreadable.replace(sequence) == Some(sequence) {
            log::warn(&format!(
                "what Discord sent behind the event {sequence} cannot be read, and is passed over"
            ));
            machine.took(sequence + 1);
        }
        // In memory alone: where something is still missed, a new process asks for it again.
        self.carried = machine.session().cloned();
    }

    /// Waits before the next connection, or gives up.
    fn again(&mut self, why: &str, wait: Duration, was_live: bool) -> Result<(), AdapterError> {
        if self.failures >= FAILURES {
            return Err(AdapterError::Unavailable(why.to_owned()));
        }
        log::info(&format!("{why}; connecting again"));
        // That the gateway moves a connection is nothing that anybody needs to know.
        if !was_live && !self.lost {
            self.lost = true;
            inbox::report(Connection::Lost(why.to_owned()))?;
        }
        self.world.sleep(wait);
        Ok(())
    }

    /// Opens a connection: where the session is resumed, and else where the gateway is.
    fn dial(&mut self, session: Option<&Session>) -> Result<W::Line, AdapterError> {
        if let Some(session) = session {
            match Url::parse(&session.url).map_err(|error| error.to_string()) {
                Ok(url) => match self.world.connect(address(url).as_str()) {
                    Ok(line) => return Ok(line),
                    Err(error) => log::info(&format!("the session is resumed elsewhere: {error:?}")),
                },
                Err(error) => log::warn(&format!("the address to resume at makes no sense: {error}")),
            }
        }
        let url = match &self.settings.gateway_url {
            Some(url) => url.clone(),
            None => self.gateway(session.is_none())?,
        };
        let url = address(url);
        self.world.connect(url.as_str()).map_err(|error| connect_error(error, &url))
    }

    /// Where the gateway is ("Get Gateway Bot").
    fn gateway(&self, is_new: bool) -> Result<Url, AdapterError> {
        let reply = api::call(&self.api, &Call::new(Method::GET, &["gateway", "bot"]))?.value;
        let limit = |key: &str| reply.pointer(&format!("/session_start_limit/{key}")).and_then(Value::as_u64);
        if is_new && limit("remaining") == Some(0) {
            let minutes = limit("reset_after").unwrap_or(0).div_ceil(60_000);
            let why = format!("Discord lets this bot begin no more sessions for {minutes} minutes");
            return Err(AdapterError::Unavailable(why));
        }
        let url = reply.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        url.ok_or_else(|| AdapterError::Protocol("Discord's answer names no gateway".to_owned()))
    }

    /// Says and hears until the connection ends.
    fn talk(&mut self, line: &W::Line, machine: &mut Machine) -> Stop {
        loop {
            if let Err(stop) = self.step(line, machine) {
                return stop;
            }
        }
    }

    fn step(&mut self, line: &W::Line, machine: &mut Machine) -> Result<(), Stop> {
        if let Some(act) = machine.tick(self.world.now())? {
            self.act(line, machine, act)?;
            // A good moment to keep what was passed without being delivered.
            if machine.is_live() {
                machine.settle();
                self.keep(machine);
            }
        }
        self.catch_up(machine)?;
        let now = self.world.now();
        let wait = self.missed.wait(now).map_or(machine.wait(now), |wait| wait.min(machine.wait(now)));
        let received = line.receive(wait);
        self.is_unreadable = matches!(received, Err(websocket::Error::TooLarge(_)));
        match received.map_err(line_error)? {
            Some(Message::Text(text)) => {
                let acts = machine.frame(&text, self.world.now());
                self.is_unreadable = acts.is_err() && serde_json::from_str::<IgnoredAny>(&text).is_err();
                for act in acts? {
                    self.act(line, machine, act)?;
                }
                Ok(())
            }
            Some(Message::Closed(close)) => {
                let (code, reason) = match &close {
                    Some(close) => (Some(close.code), close.reason.as_str()),
                    None => (None, ""),
                };
                Err(machine.closed(code, reason).into())
            }
            // Nothing compressed was asked for.
            Some(Message::Binary(_)) | None => Ok(()),
        }
    }

    fn act(&mut self, line: &W::Line, machine: &mut Machine, act: Act) -> Result<(), Stop> {
        match act {
            Act::Send(text) => Ok(line.send(&text).map_err(line_error)?),
            Act::Connected(servers) => {
                self.lost = false;
                if let Some(servers) = servers {
                    self.missed.begin(servers, self.world.now(), self.world.time());
                }
                self.keep(machine);
                let Some(session) = machine.session() else { return Ok(()) };
                inbox::report(Connection::Connected(session.account.clone()))
                    .map_err(|error| End::Fatal(error.into()))?;
                Ok(())
            }
            Act::Dispatch(dispatch) => {
                let is_delivered = self.take(machine, &dispatch)?;
                machine.took(dispatch.sequence);
                self.missed.learn(&dispatch.kind, &dispatch.data, self.world.time());
                // What is not delivered may come again without harm.
                if is_delivered {
                    self.keep(machine);
                }
                Ok(())
            }
        }
    }

    /// Keeps how far it is, unless older things are still to come.
    fn keep(&mut self, machine: &Machine) {
        self.missed.keep();
        if let Some(session) = machine.session().filter(|_| !self.missed.is_open()) {
            session.keep();
        }
    }

    /// Delivers some of what was missed, if it is time for that.
    fn catch_up(&mut self, machine: &Machine) -> Result<(), Stop> {
        let now = self.world.now();
        if !machine.is_live() || !self.missed.is_open() {
            return Ok(());
        }
        if let Some(messages) = self.missed.ask(&self.api, now) {
            for data in &messages {
                let dispatch =
                    Dispatch { sequence: 0, kind: "MESSAGE_CREATE".to_owned(), data: data.clone() };
                self.take(machine, &dispatch)?;
            }
            self.missed.pass(&messages);
        }
        if self.missed.close(now) {
            self.keep(machine);
        }
        Ok(())
    }

    /// Takes what happened; whether the host was given something.
    fn take(&mut self, machine: &Machine, dispatch: &Dispatch) -> Result<bool, Stop> {
        let me = machine.session().and_then(|session| session.account.id.parse().ok()).unwrap_or(0);
        self.places.learn(&dispatch.kind, &dispatch.data, me);
        let reader = Reader { me, respond_all: &self.settings.respond_all, bots: &self.settings.bots };
        let Read { event, interaction } = match reader.read(
            &dispatch.kind,
            &dispatch.data,
            &mut self.places,
            &self.api,
        ) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(false),
            Err(Unread::Unavailable(why)) => return Err(Stop::Store(why)),
            Err(Unread::Unreadable(unreadable)) => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn(&format!(
                        "Discord sent an event ({}, {}) that this version does not understand; such events are \
                             skipped, further ones without a word: {unreadable}",
                        dispatch.sequence, dispatch.kind
                    ));
                }
                return Ok(false);
            }
        };
        self.missed.delivered(&event);
        match inbox::deliver(event) {
            Ok(()) => {}
            Err(inbox::Error::Invalid(why)) => {
                log::warn(&format!("the event {} was not taken: {why}", dispatch.sequence));
            }
            Err(inbox::Error::WrongAccount) => {
                return Err(Stop::Store("the account is not this instance's any more".to_owned()));
            }
            Err(inbox::Error::Unavailable(why)) => return Err(Stop::Store(why)),
        }
        if let Some(interaction) = interaction
            && let Err(failure) = answer::defer(&self.api, &interaction)
        {
            // The answer is then a message, or comes in the place of the acknowledgement.
            log::info(&format!("an interaction was not acknowledged: {}", failure.text()));
        }
        Ok(true)
    }
}

/// The address of the gateway with what this adapter speaks.
fn address(mut url: Url) -> Url {
    url.set_query(Some("v=10&encoding=json"));
    if url.path().is_empty() {
        url.set_path("/");
    }
    url
}

fn connect_error(error: websocket::Error, url: &Url) -> AdapterError {
    match error {
        websocket::Error::Denied(_) => {
            let origin = url.as_str().split(['?', '#']).next().unwrap_or_default();
            let private = api::private(url);
            AdapterError::Configuration(format!(
                "the connection to Discord's gateway was not let through. The setting gateway_url widens nothing: an \
                 admin has to grant the address. Add \"GET {origin} credential=gateway-token{private}\" to \
                 components.discord.grants; the audit log says what was asked"
            ))
        }
        websocket::Error::Invalid(why) => {
            AdapterError::Configuration(format!("the address of Discord's gateway cannot be used: {why}"))
        }
        other => AdapterError::Unavailable(format!("Discord's gateway cannot be reached: {}", words(&other))),
    }
}

fn line_error(error: websocket::Error) -> End {
    match error {
        websocket::Error::Denied(what) => End::Fatal(AdapterError::Configuration(format!(
            "the host did not let a message to Discord's gateway out ({what}). The credential gateway-token has to be \
             granted to discord for this address, with the placement of the manifest"
        ))),
        websocket::Error::Invalid(why) => End::Fatal(AdapterError::Protocol(why)),
        other => End::again(format!("the connection to Discord's gateway ended: {}", words(&other))),
    }
}

fn words(error: &websocket::Error) -> String {
    match error {
        websocket::Error::Closed => "it is closed".to_owned(),
        websocket::Error::TooLarge(limit) => format!("a message is longer than {limit} bytes"),
        websocket::Error::Connect(why)
        | websocket::Error::Broken(why)
        | websocket::Error::Denied(why)
        | websocket::Error::Invalid(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;
