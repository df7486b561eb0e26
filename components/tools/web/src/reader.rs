//! The main content of a page, without what stands around it.

use dom_query::{Document, NodeRef};
use dom_smoothie::{Config, Readability, TextMode};
use oxiri::{Iri, IriRef};

/// What was read of a page.
pub(crate) struct Read {
    /// Its title; may be empty.
    pub(crate) title: String,
    /// Its content.
    pub(crate) text: String,
}

/// The most elements of a page that are weighed against each other; a larger one is given as a whole.
const WEIGHED: usize = 30_000;
/// The deepest elements that are weighed.
const DEEP: usize = 400;
/// A content shorter than this, in characters, is compared with the whole page.
const SHORT: usize = 300;

/// What no reader wants: programs, looks, things that are not shown, and pictures that are given in place of an address.
const UNREAD: &str = "script, style, noscript, template, iframe, object, embed, svg, canvas, link, \
    [hidden], [aria-hidden=\"true\"], [style*=\"display:none\"], [style*=\"display: none\"], \
    [style*=\"visibility:hidden\"], [style*=\"visibility: hidden\"], img[src^=\"data:\"]";
/// What stands around the content of a page.
const AROUND: &str = "nav, footer, aside, dialog, body > header, [role=\"navigation\"], [role=\"banner\"], \
    [role=\"contentinfo\"], [role=\"complementary\"], [role=\"search\"], [role=\"dialog\"]";

/// Reads a page that was found at `url`.
pub(crate) fn read(html: &str, url: &str, is_markdown: bool) -> Read {
    let document = without_surroundings(html);
    let title = document.select_single("title").text().trim().to_owned();
    let all = all(&document, url, is_markdown);
    let is_small = document.select("*").length() <= WEIGHED && depth(&document) <= DEEP;
    let article = if is_small { article(document, url, is_markdown) } else { None };
    let (own, text) = article.unwrap_or_default();
    let title = if title.is_empty() { own } else { title };
    // Little was taken for the content: that is a page of links, or a short one.
    let is_little = text.chars().count() < SHORT && all.len() > text.len() * 2;
    Read { title, text: plain(if is_little { &all } else { &text }) }
}

/// The page without what nobody reads, and without what stands around its content, if there is anything else.
fn without_surroundings(html: &str) -> Document {
    let document = Document::from(html);
    document.select(UNREAD).remove();
    let around = document.select(AROUND);
    if around.is_empty() {
        return document;
    }
    around.remove();
    if document.select("body").text().trim().is_empty() {
        let whole = Document::from(html);
        whole.select(UNREAD).remove();
        return whole;
    }
    document
}

/// Markdown with addresses as they are: `dom_query` writes them as HTML does, and a model would copy that.
fn plain(markdown: &str) -> String {
    let mut pieces = markdown.trim().split("](");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (address, rest) = piece.split_at(piece.find([')', ' ', '\n']).unwrap_or(piece.len()));
        let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
        let address =
            signs.iter().fold(address.to_owned(), |text, (written, sign)| text.replace(written, sign));
        plain.push_str("](");
        plain.push_str(&address);
        plain.push_str(rest);
    }
    plain
}

/// How deep the deepest element stands, or a little more than [`DEEP`].
fn depth(document: &Document) -> usize {
    let mut deepest = 0;
    let mut level = vec![document.root()];
    while !level.is_empty() && deepest <= DEEP {
        level = level.iter().flat_map(NodeRef::children).filter(NodeRef::is_element).collect();
        deepest += 1;
    }
    deepest
}

/// The part of the page that is weighed to be its content, with its links absolute; and its title.
fn article(document: Document, url: &str, is_markdown: bool) -> Option<(String, String)> {
    let text_mode = if is_markdown { TextMode::Markdown } else { TextMode::Formatted };
    let config = Config { disable_json_ld: true, text_mode, ..Config::default() };
    let article = Readability::with_document(document, Some(url), Some(config)).ok()?.parse().ok()?;
    Some((article.title, article.text_content.trim().to_owned()))
}

/// All of a page.
fn all(document: &Document, url: &str, is_markdown: bool) -> String {
    let document = document.clone();
    make_absolute(&document, url);
    let body = document.select_single("body");
    let Some(node) = body.nodes().first() else { return String::new() };
    let text = if is_markdown { node.md(None) } else { node.formatted_text() };
    text.trim().to_owned()
}

/// Gives every link and picture its whole address. One that leads nowhere loses it.
fn make_absolute(document: &Document, url: &str) {
    let stated = document.select_single("base").attr("href");
    let base = stated.and_then(|base| joined(url, &base)).unwrap_or_else(|| url.to_owned());
    for (elements, attribute) in [("a[href]", "href"), ("img[src]", "src")] {
        for element in &document.select(elements) {
            let Some(address) = element.attr(attribute) else { continue };
            match joined(&base, &address) {
                Some(whole) => element.set_attr(attribute, &whole),
                None => element.remove_attr(attribute),
            }
        }
    }
}

/// The address that `relative` is on a page at `base` (RFC 3986, section 5), if it is one that can be fetched or written
/// to.
fn joined(base: &str, relative: &str) -> Option<String> {
    let relative = relative.trim().replace(' ', "%20");
    let whole = Iri::parse(base).ok()?.resolve(&IriRef::parse(relative).ok()?).ok()?;
    matches!(whole.scheme(), "https" | "http" | "mailto" | "tel").then(|| whole.into_inner())
}

#[cfg(test)]
mod tests;
