//! The source of randomness, injected so that tests can set it.

/// Fills buffers with random bytes. Implementations must be safe for keys and credentials.
pub trait Random: Send + Sync {
    /// Fills `buffer` completely.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the operating system")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the kernel's random source never fails after boot");
    }
}
