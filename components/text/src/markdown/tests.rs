//! What Markdown becomes, whatever the form.

use super::*;

fn check(text: &str, address: &str) {
    let start = next_address(text).expect("an address");
    assert_eq!(&text[start..start + address_end(&text[start..])], address, "{text}");
}

#[test]
fn a_bare_address_ends_before_what_ends_a_sentence() {
    check("see https://x.example/a_b.", "https://x.example/a_b");
    check("(http://x.example/(a))", "http://x.example/(a)");
    check("**https://x.example**!", "https://x.example");
    check("<https://x.example/a>b", "https://x.example/a");
    assert_eq!(next_address("ahttps://x.example"), None);
    assert_eq!(next_address("ftp://x.example"), None);
}

#[test]
fn a_language_is_the_first_word_of_what_stands_behind_a_fence() {
    let of = |info: &'static str| language(&CodeBlockKind::Fenced(info.into()));
    assert_eq!(["rust,ignore", "c++ x", "\"a<b", ""].map(of), ["rust", "c++", "ab", ""]);
    assert_eq!(of(Box::leak("x".repeat(40).into_boxed_str())).len(), LANGUAGE);
    assert_eq!(language(&CodeBlockKind::Indented), "");
}
