//! `memory_daily`.

use jiff::Zoned;
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{Name, Store};
use crate::today;

/// Bytes of one note.
const LONGEST: usize = 16 * 1024;

/// What `memory_daily` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The note.
    text: String,
    /// The day it belongs to, such as `2026-11-23`; today unless given.
    date: Option<String>,
}

/// Adds a note to a day.
pub struct Daily;

impl Tool for Daily {
    type Arguments = Arguments;
    const NAME: &'static str = "memory_daily";
    const TITLE: Option<&'static str> = Some("Note for the day");
    const DESCRIPTION: &'static str = "Adds a note, with the time, to the notes of today, or of another day.";
    // See `memory_write`.
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        add(&Store::mounted(), &today::now()?, &arguments)
    }
}

fn add(store: &Store, now: &Zoned, arguments: &Arguments) -> Result<Output> {
    let text = arguments.text.trim();
    if text.is_empty() {
        return Err(Error::invalid_arguments("The text is empty."));
    }
    if text.len() > LONGEST {
        return Err(Error::invalid_arguments(format!(
            "The text is longer than {LONGEST} bytes: note less, or use memory_write."
        )));
    }
    if text.contains('\0') {
        return Err(Error::invalid_arguments("The text has a NUL character: memory is text."));
    }
    let date = match arguments.date.as_deref() {
        None => now.date(),
        Some(text) => today::date(text)
            .ok_or_else(|| Error::invalid_arguments(format!("{text:?} is not a date such as 2026-11-23.")))?,
    };
    let name = Name::parse(&date.to_string(), now)?;
    store.add_line(&name, &line(text, (date == now.date()).then_some(now)))?;
    Ok(format!("Noted in {}.", name.as_str()).into())
}

/// The note as an item of a list: its first line with the time, where it is of today, the others indented below it.
fn line(text: &str, time: Option<&Zoned>) -> String {
    let time = time.map(|time| time.strftime("%H:%M ").to_string()).unwrap_or_default();
    let lines = text.lines().map(str::trim_end);
    let indented = |line: &str| if line.is_empty() { String::new() } else { format!("  {line}") };
    let mut lines =
        lines.enumerate().map(|(number, line)| if number == 0 { line.to_owned() } else { indented(line) });
    format!("- {time}{}\n", lines.by_ref().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn add(folder: &Path, text: &str, date: Option<&str>) -> Result<Output> {
        let now = "2026-03-01T00:05:00+01:00[Europe/Vienna]".parse().expect("a time");
        super::add(
            &Store::at(folder),
            &now,
            &Arguments { text: text.to_owned(), date: date.map(str::to_owned) },
        )
    }

    #[test]
    fn notes_are_items_of_the_day_where_the_people_are() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("memory")).expect("made");
        assert_eq!(add(folder.path(), " bought tea \n", None), Ok("Noted in 2026-03-01.md.".into()));
        add(folder.path(), "two things:\r\n\r\n- a\r\n- b", None).expect("added");
        add(folder.path(), "forgot this", Some("2026-02-28")).expect("added");
        let read = |day: &str| fs::read_to_string(folder.path().join("memory").join(day)).expect("read");
        assert_eq!(read("2026-03-01.md"), "- 00:05 bought tea\n- 00:05 two things:\n\n  - a\n  - b\n");
        assert_eq!(read("2026-02-28.md"), "- forgot this\n");
    }

    #[test]
    fn what_is_no_note_and_no_date_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("memory")).expect("made");
        let long = "x".repeat(LONGEST + 1);
        for (text, date, expected) in [
            (" \n", None, "empty"),
            ("a\0", None, "NUL"),
            (&long, None, "longer than"),
            ("a", Some("2026-02-30"), "is not a date"),
            ("a", Some("../2026-02-28"), "is not a date"),
            ("a", Some("MEMORY"), "is not a date"),
        ] {
            let error = add(folder.path(), text, date).expect_err(expected);
            assert!(error.text().contains(expected), "{error}");
        }
        assert!(add(folder.path(), &long[1..], None).is_ok());
        assert_eq!(fs::read_dir(folder.path().join("memory")).expect("listed").count(), 1);
    }
}
