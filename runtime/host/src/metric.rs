//! What is counted, at the place where it happens.

use std::time::Duration;

use openpact_model::id::ComponentName;
use openpact_model::tool::ToolFailure;

/// An instance, counted for as long as it is there.
pub(crate) struct Alive(metrics::Gauge);

impl Alive {
    pub(crate) fn count(component: &ComponentName) -> Self {
        let component = component.as_str().to_owned();
        metrics::counter!("openpact_component_instances_total", "component" => component.clone())
            .increment(1);
        let gauge = metrics::gauge!("openpact_component_instances", "component" => component);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A guest ended without an answer.
pub(crate) fn failed(component: &ComponentName, failure: &ToolFailure) {
    let component = component.as_str().to_owned();
    match failure {
        ToolFailure::Broken(_) => {
            metrics::counter!("openpact_component_traps_total", "component" => component).increment(1);
        }
        ToolFailure::LimitReached { limit, .. } => {
            let limit = limit.word();
            metrics::counter!("openpact_component_limits_total", "component" => component, "limit" => limit)
                .increment(1);
        }
        _ => {}
    }
}

/// A call took so much of a processor.
pub(crate) fn cpu(component: &ComponentName, time: Duration) {
    let component = component.as_str().to_owned();
    metrics::histogram!("openpact_component_cpu_seconds", "component" => component)
        .record(time.as_secs_f64());
}

/// Bytes of output were not taken.
pub(crate) fn dropped(component: &ComponentName, bytes: u64) {
    let component = component.as_str().to_owned();
    metrics::counter!("openpact_component_log_bytes_dropped_total", "component" => component)
        .increment(bytes);
}
