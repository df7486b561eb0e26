//! The lines of an event stream (WHATWG HTML, "Server-sent events"), with a bound on what is kept.
//!
//! An event is given out as its `data` lines. The standard joins them; servers that leave out the empty line between
//! two events mean them apart, so that is for the reader to say. What an unfinished event holds at the end of the stream
//! is given out too, since many servers end without an empty line.

/// The most bytes that one event may have.
pub(super) const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// An event was longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes bytes, gives events.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    data: Vec<String>,
    bytes: usize,
    after_return: bool,
}

impl EventStream {
    /// Takes what came in and gives the events that it completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<String>>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if std::mem::take(&mut self.after_return) && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&rest[..end])?;
            let returned = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if returned {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            events.extend(self.end_line());
        }
        self.extend(rest)?;
        Ok(events)
    }

    /// What the stream held back, now that it has ended.
    pub(super) fn finish(&mut self) -> Option<Vec<String>> {
        self.end_line().or_else(|| self.end_event())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.bytes += bytes.len();
        if self.bytes > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// The event that this line completes.
    fn end_line(&mut self) -> Option<Vec<String>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            self.data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        } else if self.data.is_empty() {
            // Comments and other fields are not kept, so they do not count.
            self.bytes = 0;
        }
        None
    }

    fn end_event(&mut self) -> Option<Vec<String>> {
        self.bytes = 0;
        let data = std::mem::take(&mut self.data);
        (!data.is_empty()).then_some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All events of `text`, however it is cut into pieces.
    fn check(text: &str, expected: &[&[&str]]) {
        for size in 1..=text.len() {
            let mut stream = EventStream::default();
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.extend(stream.push(piece).unwrap());
            }
            events.extend(stream.finish());
            assert_eq!(events, expected, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn lines_end_in_every_way() {
        for end in ["\n", "\r\n", "\r"] {
            check(&format!("data: a{end}{end}data: b{end}{end}"), &[&["a"], &["b"]]);
        }
    }

    #[test]
    fn spaces_comments_and_other_fields() {
        check("data:a\n\n", &[&["a"]]);
        check("data:  a\n\n", &[&[" a"]]);
        check(": comment\n\nevent: x\nid: 7\ndata: ä\n\n", &[&["ä"]]);
        check("\u{feff}data: a\n\n", &[&["a"]]);
        check("data: a\ndata: b\n\n", &[&["a", "b"]]);
        check("data\n\n", &[&[""]]);
    }

    #[test]
    fn the_last_event_needs_no_empty_line() {
        check("data: a", &[&["a"]]);
        check("data: a\n", &[&["a"]]);
        check(": only a comment", &[]);
    }

    #[test]
    fn an_event_without_end_is_refused_and_comments_without_end_are_not() {
        let mut stream = EventStream::default();
        let piece = vec![b'x'; 64 * 1024];
        let pieces = MAX_EVENT_BYTES / piece.len();
        for _ in 0..pieces {
            assert_eq!(stream.push(&piece), Ok(Vec::new()));
        }
        assert_eq!(stream.push(b"x"), Err(TooLong));

        let mut stream = EventStream::default();
        for _ in 0..pieces * 2 {
            assert_eq!(stream.push(b": "), Ok(Vec::new()));
            assert_eq!(stream.push(&piece), Ok(Vec::new()));
            assert_eq!(stream.push(b"\n"), Ok(Vec::new()));
        }
    }
}
