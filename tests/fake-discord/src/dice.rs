//! How often a fault strikes: counted, skipped, or by dice that start where a test says.

use serde::{Deserialize, Serialize};

/// How often something goes wrong, of the times that fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// So many times that fit are let through first.
    #[serde(default)]
    pub skip: u64,
    /// How many times; without it, for ever.
    #[serde(default)]
    pub times: Option<u64>,
    /// How likely each time, from 0 to 1; without it, each time.
    #[serde(default)]
    pub chance: Option<f64>,
}

impl Chance {
    /// Whether it strikes this time; counted.
    pub(crate) fn strikes(&mut self, dice: &mut Dice) -> bool {
        if self.times == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.chance.is_some_and(|chance| dice.roll() >= chance) {
            return false;
        }
        self.times = self.times.map(|times| times - 1);
        true
    }
}

/// Seeded randomness.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(1)
    }
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to 1 (`SplitMix64`).
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits are left");
        f64::from(top) / f64::from(u32::MAX)
    }
}
