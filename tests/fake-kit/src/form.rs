//! Bodies of requests that are forms, and what kind of body it is.

use bytes::Bytes;
use http::request::Parts;

/// The header that says the kind of the body.
pub fn content_type(parts: &Parts) -> &str {
    parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The kind alone, in small letters: no charset, no boundary.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A part of a `multipart/form-data`.
pub struct Part {
    /// Its name.
    pub name: String,
    /// The name of the file that it is.
    pub file_name: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
    /// What is in it.
    pub bytes: Bytes,
}

impl Part {
    /// It as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The parts of a `multipart/form-data`.
///
/// # Errors
/// When it is none.
pub async fn parts(content_type: &str, body: Bytes) -> multer::Result<Vec<Part>> {
    let boundary = multer::parse_boundary(content_type)?;
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
    let mut fields = multer::Multipart::new(stream, boundary);
    let mut parts = Vec::new();
    while let Some(field) = fields.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        parts.push(Part { name, file_name, media_type, bytes: field.bytes().await? });
    }
    Ok(parts)
}
