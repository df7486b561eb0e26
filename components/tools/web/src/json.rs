//! JSON, laid out and otherwise to the letter: numbers keep every digit, keys their order, and one that is given twice
//! is shown twice.

use serde::de::IgnoredAny;

/// Lays out a JSON text with two spaces for each level. The error says what is wrong with it.
pub(crate) fn laid_out(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '"' => {
                let end = string_end(rest);
                out.push_str(&rest[..end]);
                end
            }
            '{' | '[' => {
                let inner = rest[1..].trim_start();
                if inner.starts_with(['}', ']']) {
                    out.push(c);
                    out.push_str(&inner[..1]);
                    rest.len() - inner.len() + 1
                } else {
                    out.push(c);
                    depth += 1;
                    line(&mut out, depth);
                    1
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
                1
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
                1
            }
            ':' => {
                out.push_str(": ");
                1
            }
            c if c.is_ascii_whitespace() => 1,
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Ok(out)
}

/// Where the string ends with which `text` begins, its quotes included. The text is valid JSON.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Begins a line. Deep levels are not set in any further, or a small text would become a large one.
fn line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(16) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_kept_but_the_space_between() {
        let text = r#"{"b":1.10e+400,"a":[ ],"a":{},"n":123456789012345678901234567890,"s":"x, {y}: \"[\\","l":[1,{"k":null}]}"#;
        let expected = "{\n  \"b\": 1.10e+400,\n  \"a\": [],\n  \"a\": {},\n  \"n\": 123456789012345678901234567890,\n  \
                        \"s\": \"x, {y}: \\\"[\\\\\",\n  \"l\": [\n    1,\n    {\n      \"k\": null\n    }\n  ]\n}";
        assert_eq!(laid_out(text).as_deref(), Ok(expected));
        assert_eq!(laid_out("\u{feff} \"ä\" ").as_deref(), Ok("\"ä\""));
        assert_eq!(laid_out(expected).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for text in ["", "{", "[1,]", "{\"a\":1} x", "\"a"] {
            assert!(laid_out(text).is_err_and(|why| why.contains("line 1")), "{text}");
        }
    }

    #[test]
    fn no_depth_breaks_it_or_blows_it_up() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(laid_out(&deep).expect("JSON").len() < deep.len() * 40);
    }
}
