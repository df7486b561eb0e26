//! Pages as they are found, and pages that nobody means well with.

use super::*;

const URL: &str = "https://site.example/docs/page.html?x=1";

/// A sentence that looks like content.
const SENTENCE: &str = "The kettle boils at a temperature that depends on how high above the sea it stands, as everybody \
    who has made tea on a mountain has found out, and that is why the egg takes longer there.";

fn page(body: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>Tea &amp; eggs</title></head><body>{body}</body></html>")
}

fn article_page() -> String {
    let paragraphs = format!("<p>{SENTENCE} <a href='../more?a=1&amp;b=2#top'>More</a></p>").repeat(6);
    page(&format!(
        "<nav><a href='/a'>NAVIGATION</a></nav><header>HEADER</header>
         <div class='advert'>BUY NOW</div><script>stolen()</script><style>p{{}}</style>
         <article><h1>Boiling</h1>{paragraphs}<p style='display:none'>HIDDEN ORDER</p>
         <ul><li>one</li><li>two</li></ul><pre><code>let x = 1;</code></pre></article>
         <aside>SIDEBAR</aside><footer>FOOTER</footer>"
    ))
}

#[test]
fn an_article_is_read_without_what_stands_around_it() {
    let read = read(&article_page(), URL, true);
    assert_eq!(read.title, "Tea & eggs");
    for part in ["The kettle boils", "[More](https://site.example/more?a=1&b=2#top)", "one", "let x = 1;"] {
        assert!(read.text.contains(part), "{part} is not in {}", read.text);
    }
    for noise in ["NAVIGATION", "HEADER", "SIDEBAR", "FOOTER", "stolen", "HIDDEN", "p{"] {
        assert!(!read.text.contains(noise), "{noise} is in {}", read.text);
    }
}

#[test]
fn a_page_about_signs_keeps_them() {
    let body = "<p>a &lt; b &amp;lt; c <a href='https://a.example/?x=1&amp;lt=2'>x</a></p>";
    let text = read(&page(body), URL, true).text;
    assert!(text.contains("&lt; c") && text.contains("](https://a.example/?x=1&lt=2)"), "{text}");
}

#[test]
fn as_text_it_has_no_markdown() {
    let read = read(&article_page(), URL, false);
    assert!(read.text.contains("The kettle boils") && !read.text.contains("]("), "{}", read.text);
}

#[test]
fn a_page_of_links_is_given_whole_and_its_links_are_absolute() {
    let links: Vec<_> = (0..50).map(|n| format!("<li><a href='item?id={n}'>Item {n}</a></li>")).collect();
    let read = read(&page(&format!("<nav>NAVIGATION</nav><ol>{}</ol>", links.concat())), URL, true);
    for n in [0, 49] {
        let link = format!("[Item {n}](https://site.example/docs/item?id={n})");
        assert!(read.text.contains(&link), "{link} is not in {}", read.text);
    }
    assert!(!read.text.contains("NAVIGATION"), "{}", read.text);
}

#[test]
fn a_short_page_is_given_whole() {
    assert_eq!(read(&page("<p>It works.</p>"), URL, true).text, "It works.");
    assert_eq!(read("It works.", URL, true).text, "It works.");
    assert_eq!(read(&page("<nav>All that there is</nav>"), URL, true).text, "All that there is");
    assert_eq!(read("", URL, true).text, "");
}

#[test]
fn addresses_are_joined_as_the_standard_says_and_programs_are_none() {
    for (relative, expected) in [
        ("other", Some("https://site.example/docs/other")),
        ("/root", Some("https://site.example/root")),
        ("//cdn.example/x", Some("https://cdn.example/x")),
        ("?page=2", Some("https://site.example/docs/page.html?page=2")),
        ("../../../up", Some("https://site.example/up")),
        (" https://else.example/a b ", Some("https://else.example/a%20b")),
        ("mailto:a@b.example", Some("mailto:a@b.example")),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
    ] {
        assert_eq!(joined(URL, relative).as_deref(), expected, "{relative}");
    }
    let links = "<p><a href='x'>x</a> <a href='javascript:y()'>y</a></p>";
    let based = page(links).replace("</title>", "</title><base href='/else/'>");
    let text = read(&based, URL, true).text;
    assert!(text.contains("[x](https://site.example/else/x)") && !text.contains("javascript"), "{text}");
}

#[test]
fn a_hostile_page_breaks_nothing() {
    let deep = "<div>".repeat(1_500) + "deep";
    let wide = "<p>x</p>".repeat(3_000);
    let unclosed = "<table><tr><td>".repeat(300);
    for html in [deep, wide, unclosed, "<".repeat(5_000), "\0\u{fffd}<a href=\0>".to_owned()] {
        let _: Read = read(&html, URL, true);
        let _: Read = read(&html, URL, false);
    }
}
