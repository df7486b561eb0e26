//! Looking at a package without trusting it.

use openpact_model::id::Digest;
use serde::Serialize;

use crate::interface;
use crate::manifest::Manifest;
use crate::refusal::Refusal;
use crate::structure::Component;

/// What a file says about itself. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The SHA-256 of the file.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The names of everything that it imports.
    pub imports: Vec<String>,
    /// The names of everything that it exports.
    pub exports: Vec<String>,
    /// Its manifest; `None` for a component that was not packed yet, or whose manifest is refused.
    pub manifest: Option<Manifest>,
    /// Why it would be refused whoever signed it.
    pub refusals: Vec<String>,
    /// What an admin should know: requests that the component cannot use.
    pub warnings: Vec<String>,
}

/// Reads a component, packed or not.
///
/// # Errors
/// When it is no valid component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    let component = Component::read(bytes)?;
    let manifest = component
        .manifest()
        .and_then(|section| Ok(Manifest::from_packed(section.ok_or(Refusal::NoManifest)?)?));
    let mut checks = vec![interface::check_ours(&component)];
    let mut warnings = vec![];
    match &manifest {
        Err(refusal) => checks.push(Err(refusal.clone())),
        Ok(manifest) => {
            checks.push(interface::check_world(manifest, &component));
            checks.push(interface::check_imports(manifest, &component.imports));
            warnings = interface::unbacked(manifest, &component.imports);
        }
    }
    let mut refusals: Vec<_> = checks.into_iter().filter_map(Result::err).map(|r| r.to_string()).collect();
    refusals.dedup();
    Ok(Inspection {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        imports: component.import_names(),
        exports: component.export_names(),
        manifest: manifest.ok(),
        refusals,
        warnings,
    })
}

#[cfg(test)]
mod tests;
