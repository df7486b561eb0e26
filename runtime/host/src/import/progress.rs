//! `openpact:host/progress`, and the lines of `openpact:host/log` that go to whoever called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openpact_bindings::v0_1_0::openpact::host::progress::Host;
use openpact_model::clock::Clock;
use openpact_model::tool::{LogLevel, LogLine, Progress, ProgressSink};

use crate::state::State;

/// Reports, and lines, that may come at once.
const BURST: u32 = 16;
/// The time after which one more may come.
const INTERVAL: Duration = Duration::from_millis(100);
/// The longest message or line, characters.
const MAX_MESSAGE: usize = 512;

/// What one call tells its caller: reports that grow and lines of its log, of each no more than somebody can read.
#[derive(Default)]
pub(crate) struct Reports {
    to: Option<(ProgressSink, Arc<dyn Clock>)>,
    last: Option<f64>,
    steps: Places,
    lines: Places,
}

/// A bucket that fills by one each [`INTERVAL`].
struct Places {
    left: u32,
    since: Option<Instant>,
}

impl Default for Places {
    fn default() -> Self {
        Self { left: BURST, since: None }
    }
}

impl Reports {
    /// Reports to `sink`.
    pub(crate) fn new(sink: ProgressSink, clock: Arc<dyn Clock>) -> Self {
        Self { to: Some((sink, clock)), ..Self::default() }
    }

    /// Passes a report on. `redacted` takes secrets out of its message before it is cut: half of one would not be found.
    fn take(
        &mut self,
        now: Instant,
        (done, total): (f64, Option<f64>),
        message: Option<&str>,
        redacted: impl FnOnce(&str) -> String,
    ) {
        let total = total.filter(|total| total.is_finite() && *total >= 0.0);
        let grows = done.is_finite() && done >= 0.0 && self.last.is_none_or(|last| done > last);
        let Some((sink, _)) = &self.to else { return };
        if !grows || !self.steps.take(now) {
            return;
        }
        self.last = Some(done);
        let message = message.map(|text| openpact_model::text::one_line(&redacted(text), MAX_MESSAGE));
        sink.report(Progress { done, total, message });
    }

    /// Passes a line of the log on, in the same way.
    pub(crate) fn log(&mut self, level: LogLevel, text: &str, redacted: impl FnOnce(&str) -> String) {
        let now = match &self.to {
            Some((sink, clock)) if sink.least().is_some_and(|least| level >= least) => clock.monotonic(),
            _ => return,
        };
        self.line(now, level, || openpact_model::text::one_line(&redacted(text), MAX_MESSAGE));
    }

    fn line(&mut self, now: Instant, level: LogLevel, text: impl FnOnce() -> String) {
        let Some((sink, _)) = &self.to else { return };
        if self.lines.take(now) {
            sink.log(LogLine { level, text: text() });
        }
    }
}

