//! References to credentials. A component never sees a credential's value: it writes the reference where its grant
//! places the credential (a header, a place in the path), and the host fills the value in on the way out.

use crate::Error;

/// Why there is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The manifest does not request a credential of that name.
    NotRequested,
    /// The admin has not supplied it, or has not granted it to this component.
    NotGranted,
}

/// A reference to the credential `name` of the manifest: letters, digits, `_` and `-`; good for this call alone.
///
/// # Errors
/// Why there is none; turns into an [`Error`] that tells the model to ask the admin.
pub fn reference(name: &str) -> Result<String, Missing> {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::openpact::host::credentials;
        credentials::reference(name).map_err(|error| match error {
            credentials::Error::NotRequested => Missing::NotRequested,
            credentials::Error::NotGranted => Missing::NotGranted,
        })
    }
    // Of the host's form, so that a test sees where the reference goes; nobody fills anything in.
    #[cfg(not(target_family = "wasm"))]
    Ok(format!("reference-{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::NotRequested => {
                Self::failed("This component uses a credential that its manifest does not request.")
            }
            Missing::NotGranted => {
                Self::unavailable("A credential of this component is not set. An admin must supply it.")
            }
        }
    }
}
