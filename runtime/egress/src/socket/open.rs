//! Opening a connection: the checks of a request in their order, and the handshake.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as Fault;
use tokio_util::sync::CancellationToken;

use super::basis::{Basis, Used};
use super::beat::{Beat, Counted};
use super::dial::Dialled;
use super::gate::Gate;
use super::pump::{Bounds, Pump};
use super::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, Shares, Socket, handshake};
use crate::credential::References;
use crate::decide::{Context, Hop, Passed, with_rule};
use crate::door::Door;
use crate::error::{Error, Phase};
use crate::exchange::Exchange;
use crate::limit::{Options, Times};
use crate::request::Only;
use crate::send::{RECORDED, note_request};

/// A handshake that may go out.
struct Ready {
    passed: Passed,
    times: Times,
    place: tokio::sync::OwnedSemaphorePermit,
}

impl Door {
    /// Opens a WebSocket connection under this principal's grants. The record of it begins before the handshake's first
    /// byte and ends when the connection has ended; what the audit log does not take is not opened.
    ///
    /// `only` is what grants for any site, and count mode, are narrowed to.
    ///
    /// Of `options`, the shorter of `first_byte` and `total` bounds the handshake.
    ///
    /// # Errors
    /// Every way in which there was no connection. A redirect is one: [`Error::Refused`].
    pub async fn connect(
        self: &Arc<Self>,
        url: &str,
        headers: &[(String, String)],
        options: Options,
        only: Option<Only>,
        references: &Arc<References>,
    ) -> Result<Socket, Error> {
        // Before the grants are looked at, so that no change of them is missed.
        let changes = self.changes();
        let snapshot = self.shared.ports.secrets.snapshot();
        let redactor = self.redactor_for(&snapshot);
        let issued = references.issued();
        let context = Arc::new(Context { set: self.set(), issued, snapshot, redactor, only });
        let hop = match handshake::read(url, headers) {
            Ok(hop) => hop,
            Err(error) => {
                let subject = context.show(url.split(['?', '#']).next().unwrap_or_default(), RECORDED);
                self.exchange(&context, &Method::GET, subject).finish(Err(&error)).await?;
                return Err(error);
            }
        };
        let subject = context.show_url(&hop.url, RECORDED);
        let mut exchange = self.exchange(&context, &hop.method, subject.clone());
        note_request(&mut exchange, &context, &hop);
        let start = Instant::now();
        let opened = match self.prepare_socket(&context, &hop, options, &mut exchange).await {
            Ok(ready) => self.open(&context, &hop, ready, start, &mut exchange).await,
            Err(error) => Err(error),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                exchange.finish(Err(&error)).await?;
                return Err(error);
            }
        };
        let gate = |basis: &Arc<Basis>, limit| {
            Gate::new(self.clone(), references.clone(), basis.clone(), context.clone(), subject, limit)
        };
        Ok(opened.start(self, changes, exchange, gate))
    }

    /// Everything that is judged without the network.
    async fn prepare_socket(
        &self,
        context: &Context,
        hop: &Hop,
        options: Options,
        exchange: &mut Exchange,
    ) -> Result<Ready, Error> {
        let passed = self.decide(context, hop, exchange).await?;
        handshake::check_log(log::max_level())?;
        let timeout = passed.rule.as_ref().and_then(|rule| rule.timeout);
        let times = Times::new(self.shared.transport.connect, timeout, options);
        let most = self.shared.socket.open;
        let place = self.sockets.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::TooManyConnections(most))?;
        Ok(Ready { passed, times, place })
    }

    /// Connects and shakes hands.
    async fn open(
        &self,
        context: &Context,
        hop: &Hop,
        ready: Ready,
        start: Instant,
        exchange: &mut Exchange,
    ) -> Result<Opened, Error> {
        let Ready { passed, times, place } = ready;
        let rule = passed.rule.as_ref();
        let private = &passed.private[..];
        let transport = &self.shared.transport;
        let behind = transport.judge_behind_proxy(&hop.url, private, times.connect, &self.lookups).await;
        behind.map_err(|error| with_rule(error, rule))?;
        exchange.announce().await?;
        let by = start + times.first_byte;
        let connected_by = by.min(Instant::now() + times.connect);
        let dialling = transport.dial(&passed.url, private, &self.lookups, connected_by);
        let dialled = tokio::time::timeout_at(connected_by, dialling).await;
        let late = |phase, after| Error::Timeout { phase, after };
        let Dialled { stream, peer, proxied } = dialled
            .map_err(|_| late(Phase::Connect, times.connect))?
            .map_err(|error| with_rule(error, rule))?;
        exchange.note("address", peer.to_string());
        let address = (!proxied).then(|| peer.ip());
        let size = |size: Option<u64>| {
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.map_or(MAX_QUEUED_BYTES, |size| size.min(MAX_QUEUED_BYTES))
        };
        let outgoing = size(rule.and_then(|rule| rule.request_max));
        let incoming = size(rule.and_then(|rule| rule.response_max));
        let beat = Beat::new();
        let counted = Counted { inner: stream, beat: beat.clone() };
        let request = handshake::compose(&passed.url, passed.headers.clone())?;
        let config = handshake::bounds(outgoing, incoming);
        let shaking = tokio_tungstenite::client_async_with_config(request, counted, Some(config));
        let shaken = tokio::time::timeout_at(by, shaking).await;
        let shaken = shaken.map_err(|_| late(Phase::FirstByte, times.first_byte))?;
        let (stream, response) = shaken.map_err(|fault| {
            if let Fault::Http(response) = &fault {
                exchange.answered(response.status());
            }
            handshake::failure(&fault, context, &hop.url)
        })?;
        exchange.answered(response.status());
        handshake::check(&response, hop.url.host_str().unwrap_or_default())?;
        beat.message();
        let used = passed.credential.as_ref().and_then(|placed| {
            let carried = |used: &Used| used.credential == placed.credential && used.secret == placed.secret;
            let rule = passed.rule.as_ref();
            let grants = context.set.grants.iter().filter(|grant| Some(&grant.rule) == rule);
            grants.filter_map(Used::of).find(carried)
        });
        let basis = Arc::new(Basis::new(hop.url.clone(), address, used));
        let bounds = Bounds { outgoing, incoming, message: times.total, socket: self.shared.socket };
        Ok(Opened { stream, beat, basis, bounds, place })
    }
}

