//! `openpact:host/websocket`: connections through the egress door, which judges each message too.
//!
//! A connection is a resource of its instance and ends with it. Waiting for a message holds up that one guest and nobody
//! else; what carries messages to and fro is no part of the guest, and its time is not counted as the guest's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openpact_bindings::v0_1_0::openpact::host::websocket::{
    CloseReason, Error, Host, HostSocket, Message, Socket,
};
use openpact_egress as egress;
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::state::State;

const INTERFACE: &str = "openpact:host/websocket";

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// What stands in the table behind a guest's socket.
struct Connection(egress::socket::Socket);

#[async_trait]
impl Pollable for Connection {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

impl Host for State {}

impl HostSocket for State {
    async fn connect(&mut self, url: String, headers: Vec<(String, String)>) -> Answer<Resource<Socket>> {
        self.usable(INTERFACE)?;
        let socket = match self.open(&url, &headers).await {
            Ok(socket) => socket,
            Err(error) => return Ok(Err(error)),
        };
        let connection = self.table.push(Connection(socket))?;
        Ok(Ok(Resource::new_own(connection.rep())))
    }

    async fn send(&mut self, socket: Resource<Socket>, message: Message) -> Answer<()> {
        let sent = self.connection(&socket)?.send(outgoing(message)).await;
        Ok(self.told(sent))
    }

    async fn receive(&mut self, socket: Resource<Socket>, timeout_ms: u32) -> Answer<Option<Message>> {
        let wait = Duration::from_millis(timeout_ms.into());
        let ending = self.ending().clone();
        let received = tokio::time::timeout(wait, self.connection(&socket)?.receive());
        let received = tokio::select! {
            biased;
            // As if it were lost, so that the guest puts away what it has in hand.
            () = ending.cancelled() => return Ok(Err(Error::Closed)),
            received = received => received,
        };
        let Ok(received) = received else { return Ok(Ok(None)) };
        Ok(self.told(received).map(|message| Some(incoming(message))))
    }

    async fn subscribe(&mut self, socket: Resource<Socket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, Resource::<Connection>::new_borrow(socket.rep()))
    }

    async fn close(&mut self, socket: Resource<Socket>, reason: Option<CloseReason>) -> Answer<()> {
        let closed = self.connection(&socket)?.close(reason.map(outgoing_reason)).await;
        Ok(self.told(closed))
    }

    async fn drop(&mut self, socket: Resource<Socket>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Connection>::new_own(socket.rep()))?;
        Ok(())
    }
}

impl State {
    async fn open(
        &mut self,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<egress::socket::Socket, Error> {
        let none = || Error::Denied("no grant allows any connection".to_owned());
        // Counted, and paced in a run without an end, as an HTTP request is.
        if !self.ledger.request() {
            return Err(none());
        }
        let (Some(door), Some(references)) = (self.door.clone(), self.references.clone()) else {
            self.ledger.denied();
            return Err(none());
        };
        let (options, only, ending) = (egress::Options::default(), self.only(), self.ending().clone());
        let ledger = Arc::clone(&self.ledger);
        let open = async {
            ledger.pace().await;
            door.connect(url, headers, options, only, &references).await
        };
        let opened = tokio::select! {
            biased;
            () = ending.cancelled() => return Err(Error::Connect("the component is being stopped".to_owned())),
            opened = open => opened,
        };
        if opened.is_ok() {
            self.ledger.let_through();
        }
        self.told(opened).map_err(|error| match error {
            Error::Broken(why) => Error::Connect(why),
            error => error,
        })
    }

    fn connection(&mut self, socket: &Resource<Socket>) -> wasmtime::Result<&mut egress::socket::Socket> {
        let connection = self.table.get_mut(&Resource::<Connection>::new_borrow(socket.rep()))?;
        Ok(&mut connection.0)
    }

    /// What the guest is told: the kind of the error, and the one line that the door has for guests.
    fn told<T>(&self, result: Result<T, egress::Error>) -> Result<T, Error> {
        result.map_err(|error| match error {
            egress::Error::Denied(denial) => {
                self.ledger.denied();
                Error::Denied(denial.reason)
            }
            egress::Error::Prohibited { .. } => {
                self.ledger.denied();
                Error::Denied(error.to_string())
            }
            egress::Error::Invalid(why) => Error::Invalid(why),
            egress::Error::TooLarge { limit, .. } => Error::TooLarge(limit),
            egress::Error::Closed => Error::Closed,
            error => Error::Broken(error.to_string()),
        })
    }
}

fn outgoing(message: Message) -> egress::socket::Message {
    match message {
        Message::Text(text) => egress::socket::Message::Text(text),
        Message::Binary(bytes) => egress::socket::Message::Binary(bytes),
        Message::Closed(reason) => egress::socket::Message::Closed(reason.map(outgoing_reason)),
    }
}

fn outgoing_reason(reason: CloseReason) -> egress::socket::CloseReason {
    egress::socket::CloseReason { code: reason.code, reason: reason.reason }
}

fn incoming(message: egress::socket::Message) -> Message {
    match message {
        egress::socket::Message::Text(text) => Message::Text(text),
        egress::socket::Message::Binary(bytes) => Message::Binary(bytes),
        egress::socket::Message::Closed(reason) => {
            Message::Closed(reason.map(|reason| CloseReason { code: reason.code, reason: reason.reason }))
        }
    }
}
