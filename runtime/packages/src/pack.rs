//! Packing: a component and its manifest become one file.

use openpact_model::tool::ToolSpec;
use wasm_encoder::{ComponentSection as _, CustomSection};

use crate::Refusal;
use crate::error::Error;
use crate::interface;
use crate::manifest::Manifest;
use crate::structure::{Component, MANIFEST_SECTION, MAX_PACKAGE_BYTES};

/// Puts the manifest into a component as cargo built it. Nothing is taken out and nothing else is changed.
///
/// `source` is the text of `openpact.toml`, `tools` what the guest's own `list-tools` gives.
///
/// # Errors
/// When the component has a manifest already, the manifest is wrong, or the package would be refused wherever it is
/// installed: no component, another kind than stated, an import that is not requested.
pub fn pack(wasm: &[u8], source: &str, tools: Vec<ToolSpec>) -> Result<Vec<u8>, Error> {
    let component = Component::read(wasm)?;
    if !matches!(component.manifest(), Ok(None)) {
        return Err(Error::AlreadyPacked);
    }
    interface::check_ours(&component)?;
    let manifest = Manifest::from_source(source, tools)?;
    interface::check_world(&manifest, &component)?;
    interface::check_imports(&manifest, &component.imports)?;
    let text = manifest.to_text()?;
    let mut packed = wasm.to_vec();
    let section = CustomSection { name: MANIFEST_SECTION.into(), data: text.as_bytes().into() };
    section.append_to_component(&mut packed);
    if packed.len() > MAX_PACKAGE_BYTES {
        return Err(Refusal::TooLarge { size: packed.len() as u64 }.into());
    }
    Ok(packed)
}
