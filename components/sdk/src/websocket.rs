//! Connections that stay open. Needs `requests.websocket` in the manifest for each address.
//!
//! The host decides which connections are opened and closes one whose grant is taken back, answers pings, bounds
//! messages (4 MiB at most) and takes the values of credentials out of what comes in. A credential goes out by its
//! reference ([`crate::credentials`]): in the address or a header, or in a text that is JSON, where the grant places it.
//! Blocking: a component has one thread. An adapter whose platform wants to hear from it now and then receives with a
//! timeout.
//!
//! ```no_run
//! # fn main() -> openpact_sdk::Result<()> {
//! use std::time::Duration;
//!
//! use openpact_sdk::credentials;
//! use openpact_sdk::websocket::{Message, Socket};
//!
//! let socket = Socket::connect("wss://gateway.example.com/?v=10")?;
//! let token = credentials::reference("token")?;
//! socket.send_text(&format!(r#"{{"op":2,"d":{{"token":"{token}"}}}}"#))?;
//! loop {
//!     match socket.receive(Duration::from_secs(30))? {
//!         Some(Message::Text(text)) => println!("{text}"),
//!         Some(Message::Binary(_)) => {}
//!         Some(Message::Closed(_)) => break,
//!         None => socket.send_text(r#"{"op":1}"#)?,
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

#[cfg(target_family = "wasm")]
use crate::bindings::openpact::host::websocket as host;

/// An open connection. Dropping it ends it without a word, as if it were lost, and so does the end of the component: what
/// waits to be sent is lost, and the other side may let one resume later. [`Socket::close`] sends what waits, and says
/// farewell.
#[derive(Debug)]
pub struct Socket {
    #[cfg(target_family = "wasm")]
    inner: host::Socket,
}

/// One message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The other side closed the connection. Comes once, behind all others.
    Closed(Option<Close>),
}

/// Why a connection was closed (RFC 6455, section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code: 1000 for a normal end, 3000 to 4999 for those that a protocol defines itself.
    pub code: u16,
    /// The text, at most 123 bytes.
    pub reason: String,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It is not what can be asked for: an address, a header or a close that nobody may send.
    Invalid(String),
    /// No grant allows it, or not any more.
    Denied(String),
    /// The connection could not be made.
    Connect(String),
    /// A message is longer than this many bytes.
    TooLarge(u64),
    /// The connection is closed.
    Closed,
    /// The connection broke.
    Broken(String),
}

impl Socket {
    /// Opens a connection to a `wss` or `ws` address.
    ///
    /// # Errors
    /// See [`Error`]. A redirect is one.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &[])
    }

    /// The same with headers, such as `sec-websocket-protocol`; those of the handshake itself are the host's own.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn connect_with(url: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        #[cfg(target_family = "wasm")]
        {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Ok(Self { inner: host::Socket::connect(url, &headers)? })
        }
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = (url, headers);
            Err(Error::Connect("there is no network outside a component".to_owned()))
        }
    }

    /// Queues a text; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`Error`]. A message that is denied leaves the connection open; too many of them close it.
    pub fn send_text(&self, text: &str) -> Result<(), Error> {
        #[cfg(target_family = "wasm")]
        return Ok(self.inner.send(&host::Message::Text(text.to_owned()))?);
        #[cfg(not(target_family = "wasm"))]
        self.never(text)
    }

    /// Queues bytes; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn send_binary(&self, bytes: &[u8]) -> Result<(), Error> {
        #[cfg(target_family = "wasm")]
        return Ok(self.inner.send(&host::Message::Binary(bytes.to_vec()))?);
        #[cfg(not(target_family = "wasm"))]
        self.never(bytes)
    }

    /// The next message; `None` where none came in time. At most 49 days.
    ///
    /// # Errors
    /// See [`Error`]. [`Error::Closed`] after [`Message::Closed`].
    pub fn receive(&self, timeout: Duration) -> Result<Option<Message>, Error> {
        #[cfg(target_family = "wasm")]
        {
            let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            Ok(self.inner.receive(milliseconds)?.map(Message::from))
        }
        #[cfg(not(target_family = "wasm"))]
        self.never(timeout)
    }

    /// Sends what waits, closes the connection, and waits for the other side for at most 5 seconds.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a code or a reason that cannot be sent, [`Error::Closed`] where it was closed before.
    pub fn close(self, reason: Option<Close>) -> Result<(), Error> {
        #[cfg(target_family = "wasm")]
        {
            let reason = reason.map(|Close { code, reason }| host::CloseReason { code, reason });
            Ok(self.inner.close(reason.as_ref())?)
        }
        #[cfg(not(target_family = "wasm"))]
        self.never(reason)
    }

    /// Outside a component there is no socket to use.
    #[cfg(not(target_family = "wasm"))]
    #[expect(clippy::unused_self, reason = "the value shows that this is never called")]
    fn never<T>(&self, _: impl Sized) -> Result<T, Error> {
        Err(Error::Closed)
    }
}

#[cfg(target_family = "wasm")]
impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Invalid(why) => Self::Invalid(why),
            host::Error::Denied(what) => Self::Denied(what),
            host::Error::Connect(why) => Self::Connect(why),
            host::Error::TooLarge(limit) => Self::TooLarge(limit),
            host::Error::Closed => Self::Closed,
            host::Error::Broken(why) => Self::Broken(why),
        }
    }
}

#[cfg(target_family = "wasm")]
impl From<host::Message> for Message {
    fn from(message: host::Message) -> Self {
        match message {
            host::Message::Text(text) => Self::Text(text),
            host::Message::Binary(bytes) => Self::Binary(bytes),
            host::Message::Closed(reason) => {
                Self::Closed(reason.map(|host::CloseReason { code, reason }| Close { code, reason }))
            }
        }
    }
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(why) => {
                Self::invalid_arguments(format!("The connection cannot be used so: {why}."))
            }
            Error::Denied(_) => Self::denied("This component may not do that. An admin can grant it."),
            Error::Connect(why) => Self::unavailable(format!("No connection: {why}.")),
            Error::TooLarge(limit) => Self::failed(format!("A message is longer than {limit} bytes.")),
            Error::Closed => Self::unavailable("The connection is closed."),
            Error::Broken(why) => Self::unavailable(format!("The connection broke: {why}.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_component_there_is_no_network() {
        let error = Socket::connect("wss://example.com/").expect_err("there is none");
        assert_eq!(error, Error::Connect("there is no network outside a component".to_owned()));
        let told = crate::Error::from(error);
        assert_eq!(told.text(), "No connection: there is no network outside a component.");
    }

    #[test]
    fn the_model_is_not_told_what_was_denied() {
        let told = crate::Error::from(Error::Denied("no grant allows GET wss://example.com/".to_owned()));
        assert!(matches!(&told, crate::Error::Denied(text) if !text.contains("example.com")), "{told}");
    }
}
