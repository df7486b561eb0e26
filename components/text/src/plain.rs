//! Runs as plain text: blocks of code within fences, addresses behind their labels.

use crate::flow::{Run, Style, shared};

/// Plain text. Each block of code begins and ends with a fence that is not in it.
pub fn plain(runs: &[Run]) -> String {
    let mut plain = String::new();
    let mut open: &[Style] = &[];
    let mut fence = "";
    for run in runs {
        let kept = shared(open, &run.styles);
        open[kept..].iter().rev().for_each(|style| end(style, fence, &mut plain));
        let is_block = run.styles.iter().any(Style::is_block);
        fence = if is_block { fence_of(&run.text) } else { "" };
        run.styles[kept..].iter().for_each(|style| begin(style, fence, &mut plain));
        if fence == BOTH {
            plain.push_str(&fenceless(&run.text));
        } else {
            plain.push_str(&run.text);
        }
        open = &run.styles;
    }
    open.iter().rev().for_each(|style| end(style, fence, &mut plain));
    plain
}

/// The fence of a code, and of one that has lines of both kinds.
const FENCES: [&str; 2] = ["```", "~~~"];
const BOTH: &str = "````";

fn fence_of(code: &str) -> &'static str {
    let is_free = |fence: &&str| !code.lines().any(|line| line.trim_start().starts_with(*fence));
    FENCES.into_iter().find(is_free).unwrap_or(BOTH)
}

/// A code with no fence of backticks in it. It is as long as it was.
fn fenceless(code: &str) -> String {
    let line = |line: &str| {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        match text.strip_prefix(FENCES[0]) {
            Some(rest) => format!("{indent}'''{}", rest.replace('`', "'")),
            None => line.to_owned(),
        }
    };
    code.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn begin(style: &Style, fence: &str, plain: &mut String) {
    if let Style::Block { language, .. } = style {
        if !plain.is_empty() && !plain.ends_with('\n') {
            plain.push('\n');
        }
        plain.extend([fence, language, "\n"]);
    }
}

fn end(style: &Style, fence: &str, plain: &mut String) {
    match style {
        Style::Block { .. } => plain.extend(["\n", fence]),
        Style::Link { url, .. } if !plain.ends_with(url.as_str()) => plain.extend([" (", url, ")"]),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(code: &str) -> String {
        let language = "rust".to_owned();
        plain(&[Run { text: code.to_owned(), styles: vec![Style::Block { number: 1, language }] }])
    }

    #[test]
    fn code_cannot_end_its_block() {
        assert_eq!(block("a ``` b"), "```rust\na ``` b\n```");
        assert_eq!(block("a\n ```\nb"), "~~~rust\na\n ```\nb\n~~~");
        assert_eq!(block("~~~\n`````"), "````rust\n~~~\n'''''\n````");
    }

    #[test]
    fn an_address_stands_behind_its_label() {
        let link = |text: &str| {
            let url = "https://x.example".to_owned();
            plain(&[Run { text: text.to_owned(), styles: vec![Style::Link { number: 1, url }] }])
        };
        assert_eq!(
            (link("a"), link("https://x.example")),
            ("a (https://x.example)".to_owned(), "https://x.example".to_owned())
        );
    }
}
