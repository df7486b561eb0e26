//! Prompt templates: text with `{{arguments}}`. What is filled in is not looked at again, so an argument cannot name
//! another.

use std::collections::BTreeMap;

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Argument(&'a str),
}

/// The names of the arguments, in the order in which they first appear.
pub(super) fn arguments(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in pieces(template) {
        if let Piece::Argument(name) = piece
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The text with the arguments in their places; an argument that is not given is its name's error.
pub(super) fn fill<'a>(template: &'a str, values: &BTreeMap<&str, &str>) -> Result<String, &'a str> {
    let mut text = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Argument(name) => text.push_str(values.get(name).ok_or(name)?),
        }
    }
    Ok(text)
}

fn pieces(mut rest: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut text = rest;
    let mut searched = 0;
    while let Some(at) = rest[searched..].find("{{").map(|at| at + searched) {
        let inside = &rest[at + 2..];
        let Some(end) = inside.find("}}") else { break };
        let name = inside[..end].trim();
        if !is_name(name) {
            searched = at + 2;
            continue;
        }
        pieces.push(Piece::Text(&rest[..at]));
        pieces.push(Piece::Argument(name));
        rest = &inside[end + 2..];
        text = rest;
        searched = 0;
    }
    pieces.push(Piece::Text(text));
    pieces
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, values: &[(&str, &str)], expected: Result<&str, &str>) {
        let values = values.iter().copied().collect();
        assert_eq!(fill(template, &values).as_deref(), expected.as_ref().map(|text| *text), "{template}");
    }

    #[test]
    fn arguments_are_filled_in_once() {
        check("a {{x}} b {{ y }} {{x}}", &[("x", "1"), ("y", "2")], Ok("a 1 b 2 1"));
        check("{{x}}", &[("x", "{{y}}"), ("y", "2")], Ok("{{y}}"));
        check("{{x}}{{y}}", &[("x", "{{"), ("y", "}}")], Ok("{{}}"));
        check("nothing", &[("x", "1")], Ok("nothing"));
        check("", &[], Ok(""));
        check("{{x}} {{y}}", &[("x", "1")], Err("y"));
    }

    #[test]
    fn what_is_no_name_stays_as_it_is() {
        check("{{}} {{ }} {{a b}} {{x", &[], Ok("{{}} {{ }} {{a b}} {{x"));
        check("{{ {{x}}", &[("x", "1")], Ok("{{ 1"));
        check("{{ä}} {{x}}", &[("x", "1")], Ok("{{ä}} 1"));
    }

    #[test]
    fn names_come_in_order_and_once() {
        assert_eq!(arguments("{{b}} {{a}} {{b}} {{not one}}"), ["b", "a"]);
    }
}
