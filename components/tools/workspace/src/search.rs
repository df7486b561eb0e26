//! `workspace_search`.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use openpact_sdk::{Content, Effects, Error, Output, Reads, Result, Tool, Writes, clock};
use regex_lite::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::kind;
use crate::path::{Relative, escaped};
use crate::pattern::Glob;
use crate::root::Root;
use crate::walk::{Entry, Kind, walk};

/// Lines that one answer holds.
const SHOWN: usize = 200;
/// Characters that are shown of a line.
const WIDTH: usize = 300;
/// Bytes of a line that are searched; the rest is passed over.
const LINE: u64 = 64 * 1024;
/// Bytes that one call searches.
const TOTAL: u64 = 64 * 1024 * 1024;
/// How long one call searches: less than the CPU time that the host gives.
const PATIENCE: Duration = Duration::from_secs(4);
/// Characters of a query or a regular expression.
const QUERY: usize = 512;
/// Memory of a compiled regular expression; its time per byte grows with it.
const COMPILED: usize = 64 * 1024;

/// What `workspace_search` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Text to look for, whatever its case. Give either this or `regex`.
    query: Option<String>,
    /// Regular expression to look for, line by line; `(?i)` at its start ignores case, and classes such as `\w` mean
    /// ASCII. Give either this or `query`.
    regex: Option<String>,
    /// Searches only files that match, such as `*.md` (the name, in any folder) or `notes/**/*.md` (the path).
    glob: Option<String>,
    /// Searches only this folder.
    #[serde(default)]
    path: String,
}

/// Searches the text of files.
pub struct Search;

impl Tool for Search {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_search";
    const TITLE: Option<&'static str> = Some("Search in files");
    const DESCRIPTION: &'static str = "Looks for text or a regular expression in the text files of the workspace. Each hit \
        is shown as path:line: text.";
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Nothing);

    fn call(arguments: Arguments) -> Result<Output> {
        search(&Root::mounted()?, &arguments)
    }
}

/// What is looked for.
enum Wanted {
    /// In lower case.
    Text(String),
    Regex(Regex),
}

impl Wanted {
    fn parse(arguments: &Arguments) -> Result<Self> {
        let ((Some(text), None) | (None, Some(text))) = (&arguments.query, &arguments.regex) else {
            return Err(Error::invalid_arguments("Give either query or regex."));
        };
        if text.is_empty() || text.len() > QUERY {
            return Err(Error::invalid_arguments(format!(
                "What is looked for must have 1 to {QUERY} bytes."
            )));
        }
        if arguments.query.is_some() {
            return Ok(Self::Text(text.to_lowercase()));
        }
        let regex = RegexBuilder::new(text).size_limit(COMPILED).build();
        regex
            .map(Self::Regex)
            .map_err(|error| Error::invalid_arguments(format!("The regex cannot be used: {error}.")))
    }

    fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Text(text) => line.to_lowercase().contains(text),
            Self::Regex(regex) => regex.is_match(line),
        }
    }
}

/// What a search has found so far, and what it has not looked at.
struct Found {
    text: String,
    lines: usize,
    bytes: u64,
    until: Instant,
    /// Why it stopped before the end.
    stopped: Option<&'static str>,
    unreadable: usize,
}

