//! `openpact start`: the service that people leave running.

use std::sync::Arc;

use crate::app::App;
use crate::control::{State, Status};
use crate::exit::Failure;
use crate::present::Output;
use crate::session::Settings;
use crate::signal::Signals;
use crate::{log, present};

/// What the service needs beside the program itself.
pub(crate) struct Service<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) signals: &'a Signals,
    pub(crate) settings: &'a Settings,
    pub(crate) log: &'a log::Handle,
    pub(crate) output: Output,
    pub(crate) metrics: Option<openpact_health::Metrics>,
}

impl Service<'_> {
    /// Runs until a signal says to end, and then ends in good order.
    ///
    /// # Errors
    /// When a part cannot be built without which nothing works.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        // First, so that a probe can see that it starts.
        self.app.start_health(self.metrics.take(), self.log.drops()).await;
        let started = tokio::select! {
            started = self.app.start_service() => started,
            () = self.signals.stopped() => Ok(()),
        };
        if started.is_ok() && !self.signals.is_stopped() {
            self.say_hello().await;
            tell_systemd(&[sd_notify::NotifyState::Ready]);
            self.serve().await;
        }
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        self.say("ending; a second signal ends at once");
        self.app.announce_end();
        self.app.stop_service(self.app.patience()).await;
        self.app.stop_health().await;
        tracing::info!("ended");
        started
    }

    async fn serve(&self) {
        loop {
            tokio::select! {
                () = self.signals.stopped() => return,
                () = self.signals.reload() => self.reload().await,
            }
        }
    }

    /// Reads the configuration again. What is wrong is said, and everything stays as it was.
    async fn reload(&self) {
        let reread = match self.settings.reread() {
            Ok(config) => Box::pin(self.app.reload(config)).await,
            Err(failure) => Err(failure),
        };
        match reread {
            Ok(reloaded) => {
                tracing::info!(changed = reloaded.applied.join(" "), "the configuration was read again");
                if !reloaded.later.is_empty() {
                    let keys = reloaded.later.join(" ");
                    tracing::warn!(keys, "these take effect when openpact is started anew");
                }
                self.log.configure(&self.app.config().log, !self.output.is_terminal());
            }
            Err(failure) => {
                let why = failure.message;
                tracing::error!(why, "the configuration is not taken; everything stays as it was");
            }
        }
    }

    /// Says something to whoever watches.
    fn say(&self, what: &str) {
        if self.output.is_terminal() {
            present::complain(what);
        } else {
            tracing::info!("{what}");
        }
    }

    /// Says where everything is and what is missing: to a person at a terminal, else to the log.
    async fn say_hello(&self) {
        let status = match self.app.status().await {
            Ok(status) => status,
            Err(failure) => return tracing::error!(error = %failure, "it is not known how the parts are"),
        };
        // Now it is known which components there are.
        for doubt in self.app.doubts().await {
            tracing::warn!(doubt, "the configuration says something that has no effect");
        }
        if self.output.is_terminal() {
            present::print(&present::banner(self.output, &status));
        } else {
            log_parts(&status);
        }
    }
}

/// One line for each part.
fn log_parts(status: &Status) {
    for part in &status.parts {
        let (name, about) = (&part.name, &part.about);
        let todo = part.todo.as_deref().map(|todo| todo.lines().collect::<Vec<_>>().join(" "));
        match part.state {
            State::Failed => tracing::warn!(part = name, about, todo, "a part does not run"),
            State::Off | State::Waiting => tracing::info!(part = name, about, todo, "a part is off"),
            State::Running | State::Ready | State::Starting => {
                tracing::info!(part = name, about, todo, "a part runs");
            }
        }
    }
    tracing::info!(
        version = status.version,
        data = status.data,
        config = status.config,
        "openpact is running"
    );
}

/// Tells systemd, where that started us.
fn tell_systemd(what: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "systemd was not told");
    }
}
