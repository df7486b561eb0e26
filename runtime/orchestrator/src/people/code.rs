//! Codes that a person reads and another one types: 40 random bits without letters that look alike.

use std::fmt;

use openpact_model::random::Random;

/// Crockford's base 32: without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code.
const LENGTH: usize = 8;

/// A code, as it is kept: eight characters of the alphabet. Shown with a hyphen in the middle.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Code(String);

impl Code {
    pub(super) fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0_u8; 5];
        random.fill(&mut bytes);
        let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let character = |index: usize| {
            let five = bits >> (5 * (LENGTH - 1 - index)) & 31;
            char::from(ALPHABET[usize::try_from(five).expect("five bits fit")])
        };
        Self((0..LENGTH).map(character).collect())
    }

    /// Reads a code as people type it: in small letters, with or without the hyphen, with O for 0 and I or L for 1.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(LENGTH);
        for c in text.chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            if code.len() == LENGTH || !u8::try_from(c).is_ok_and(|c| ALPHABET.contains(&c)) {
                return None;
            }
            code.push(c);
        }
        (code.len() == LENGTH).then_some(Self(code))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::random::SystemRandom;

    use super::*;

    struct Fixed([u8; 5]);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0);
        }
    }

    #[test]
    fn every_bit_is_in_the_code() {
        for (bytes, shown) in [
            ([0; 5], "0000-0000"),
            ([255; 5], "ZZZZ-ZZZZ"),
            ([0x80, 0, 0, 0, 1], "G000-0001"),
            ([0x00, 0x44, 0x32, 0x14, 0xc7], "0123-4567"),
        ] {
            assert_eq!(Code::generate(&Fixed(bytes)).to_string(), shown);
        }
        assert!(Code::generate(&SystemRandom) != Code::generate(&SystemRandom));
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for text in ["0123-4ABC", "0123-4abc", "o123-4ABC", "0I23 4ABC", "0l234aBc", " 0-1-2-3-4-A-B-C "] {
            assert_eq!(Code::parse(text).map(|code| code.0).as_deref(), Some("01234ABC"), "{text}");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in
            ["", "-", "0123-4AB", "0123-4ABCD", "0123-4ABU", "0123-4AB\u{430}", "0123-4AB*", "ⅠⅠⅠⅠⅠⅠⅠⅠ"]
        {
            assert!(Code::parse(text).is_none(), "{text}");
        }
    }
}
