//! The log: installed once, with what the command line says; the configuration and the known secrets come later, when
//! they have been read.
//!
//! Lines go to standard error through a queue of bounded length and a thread of its own: whoever stops reading them
//! loses lines, which are counted, and stops nothing else.

mod panic;
mod queue;
mod sink;

use std::io;
use std::sync::Arc;

use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::log::{Format, Log, check_level};
use queue::{Queue, Writing};
use sink::Sink;

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Formatted = Box<dyn Layer<Filtered> + Send + Sync>;

/// Takes known secrets out of a line.
pub(crate) type Redact = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Bytes of lines that may wait for whoever reads them.
const WAITING: usize = 1024 * 1024;

/// What can still be changed about the log. When it is dropped, what waits is written, for a second at most.
pub(crate) struct Handle {
    filter: reload::Handle<EnvFilter, Registry>,
    format: reload::Handle<Formatted, Filtered>,
    sink: Sink,
    colours: bool,
    /// What the command line said; it goes before the configuration.
    level: Option<String>,
    _writing: Writing,
}

/// How many lines nobody took in time.
#[derive(Clone)]
pub(crate) struct Drops(Queue);

/// Installs the log, and has panics told there. `level` is what the command line says.
///
/// # Errors
/// When the level cannot be understood or no thread can be started, in one sentence.
pub(crate) fn install(level: Option<String>, colours: bool) -> Result<Handle, String> {
    if let Some(level) = &level {
        check_level(level)?;
    }
    let started = Queue::start(WAITING, io::stderr());
    let (queue, writing) =
        started.map_err(|error| format!("the thread of the log cannot be started: {error}"))?;
    let sink = Sink::new(queue);
    let filter = filter(level.as_deref().unwrap_or(Log::default().level(false)));
    let (filter, filter_handle) = reload::Layer::new(filter);
    let (format, format_handle) = reload::Layer::new(formatted(Format::Text, &sink, colours));
    // Only tests install a second one, and theirs is as good.
    let _: Result<(), TryInitError> = tracing_subscriber::registry().with(filter).with(format).try_init();
    panic::install();
    Ok(Handle { filter: filter_handle, format: format_handle, sink, colours, level, _writing: writing })
}

impl Handle {
    /// Does what the configuration says, for a service or for one command.
    pub(crate) fn configure(&self, log: &Log, service: bool) {
        let level = self.level.as_deref().unwrap_or(log.level(service));
        let changed = self.filter.reload(filter(level));
        let changed =
            changed.and_then(|()| self.format.reload(formatted(log.format, &self.sink, self.colours)));
        changed.expect("the subscriber lives as long as the program");
    }

    /// From now on every line goes through `redact` first.
    pub(crate) fn redact_with(&self, redact: Redact) {
        self.sink.redact_with(redact);
    }

    /// What tells how many lines nobody took in time.
    pub(crate) fn drops(&self) -> Drops {
        Drops(self.sink.queue().clone())
    }
}

impl Drops {
    /// How many so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.dropped()
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(level)
}

fn formatted<S>(format: Format, sink: &Sink, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(sink.of(format));
    match format {
        Format::Text => layer.with_ansi(colours).with_target(true).boxed(),
        Format::Json => layer.with_ansi(false).json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests;
