//! What every fake keeps: its clock, what goes wrong, what was asked of it, and what was wrong with that.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::chance::{Dice, Rule, Switchboard};
use crate::clock;

/// The most requests that are remembered in full, and the most violations.
const REMEMBERED: usize = 200_000;

/// What every fake keeps. `R` is its kind of rule, `C` a request once it has been answered.
pub struct Ledger<R, C> {
    /// What goes wrong with requests.
    pub faults: Switchboard<R>,
    /// What faults with a chance are thrown with.
    pub dice: Dice,
    calls: Vec<C>,
    counts: BTreeMap<String, u64>,
    violations: Vec<String>,
    /// How far the clock is ahead.
    ahead: Duration,
}

impl<R, C> Default for Ledger<R, C> {
    fn default() -> Self {
        Self {
            faults: Switchboard::default(),
            dice: Dice::default(),
            calls: Vec::new(),
            counts: BTreeMap::new(),
            violations: Vec::new(),
            ahead: Duration::ZERO,
        }
    }
}

impl<R: Rule, C> Ledger<R, C> {
    /// What goes wrong with a request; counted as used.
    pub fn strike(&mut self, fits: impl Fn(&R) -> bool) -> Option<R::Fault> {
        self.faults.strike(&mut self.dice, fits)
    }
}

impl<R, C> Ledger<R, C> {
    /// The time of this fake.
    pub fn now(&self) -> SystemTime {
        clock::now() + self.ahead
    }

    /// Moves its clock ahead.
    pub fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// Notes a request.
    pub fn record(&mut self, name: &str, call: C) {
        self.count_one(name);
        if self.calls.len() >= REMEMBERED {
            self.calls.drain(..REMEMBERED / 2);
        }
        self.calls.push(call);
    }

    /// Counts a request that is not noted.
    pub fn count_one(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Notes what the published description does not allow.
    pub fn complain(&mut self, wrong: impl IntoIterator<Item = String>) {
        let room = REMEMBERED - self.violations.len();
        self.violations.extend(wrong.into_iter().take(room));
    }

    /// How often that was asked for, in whatever case.
    pub fn count(&self, name: &str) -> u64 {
        let counts = self.counts.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        counts.map(|(_, count)| count).sum()
    }

    /// How often everything was asked for.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// The requests, in the order of their answers.
    pub fn calls(&self) -> &[C] {
        &self.calls
    }

    /// What the published description does not allow.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_requests_and_the_first_violations_are_remembered() {
        let mut ledger = Ledger::<(), usize>::default();
        (0..=REMEMBERED).for_each(|call| ledger.record("get", call));
        assert_eq!(ledger.calls().len(), REMEMBERED / 2 + 1);
        assert_eq!(ledger.calls().last(), Some(&REMEMBERED));
        assert_eq!(ledger.count("GET"), REMEMBERED as u64 + 1);
        ledger.complain((0..REMEMBERED - 1).map(|number| number.to_string()));
        ledger.complain(["one fits".to_owned(), "this does not".to_owned()]);
        ledger.complain(["nor does this".to_owned()]);
        assert_eq!(ledger.violations().len(), REMEMBERED);
        assert_eq!(ledger.violations().last().unwrap(), "one fits");
    }
}
