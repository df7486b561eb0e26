//! Telegram's HTML (Bot API, "HTML style").

use openpact_text::Unit;
use openpact_text::flow::{Form, Run, Style, shared};

/// The form of a message. Lengths are in UTF-16 code units.
#[derive(Debug, Default)]
pub(super) struct Html;

impl Form for Html {
    const LINK: usize = 1_039;
    /// Telegram drops entities past it.
    const STYLES: usize = 100;
    const LANGUAGES: bool = true;
    const ADDRESSES: bool = false;

    /// Quotes do not nest, code holds nothing and stands in a quote at most, and nothing is twice.
    fn nested(styles: &[Style]) -> Vec<Style> {
        let mut nested: Vec<Style> = vec![];
        let code = styles.iter().rfind(|style| style.is_code());
        for style in styles {
            let again = nested.iter().any(|other| other.is_like(style));
            let hidden = code.is_some_and(|code| !style.is_quote() && style != code);
            if !again && !hidden {
                nested.push(style.clone());
            }
        }
        // A quote is outermost, whatever it began in.
        nested.sort_by_key(|style| !style.is_quote());
        nested
    }

    fn length(text: &str, _styles: &[Style]) -> usize {
        text.chars().map(|c| escape(c).map_or(c.len_utf16(), str::len)).sum()
    }

    fn marks(style: &Style) -> usize {
        Unit::Utf16.length(&open_tag(style)) + close_tag(style).len()
    }
}

/// HTML. Every tag is closed.
pub(super) fn html(runs: &[Run]) -> String {
    let mut html = String::new();
    let mut open: &[Style] = &[];
    for run in runs {
        let kept = shared(open, &run.styles);
        open[kept..].iter().rev().for_each(|style| html.push_str(close_tag(style)));
        run.styles[kept..].iter().for_each(|style| html.push_str(&open_tag(style)));
        run.text.chars().for_each(|c| push_escaped(c, &mut html));
        open = &run.styles;
    }
    open.iter().rev().for_each(|style| html.push_str(close_tag(style)));
    html
}

/// The tags that begin a style.
fn open_tag(style: &Style) -> String {
    match style {
        Style::Quote { folded: true, .. } => "<blockquote expandable>".to_owned(),
        Style::Quote { .. } => "<blockquote>".to_owned(),
        Style::Underline => "<u>".to_owned(),
        Style::Link { url, .. } => {
            let mut tag = "<a href=\"".to_owned();
            url.chars().for_each(|c| push_escaped(c, &mut tag));
            tag + "\">"
        }
        Style::Bold => "<b>".to_owned(),
        Style::Italic => "<i>".to_owned(),
        Style::Strikethrough => "<s>".to_owned(),
        Style::Code => "<code>".to_owned(),
        Style::Block { language, .. } if language.is_empty() => "<pre>".to_owned(),
        Style::Block { language, .. } => format!("<pre><code class=\"language-{language}\">"),
    }
}

/// The tags that end a style.
fn close_tag(style: &Style) -> &'static str {
    match style {
        Style::Quote { .. } => "</blockquote>",
        Style::Underline => "</u>",
        Style::Link { .. } => "</a>",
        Style::Bold => "</b>",
        Style::Italic => "</i>",
        Style::Strikethrough => "</s>",
        Style::Code => "</code>",
        Style::Block { language, .. } if language.is_empty() => "</pre>",
        Style::Block { .. } => "</code></pre>",
    }
}

fn push_escaped(c: char, html: &mut String) {
    match escape(c) {
        Some(entity) => html.push_str(entity),
        None => html.push(c),
    }
}

/// What stands for a character that HTML uses itself.
fn escape(c: char) -> Option<&'static str> {
    match c {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        _ => None,
    }
}
