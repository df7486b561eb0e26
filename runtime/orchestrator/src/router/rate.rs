//! How often a person, and anybody together, may call tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use openpact_model::clock::Clock;
use openpact_model::role::Sender;

use super::turn::Turn;
use crate::Error;
use crate::bucket;

pub use crate::bucket::Rate;

/// The rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Of one person over all tools, with however many accounts.
    pub user: Rate,
    /// Of one tool over all persons.
    pub tool: Rate,
    /// Of single tools by name, instead of `tool`.
    pub tools: BTreeMap<String, Rate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            user: Rate { burst: 60, per_minute: 120 },
            tool: Rate { burst: 120, per_minute: 240 },
            tools: BTreeMap::new(),
        }
    }
}

/// All buckets.
pub(super) struct Buckets {
    config: Config,
    buckets: bucket::Buckets<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Somebody who is known, by what the owner calls them.
    Person(String),
    /// An account of nobody who is known.
    Account {
        provider: String,
        user: String,
    },
    Tool(String),
}

impl Key {
    /// To whom it counts what is called.
    fn of(person: Option<&str>, sender: &Sender) -> Self {
        match person {
            Some(name) => Self::Person(name.to_owned()),
            None => Self::Account { provider: sender.provider.clone(), user: sender.user.clone() },
        }
    }
}

impl Config {
    pub(super) fn build(self, clock: Arc<dyn Clock>) -> Result<Buckets, Error> {
        let named = self.tools.iter().map(|(name, rate)| (name.as_str(), rate));
        for (name, rate) in [("user", &self.user), ("tool", &self.tool)].into_iter().chain(named) {
            if !rate.passes() {
                return Err(Error::Rate { name: name.to_owned() });
            }
        }
        Ok(Buckets { config: self, buckets: bucket::Buckets::new(clock) })
    }
}

impl Buckets {
    /// Takes a place for one call of `tool` in a turn, or says why there is none and when there will be. A refused call
    /// uses nothing up.
    pub(super) fn take(&self, turn: &Turn, tool: &str) -> Result<(), String> {
        self.take_for(Key::of(turn.person.as_deref(), &turn.caller.sender), tool)
    }

