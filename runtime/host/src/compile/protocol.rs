//! What the program and its helper say to each other: an order over standard input, an answer over standard output.

use std::io::{self, Read, Write};
use std::time::Duration;

use openpact_model::id::Digest;

/// The longest component that is read; what verifies packages allows less.
const MAX_WASM: u64 = 1 << 30;

/// What an answer begins with.
const NATIVE: u8 = 1;
const REFUSED: u8 = 2;
const OUT_OF_MEMORY: u8 = 3;

/// What the helper bounds itself to before it looks at the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) memory: u64,
    pub(super) cpu: Duration,
}

impl Order {
    /// Writes the order and the component.
    pub(super) fn write(self, wasm: &[u8], to: &mut impl Write) -> io::Result<()> {
        for number in [self.memory, self.cpu.as_secs(), wasm.len() as u64] {
            to.write_all(&number.to_le_bytes())?;
        }
        to.write_all(wasm)
    }

    /// Reads the order, and how many bytes of component follow.
    pub(super) fn read(from: &mut impl Read) -> io::Result<(Self, u64)> {
        let (memory, seconds, length) = (number(from)?, number(from)?, number(from)?);
        if length > MAX_WASM {
            return Err(io::Error::other("the component is too long"));
        }
        Ok((Self { memory, cpu: Duration::from_secs(seconds) }, length))
    }
}

/// Reads exactly `length` bytes.
pub(super) fn bytes(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    // Memory is taken as bytes come, not as they are announced.
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Native code for the engine of this fingerprint.
    Native(Digest, Vec<u8>),
    /// The compiler refused the component, and says why.
    Refused(String),
    /// The compiler asked for more memory than there may be, and could say so itself.
    OutOfMemory,
}

impl Answer {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, engine, body): (u8, &[u8], &[u8]) = match self {
            Self::Native(engine, code) => (NATIVE, engine.as_bytes(), code),
            Self::Refused(why) => (REFUSED, &[], why.as_bytes()),
            Self::OutOfMemory => (OUT_OF_MEMORY, &[], &[]),
        };
        to.write_all(&[kind])?;
        to.write_all(engine)?;
        to.write_all(&(body.len() as u64).to_le_bytes())?;
        to.write_all(body)?;
        to.flush()
    }

    /// Takes an answer of at most `most` bytes apart. `Err` holds the length that it announces where that is more.
    pub(super) fn read(from: &mut impl Read, most: u64) -> io::Result<Result<Self, u64>> {
        let [kind] = array(from)?;
        if !(NATIVE..=OUT_OF_MEMORY).contains(&kind) {
            return Err(io::Error::other(format!("an answer of the unknown kind {kind}")));
        }
        let engine = if kind == NATIVE { Digest::from(array(from)?) } else { Digest::from([0; 32]) };
        let length = number(from)?;
        if length > most {
            return Ok(Err(length));
        }
        let body = bytes(from, length)?;
        Ok(Ok(match kind {
            NATIVE => Self::Native(engine, body),
            REFUSED => Self::Refused(String::from_utf8_lossy(&body).into_owned()),
            _ => Self::OutOfMemory,
        }))
    }
}

fn number(from: &mut impl Read) -> io::Result<u64> {
    array(from).map(u64::from_le_bytes)
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_over_whole_or_not_at_all() {
        let order = Order { memory: 7, cpu: Duration::from_secs(9) };
        let mut sent = Vec::new();
        order.write(b"wasm", &mut sent).unwrap();
        let mut from = sent.as_slice();
        assert_eq!(Order::read(&mut from).unwrap(), (order, 4));
        assert_eq!(bytes(&mut from, 4).unwrap(), b"wasm");
        let mut from = &sent[..sent.len() - 1];
        Order::read(&mut from).unwrap();
        assert!(bytes(&mut from, 4).is_err(), "cut off");
        let huge = [0_u64, 0, MAX_WASM + 1].map(u64::to_le_bytes).concat();
        assert!(Order::read(&mut huge.as_slice()).is_err());
    }

    #[test]
    fn an_answer_that_is_cut_off_or_too_long_is_none() {
        let native = Answer::Native(Digest::of(b"engine"), b"code".to_vec());
        for answer in [native, Answer::Refused("no".into()), Answer::OutOfMemory] {
            let mut sent = Vec::new();
            answer.write(&mut sent).unwrap();
            assert_eq!(Answer::read(&mut sent.as_slice(), 4).unwrap(), Ok(answer));
            for length in 0..sent.len() {
                assert!(Answer::read(&mut &sent[..length], 4).is_err(), "{length} of {} bytes", sent.len());
            }
        }
        let mut long = Vec::new();
        Answer::Native(Digest::of(b"engine"), vec![0; 5]).write(&mut long).unwrap();
        assert_eq!(Answer::read(&mut long.as_slice(), 4).unwrap(), Err(5));
        for kind in [0, 4, 9] {
            assert!(Answer::read(&mut [kind; 60].as_slice(), 4).is_err(), "an unknown kind");
        }
    }
}
