//! Addresses: those that a person wrote in a message, and the one form in which addresses are compared.
//!
//! What counts is what a person sees: an address that stands in the text, whole and with its scheme. The hidden target of
//! a link does not count, since people paste links that others made. Where a text can be read in two ways, it holds no
//! address.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

/// The longest address that is taken, in bytes.
const LONGEST: usize = 2048;

/// Addresses that are taken of one message. Whoever writes more is pasting a list.
const MOST: usize = 64;

/// What ends a sentence, or marks a word in Markdown, and is not taken for the end of an address.
const TRAILING: &[char] = &['.', ',', ';', ':', '!', '?', '\'', '"', '*', '_', '~'];

/// The address in the form in which the door to the network reads it (URL Standard), without its fragment, which is
/// never sent; `None` where it is no address of a page, or holds a name and a password.
pub(super) fn normal(text: &str) -> Option<String> {
    // The parser takes these out or turns them round, so two texts would be one address.
    if text.len() > LONGEST || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return None;
    }
    let mut url = Url::parse(text).ok()?;
    let is_page = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if !is_page || !url.username().is_empty() || url.password().is_some() || has_empty_user(text) {
        return None;
    }
    url.set_fragment(None);
    Some(url.into())
}

/// Whether an `@` stands before the path. `https://@host` has a name, an empty one.
fn has_empty_user(text: &str) -> bool {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// The addresses that stand in a message of a person. One that is written with `http:` counts with `https:` too: that is
/// the same address, better protected.
pub(super) fn in_message(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while let Some(start) = next_scheme(&text[at..]).map(|next| at + next)
        && found.len() < MOST
    {
        let (before, rest) = text.split_at(start);
        let written = &rest[..rest.find(|c| !is_of_address(c)).unwrap_or(rest.len())];
        if !before.ends_with(continues_word) && !is_hidden(before, written) {
            found.extend(unescaped(written).as_deref().map(trimmed).and_then(normal));
        }
        at = start + written.len();
    }
    let protected: Vec<String> = found.iter().filter_map(|address| protected(address)).collect();
    found.extend(protected);
    found
}

/// The addresses in arguments that a person wrote: every text that is one.
pub(super) fn in_arguments(json: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut values = vec![serde_json::from_str(json).unwrap_or_default()];
    while let Some(value) = values.pop() {
        match value {
            Value::String(text) => found.extend(normal(&text)),
            Value::Array(items) => values.extend(items),
            Value::Object(fields) => values.extend(fields.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    found
}

/// The same address over TLS, for one without it on the usual port.
fn protected(address: &str) -> Option<String> {
    let mut url = Url::parse(address).ok().filter(|url| url.scheme() == "http" && url.port().is_none())?;
    url.set_scheme("https").ok()?;
    Some(url.into())
}

/// Where the next address may begin.
fn next_scheme(text: &str) -> Option<usize> {
    let is_scheme = |at: &usize| {
        let tail = &text.as_bytes()[*at..];
        ["https://", "http://"].iter().any(|scheme| {
            tail.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
        })
    };
    text.match_indices(['h', 'H']).map(|(at, _)| at).find(is_scheme)
}

/// Whether what follows this character is not the beginning of an address but part of something longer.
fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || "+-.@/%&=\\".contains(c)
}

/// Whether a character may stand in an address as people write it. Letters of all alphabets may; signs of other than
/// ASCII end it, as the quotation marks of many languages do.
fn is_of_address(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_graphic() && !"<>\"`{}|^".contains(c) } else { c.is_alphanumeric() }
}

/// Whether an address is the target of a Markdown link whose text is another one. `before` is what stands before it.
fn is_hidden(before: &str, written: &str) -> bool {
    let Some(label) = before.trim_end_matches('<').strip_suffix("](") else { return false };
    let label = label.rsplit_once('[').map_or(label, |(_, label)| label);
    let target = written.split(')').next().unwrap_or(written);
    let (label, target) = (normal(label.trim()), normal(target));
    label.is_none() || label != target
}

/// The text without the backslashes of Markdown; `None` where one stands before anything that Markdown has no use for,
/// since readers of addresses take it for a slash.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match characters.next() {
            Some(escaped) if "_*~-#+=.!()[]&".contains(escaped) => plain.push(escaped),
            _ => return None,
        }
    }
    Some(plain)
}

