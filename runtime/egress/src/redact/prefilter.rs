//! Passes quickly over text in which no pattern can start.
//!
//! Every pattern has some bytes at least, so of any match a group of eight bytes stands whole at
//! one of the places that lie a fixed step apart. Only there is the text looked at: most of it never is, and a
//! place that is no part of any pattern costs one look at a table of bits.

/// Bytes that are looked at in one place.
const GROUP: usize = 8;
/// Sets the bit that tells upper from lower case in each byte. Other characters fall together too, which only means
/// that the full search is asked once more than it had to be.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// The farthest that two places lie apart: a longer step would save little and cost a larger table.
const MAX_STRIDE: usize = 16;
/// The shortest step that is worth while.
const MIN_STRIDE: usize = 4;
/// Spreads the bits of a group over the upper ones of the product (Knuth, volume 3, section 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits of the table for each group.
const BITS_PER_GROUP: usize = 32;
/// The largest table: 128 KiB, which the second level of a processor's cache holds.
const MAX_BITS: usize = 1 << 20;

/// What tells where a match could start.
pub(super) struct Prefilter {
    stride: usize,
    /// One bit for each hash of a group.
    bits: Box<[u64]>,
    /// What is shifted out of a hash for its place in `bits`.
    bits_shift: u32,
    /// The groups themselves in an open hash table; a group is never zero, which is an empty place.
    groups: Box<[u64]>,
    groups_shift: u32,
}

impl Prefilter {
    /// Takes the patterns in lower case; `None` where one is too short for this to be of use.
    pub(super) fn new(patterns: &[Vec<u8>]) -> Option<Self> {
        let shortest = patterns.iter().map(Vec::len).min()?;
        let stride = (shortest + 1).saturating_sub(GROUP).min(MAX_STRIDE);
        if stride < MIN_STRIDE {
            return None;
        }
        let mut all: Vec<u64> = patterns
            .iter()
            .flat_map(|pattern| pattern[..stride + GROUP - 1].windows(GROUP))
            .filter_map(|group| group_at(group, 0))
            .collect();
        all.sort_unstable();
        all.dedup();
        let bits = (all.len() * BITS_PER_GROUP).next_power_of_two().clamp(64, MAX_BITS);
        let places = (all.len() * 2).next_power_of_two().max(2);
        let mut prefilter = Self {
            stride,
            bits: vec![0; bits / 64].into(),
            bits_shift: u64::BITS - bits.ilog2(),
            groups: vec![0; places].into(),
            groups_shift: u64::BITS - places.ilog2(),
        };
        for group in all {
            prefilter.insert(group);
        }
        Some(prefilter)
    }

    fn insert(&mut self, group: u64) {
        let bit = place(hash(group), self.bits_shift);
        self.bits[bit / 64] |= 1 << (bit % 64);
        let mut at = place(hash(group), self.groups_shift);
        while self.groups[at] != 0 {
            at = (at + 1) % self.groups.len();
        }
        self.groups[at] = group;
    }

    /// The first place from `from` on before which no match starts; `None` where none starts at all.
    pub(super) fn candidate(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + self.stride - 1;
        // Where no whole group is left, no whole pattern is.
        while let Some(group) = group_at(text, at) {
            if self.holds(group) {
                return Some(at + 1 - self.stride);
            }
            at += self.stride;
        }
        None
    }

    fn holds(&self, group: u64) -> bool {
        let hash = hash(group);
        let bit = place(hash, self.bits_shift);
        if self.bits[bit / 64] & (1 << (bit % 64)) == 0 {
            return false;
        }
        let mut at = place(hash, self.groups_shift);
        while self.groups[at] != 0 {
            if self.groups[at] == group {
                return true;
            }
            at = (at + 1) % self.groups.len();
        }
        false
    }
}

/// The group that starts at `at`, if all of it is there.
#[inline]
fn group_at(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..)?.first_chunk::<GROUP>()?;
    Some(u64::from_le_bytes(*bytes) | FOLD)
}

#[inline]
fn hash(group: u64) -> u64 {
    group.wrapping_mul(MULTIPLIER)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is left after the shift is below a table's length")]
fn place(hash: u64, shift: u32) -> usize {
    (hash >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_match_is_never_passed_over() {
        let prefilter =
            Prefilter::new(&patterns(&["0123456789abcdef", "a-much-longer-pattern-than-that"])).unwrap();
        for pattern in ["0123456789abcdef", "0123456789ABCDEF", "A-much-longer-pattern-THAN-that"] {
            for before in 0..40 {
                for after in 0..20 {
                    let text = format!("{}{pattern}{}", " ".repeat(before), " ".repeat(after));
                    for from in 0..=before {
                        let found = prefilter.candidate(text.as_bytes(), from);
                        assert!(
                            found.is_some_and(|at| (from..=before).contains(&at)),
                            "{text:?} from {from}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_match_is_passed_over() {
        let prefilter = Prefilter::new(&patterns(&["0123456789abcdef"])).unwrap();
        assert_eq!(prefilter.candidate(&[b' '; 1000], 0), None);
        assert_eq!(prefilter.candidate(b"0123456789abcde", 0), None, "a byte is missing");
        assert_eq!(prefilter.candidate(b"", 0), None);
    }

    #[test]
    fn short_patterns_have_none() {
        assert!(Prefilter::new(&patterns(&["0123456789a"])).is_some());
        assert!(Prefilter::new(&patterns(&["0123456789a", "0123456789"])).is_none());
        assert!(Prefilter::new(&[]).is_none());
    }
}
