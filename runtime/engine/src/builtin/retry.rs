//! When to ask again.

use std::time::Duration;

use openpact_model::random::Random;

use super::provider::Again;

/// How often, and after how long, a request that failed is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Requests in all.
    pub attempts: u32,
    /// The wait before the second; it doubles each time.
    pub base: Duration,
    /// The longest wait. A provider that asks for a longer one is not asked again.
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 4, base: Duration::from_millis(500), most: Duration::from_mins(1) }
    }
}

impl Retry {
    /// How long to wait after failure number `failures` (from 1); `None` to give up.
    pub(super) fn wait(&self, again: Again, failures: u32, random: &dyn Random) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        match again {
            // A little more than was asked for, so that not everybody comes back at the same instant.
            Again::After(wait) if wait <= self.most => Some(wait + spread(self.base, random)),
            Again::Never | Again::OtherModel | Again::After(_) => None,
            Again::Soon => {
                let wait = self.base.saturating_mul(1 << (failures - 1).min(16)).min(self.most);
                Some(wait / 2 + spread(wait / 2, random))
            }
        }
    }
}

/// Something between nothing and `most`.
fn spread(most: Duration, random: &dyn Random) -> Duration {
    let mut byte = [0];
    random.fill(&mut byte);
    most * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn wait(again: Again, failures: u32, byte: u8) -> Option<u128> {
        Retry::default().wait(again, failures, &Fixed(byte)).map(|wait| wait.as_millis())
    }

    #[test]
    fn waits_double_and_are_spread_and_end() {
        assert_eq!((wait(Again::Soon, 1, 0), wait(Again::Soon, 1, 255)), (Some(250), Some(500)));
        assert_eq!((wait(Again::Soon, 3, 0), wait(Again::Soon, 3, 255)), (Some(1000), Some(2000)));
        assert_eq!(wait(Again::Soon, 4, 0), None);
        assert_eq!(wait(Again::Never, 1, 0), None);
        assert_eq!(wait(Again::OtherModel, 1, 0), None);
        let patient = Retry { attempts: u32::MAX, ..Retry::default() };
        assert_eq!(patient.wait(Again::Soon, 1000, &Fixed(255)), Some(patient.most));
    }

    #[test]
    fn what_the_provider_asks_for_is_honoured_up_to_a_limit() {
        let minute = Duration::from_mins(1);
        assert_eq!(wait(Again::After(Duration::from_secs(3)), 1, 0), Some(3000));
        assert_eq!(wait(Again::After(minute), 1, 0), Some(60_000));
        assert_eq!(wait(Again::After(minute + Duration::from_secs(1)), 1, 0), None);
        assert_eq!(wait(Again::After(Duration::ZERO), 1, 0), Some(0));
    }
}
