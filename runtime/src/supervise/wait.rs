//! How long a part that ended waits for its next start.
//!
//! Not the crate `backon`: it adds its jitter on top of a growing wait, with a random source of its own, and retries a
//! call; here a part is kept, for whom different ends mean different waits, and tests set the random source.

use std::time::Duration;

use openpact_model::random::Random;

/// What helps a part that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Time: it broke, or what it talks to does not answer.
    Trouble,
    /// Time, and more of it: what it talks to answers, but makes no sense, and will not at once.
    Nonsense,
    /// Somebody else has to let go of what it needs.
    Conflict,
    /// Only an admin.
    Admin,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    /// The shortest wait in trouble.
    pub(crate) first: Duration,
    /// The shortest wait where the answers make no sense.
    pub(crate) nonsense: Duration,
    /// The shortest wait in a conflict.
    pub(crate) conflict: Duration,
    /// The longest wait, and the one for an admin.
    pub(crate) most: Duration,
    /// After so long a time of good work, what was before counts no more.
    pub(crate) good: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            nonsense: Duration::from_secs(5),
            conflict: Duration::from_secs(30),
            most: Duration::from_mins(5),
            good: Duration::from_mins(5),
        }
    }
}

impl Waits {
    /// The wait after `failures` ends in a row, from 1: anything between the shortest wait and a limit that doubles
    /// each time (full jitter), so that many programs that lost one platform do not come back to it at one instant.
    pub(crate) fn after(&self, kind: Kind, failures: u32, random: &dyn Random) -> Duration {
        let least = match kind {
            Kind::Trouble => self.first,
            Kind::Nonsense => self.nonsense,
            Kind::Conflict => self.conflict,
            Kind::Admin => return self.most,
        };
        let limit = least.saturating_mul(1_u32 << failures.clamp(1, 31)).min(self.most);
        least + spread(limit.saturating_sub(least), random)
    }
}

/// Something between nothing and `most`.
fn spread(most: Duration, random: &dyn Random) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
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

    #[track_caller]
    fn check(kind: Kind, failures: u32, least: u64, most: u64) {
        let waits = Waits::default();
        let seconds = |random: u8| waits.after(kind, failures, &Fixed(random)).as_secs();
        assert_eq!((seconds(0), seconds(255)), (least, most), "{kind:?} after {failures}");
    }

    #[test]
    fn the_longest_wait_doubles_up_to_five_minutes() {
        for (failures, most) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (31, 300), (u32::MAX, 300)] {
            check(Kind::Trouble, failures, 1, most);
        }
    }

    #[test]
    fn nonsense_and_a_conflict_are_left_more_time_and_an_admin_five_minutes() {
        for (failures, most) in [(1, 60), (2, 120), (3, 240), (4, 300), (u32::MAX, 300)] {
            check(Kind::Conflict, failures, 30, most);
        }
        for (failures, most) in [(1, 10), (2, 20), (3, 40), (6, 300), (u32::MAX, 300)] {
            check(Kind::Nonsense, failures, 5, most);
        }
        for failures in [1, 2, 50] {
            check(Kind::Admin, failures, 300, 300);
        }
    }
}