/// The address without what belongs to the sentence around it: signs at its end, and brackets that it did not open
/// (GitHub Flavored Markdown, "Extended autolink path validation").
fn trimmed(text: &str) -> &str {
    // What follows a link's target, or its text.
    let mut text = text.split("](").next().unwrap_or(text);
    loop {
        let shorter = text.trim_end_matches(TRAILING);
        let unopened = [('(', ')'), ('[', ']')].into_iter().find_map(|(open, close)| {
            let is_unopened =
                shorter.ends_with(close) && shorter.matches(close).count() > shorter.matches(open).count();
            is_unopened.then(|| &shorter[..shorter.len() - 1])
        });
        let shorter = unopened.unwrap_or(shorter);
        if shorter.len() == text.len() {
            return text;
        }
        text = shorter;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|&address| address.to_owned()).collect();
        assert_eq!(in_message(text), expected, "{text:?}");
    }

    #[test]
    fn addresses_are_found_where_people_write_them() {
        check("look at https://example.com/docs", &["https://example.com/docs"]);
        check("HTTPS://Example.COM", &["https://example.com/"]);
        check(
            "a https://a.example/x\nb https://b.example/y?z=1#part",
            &["https://a.example/x", "https://b.example/y?z=1"],
        );
        check("!web_fetch {\"url\":\"https://a.example/x\"}", &["https://a.example/x"]);
        check("<https://a.example/x>", &["https://a.example/x"]);
        check("„https://a.example/x“", &["https://a.example/x"]);
        check(
            "https://a.example:443/x and https://a.example:8443/x",
            &["https://a.example/x", "https://a.example:8443/x"],
        );
        check("nothing here: example.com, ftp://a.example/ or https://", &[]);
    }

    #[test]
    fn signs_of_the_sentence_are_not_part_of_the_address() {
        for text in [
            "https://example.com/docs.",
            "https://example.com/docs, please",
            "(https://example.com/docs)",
            "(see https://example.com/docs).",
            "[https://example.com/docs]",
            "Is it https://example.com/docs?!",
            "**https://example.com/docs**",
            "_https://example.com/docs_",
            "'https://example.com/docs'",
            "`https://example.com/docs`",
            "https://example.com/docs…",
        ] {
            check(text, &["https://example.com/docs"]);
        }
        check("https://en.example/wiki/A_(b)", &["https://en.example/wiki/A_(b)"]);
        check("(https://en.example/wiki/A_(b))", &["https://en.example/wiki/A_(b)"]);
        check("https://a.example/a\\_b\\_c", &["https://a.example/a_b_c"]);
    }

    #[test]
    fn the_hidden_target_of_a_link_is_not_what_a_person_wrote() {
        check("[click here](https://evil.example/?x=1)", &[]);
        check("[https://good.example/](https://evil.example/?x=1)", &["https://good.example/"]);
        check("[https://good.example](<https://evil.example/>)", &["https://good.example/"]);
        check("[https://good.example/x](https://good.example/x)", &["https://good.example/x"]);
        check("[a](https://evil.example/) and https://good.example/", &["https://good.example/"]);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_no_address() {
        check("https://good.example@evil.example/", &[]);
        check("https://@evil.example/", &[]);
        check("https://good.example\\@evil.example/", &[]);
        check("https://good.example\\evil", &[]);
        check("https://user:pass@a.example/", &[]);
        check("xhttps://a.example/", &[]);
        check("https://a.example/?to=https://b.example/", &["https://a.example/?to=https://b.example/"]);
        for text in [
            "https://a.example/x\ny",
            " https://a.example/",
            "https://a.example\t/",
            "https:\\\\a",
            "https:/a",
            "data:x",
        ] {
            assert_eq!(normal(text), (text == "https:/a").then(|| "https://a/".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn two_addresses_are_equal_only_where_the_same_bytes_are_sent() {
        let same = |a: &str, b: &str| normal(a).is_some() && normal(a) == normal(b);
        assert!(same("https://a.example", "https://A.example:443/#x"));
        assert!(same("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"));
        assert!(same("https://a.example/x/../y", "https://a.example/y"));
        assert!(same("https://127.1/", "https://127.0.0.1/"));
        for (a, b) in [
            ("https://a.example/docs", "https://a.example/docs/"),
            ("https://a.example/docs", "https://a.example/%64ocs"),
            ("https://a.example/a/b", "https://a.example/a%2Fb"),
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "https://a.example./"),
            ("https://a.example/", "https://a.example:8443/"),
            ("https://a.example/x", "https://a.example/x?"),
            ("https://a.example/x?a=1&b=2", "https://a.example/x?b=2&a=1"),
            ("https://a.example/x", "https://a.example/X"),
            // A Cyrillic letter that looks the same.
            ("https://paypal.example/", "https://p\u{430}ypal.example/"),
            ("https://a.example/", "https://a.example/\u{200b}"),
        ] {
            assert!(!same(a, b), "{a} is taken for {b}");
        }
    }

    #[test]
    fn an_address_counts_with_protection_too_and_never_without() {
        check("http://a.example/x", &["http://a.example/x", "https://a.example/x"]);
        check("http://a.example:8080/x", &["http://a.example:8080/x"]);
        check("https://a.example/x", &["https://a.example/x"]);
    }

    #[test]
    fn arguments_by_hand_are_taken_to_the_letter() {
        let json = r#"{"url":"https:\/\/a.example\/x_.","list":[{"also":"https://b.example/#c"}],"text":"see https://c.example/"}"#;
        let expected = BTreeSet::from(["https://a.example/x_.".to_owned(), "https://b.example/".to_owned()]);
        assert_eq!(in_arguments(json), expected);
        assert!(in_arguments("nonsense").is_empty());
    }

    #[test]
    fn a_list_is_not_taken_without_end() {
        let many: Vec<_> = (0..200).map(|n| format!("https://a.example/{n} ")).collect();
        assert_eq!(in_message(&many.concat()).len(), MOST);
        check(&format!("https://a.example/{}", "x".repeat(LONGEST)), &[]);
        let edge = format!("https://a.example/{}", "x".repeat(LONGEST - 18));
        assert_eq!(edge.len(), LONGEST);
        check(&edge, &[&edge]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_and_what_is_found_is_normal(
            text in "(https?://|[a-z@:/.\\\\()\\[\\]<ä“ ]|\\PC){0,40}"
        ) {
            for address in in_message(&text) {
                prop_assert_eq!(normal(&address), Some(address.clone()));
            }
        }
    }
}
