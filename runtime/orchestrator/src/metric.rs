//! What is counted of turns and commands.

use std::time::Duration;

/// A turn runs while this lives.
pub(crate) struct Running(());

impl Running {
    pub(crate) fn begin() -> Self {
        metrics::gauge!("openpact_turns_running").increment(1);
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::gauge!("openpact_turns_running").decrement(1);
    }
}

/// A turn has ended.
pub(crate) fn ended(outcome: &'static str, time: Duration) {
    metrics::counter!("openpact_turns_total", "outcome" => outcome).increment(1);
    metrics::histogram!("openpact_turn_duration_seconds").record(time.as_secs_f64());
}

/// A command is done; its name is one of those that there are.
pub(crate) fn command(name: &'static str) {
    metrics::counter!("openpact_commands_total", "command" => name).increment(1);
}
