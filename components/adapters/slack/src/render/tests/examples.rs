//! The examples of CommonMark, alone, one behind the other, and in little room.

use openpact_text::{examples, flow};

use super::*;

/// The letters that mrkdwn shows: without marks, and without addresses behind labels.
fn shown(mrkdwn: &str) -> Result<String, String> {
    let mut shown = String::new();
    let mut rest = mrkdwn;
    while let Some(at) = rest.find('<') {
        shown += &rest[..at];
        let (link, behind) = rest[at + 1..].split_once('>').ok_or("an open bracket")?;
        let (url, label) = link.split_once('|').ok_or_else(|| format!("<{link}> is no link of ours"))?;
        if !url.to_lowercase().starts_with("http") || url.contains('<') || label.contains(['<', '\n']) {
            return Err(format!("<{link}>"));
        }
        shown += label;
        rest = behind;
    }
    shown += rest;
    // Quotes.
    let lines: Vec<_> = shown.split('\n').map(|line| line.strip_prefix("> ").unwrap_or(line)).collect();
    let shown = lines.join("\n");
    if shown.contains('>') {
        return Err(format!("a bare bracket in {shown:?}"));
    }
    Ok(decoded(&shown))
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !"*_~`'|\u{200b}".contains(*c)).collect()
}

fn check_message(text: &str) -> Result<(), String> {
    let flow = examples::whole::<Mrkdwn>(text)?;
    let parts = rendered(vec![Piece::Markdown(text.to_owned())]);
    check_parts(&parts).map_err(|error| error.to_string())?;
    let mut joined = String::new();
    for text in parts.iter().flat_map(texts) {
        joined += &shown(&text)?;
        if bare(&text).is_empty() && !text.contains(['*', '_', '~', '`', '\'', '|']) {
            return Err("an empty block".to_owned());
        }
    }
    if bare(&joined) != bare(&flow::text(flow.runs())) {
        return Err(format!("{joined:?} for {:?}", flow::text(flow.runs())));
    }
    if rendered(vec![Piece::Markdown(text.to_owned())]) != parts {
        return Err("other parts for the same message".to_owned());
    }
    Ok(())
}

/// Cuts to `limit` code units, marks counted.
fn check_cut(text: &str, limit: usize) -> Result<(), String> {
    let flow = examples::whole::<Mrkdwn>(text)?;
    let mut joined = String::new();
    for piece in Cutter::<Mrkdwn>::new(flow.runs()).pieces(limit) {
        let mrkdwn = written::mrkdwn(&piece);
        joined += &shown(&mrkdwn)?;
        let blocks = mrkdwn.matches("```").count();
        if UNIT.length(&mrkdwn) > limit || mrkdwn.trim().is_empty() || !blocks.is_multiple_of(2) {
            return Err(format!("{} units of {limit}: {mrkdwn:?}", UNIT.length(&mrkdwn)));
        }
    }
    let all = flow::text(flow.runs());
    if bare(&joined) == bare(&all) { Ok(()) } else { Err(format!("{joined:?} for {all:?}")) }
}

#[test]
fn every_example_is_rendered_well() {
    for text in examples::all() {
        check_message(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        for limit in [200, 250, 333] {
            check_cut(&text.repeat(3), limit).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn examples_in_any_order_are_rendered_well(
        picked in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize), 1..150),
        limit in 200..600_usize,
    ) {
        let all = examples::all();
        let texts = picked.iter().map(|(index, gap)| format!("{}{}", index.get(all), "\n".repeat(*gap)));
        let text: String = texts.collect();
        check_message(&text).map_err(TestCaseError::fail)?;
        check_cut(&text, limit).map_err(TestCaseError::fail)?;
    }
}