/// A connection whose handshake is done.
struct Opened {
    stream: handshake::Stream,
    beat: Arc<Beat>,
    basis: Arc<Basis>,
    bounds: Bounds,
    place: tokio::sync::OwnedSemaphorePermit,
}

impl Opened {
    /// Starts what carries messages to and fro.
    fn start(
        self,
        door: &Arc<Door>,
        changes: tokio::sync::watch::Receiver<()>,
        exchange: Exchange,
        gate: impl FnOnce(&Arc<Basis>, usize) -> Gate,
    ) -> Socket {
        let Self { stream, beat, basis, bounds, place } = self;
        let (orders, ordered) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (arrivals, arrived) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (shares, arriving) = (Shares::new(), Shares::new());
        let end = Arc::new(OnceLock::new());
        let gone = CancellationToken::new();
        let gate = gate(&basis, bounds.outgoing);
        let pump = Pump {
            door: door.clone(),
            changes,
            basis,
            beat,
            bounds,
            ordered,
            arrivals,
            arriving,
            shares: shares.clone(),
            gone: gone.clone(),
            end: end.clone(),
            exchange,
            place,
        };
        let closing: Duration = bounds.socket.closing;
        tokio::spawn(pump.run(stream));
        let guard = gone.clone().drop_guard();
        Socket { gate, orders, shares, arrived, next: None, end, over: false, closing, gone, _guard: guard }
    }
}
