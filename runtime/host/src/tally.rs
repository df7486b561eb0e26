//! What is counted about each component for as long as the host lives, across its versions and restarts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_model::health::{Health, LastFailure, Reached};
use openpact_model::id::ComponentName;
use openpact_model::text::one_line;
use openpact_model::tool::{Limit, ToolFailure};

use crate::call::milliseconds;
use crate::ledger::lock;

/// The longest reason of a failure that is kept, characters.
const MAX_WHY: usize = 300;

/// The tallies of all components.
pub(crate) struct Tallies {
    clock: Arc<dyn Clock>,
    all: Mutex<HashMap<ComponentName, Arc<Tally>>>,
}

impl Tallies {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: Mutex::default() }
    }

    /// That of one component.
    pub(crate) fn of(&self, name: &ComponentName) -> Arc<Tally> {
        let mut all = lock(&self.all);
        let new = || Arc::new(Tally::new(Arc::clone(&self.clock)));
        Arc::clone(all.entry(name.clone()).or_insert_with(new))
    }
}

/// The tally of one component.
pub(crate) struct Tally {
    clock: Arc<dyn Clock>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    health: Health,
    cpu: Duration,
}

impl Tally {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    pub(crate) fn health(&self) -> Health {
        let counts = lock(&self.counts);
        Health { cpu_ms: milliseconds(counts.cpu), ..counts.health.clone() }
    }

    /// A call is over.
    pub(crate) fn ended(&self, cpu: Duration, failure: Option<&ToolFailure>) {
        let at = self.clock.now();
        let mut counts = lock(&self.counts);
        counts.cpu += cpu;
        counts.health.calls += 1;
        // What a tool says itself, and what somebody else asked for, is no failure of the component.
        let broke = matches!(
            failure,
            Some(ToolFailure::Broken(_) | ToolFailure::LimitReached { .. } | ToolFailure::Host(_))
        );
        if let Some(failure) = failure.filter(|_| broke) {
            let why = one_line(&failure.to_string(), MAX_WHY);
            counts.health.failed += 1;
            counts.health.last_failure = Some(LastFailure { code: failure.code().to_owned(), why, at });
        }
    }

    /// A call met a limit.
    pub(crate) fn reached(&self, limit: Limit, value: u64) {
        let last = self.clock.now();
        let limits = &mut lock(&self.counts).health.limits;
        let there = limits.iter().position(|reached| reached.limit == limit);
        let times = there.map_or(0, |at| limits.remove(at).times);
        limits.insert(0, Reached { limit, value, times: times + 1, last });
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::clock::SystemClock;

    use super::*;

    #[test]
    fn limits_are_counted_each_for_itself_the_latest_first() {
        let tallies = Tallies::new(Arc::new(SystemClock));
        let name: ComponentName = "greedy".parse().unwrap();
        let tally = tallies.of(&name);
        for (limit, value) in [(Limit::Memory, 1), (Limit::Cpu, 2), (Limit::Memory, 3)] {
            tally.reached(limit, value);
        }
        let health = tallies.of(&name).health();
        let met: Vec<_> = health.limits.iter().map(|it| (it.limit, it.value, it.times)).collect();
        assert_eq!(met, [(Limit::Memory, 3, 2), (Limit::Cpu, 2, 1)]);
        assert_eq!(tallies.of(&"other".parse().unwrap()).health(), Health::default());
    }

    #[test]
    fn what_a_tool_says_itself_is_no_failure_of_it() {
        let tally = Tally::new(Arc::new(SystemClock));
        let own = ToolFailure::Failed("no such page".into());
        for failure in [None, Some(&own), Some(&ToolFailure::Cancelled), Some(&ToolFailure::Stopped)] {
            tally.ended(Duration::from_micros(700), failure);
        }
        let health = tally.health();
        assert_eq!((health.calls, health.failed, health.cpu_ms, health.last_failure), (4, 0, 2, None));
        tally.ended(Duration::ZERO, Some(&ToolFailure::Broken("a\u{1b}[2J".repeat(1000))));
        let health = tally.health();
        let last = health.last_failure.unwrap();
        assert_eq!((health.failed, last.code.as_str()), (1, "broken"));
        assert!(!last.why.contains('\u{1b}') && last.why.len() < 5000);
    }
}
