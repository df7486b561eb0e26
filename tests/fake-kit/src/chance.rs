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
    fn strikes(&mut self, dice: &mut Dice) -> bool {
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
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(1)
    }
}

impl Dice {
    /// Dice that start there.
    pub fn new(seed: u64) -> Self {
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

/// When something goes wrong. [`rule!`](crate::rule!) makes one of a struct with a `fault` and a `chance`.
pub trait Rule {
    /// What goes wrong.
    type Fault: Clone;

    /// What.
    fn fault(&self) -> &Self::Fault;

    /// How often.
    fn often(&mut self) -> &mut Chance;
}

/// Makes a [`Rule`] of a struct with the fields `fault` and `chance`, with the methods by which tests say how often.
#[macro_export]
macro_rules! rule {
    ($rule:ty, $fault:ty) => {
        impl $rule {
            /// After so many times that fit.
            #[must_use]
            pub fn skip(mut self, skip: u64) -> Self {
                self.chance.skip = skip;
                self
            }

            /// So many times.
            #[must_use]
            pub fn times(mut self, times: u64) -> Self {
                self.chance.times = Some(times);
                self
            }

            /// With this likelihood, from 0 to 1.
            #[must_use]
            pub fn chance(mut self, chance: f64) -> Self {
                self.chance.chance = Some(chance);
                self
            }
        }

        impl $crate::Rule for $rule {
            type Fault = $fault;

            fn fault(&self) -> &$fault {
                &self.fault
            }

            fn often(&mut self) -> &mut $crate::Chance {
                &mut self.chance
            }
        }
    };
}

/// The rules that hold.
#[derive(Debug)]
pub struct Switchboard<R>(Vec<R>);

impl<R> Default for Switchboard<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Rule> Switchboard<R> {
    /// One more rule.
    pub fn add(&mut self, rule: R) {
        self.0.push(rule);
    }

    /// No rules any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong, by the first of the rules that fit whose turn it is; counted as used.
    pub fn strike(&mut self, dice: &mut Dice, fits: impl Fn(&R) -> bool) -> Option<R::Fault> {
        let mut fitting = self.0.iter_mut().filter(|rule| fits(rule));
        fitting.find_map(|rule| rule.often().strikes(dice).then(|| rule.fault().clone()))
    }
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro is for rules that others see")]
mod tests {
    use super::*;

    struct Test {
        fault: u8,
        chance: Chance,
    }

    rule!(Test, u8);

    fn test(fault: u8) -> Test {
        Test { fault, chance: Chance::default() }
    }

    fn strikes(rules: impl IntoIterator<Item = Test>, seed: u64, times: usize) -> Vec<Option<u8>> {
        let (mut board, mut dice) = (Switchboard::default(), Dice::new(seed));
        rules.into_iter().for_each(|rule| board.add(rule));
        (0..times).map(|_| board.strike(&mut dice, |rule| rule.fault != 9)).collect()
    }

    #[test]
    fn what_is_skipped_and_what_is_used_up_leaves_room_for_the_next_rule() {
        let rules = [test(9), test(1).skip(1).times(2), test(2)];
        assert_eq!(strikes(rules, 1, 5), [Some(2), Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(strikes([test(1).times(0)], 1, 1), [None]);
    }

    #[test]
    fn dice_fall_as_their_seed_says() {
        let fallen = |seed, chance| strikes([test(1).chance(chance)], seed, 1_000);
        assert_eq!(fallen(1, 0.5), fallen(1, 0.5));
        assert_ne!(fallen(1, 0.5), fallen(2, 0.5));
        let struck = |chance| fallen(1, chance).iter().flatten().count();
        assert_eq!((struck(0.0), struck(1.1)), (0, 1_000));
        assert!((400..600).contains(&struck(0.5)));
    }
}