fn search(root: &Root, arguments: &Arguments) -> Result<Output> {
    let wanted = Wanted::parse(arguments)?;
    let glob = arguments.glob.as_deref().map(Glob::parse).transpose()?;
    let folder = Relative::folder(&arguments.path)?;
    let (_, metadata) = root.existing(&folder)?;
    if !metadata.is_dir() {
        return Err(Error::invalid_arguments(format!(
            "{:?} is a file: name its folder, and the file as glob.",
            folder.as_str()
        )));
    }
    let mut found = Found {
        text: String::new(),
        lines: 0,
        bytes: 0,
        until: clock::monotonic() + PATIENCE,
        stopped: None,
        unreadable: 0,
    };
    let seen = walk(root, &folder, true, |entry| {
        if entry.kind == Kind::File && glob.as_ref().is_none_or(|glob| glob.matches(entry.path.as_str())) {
            found.file(entry, &wanted);
        }
        if found.stopped.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    found.unreadable += seen.unreadable;
    if seen.more {
        found.stopped = found.stopped.or(Some("there are more files than one search looks at"));
    }
    Ok(found.answer())
}

impl Found {
    fn file(&mut self, entry: &Entry, wanted: &Wanted) {
        if self.lines_of(&entry.place, &escaped(entry.path.as_str()), wanted).is_err() {
            self.unreadable += 1;
        }
    }

    fn lines_of(&mut self, place: &Path, name: &str, wanted: &Wanted) -> io::Result<()> {
        let mut file = BufReader::with_capacity(kind::HEAD, File::open(place)?);
        if kind::looks_binary(file.fill_buf()?) {
            return Ok(());
        }
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = file.by_ref().take(LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            self.bytes += read as u64;
            if !line.ends_with(b"\n") {
                self.bytes += file.skip_until(b'\n')? as u64;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            if wanted.is_in(text) {
                self.hit(name, number, text);
            }
            self.stopped = self.stopped.or(self.enough());
            if self.stopped.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn hit(&mut self, name: &str, number: u64, line: &str) {
        if self.lines == SHOWN {
            self.stopped = Some("there are more hits");
            return;
        }
        self.lines += 1;
        let shown = line.char_indices().nth(WIDTH).map_or(line, |(end, _)| &line[..end]);
        let rest = if shown.len() < line.len() { " …" } else { "" };
        self.text.extend([name, ":", &number.to_string(), ": ", &escaped(shown), rest, "\n"]);
    }

    fn enough(&self) -> Option<&'static str> {
        if self.bytes > TOTAL {
            return Some("the files are larger than one search reads");
        }
        (clock::monotonic() > self.until).then_some("it took too long")
    }

    fn answer(self) -> Output {
        let mut notes = Vec::new();
        if self.lines == 0 {
            notes.push("Nothing found.".to_owned());
        }
        if let Some(why) = self.stopped {
            notes.push(format!(
                "Not everything was searched: {why}. Name a folder or a glob, or look for something rarer."
            ));
        }
        if self.unreadable > 0 {
            notes.push(format!("{} could not be read.", self.unreadable));
        }
        if notes.is_empty() {
            return Output::text(self.text);
        }
        let note = format!("[{}]", notes.join(" "));
        if self.text.is_empty() {
            Output::text(note)
        } else {
            Output::text(self.text).with(Content::Text(note))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests_support::{Workspace, texts};

    fn query(text: &str) -> Arguments {
        Arguments { query: Some(text.to_owned()), regex: None, glob: None, path: String::new() }
    }

    fn regex(text: &str) -> Arguments {
        Arguments { query: None, regex: Some(text.to_owned()), glob: None, path: String::new() }
    }

    fn check(workspace: &Workspace, arguments: &Arguments, expected: &[&str]) {
        assert_eq!(texts(&search(&workspace.root, arguments).expect("searched")), expected);
    }

    #[test]
    fn hits_are_shown_with_path_and_line() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path("notes")).expect("made");
        fs::create_dir_all(workspace.path(".trash/1")).expect("made");
        fs::write(workspace.path("notes/a.md"), "one\r\nÄpfel und Birnen\r\nthree 33").expect("written");
        fs::write(workspace.path("b.txt"), "no apples: äpfel\n").expect("written");
        fs::write(workspace.path(".trash/1/c.md"), "äpfel").expect("written");
        fs::write(workspace.path("picture"), b"\0\xc3\xa4pfel").expect("written");
        check(&workspace, &query("äPFEL"), &["b.txt:1: no apples: äpfel\nnotes/a.md:2: Äpfel und Birnen\n"]);
        check(&workspace, &regex(r"\d\d$"), &["notes/a.md:3: three 33\n"]);
        check(&workspace, &regex("(?i)ONE"), &["notes/a.md:1: one\n"]);
        check(
            &workspace,
            &Arguments { glob: Some("*.txt".to_owned()), ..query("äpfel") },
            &["b.txt:1: no apples: äpfel\n"],
        );
        check(
            &workspace,
            &Arguments { path: "notes".to_owned(), ..query("äpfel") },
            &["notes/a.md:2: Äpfel und Birnen\n"],
        );
        check(
            &workspace,
            &Arguments { path: ".trash".to_owned(), ..query("äpfel") },
            &[".trash/1/c.md:1: äpfel\n"],
        );
        check(&workspace, &query("plums"), &["[Nothing found.]"]);
    }

    #[test]
    fn long_lines_and_many_hits_are_cut() {
        let workspace = Workspace::new();
        fs::write(workspace.path("long"), "x".repeat(1000)).expect("written");
        check(&workspace, &query("x"), &[&format!("long:1: {} …\n", "x".repeat(WIDTH))]);
        fs::write(workspace.path("long"), "x\n".repeat(SHOWN)).expect("written");
        assert_eq!(
            texts(&search(&workspace.root, &query("x")).expect("searched")).len(),
            1,
            "exactly full is not cut"
        );
        fs::write(workspace.path("long"), "x\n".repeat(SHOWN + 1)).expect("written");
        let answer = texts(&search(&workspace.root, &query("x")).expect("searched"));
        assert_eq!(answer[0].lines().count(), SHOWN);
        assert!(answer[1].contains("there are more hits"), "{answer:?}");
    }

    #[test]
    fn the_end_of_a_very_long_line_is_passed_over_and_the_next_line_is_not() {
        let workspace = Workspace::new();
        let line = usize::try_from(LINE).expect("fits");
        fs::write(workspace.path("f"), "a".repeat(line) + "needle\nneedle\n").expect("written");
        check(&workspace, &query("needle"), &["f:2: needle\n"]);
    }

    #[test]
    fn a_line_cannot_forge_another_hit() {
        let workspace = Workspace::new();
        fs::write(workspace.path("f"), "x\rsecret.md:1: x\u{202e}\n").expect("written");
        check(
            &workspace,
            &query("x"),
            &["f:1: x\\u{d}secret.md:1: x\\u{202e}\n".replace("\\u{d}", "\\r").as_str()],
        );
    }

    #[test]
    fn what_cannot_be_searched_for_is_an_error() {
        let workspace = Workspace::new();
        fs::write(workspace.path("f"), "x").expect("written");
        let both = Arguments { regex: Some("x".to_owned()), ..query("x") };
        let neither = Arguments { query: None, ..query("x") };
        for (arguments, expected) in [
            (both, "either query or regex"),
            (neither, "either query or regex"),
            (query(""), "1 to 512"),
            (query(&"x".repeat(QUERY + 1)), "1 to 512"),
            (regex("("), "cannot be used"),
            (regex("((x{100}){100}){100}"), "cannot be used"),
            (Arguments { path: "f".to_owned(), ..query("x") }, "name its folder"),
            (Arguments { path: "..".to_owned(), ..query("x") }, "no path leads out"),
        ] {
            let error = search(&workspace.root, &arguments).expect_err(expected);
            assert!(error.text().contains(expected), "{error}");
        }
        assert!(search(&workspace.root, &query(&"x".repeat(QUERY))).is_ok());
    }

    #[test]
    fn an_expression_that_makes_others_backtrack_for_ever_ends() {
        let workspace = Workspace::new();
        fs::write(workspace.path("f"), "a".repeat(5000)).expect("written");
        check(&workspace, &regex("(a|a)*(a|a)*(a|a)*b$"), &["[Nothing found.]"]);
    }
}
