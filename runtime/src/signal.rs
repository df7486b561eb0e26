//! Signals: the first one ends the program in good order, the second at once. While an answer is being given, Ctrl-C
//! stops the answer and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::chat::terminal;
use crate::exit::{Code, Failure};

/// What signals did so far.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    stop: CancellationToken,
    interrupt: Arc<Notify>,
    claimed: Arc<AtomicBool>,
    /// Told when SIGHUP comes to a process that reads its configuration again.
    reload: Arc<Notify>,
}

/// While this lives, Ctrl-C goes to its owner.
pub(crate) struct Claim<'a>(&'a Signals);

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Self::begin(false)
    }

    /// As [`Signals::listen`], but SIGHUP does not end the program: it comes to [`Signals::reload`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn listen_to_reload() -> Result<Self, Failure> {
        Self::begin(true)
    }

    fn begin(reloads: bool) -> Result<Self, Failure> {
        let signals = Self::default();
        let this = signals.clone();
        let listen = |kind| signal(kind).map_err(Failure::doing("signals cannot be listened to"));
        let (mut interrupt, mut terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let mut hangup = listen(SignalKind::hangup())?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => this.interrupted(),
                    _ = terminate.recv() => this.terminated(),
                    _ = hangup.recv() => this.hung_up(reloads),
                }
            }
        });
        Ok(signals)
    }

    /// Done when the program is to end.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the program is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ctrl-C comes to [`Signals::interruption`] while the claim lives.
    pub(crate) fn claim(&self) -> Claim<'_> {
        self.claimed.store(true, Ordering::Relaxed);
        Claim(self)
    }

    /// Done when somebody pressed Ctrl-C while it was claimed.
    pub(crate) async fn interruption(&self) {
        self.interrupt.notified().await;
    }

    /// Done when the configuration is to be read again.
    pub(crate) async fn reload(&self) {
        self.reload.notified().await;
    }

    fn hung_up(&self, reloads: bool) {
        if reloads {
            self.reload.notify_one();
        } else {
            self.terminated();
        }
    }

    fn interrupted(&self) {
        if self.claimed.load(Ordering::Relaxed) && !self.stop.is_cancelled() {
            self.interrupt.notify_one();
        } else {
            self.terminated();
        }
    }

    fn terminated(&self) {
        if self.stop.is_cancelled() {
            terminal::restore();
            std::process::exit(i32::from(Code::Interrupted.number()));
        }
        self.stop.cancel();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.claimed.store(false, Ordering::Relaxed);
    }
}
