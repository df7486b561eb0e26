//! Images that come with what a person says.

use std::fmt;

use bytes::Bytes;

/// Bytes of the images that one turn may bring. As base64 they are a third more, which has to fit into what the engine's
/// door lets out.
pub const MOST_IMAGE_BYTES: usize = 16 * 1024 * 1024;

/// The kinds of images that models take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

/// One image. Its bytes are shared, so that a copy costs nothing, and are shown nowhere: what is printed of it is its
/// kind and its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    format: Format,
    bytes: Bytes,
}

impl Format {
    /// As it is called on the wire.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

impl Image {
    /// An image of these bytes.
    pub fn new(format: Format, bytes: Vec<u8>) -> Self {
        Self { format, bytes: bytes.into() }
    }

    /// What it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Image({}, {} bytes)", self.format.media_type(), self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_an_image_is_not_what_is_in_it() {
        let image = Image::new(Format::Png, b"secret".to_vec());
        assert_eq!(format!("{image:?}"), "Image(image/png, 6 bytes)");
    }
}
