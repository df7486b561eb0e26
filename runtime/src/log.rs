//! The log: installed once, with what the command line says; the configuration and the known secrets come later, when
//! they have been read.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::log::{Format, Log, check_level};

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Formatted = Box<dyn Layer<Filtered> + Send + Sync>;

/// Takes known secrets out of a line.
pub(crate) type Redact = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What can still be changed about the log.
pub(crate) struct Handle {
    filter: reload::Handle<EnvFilter, Registry>,
    format: reload::Handle<Formatted, Filtered>,
    sink: Sink,
    colours: bool,
    /// What the command line said; it goes before the configuration.
    level: Option<String>,
}

/// Standard error, without secrets.
#[derive(Clone, Default)]
struct Sink(Arc<RwLock<Option<Redact>>>);

/// Installs the log. `level` is what the command line says.
///
/// # Errors
/// When the level cannot be understood, in one sentence.
pub(crate) fn install(level: Option<String>, colours: bool) -> Result<Handle, String> {
    if let Some(level) = &level {
        check_level(level)?;
    }
    let sink = Sink::default();
    let filter = filter(level.as_deref().unwrap_or(&Log::default().level));
    let (filter, filter_handle) = reload::Layer::new(filter);
    let (format, format_handle) = reload::Layer::new(formatted(Format::Text, &sink, colours));
    // Only tests install a second one, and theirs is as good.
    let _: Result<(), TryInitError> = tracing_subscriber::registry().with(filter).with(format).try_init();
    Ok(Handle { filter: filter_handle, format: format_handle, sink, colours, level })
}

impl Handle {
    /// Does what the configuration says.
    pub(crate) fn configure(&self, log: &Log) {
        let level = self.level.as_ref().unwrap_or(&log.level);
        let changed = self.filter.reload(filter(level));
        let changed =
            changed.and_then(|()| self.format.reload(formatted(log.format, &self.sink, self.colours)));
        changed.expect("the subscriber lives as long as the program");
    }

    /// From now on every line goes through `redact` first.
    pub(crate) fn redact_with(&self, redact: Redact) {
        *self.sink.0.write().unwrap_or_else(PoisonError::into_inner) = Some(redact);
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(level)
}

fn formatted(format: Format, sink: &Sink, colours: bool) -> Formatted {
    let layer = fmt::layer().with_writer(sink.clone());
    match format {
        Format::Text => layer.with_ansi(colours).with_target(true).boxed(),
        Format::Json => layer.with_ansi(false).json().flatten_event(true).boxed(),
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { sink: self, text: Vec::new() }
    }
}

/// Collects one event, and writes it as a whole when it is complete.
struct Line<'a> {
    sink: &'a Sink,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let redact = self.sink.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let redacted = redact.and_then(|redact| redact(&text));
        let line = redacted.as_deref().unwrap_or(&text);
        // Where standard error is closed there is nobody to tell.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}
