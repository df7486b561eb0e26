//! The examples of CommonMark, alone, one behind the other, and in little room.

use openpact_text::{Cutter, examples, flow, plain};
use proptest::prelude::*;

use super::*;

fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

fn check_message(text: &str) -> Result<(), String> {
    let flow = examples::whole::<Html>(text)?;
    let parts = rendered(vec![Piece::Markdown(text.to_owned())]);
    let joined = check_parts(&parts)?;
    if joined != bare(&flow::text(flow.runs())) {
        return Err(format!("{joined:?} for {text:?}"));
    }
    if rendered(vec![Piece::Markdown(text.to_owned())]) != parts {
        return Err("other parts for the same message".to_owned());
    }
    Ok(())
}

/// Cuts to `limit` code units, tags counted.
fn check_cut(text: &str, limit: usize) -> Result<(), String> {
    let flow = examples::whole::<Html>(text)?;
    let mut joined = String::new();
    for piece in Cutter::<Html>::new(flow.runs()).pieces(limit) {
        let html = html::html(&piece);
        let shown = well_formed(&html).map_err(|error| format!("{error} in {html}"))?;
        if units(&html) > limit || shown.trim().is_empty() || !fences_balance(&html, &plain::plain(&piece)) {
            return Err(format!("{} units of {limit}: {html:?}", units(&html)));
        }
        joined += &shown;
    }
    if bare(&joined) == bare(&flow::text(flow.runs())) {
        Ok(())
    } else {
        Err(format!("{joined:?} for {text:?}"))
    }
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
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

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
