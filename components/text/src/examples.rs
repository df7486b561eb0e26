//! The examples of CommonMark, and of tables and strikethrough, as pulldown-cmark's own tests have them.
//!
//! They come with the crate's source in the registry's folder and are read from there; the text of the specification is
//! under a licence that this repository does not take over.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

use pulldown_cmark::{Event, Options, Parser};

use crate::flow::{self, Flow, Form};
use crate::markdown;
use crate::sign::signless;

/// The files of examples.
const FILES: [&str; 5] = ["spec.rs", "gfm_table.rs", "gfm_strikethrough.rs", "table.rs", "regression.rs"];

/// The Markdown of each example.
///
/// # Panics
///
/// Where the source of pulldown-cmark cannot be found, or has not as many examples as CommonMark.
pub fn all() -> &'static [String] {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(read);
    &ALL
}

fn read() -> Vec<String> {
    let folder = folder();
    let texts: Vec<_> = FILES.iter().map(|file| examples(&folder.join("tests/suite").join(file))).collect();
    assert!(texts[0].len() >= 640, "{} examples of CommonMark", texts[0].len());
    texts.concat()
}

/// Whether the letters of `part` stand in `whole` in this order, with others between them; white space does not count.
pub fn holds(whole: &str, part: &str) -> bool {
    let mut letters = whole.chars();
    part.chars().filter(|c| !c.is_whitespace()).all(|c| letters.any(|letter| letter == c))
}

/// What stands in a Markdown, without its marks, as pulldown-cmark reads it.
pub fn content(markdown: &str) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let text = |event| match event {
        Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
            Some(signless(&text))
        }
        _ => None,
    };
    parser.filter_map(text).collect()
}

/// A Markdown as a flow.
///
/// # Errors
///
/// Where something of it is missing there.
pub fn whole<F: Form + Default>(markdown: &str) -> Result<Flow<F>, String> {
    let mut flow = Flow::default();
    markdown::write(markdown, &mut flow);
    let (content, written) = (content(markdown), flow::text(flow.runs()));
    if holds(&written, &content) { Ok(flow) } else { Err(format!("{content:?} is not in {written:?}")) }
}

/// The folder of pulldown-cmark's source, as this workspace's lock file names it.
fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "of tests alone; no component has this")]
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path"]);
    let output = command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let package =
        packages.iter().find(|package| package["name"] == "pulldown-cmark").expect("pulldown-cmark");
    let manifest = package["manifest_path"].as_str().expect("a path");
    Path::new(manifest).parent().expect("a folder").to_owned()
}

/// What stands between the quotes of `let original = r##"…"##;`.
fn examples(file: &Path) -> Vec<String> {
    let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let texts = source.split("let original = r##\"").skip(1);
    texts.map(|text| text.split("\"##;").next().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_examples() {
        let all = all();
        assert!(all.len() > 700, "{}", all.len());
        assert!(
            all.contains(&"***\n---\n___\n".to_owned())
                && all.iter().any(|text| text.contains("| foo | bar |"))
        );
    }

    #[test]
    fn what_is_left_out_is_found() {
        assert!(holds("a *b* c", "abc") && holds("", " "));
        assert!(!holds("a c b", "abc") && !holds("ab", "abb"));
        assert_eq!(content("# a\n\n*b* `c`\n<d>"), "ab c<d>");
    }
}
