//! The one place where measurements end up. Takes only what [`crate::names::ALL`] lists, with the labels that are
//! listed there, and bounds how many values each label takes, so that nobody outside can fill the memory with series.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit, gauge,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;

use crate::error::Error;
use crate::names::{ALL, Kind, Metric};

/// How often what was measured is put together: single measurements take memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// The value of a label past the number of values that it may have.
const OTHER: &str = "other";
/// The longest value of a label, bytes.
const VALUE: usize = 128;
/// What counts measurements that are not taken.
const REFUSED: &str = "openpact_metrics_refused_total";

/// What was measured, to be read.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<Bounded>,
    handle: PrometheusHandle,
    process: Collector,
}

/// The recorder behind the macros of `metrics`.
struct Bounded {
    inner: PrometheusRecorder,
    metrics: HashMap<&'static str, &'static Metric>,
    /// The values that each metric's label has taken so far.
    values: RwLock<HashMap<(&'static str, &'static str), HashSet<String>>>,
    refused: Counter,
}

/// Records from now on, for the whole process. To be called once, by the program, which then has to let a
/// [`crate::Server`] run, or [`Metrics::keep_up_for_ever`]: single measurements take memory until then.
///
/// # Errors
/// When something records already.
pub fn install() -> Result<Metrics, Error> {
    let metrics = build()?;
    metrics::set_global_recorder(Arc::clone(&metrics.recorder)).map_err(|_| Error::Installed)?;
    Ok(metrics)
}

/// A recorder that is nobody's yet, for tests: `metrics::with_local_recorder` takes [`Metrics::recorder`].
///
/// # Errors
/// When the list of names is wrong.
pub fn build() -> Result<Metrics, Error> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets).map_err(Error::Buckets)?;
        }
    }
    let inner = builder.build_recorder();
    for metric in ALL {
        describe(&inner, metric);
    }
    let handle = inner.handle();
    let refused = inner.register_counter(&Key::from_static_name(REFUSED), &METADATA);
    let known = ALL.iter().map(|metric| (metric.name, metric)).collect();
    let recorder = Arc::new(Bounded { inner, metrics: known, values: RwLock::default(), refused });
    Ok(Metrics { recorder, handle, process: Collector::default() })
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), metrics::Level::INFO, Some(module_path!()));

fn describe(recorder: &PrometheusRecorder, metric: &Metric) {
    let (name, unit, help) = (metric.name.into(), Some(metric.unit), metric.help.into());
    match metric.kind {
        Kind::Counter => recorder.describe_counter(name, unit, help),
        Kind::Gauge => recorder.describe_gauge(name, unit, help),
        Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
    }
}

impl Metrics {
    /// Everything, in Prometheus' text format; the process itself is measured now.
    pub fn render(&self, version: &'static str, uptime_seconds: u64) -> String {
        metrics::with_local_recorder(self.recorder(), || {
            gauge!("openpact_build_info", "version" => version).set(1);
            #[expect(
                clippy::cast_precision_loss,
                reason = "the seconds of a lifetime are exact in a double"
            )]
            gauge!("openpact_uptime_seconds").set(uptime_seconds as f64);
            self.process.collect();
        });
        self.handle.render()
    }

    /// Where measurements go.
    pub fn recorder(&self) -> &dyn Recorder {
        &*self.recorder
    }

    /// Puts single measurements together.
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }

    /// Does that every few seconds, for ever. Needs a tokio runtime with time.
    pub async fn keep_up_for_ever(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.keep_up();
        }
    }

    pub(crate) fn ready(&self, is_ready: bool) {
        metrics::with_local_recorder(self.recorder(), || {
            gauge!("openpact_ready").set(f64::from(u8::from(is_ready)));
        });
    }
}

impl Bounded {
    /// The key under which a measurement is counted; `None` where the list has no such metric.
    fn judge<'a>(&self, key: &'a Key, is_kind: fn(Kind) -> bool) -> Option<Cow<'a, Key>> {
        let Some(metric) = self.metrics.get(key.name()).filter(|metric| is_kind(metric.kind)) else {
            self.refused.increment(1);
            tracing::debug!(name = key.name(), "a measurement that no listed metric fits");
            return None;
        };
        let given: Vec<&Label> = key.labels().collect();
        let is_listed = given.iter().map(|label| label.key()).eq(metric.labels.iter().map(|label| label.key));
        if is_listed && given.iter().all(|label| self.is_seen(metric.name, label)) {
            return Some(Cow::Borrowed(key));
        }
        let labels: Vec<Label> = metric
            .labels
            .iter()
            .filter_map(|label| {
                let value = given.iter().find(|given| given.key() == label.key)?.value();
                Some(Label::new(label.key, self.bound(metric.name, *label, value)))
            })
            .collect();
        Some(Cow::Owned(Key::from_parts(metric.name, labels)))
    }

    fn is_seen(&self, metric: &str, label: &Label) -> bool {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        values.get(&(metric, label.key())).is_some_and(|seen| seen.contains(label.value()))
    }

    /// The value, or [`OTHER`] where the label has enough of them.
    fn bound(&self, metric: &'static str, label: crate::names::Label, value: &str) -> String {
        if value.len() > VALUE {
            return OTHER.to_owned();
        }
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        let seen = values.entry((metric, label.key)).or_default();
        if seen.len() < label.most || seen.contains(value) {
            seen.insert(value.to_owned());
            return value.to_owned();
        }
        OTHER.to_owned()
    }
}

impl Recorder for Bounded {
    /// Every metric is described by the list, once.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let key = self.judge(key, |kind| kind == Kind::Counter);
        key.map_or_else(Counter::noop, |key| self.inner.register_counter(&key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let key = self.judge(key, |kind| kind == Kind::Gauge);
        key.map_or_else(Gauge::noop, |key| self.inner.register_gauge(&key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let key = self.judge(key, |kind| matches!(kind, Kind::Histogram(_)));
        key.map_or_else(Histogram::noop, |key| self.inner.register_histogram(&key, metadata))
    }
}

#[cfg(test)]
mod tests;
