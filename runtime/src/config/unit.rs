//! Sizes and times as people write them: `64MiB`, `30s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

/// In milliseconds.
const SPANS: [(&str, u64); 5] =
    [("ms", 1), ("min", 60_000), ("h", 3_600_000), ("s", 1_000), ("d", 86_400_000)];

impl Size {
    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }
}

impl Size {
    /// The size for people: with one digit behind the point, in the unit that fits.
    pub(crate) fn about(self) -> String {
        let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let Some((name, factor)) = units.into_iter().find(|(_, factor)| self.0 >= *factor) else {
            return format!("{} bytes", self.0);
        };
        // Whole parts and tenths for themselves: a float would not hold every size.
        let (whole, tenths) = (self.0 / factor, self.0 % factor * 10 / factor);
        format!("{whole}.{tenths} {name}")
    }
}

impl Span {
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }
}

/// Splits `12 MiB` into 12 and the factor of its unit.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The largest unit that shows `count` whole.
fn show(count: u64, units: impl Iterator<Item = (&'static str, u64)>) -> String {
    let fitting =
        units.filter(|(name, factor)| !name.is_empty() && count > 0 && count.is_multiple_of(*factor));
    let (name, factor) = fitting.max_by_key(|(_, factor)| *factor).unwrap_or(("", 1));
    format!("{}{name}", count / factor)
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SIZES).map(Self).ok_or_else(|| {
            format!("'{text}' is not a size: write a number of bytes, or one with B, kB, MB, GB, KiB, MiB or GiB behind it")
        })
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SPANS).map(|milliseconds| Self(Duration::from_millis(milliseconds))).ok_or_else(|| {
            format!("'{text}' is not a time: write a number with ms, s, min, h or d behind it")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show(self.0, SIZES.into_iter()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if milliseconds == 0 {
            return f.write_str("0s");
        }
        f.write_str(&show(milliseconds, SPANS.into_iter()))
    }
}

macro_rules! textual {
    ($name:ident, $schema:literal, $pattern:literal, $numbers:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Written {
                    Number(u64),
                    Text(String),
                }
                let text = match Written::deserialize(deserializer)? {
                    Written::Number(number) => number.to_string(),
                    Written::Text(text) => text,
                };
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $numbers, "pattern": $pattern })
            }
        }
    };
}

textual!(Size, "Size", "^[0-9]+ ?(B|kB|MB|GB|KiB|MiB|GiB)?$", ["string", "integer"]);
textual!(Span, "Span", "^[0-9]+ ?(ms|s|min|h|d)$", ["string"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_show() {
        for (text, bytes, shown) in [
            ("0", 0, "0"),
            ("17", 17, "17B"),
            ("64MiB", 64 << 20, "64MiB"),
            ("64 MiB", 64 << 20, "64MiB"),
            ("1kB", 1000, "1kB"),
            ("2048", 2048, "2KiB"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for bad in
            ["", "MiB", "-1", "1.5MiB", "1 mb", "64M", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert!(bad.parse::<Size>().is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (489_826, "478.3 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (5 << 29, "2.5 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(Size(bytes).about(), shown);
        }
    }

    #[test]
    fn times_read_and_show() {
        for (text, milliseconds, shown) in [
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1min"),
            ("2h", 7_200_000, "2h"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (milliseconds, shown), "{text}");
        }
        for bad in ["", "30", "s", "1m", "-1s", "1 year"] {
            assert!(bad.parse::<Span>().is_err(), "{bad} must be refused");
        }
    }
}