impl Places {
    fn take(&mut self, now: Instant) -> bool {
        let start = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(start).as_millis() / INTERVAL.as_millis();
        let new = u32::try_from(passed).unwrap_or(u32::MAX).min(BURST);
        if new > 0 {
            self.left = self.left.saturating_add(new).min(BURST);
            self.since = Some(now);
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

impl Host for State {
    fn report(&mut self, done: f64, total: Option<f64>, message: Option<String>) -> wasmtime::Result<()> {
        let now = self.progress.to.as_ref().map(|(_, clock)| clock.monotonic());
        if let Some(now) = now {
            let ledger = &self.ledger;
            let redacted = |text: &str| ledger.capture().redacted(text);
            self.progress.take(now, (done, total), message.as_deref(), redacted);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use openpact_model::clock::SystemClock;

    use super::*;

    fn reports() -> (Reports, Arc<Mutex<Vec<Progress>>>, Instant) {
        let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
        let take = Arc::clone(&seen);
        let sink = ProgressSink::new(move |progress| take.lock().unwrap().push(progress));
        (Reports::new(sink, Arc::new(SystemClock)), seen, SystemClock.monotonic())
    }

    #[test]
    fn only_what_grows_is_passed_on() {
        let (mut reports, seen, now) = reports();
        for done in [0.0, 0.0, -1.0, f64::NAN, f64::INFINITY, 1.0, 0.5, 2.0] {
            reports.take(now, (done, Some(f64::NAN)), None, str::to_owned);
        }
        let seen: Vec<_> = seen.lock().unwrap().iter().map(|one| (one.done, one.total)).collect();
        assert_eq!(seen, [(0.0, None), (1.0, None), (2.0, None)]);
    }

    #[test]
    fn a_flood_is_cut_to_what_somebody_can_read() {
        let (mut reports, seen, now) = reports();
        let mut flood = |passed: Duration, from: u32| {
            for done in from..from + 1000 {
                reports.take(now + passed, (f64::from(done), None), None, str::to_owned);
            }
            seen.lock().unwrap().len()
        };
        assert_eq!(flood(Duration::ZERO, 0), BURST as usize);
        assert_eq!(flood(INTERVAL, 1000), BURST as usize + 1);
        assert_eq!(flood(Duration::from_hours(1), 2000), 2 * BURST as usize + 1);
    }

    #[test]
    fn a_flood_of_lines_is_cut_and_takes_no_place_from_reports() {
        let seen: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let take = Arc::clone(&seen);
        let sink =
            ProgressSink::default().with_log(LogLevel::Info, move |line| take.lock().unwrap().push(line));
        let (mut reports, now) = (Reports::new(sink, Arc::new(SystemClock)), SystemClock.monotonic());
        let mut flood = |passed: Duration| {
            (0..1000).for_each(|_| reports.line(now + passed, LogLevel::Info, || "line".into()));
            seen.lock().unwrap().len()
        };
        assert_eq!(flood(Duration::ZERO), BURST as usize);
        assert_eq!(flood(INTERVAL), BURST as usize + 1);
        assert_eq!(reports.steps.left, BURST);
    }

    #[test]
    fn lines_below_what_was_asked_for_cost_nothing() {
        let seen: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let take = Arc::clone(&seen);
        let sink =
            ProgressSink::default().with_log(LogLevel::Warn, move |line| take.lock().unwrap().push(line));
        let mut reports = Reports::new(sink, Arc::new(SystemClock));
        reports.log(LogLevel::Info, "no", |_| panic!("nobody wants it"));
        assert_eq!(reports.lines.left, BURST);
        for level in [LogLevel::Warn, LogLevel::Error] {
            reports.log(level, "yes\n\u{1b}", str::to_owned);
        }
        let expected =
            [LogLevel::Warn, LogLevel::Error].map(|level| LogLine { level, text: "yes\\u{a}\\u{1b}".into() });
        assert_eq!(*seen.lock().unwrap(), expected);
        Reports::default().log(LogLevel::Error, "no", |_| panic!("nobody is there"));
    }

    #[test]
    fn a_secret_at_the_cut_is_taken_out_whole() {
        let seen: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let take = Arc::clone(&seen);
        let sink =
            ProgressSink::default().with_log(LogLevel::Info, move |line| take.lock().unwrap().push(line));
        let text = format!("{}hunter2", "x".repeat(MAX_MESSAGE - 3));
        let redacted = |text: &str| text.replace("hunter2", "[REDACTED]");
        Reports::new(sink, Arc::new(SystemClock)).log(LogLevel::Info, &text, redacted);
        assert!(!seen.lock().unwrap()[0].text.contains("hun"));
        let (mut reports, seen, now) = reports();
        reports.take(now, (1.0, None), Some(&text), redacted);
        assert!(!seen.lock().unwrap()[0].message.as_ref().unwrap().contains("hun"));
    }

    #[test]
    fn a_message_is_one_short_line() {
        let (mut reports, seen, now) = reports();
        reports.take(now, (1.0, None), Some(&"ä".repeat(1000)), str::to_owned);
        reports.take(now, (2.0, None), Some("a\n\u{1b}[31m"), str::to_owned);
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0].message.as_ref().unwrap().chars().count(), MAX_MESSAGE + 1);
        assert_eq!(seen[1].message.as_deref(), Some("a\\u{a}\\u{1b}[31m"));
    }
}
