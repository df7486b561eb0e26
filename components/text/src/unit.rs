//! In what platforms measure texts.

/// In what a platform measures the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Unicode scalar values.
    Characters,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Unit {
    /// The length of a text in this unit.
    pub fn length(self, text: &str) -> usize {
        match self {
            Self::Characters => text.chars().count(),
            Self::Utf16 => text.chars().map(char::len_utf16).sum(),
            Self::Bytes => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn a_text_has_three_lengths() {
        let lengths = |text| [Unit::Characters, Unit::Utf16, Unit::Bytes].map(|unit| unit.length(text));
        assert_eq!(lengths("é日😀"), [3, 4, 9]);
        assert_eq!(lengths(""), [0, 0, 0]);
    }
}
