//! Tells whoever waits for this call how far it is.
//!
//! Reports must grow; those that do not, and those that come more often than ten a second for long, are dropped. A
//! message past 512 characters is cut. Outside a component nothing happens.

/// Reports that `done` of `total` is done; `message` says to a person what is being done now.
pub fn report(done: f64, total: Option<f64>, message: Option<&str>) {
    #[cfg(target_family = "wasm")]
    crate::bindings::openpact::host::progress::report(done, total, message);
    #[cfg(not(target_family = "wasm"))]
    let _ = (done, total, message);
}
