//! What the libraries that read values say, in words for the person who wrote the values.

/// The sentence of a library, without its internals. Sentences of our own pass as they are.
pub(super) fn plain(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((found, expected)) = rest.split_once("`, expected ")
    {
        return format!("'{found}' cannot stand here; write {}", expected.replace('`', "'"));
    }
    // What was found is not repeated: it may be a secret that was written in the wrong place.
    for (kind, begin) in [("invalid type: ", "this is "), ("invalid value: ", ""), ("invalid length ", "")] {
        let Some(rest) = message.strip_prefix(kind) else { continue };
        let Some((found, expected)) = rest.rsplit_once(", expected ") else { continue };
        let expected = wanted(expected);
        return if begin.is_empty() {
            format!("this cannot stand here; write {expected}")
        } else {
            format!("{begin}{}; write {expected}", kind_of(found))
        };
    }
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("the key '{field}' is missing");
    }
    if message.starts_with("data did not match any variant") {
        return "this cannot stand here; 'openpact config example' shows what can".to_owned();
    }
    match message {
        "invalid socket address syntax" => "write an address and a port, such as 127.0.0.1:8765".to_owned(),
        "invalid IP address syntax" => "write an address, such as 127.0.0.1".to_owned(),
        own => own.to_owned(),
    }
}

/// What was found, by its kind.
fn kind_of(found: &str) -> &'static str {
    match found.split([' ', '`']).next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a mapping",
        "unit" | "null" => "nothing",
        _ => "something else",
    }
}

/// What was expected.
fn wanted(expected: &str) -> String {
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match expected {
        "a boolean" => "true or false".to_owned(),
        "a string" | "a borrowed string" | "string" => "a text".to_owned(),
        "a sequence" => "a list, such as [a, b]".to_owned(),
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number of at least 0".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other if other.starts_with("a nonzero") => "a whole number of at least 1".to_owned(),
        other if other == "a map" || other.starts_with("struct ") => "a mapping: keys with values".to_owned(),
        other if other.starts_with("enum ") || other.contains("variant") => {
            "one of the words that 'openpact config example' shows".to_owned()
        }
        other => other.replace('`', "'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_libraries_become_words_for_people() {
        for (message, shown) in [
            ("unknown variant `magic`, expected `a` or `b`", "'magic' cannot stand here; write 'a' or 'b'"),
            ("unknown variant `x`, expected one of `a`, `b`", "'x' cannot stand here; write one of 'a', 'b'"),
            (
                "invalid type: string \"sk-1, expected\", expected a boolean",
                "this is a text; write true or false",
            ),
            ("invalid type: map, expected a sequence", "this is a mapping; write a list, such as [a, b]"),
            (
                "invalid type: integer `3`, expected struct Web",
                "this is a number; write a mapping: keys with values",
            ),
            (
                "invalid value: integer `-1`, expected u8",
                "this cannot stand here; write a whole number from 0 to 255",
            ),
            ("missing field `role`", "the key 'role' is missing"),
            ("invalid socket address syntax", "write an address and a port, such as 127.0.0.1:8765"),
            ("'lots' is not a size", "'lots' is not a size"),
        ] {
            assert_eq!(plain(message), shown);
        }
    }
}
