//! Tells the health endpoint how the parts are: what `openpact status` says, in short.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use openpact_health as health;
use openpact_health::{Check, Checks};
use openpact_orchestrator::chat::Counts;

use super::App;
use crate::control::{Part, State};
use crate::exit::chain;
use crate::log::Drops;

/// What the endpoint itself is called.
const NAME: &str = "health";

/// The parts whose failure leaves the program able to do its work.
const SPARE: [&str; 3] = ["secrets", "mcp", NAME];

/// The endpoint, as the program keeps it.
pub(super) struct Endpoint {
    /// Where it is, or why it is not there.
    server: Result<health::Server, String>,
    stopping: Arc<AtomicBool>,
}

/// The program as the endpoint sees it. It does not keep the program alive.
struct View {
    app: Weak<App>,
    drops: Drops,
    stopping: Arc<AtomicBool>,
}

impl App {
    /// Starts the endpoint, where there is something to tell. Where it cannot be started, that is logged, and `status`
    /// says so: nothing else is stopped by it. `drops` is counted along.
    pub(crate) async fn start_health(self: &Arc<Self>, metrics: Option<health::Metrics>, drops: Drops) {
        let Some(metrics) = metrics else { return };
        let config = self.config();
        let stopping = Arc::<AtomicBool>::default();
        let view = View { app: Arc::downgrade(self), drops, stopping: Arc::clone(&stopping) };
        let clock = Arc::clone(&self.clock);
        let version = env!("CARGO_PKG_VERSION");
        let ports = health::Ports { checks: Arc::new(view), metrics: metrics.clone(), clock, version };
        let built = config.health.endpoint().build(ports).await;
        match &built {
            Ok(server) => tracing::info!(address = %server.address(), "health, readiness and metrics"),
            Err(error) => {
                tracing::error!(error = chain(error), "health, readiness and metrics are not there");
                // What is measured is kept small all the same.
                tokio::spawn(async move { metrics.keep_up_for_ever().await });
            }
        }
        let server = built.map_err(|error| chain(&error));
        if self.health.set(Endpoint { server, stopping }).is_err() {
            tracing::error!("the health endpoint was started twice");
        }
    }

    /// From now on the program is alive, but not ready: it ends.
    pub(crate) fn announce_end(&self) {
        if let Some(endpoint) = self.health.get() {
            endpoint.stopping.store(true, Ordering::Relaxed);
        }
    }

    /// Stops the endpoint, the last of all.
    pub(crate) async fn stop_health(&self) {
        if let Some(Endpoint { server: Ok(server), .. }) = self.health.get() {
            server.stop().await;
        }
    }

    async fn measure_providers(&self) {
        for provider in self.providers().await.unwrap_or_default() {
            let is_connected = f64::from(u8::from(provider.state == State::Running));
            metrics::gauge!("openpact_adapter_connected", "provider" => provider.name).set(is_connected);
        }
    }

    /// What to do where the address of a part cannot be listened at.
    pub(super) fn free_address(&self, part: &str) -> String {
        let file = self.config_file.display();
        format!("set '{part}.bind' in {file} to a free address, such as 127.0.0.1:8800, then start anew")
    }

    /// How the endpoint is, where it was to be started, or that it is switched off.
    pub(super) fn health_part(&self) -> Option<Part> {
        if !self.config().health.enabled && self.health.get().is_none() {
            return Some(off(NAME));
        }
        let (state, about, todo) = match &self.health.get()?.server {
            Ok(server) => {
                (State::Running, format!("http://{}/health, /ready and /metrics", server.address()), None)
            }
            Err(why) => (State::Failed, why.clone(), Some(self.free_address(NAME))),
        };
        Some(Part { name: NAME.to_owned(), state, about, todo })
    }
}

#[async_trait]
impl Checks for View {
    async fn checks(&self) -> Vec<Check> {
        metrics::counter!("openpact_log_lines_dropped_total").absolute(self.drops.count());
        let Some(app) = self.app.upgrade() else { return vec![broken("the program ends".to_owned())] };
        if self.stopping.load(Ordering::Relaxed) {
            return vec![broken("the program ends".to_owned())];
        }
        app.measure_providers().await;
        match app.status().await {
            Ok(status) => status.parts.into_iter().map(check).collect(),
            Err(failure) => vec![broken(failure.message)],
        }
    }
}

/// What lies in inbox and outbox, each time that somebody asks.
pub(super) fn measure_queues(counts: Counts) {
    #[expect(clippy::cast_precision_loss, reason = "so many messages would not fit on any disk")]
    let number = |count: u64| count as f64;
    metrics::gauge!("openpact_inbox_waiting").set(number(counts.received));
    metrics::gauge!("openpact_inbox_running").set(number(counts.running));
    metrics::gauge!("openpact_outbox_waiting").set(number(counts.waiting));
}

/// A part that the configuration switches off.
pub(super) fn off(part: &str) -> Part {
    let about = format!("'{part}.enabled' is false; true and a new start switch it on");
    Part { name: part.to_owned(), state: State::Off, about, todo: None }
}

fn broken(about: String) -> Check {
    Check { name: "program".to_owned(), state: health::State::Failed, about, needed_for_ready: true }
}

/// A part that an admin switched off keeps nothing from being ready.
fn check(part: Part) -> Check {
    let state = match part.state {
        State::Running => health::State::Running,
        State::Ready | State::Starting => health::State::Starting,
        State::Off | State::Waiting => health::State::Off,
        State::Failed => health::State::Failed,
    };
    let needed_for_ready = part.state != State::Off && !SPARE.contains(&part.name.as_str());
    let about = match part.todo {
        Some(todo) if state == health::State::Failed => format!("{}; {todo}", part.about),
        _ => part.about,
    };
    Check { name: part.name, state, about, needed_for_ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, state: State) -> Check {
        let todo = Some("do this".to_owned());
        check(Part { name: name.to_owned(), state, about: "so it is".to_owned(), todo })
    }

    #[test]
    fn what_is_on_has_to_run() {
        for name in ["store", "engine", "telegram"] {
            assert!(!of(name, State::Running).blocks());
            assert!(!of(name, State::Off).blocks(), "{name} was switched off");
            for state in [State::Starting, State::Failed, State::Ready] {
                assert!(of(name, state).blocks(), "{name} {state:?}");
            }
        }
        assert!(!of("secrets", State::Failed).blocks(), "one that cannot be read stops only who needs it");
    }

    #[test]
    fn what_failed_says_what_to_do() {
        assert_eq!(of("engine", State::Failed).about, "so it is; do this");
        assert_eq!(of("engine", State::Running).about, "so it is");
    }
}
