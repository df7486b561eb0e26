//! What a file is, by its first bytes.

/// How many bytes are looked at.
pub(crate) const HEAD: usize = 8 * 1024;

/// The first bytes of well-known kinds of files. Source: their specifications; WHATWG MIME Sniffing for the pictures.
const MAGIC: [(&[u8], &str); 19] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\0asm", "application/wasm"),
    (b"\x7fELF", "application/x-elf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
];

/// A name for the kind of a file that is not UTF-8 text.
pub(crate) fn name(head: &[u8]) -> &'static str {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return kind;
    }
    match (head.get(..4), head.get(4..8), head.get(8..12)) {
        (Some(b"RIFF"), _, Some(b"WEBP")) => "image/webp",
        (Some(b"RIFF"), _, Some(b"WAVE")) => "audio/wav",
        (_, Some(b"ftyp"), _) => "video/mp4",
        _ if looks_binary(head) => "application/octet-stream",
        _ => "text in another encoding than UTF-8",
    }
}

/// Whether the first bytes of a file say that it is no text in an encoding that contains ASCII.
pub(crate) fn looks_binary(head: &[u8]) -> bool {
    head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (head, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x18ftypmp42", "video/mp4"),
            (b"a\0b", "application/octet-stream"),
            (b"caf\xe9", "text in another encoding than UTF-8"),
            (b"", "text in another encoding than UTF-8"),
        ] {
            assert_eq!(name(head), kind, "{head:?}");
        }
    }
}
