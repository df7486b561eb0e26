//! One JSON value a line, with a limit on its length.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use zeroize::Zeroizing;

/// The longest line in bytes: the longest secret, with every character escaped, and room to spare.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The longest answer in bytes: a thousand audit entries, or the largest result of a tool with every character escaped.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Reads one value. The line may hold a secret, so it is wiped.
pub(crate) async fn read<T: DeserializeOwned>(from: impl AsyncRead + Unpin, max: usize) -> io::Result<T> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(from).take(limit).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        let why = if line.len() + 1 >= max { "the line is too long" } else { "the line is cut off" };
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    serde_json::from_slice(&line).map_err(io::Error::from)
}

/// Writes one value.
pub(crate) async fn write<T: Serialize>(mut to: impl AsyncWrite + Unpin, value: &T) -> io::Result<()> {
    let mut line = Zeroizing::new(serde_json::to_vec(value)?);
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(line: &[u8], max: usize) -> Result<String, String> {
        read::<String>(line, max).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn lines_are_read_up_to_their_limit() {
        assert_eq!(check(b"\"abc\"\nrest", 6).await.unwrap(), "abc");
        assert_eq!(check(b"\"abc\"\n", 5).await.unwrap_err(), "the line is too long");
        assert_eq!(check(b"\"abc\"", 100).await.unwrap_err(), "the line is cut off");
        assert_eq!(check(b"", 100).await.unwrap_err(), "the line is cut off");
        assert!(check(b"nonsense\n", 100).await.is_err());
    }
}
