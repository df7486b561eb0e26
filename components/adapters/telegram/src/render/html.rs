//! A flow as Telegram's HTML, and as plain text.

use super::flow::{Flow, Style};

/// Telegram's HTML (Bot API, "HTML style"). Every tag is closed.
pub(super) fn html(flow: &Flow) -> String {
    let mut html = String::new();
    let mut open: &[Style] = &[];
    for run in &flow.runs {
        let kept = shared(open, &run.styles);
        open[kept..].iter().rev().for_each(|style| html.push_str(close_tag(style)));
        run.styles[kept..].iter().for_each(|style| html.push_str(&open_tag(style)));
        run.text.chars().for_each(|c| push_escaped(c, &mut html));
        open = &run.styles;
    }
    open.iter().rev().for_each(|style| html.push_str(close_tag(style)));
    html
}

/// How many styles of two texts that follow each other are the same, and stay open.
pub(super) fn shared(before: &[Style], after: &[Style]) -> usize {
    before.iter().zip(after).take_while(|(a, b)| a == b).count()
}

/// The tags that begin a style.
pub(super) fn open_tag(style: &Style) -> String {
    match style {
        Style::Quote { expandable: true, .. } => "<blockquote expandable>".to_owned(),
        Style::Quote { .. } => "<blockquote>".to_owned(),
        Style::Notice => "<u>".to_owned(),
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
pub(super) fn close_tag(style: &Style) -> &'static str {
    match style {
        Style::Quote { .. } => "</blockquote>",
        Style::Notice => "</u>",
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
pub(super) fn escape(c: char) -> Option<&'static str> {
    match c {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        _ => None,
    }
}

/// The length of a text as HTML, in UTF-16 code units.
pub(super) fn length(text: &str) -> usize {
    text.chars().map(|c| escape(c).map_or(c.len_utf16(), str::len)).sum()
}

/// The same as plain text: blocks of code within fences, addresses behind their labels.
pub(super) fn plain(flow: &Flow) -> String {
    let mut plain = String::new();
    let mut open: &[Style] = &[];
    for run in &flow.runs {
        let kept = shared(open, &run.styles);
        open[kept..].iter().rev().for_each(|style| plain_end(style, &mut plain));
        run.styles[kept..].iter().for_each(|style| plain_begin(style, &mut plain));
        plain.push_str(&run.text);
        open = &run.styles;
    }
    open.iter().rev().for_each(|style| plain_end(style, &mut plain));
    plain
}

fn plain_begin(style: &Style, plain: &mut String) {
    if let Style::Block { language, .. } = style {
        if !plain.is_empty() && !plain.ends_with('\n') {
            plain.push('\n');
        }
        plain.push_str("```");
        plain.push_str(language);
        plain.push('\n');
    }
}

fn plain_end(style: &Style, plain: &mut String) {
    match style {
        Style::Block { .. } => {
            if !plain.ends_with('\n') {
                plain.push('\n');
            }
            plain.push_str("```");
        }
        Style::Link { url, .. } if !plain.ends_with(url.as_str()) => {
            plain.push_str(" (");
            plain.push_str(url);
            plain.push(')');
        }
        _ => {}
    }
}
