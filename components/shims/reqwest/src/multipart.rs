//! Forms with files (RFC 7578).

use std::borrow::Cow;

use bytes::Bytes;

use crate::body::Body;
use crate::error::{Error, Kind, Result};
use crate::transport;

/// One field of a form.
#[derive(Debug)]
pub struct Part {
    body: Body,
    file_name: Option<Cow<'static, str>>,
    media_type: Option<String>,
}

/// A form.
#[derive(Debug, Default)]
pub struct Form(Vec<(Cow<'static, str>, Part)>);

impl Part {
    fn new(body: Body) -> Self {
        Self { body, file_name: None, media_type: None }
    }

    /// A field that is text.
    pub fn text(value: impl Into<Cow<'static, str>>) -> Self {
        Self::new(value.into().into_owned().into())
    }

    /// A field that is bytes.
    pub fn bytes(value: impl Into<Cow<'static, [u8]>>) -> Self {
        Self::new(value.into().into_owned().into())
    }

    /// A field that comes in pieces.
    pub fn stream(value: impl Into<Body>) -> Self {
        Self::new(value.into())
    }

    /// The name of the file.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// The media type.
    ///
    /// # Errors
    /// When it holds a control character.
    pub fn mime_str(mut self, media_type: &str) -> Result<Self> {
        if media_type.chars().any(char::is_control) {
            return Err(Error::new(Kind::Builder, "a media type holds no control characters"));
        }
        self.media_type = Some(media_type.to_owned());
        Ok(self)
    }
}

impl Form {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn part(mut self, name: impl Into<Cow<'static, str>>, part: Part) -> Self {
        self.0.push((name.into(), part));
        self
    }

    /// Adds a field that is text.
    #[must_use]
    pub fn text(self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.part(name, Part::text(value))
    }

    /// The media type with its boundary, and the body.
    pub(crate) async fn encode(self) -> Result<(String, Bytes)> {
        // Random, so that nothing that is sent can hold it.
        let boundary = format!("----part{:016x}{:016x}", transport::random(), transport::random());
        let mut whole = Vec::new();
        for (name, part) in self.0 {
            let file_name = part.file_name.as_deref().map(|name| format!("; filename=\"{}\"", escaped(name)));
            let media_type = part.media_type.map(|media_type| format!("\r\nContent-Type: {media_type}"));
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"{}{}\r\n\r\n",
                escaped(&name),
                file_name.unwrap_or_default(),
                media_type.unwrap_or_default()
            );
            whole.extend_from_slice(head.as_bytes());
            whole.extend_from_slice(&part.body.collect().await?);
            whole.extend_from_slice(b"\r\n");
        }
        whole.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok((format!("multipart/form-data; boundary={boundary}"), whole.into()))
    }
}

/// A name within quotes, as browsers write it (HTML, "multipart/form-data encoding algorithm").
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_is_written_field_by_field() {
        let file = Part::bytes(b"\0\xff".as_slice()).file_name("a\"\r\n.bin").mime_str("a/b").unwrap();
        let (media_type, body) = Form::new().text("x", "1").part("f", file).encode().await.unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a%22%0D%0A.bin\"\r\n\
             Content-Type: a/b\r\n\r\n"
        );
        let mut expected = expected.into_bytes();
        expected.extend_from_slice(b"\0\xff");
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert_eq!(body, expected);
        assert!(Part::text("x").mime_str("a\r\nb").is_err());
    }
}
