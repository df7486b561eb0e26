//! The texts of placements.

use openpact_egress::credential::{Placement, is_name};

#[test]
fn a_placement_reads_back_as_itself() {
    for (text, expected) in [
        ("header Authorization: Bearer {}", "header authorization: Bearer {}"),
        ("header x-api-key:{}", "header x-api-key: {}"),
        ("segment bot{}", "segment bot{}"),
        ("segment {}", "segment {}"),
        ("query key={}", "query key={}"),
        ("query key=a{}b", "query key=a{}b"),
        ("basic user:{}", "basic user:{}"),
        ("basic {}:", "basic {}:"),
        ("frame /d/token", "frame /d/token"),
        ("frame /d/token when /op in [2, 6]", "frame /d/token when /op in [2,6]"),
    ] {
        let placement: Placement = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(placement.to_string(), expected);
        assert_eq!(expected.parse::<Placement>().unwrap(), placement);
    }
}

#[test]
fn a_wrong_placement_says_what_is_wrong() {
    for (text, says) in [
        ("", "write 'header"),
        ("body {}", "write 'header"),
        ("header Authorization", "a colon"),
        ("header Authorization: Bearer", "'{}' must stand"),
        ("header Authorization: {} {}", "only once"),
        ("header a b: {}", "not the name of a header"),
        ("header Host: {}", "the host's own"),
        ("header Proxy-Authorization: {}", "the host's own"),
        ("header X: a\r\nY: {}", "control character"),
        ("segment a/{}", "no '/'"),
        ("segment", "write 'header"),
        ("query {}", "its name and '='"),
        ("query ={}", "has a name"),
        ("query a={}&b=c", "no '&'"),
        ("basic {}", "a colon between"),
        ("frame d", "starts with '/'"),
        ("frame /d when /op", "POINTER in [VALUES]"),
        ("frame /d when /op in 2", "JSON array"),
        ("frame /d when op in [2]", "starts with '/'"),
    ] {
        let error = text.parse::<Placement>().expect_err(text);
        assert!(error.why.contains(says), "{text}: {error}");
    }
}

#[test]
fn names_of_credentials_have_one_to_sixty_four_characters() {
    for good in ["a", "github-token", "TOKEN_2", "a.b", &"x".repeat(64)] {
        assert!(is_name(good), "{good}");
    }
    for bad in ["", "a b", "a,b", "ü", "a/b", &"x".repeat(65)] {
        assert!(!is_name(bad), "{bad}");
    }
}
