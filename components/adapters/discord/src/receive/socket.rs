//! What the receive loop has of the world: connections, time and chance. Tests put a script in its place.

use std::time::{Duration, Instant};

use openpact_sdk::clock;
use openpact_sdk::websocket::{Close, Error, Message, Socket};

/// An open connection.
pub(super) trait Line {
    /// Sends a text.
    fn send(&self, text: &str) -> Result<(), Error>;

    /// The next message; `None` where none came in time.
    fn receive(&self, wait: Duration) -> Result<Option<Message>, Error>;

    /// Closes it with this code, if it is open.
    fn close(self, code: u16);
}

/// What is outside.
pub(super) trait World {
    /// An open connection.
    type Line: Line;

    /// Opens a connection.
    fn connect(&self, url: &str) -> Result<Self::Line, Error>;

    /// The time since some moment.
    fn now(&self) -> Duration;

    /// The time in milliseconds since 1970.
    fn time(&self) -> u64;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// A number from 0 to 1.
    fn jitter(&self) -> f64;
}

/// The world as the host gives it.
pub(super) struct Outside {
    start: Instant,
}

impl Default for Outside {
    fn default() -> Self {
        Self { start: clock::monotonic() }
    }
}

impl World for Outside {
    type Line = Socket;

    fn connect(&self, url: &str) -> Result<Socket, Error> {
        Socket::connect(url)
    }

    fn now(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.start)
    }

    fn time(&self) -> u64 {
        u64::try_from(clock::now().as_millis()).unwrap_or(0)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    // Clients that start at one moment differ by less than a second, and so in this.
    fn jitter(&self) -> f64 {
        f64::from(clock::now().subsec_nanos()) / 1e9
    }
}

impl Line for Socket {
    fn send(&self, text: &str) -> Result<(), Error> {
        self.send_text(text)
    }

    fn receive(&self, wait: Duration) -> Result<Option<Message>, Error> {
        Self::receive(self, wait)
    }

    fn close(self, code: u16) {
        // Where the other side has closed it already there is nothing to do.
        let _ = Self::close(self, Some(Close { code, reason: String::new() }));
    }
}