    fn take_for(&self, user: Key, tool: &str) -> Result<(), String> {
        let tool_rate = self.config.tools.get(tool).copied().unwrap_or(self.config.tool);
        let wanted = [(user, self.config.user), (Key::Tool(tool.to_owned()), tool_rate)];
        self.buckets.take(wanted).map_err(|empty| {
            let (whose, rate) = match empty.index {
                0 => ("this person calls tools", self.config.user),
                _ => ("this tool is called", tool_rate),
            };
            let seconds = empty.seconds();
            format!("{whose} too often (at most {} a minute); try again in {seconds} s", rate.per_minute)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use jiff::{Timestamp, tz::TimeZone};
    use openpact_model::clock::SystemClock;

    use super::*;

    struct Hand {
        start: Instant,
        passed: Mutex<Duration>,
    }

    impl Hand {
        fn new() -> Arc<Self> {
            Arc::new(Self { start: SystemClock.monotonic(), passed: Mutex::default() })
        }

        fn turn(&self, by: Duration) {
            *self.passed.lock().unwrap() += by;
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            self.start + *self.passed.lock().unwrap()
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    fn sender(user: &str) -> Key {
        on("test", user, None)
    }

    fn on(provider: &str, user: &str, person: Option<&str>) -> Key {
        let (provider, user) = (provider.into(), user.into());
        Key::of(person, &Sender { provider, user, display_name: String::new() })
    }

    fn buckets(clock: &Arc<Hand>, user: Rate, tool: Rate) -> Buckets {
        let config = Config { user, tool, tools: BTreeMap::new() };
        config.build(Arc::clone(clock) as Arc<dyn Clock>).unwrap()
    }

    const WIDE: Rate = Rate { burst: 1000, per_minute: 1000 };

    #[test]
    fn a_person_gets_the_burst_and_then_the_rate() {
        let clock = Hand::new();
        let buckets = buckets(&clock, Rate { burst: 3, per_minute: 60 }, WIDE);
        for _ in 0..3 {
            buckets.take_for(sender("a"), "t").unwrap();
        }
        let text = buckets.take_for(sender("a"), "t").unwrap_err();
        assert!(text.contains("this person") && text.contains("in 2 s"), "{text}");
        buckets.take_for(sender("b"), "t").unwrap();
        clock.turn(Duration::from_millis(999));
        assert!(buckets.take_for(sender("a"), "t").is_err());
        clock.turn(Duration::from_millis(1));
        buckets.take_for(sender("a"), "t").unwrap();
        assert!(buckets.take_for(sender("a"), "t").is_err());
        clock.turn(Duration::from_hours(1));
        for _ in 0..3 {
            buckets.take_for(sender("a"), "t").unwrap();
        }
        assert!(buckets.take_for(sender("a"), "t").is_err(), "a bucket never holds more than its burst");
    }

    #[test]
    fn a_person_has_one_bucket_over_all_accounts_and_everybody_else_one_for_each() {
        let clock = Hand::new();
        let buckets = buckets(&clock, Rate { burst: 2, per_minute: 1 }, WIDE);
        let take = |provider, user, person| buckets.take_for(on(provider, user, person), "t");
        take("one", "7", Some("ada")).unwrap();
        take("two", "8", Some("ada")).unwrap();
        for (provider, user) in [("one", "7"), ("two", "8"), ("three", "9")] {
            assert!(take(provider, user, Some("ada")).unwrap_err().contains("this person"));
        }
        // The same account number elsewhere is somebody else, and so is an account that is called as a person is.
        take("one", "7", Some("ben")).unwrap();
        for (provider, user) in [("one", "7"), ("two", "7"), ("ada", "ada"), ("", "ada")] {
            take(provider, user, None).unwrap();
            take(provider, user, None).unwrap();
            assert!(take(provider, user, None).is_err(), "{provider}:{user}");
        }
    }

    #[test]
    fn a_tool_has_its_own_rate_over_all_persons() {
        let clock = Hand::new();
        let mut config = Config { user: WIDE, tool: WIDE, tools: BTreeMap::new() };
        config.tools.insert("slow".into(), Rate { burst: 1, per_minute: 1 });
        let buckets = config.build(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        buckets.take_for(sender("a"), "slow").unwrap();
        let text = buckets.take_for(sender("b"), "slow").unwrap_err();
        assert!(text.contains("this tool"), "{text}");
        buckets.take_for(sender("b"), "fast").unwrap();
    }

    #[test]
    fn a_refused_call_uses_nothing_up() {
        let clock = Hand::new();
        let mut config =
            Config { user: Rate { burst: 2, per_minute: 1 }, tool: WIDE, tools: BTreeMap::new() };
        config.tools.insert("slow".into(), Rate { burst: 1, per_minute: 1 });
        let buckets = config.build(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        buckets.take_for(sender("a"), "slow").unwrap();
        for _ in 0..10 {
            assert!(buckets.take_for(sender("a"), "slow").is_err());
        }
        buckets.take_for(sender("a"), "fast").unwrap();
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let clock = Hand::new();
        let buckets =
            buckets(&clock, Rate { burst: 1, per_minute: 60 }, Rate { burst: 10_000, per_minute: 1 });
        for number in 0..1024 {
            buckets.take_for(sender(&number.to_string()), "t").unwrap();
        }
        clock.turn(Duration::from_secs(2));
        buckets.take_for(sender("late"), "t").unwrap();
        assert!(buckets.buckets.len() <= 2, "only the tool's bucket and the new one stay");
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        let config = Config { user: Rate { burst: 0, per_minute: 1 }, ..Config::default() };
        let Err(error) = config.build(Hand::new()) else { panic!("it was taken") };
        assert!(error.to_string().contains("user"), "{error}");
    }
}
