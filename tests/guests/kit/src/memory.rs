//! A look at all of a guest's own memory.

/// How often a text stands in this guest's whole linear memory. It is given back to front, so that asking does not put
/// it there.
#[expect(unsafe_code, reason = "all of the memory is to be read, whoever it belongs to")]
pub fn occurrences(reversed: &str) -> usize {
    let wanted = reversed.as_bytes();
    let size = core::arch::wasm32::memory_size::<0>() * 65536;
    let byte = |place: usize| {
        // SAFETY: `place` is below the size of the memory, and nothing else runs in this guest.
        unsafe { core::ptr::with_exposed_provenance::<u8>(place).read_volatile() }
    };
    let stands_at =
        |start: usize| wanted.iter().rev().enumerate().all(|(place, wanted)| byte(start + place) == *wanted);
    (1..size - wanted.len()).filter(|start| stands_at(*start)).count()
}
