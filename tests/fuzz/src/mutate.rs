//! Mutations that are the same on every machine: the gate runs a fixed number of them.

/// A sequence of numbers that its seed fixes (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The sequence that belongs to these bytes (FNV-1a).
    pub fn of(bytes: &[u8]) -> Self {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 33).unwrap_or_default() % end.max(1)
    }
}

/// The most bytes that an input grows to.
const LONGEST: usize = 4096;

/// One input after another, each made from one of `corpus` by a few changes.
pub fn mutation(numbers: &mut Numbers, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.below(4) {
        change(numbers, &mut bytes, corpus, words);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(numbers: &mut Numbers, bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    const BYTES: &[u8] = b"\0\t\n\r \"#%&'*+,-./0189:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xc3\xff";
    let at = numbers.below(bytes.len() + 1);
    let length = numbers.below(bytes.len() - at + 1).min(numbers.below(32));
    match numbers.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        1 if at < bytes.len() => bytes[at] = BYTES[numbers.below(BYTES.len())],
        2 => bytes.insert(at, BYTES[numbers.below(BYTES.len())]),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let copy = bytes[at..at + length].to_vec();
            let to = numbers.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => {
            let word = words[numbers.below(words.len())].bytes();
            bytes.splice(at..at + length, word);
        }
        _ => {
            let other = &corpus[numbers.below(corpus.len())];
            let from = numbers.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}
