//! The log as those see it who read it: no secret in any format, also in panics; and a reader that stands still stops
//! nobody.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tracing::subscriber::with_default;

use super::*;
use sink::LINE;

/// Collects what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SECRET: &str = "hunter2\"\\<\u{e9}>/hunter2";

/// As the program's, for one secret in its plain and JSON forms.
fn redact() -> Redact {
    let json = serde_json::to_string(SECRET).unwrap();
    let inside = json[1..json.len() - 1].to_owned();
    Arc::new(move |line| {
        let redacted = line.replace(SECRET, "[REDACTED]").replace(&inside, "[REDACTED]");
        (redacted != line).then_some(redacted)
    })
}

/// What `speak` leaves in the log.
fn written(format: Format, speak: impl FnOnce()) -> String {
    let paper = Paper::default();
    let (queue, writing) = Queue::start(WAITING, paper.clone()).unwrap();
    let sink = Sink::new(queue);
    sink.redact_with(redact());
    let layer = formatted::<Registry>(format, &sink, false);
    with_default(tracing_subscriber::registry().with(layer), speak);
    drop(writing);
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn speak_of_it() {
    let span = tracing::error_span!("turn", turn = "turn_1", key = SECRET);
    let _inside = span.enter();
    tracing::error!(key = SECRET, shown = ?SECRET, deep = ?Some(vec![SECRET]), "it is {SECRET}");
}

#[test]
fn no_format_shows_a_secret() {
    for format in [Format::Text, Format::Json] {
        let text = written(format, speak_of_it);
        assert!(!text.contains("hunter2"), "{format:?}: {text}");
        assert!(text.matches("[REDACTED]").count() >= 4, "{format:?}: {text}");
        assert!(text.contains("turn_1"), "{format:?}: {text}");
    }
}

#[test]
fn a_line_of_json_is_one_object_with_the_turn() {
    let text = written(Format::Json, speak_of_it);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["message"], "it is [REDACTED]");
    assert_eq!(value["span"]["turn"], "turn_1");
    assert_eq!(text.lines().count(), 1);
    let broken = written(Format::Json, || tracing::error!("two\nlines \u{1b}[0m {}", "\u{0}"));
    assert_eq!(broken.lines().count(), 1, "{broken}");
    serde_json::from_str::<Value>(&broken).unwrap();
}

#[test]
fn a_panic_is_told_in_the_log_without_secrets_and_with_its_turn() {
    for format in [Format::Text, Format::Json] {
        let text = written(format, || {
            let before = std::panic::take_hook();
            panic::install();
            let broken = std::panic::catch_unwind(|| {
                let _turn = tracing::error_span!("turn", turn = "turn_7").entered();
                panic!("it was {SECRET}");
            });
            std::panic::set_hook(before);
            broken.unwrap_err();
        });
        assert!(!text.contains("hunter2") && text.contains("a bug in OpenPact: it was [REDACTED]"), "{text}");
        assert!(text.contains("turn_7") && text.contains("tests.rs"), "{text}");
    }
}

#[test]
fn a_line_is_cut_where_it_is_too_long_and_stays_readable() {
    let long = "\u{e9}\"".repeat(LINE);
    for format in [Format::Text, Format::Json] {
        let text = written(format, || tracing::error!("{long}"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 3 * LINE, "{}", text.len());
        if format == Format::Json {
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }
    let fits = written(Format::Text, || tracing::error!("{}", "x".repeat(LINE / 2)));
    assert!(!fits.contains("more bytes"));
}

/// A reader that takes one line whenever it is told to, and says so.
struct Slow {
    go: Receiver<()>,
    took: Sender<String>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When nobody tells it any more it takes everything.
        let _ = self.go.recv();
        let _ = self.took.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_stands_still_stops_nobody_and_what_is_lost_is_counted_and_told() {
    let (allow, go) = channel();
    let (took, taken) = channel();
    let (queue, writing) = Queue::start(10_000, Slow { go, took }).unwrap();
    let sink = Sink::new(queue.clone());
    let drops = Drops(queue);
    let layer = formatted::<Registry>(Format::Text, &sink, false);
    with_default(tracing_subscriber::registry().with(layer), || {
        for number in 0..1000 {
            tracing::error!("{number} {}", "x".repeat(1000));
        }
        // Nine fit, and one more where the thread had taken one out.
        assert!((990..=991).contains(&drops.count()), "{}", drops.count());
        for _ in 0..5 {
            allow.send(()).unwrap();
            assert!(taken.recv().unwrap().contains("xxx"));
        }
        tracing::error!("after it");
        drop(allow);
        drop(writing);
        let rest: Vec<String> = taken.iter().collect();
        let told = format!("{} since the start", drops.count());
        assert!(rest.iter().any(|line| line.contains(&told)), "{told}: {rest:?}");
        assert!(rest.last().unwrap().contains("after it"), "{rest:?}");
    });
}

#[test]
fn the_end_does_not_wait_for_ever_for_a_reader() {
    let (_allow, go) = channel();
    let (took, taken) = channel();
    let (queue, writing) = Queue::start(100, Slow { go, took }).unwrap();
    queue.push("1".repeat(60));
    queue.push("2".repeat(60));
    drop(writing);
    assert!(taken.try_recv().is_err(), "nothing was read, and the program could end all the same");
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let (_allow, go) = channel();
    let (took, _taken) = channel();
    let (queue, writing) = Queue::start(100, Slow { go, took }).unwrap();
    queue.push("x".repeat(101));
    assert_eq!(queue.dropped(), 1);
    queue.push("x".repeat(100));
    assert_eq!(queue.dropped(), 1);
    drop(writing);
}
