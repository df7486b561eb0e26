//! `openpact:host/credentials`: references only. The values stay in the egress door.

use openpact_bindings::v0_1_0::openpact::host::credentials::{Error, Host};

use crate::state::State;

impl Host for State {
    fn reference(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        self.usable("openpact:host/credentials")?;
        if !self.requested_credentials.contains(&name) {
            // Told before looking further, so that nobody learns which credentials there are by asking.
            return Ok(Err(Error::NotRequested));
        }
        let reference = self.references.as_ref().and_then(|references| references.reference(&name).ok());
        if reference.is_none() {
            self.ledger.denied();
        }
        Ok(reference.ok_or(Error::NotGranted))
    }
}
