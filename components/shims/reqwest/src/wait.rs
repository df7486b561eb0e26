//! Whether a wait may take the component's only thread for itself.

/// How long a wait lasts before it lets the runtime's other tasks go on, in nanoseconds.
#[cfg_attr(not(any(target_family = "wasm", test)), expect(dead_code, reason = "natively nothing waits"))]
pub(crate) const SLICE: u64 = 10_000_000;

/// Whether tokio's runtime has tasks beside the one that asks. The one that `block_on` runs is not counted, a spawned
/// one that asks counts itself: it is then one too many, which costs a few wake-ups and blocks nobody.
///
/// Without a runtime nobody else can be waiting.
#[cfg_attr(not(any(target_family = "wasm", test)), expect(dead_code, reason = "natively nothing waits"))]
pub(crate) fn others() -> bool {
    tokio::runtime::Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_alive_tasks() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_others_while_they_live() {
        assert!(SLICE > 0 && !others(), "no runtime");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert!(!others(), "the task of block_on is alone");
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            let task = tokio::spawn(ended);
            assert!(others());
            end.send(()).unwrap();
            task.await.unwrap().unwrap();
            assert!(!others());
        });
    }
}
