//! What the store counts.

use std::time::Duration;

/// A transaction is on disk: how long it took, how many jobs shared it, how many audit entries it holds.
pub(crate) fn committed(time: Duration, jobs: usize, entries: i64) {
    metrics::counter!("openpact_store_commits_total").increment(1);
    metrics::histogram!("openpact_store_commit_duration_seconds").record(time.as_secs_f64());
    let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
    metrics::histogram!("openpact_store_commit_jobs").record(f64::from(jobs));
    metrics::counter!("openpact_audit_events_total").increment(u64::try_from(entries).unwrap_or(0));
}

/// A transaction could not be written.
pub(crate) fn failed() {
    metrics::counter!("openpact_store_commits_failed_total").increment(1);
}
