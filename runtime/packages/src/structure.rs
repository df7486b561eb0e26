//! The outer shape of a package: exactly one valid component, and the sections at its top level.
//!
//! Sections of nested modules and components are never looked at: whoever writes the guest's code writes those, and
//! any library inside it could carry a section that looks like a manifest.

use wasmparser::{
    BinaryReader, ComponentExportSectionReader, ComponentExternalKind, ComponentImportSectionReader,
    ComponentTypeRef, Validator, WasmFeatures,
};

use crate::refusal::Refusal;

/// The custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "openpact:manifest";

/// The largest package in bytes.
pub const MAX_PACKAGE_BYTES: usize = 64 * 1024 * 1024;

/// The most imports, and the most exports, of a component. Each is one interface, and every one is shown to an admin.
pub(crate) const MAX_ITEMS: usize = 1_000;

/// `\0asm`, and the version and layer of a component and of a core module.
const MAGIC: &[u8] = b"\0asm";
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];
const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];

/// The ids of sections at the top level of a component (component-model/design/mvp/Binary.md).
const CUSTOM: u8 = 0;
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;
const LAST_ID: u8 = 12;

/// What a guest may be made of: WebAssembly 2.0 with two small later additions, and the component model as WASI 0.2
/// uses it. No threads, no garbage collection, no 64-bit memories, nothing experimental.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A valid component seen from outside.
#[derive(Debug)]
pub(crate) struct Component<'a> {
    /// Everything that it imports at its top level.
    pub(crate) imports: Vec<Item<'a>>,
    /// Everything that it exports.
    pub(crate) exports: Vec<Item<'a>>,
    /// The contents of its manifest sections.
    manifests: Vec<&'a [u8]>,
}

/// One import or export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether it is an instance, as every interface is.
    pub(crate) is_instance: bool,
    /// Whether it is a function.
    pub(crate) is_function: bool,
}

/// One section at the top level.
struct Section<'a> {
    id: u8,
    offset: usize,
    payload: &'a [u8],
}

impl<'a> Component<'a> {
    /// Reads `bytes`, which must be exactly one valid component.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        check_frame(bytes)?;
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(|error| invalid(&error))?;
        let mut component = Self { imports: vec![], exports: vec![], manifests: vec![] };
        for section in sections(bytes) {
            let section = section?;
            component.add(&section).map_err(|error| invalid(&error))?;
            if component.imports.len().max(component.exports.len()) > MAX_ITEMS {
                let why = format!("it imports or exports more than {MAX_ITEMS} items");
                return Err(Refusal::Invalid { offset: section.offset as u64, why });
            }
        }
        Ok(component)
    }

    /// The bytes of the manifest; `None` where there is none.
    pub(crate) fn manifest(&self) -> Result<Option<&'a [u8]>, Refusal> {
        match self.manifests.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Refusal::TwoManifests),
        }
    }

    /// The names of its imports.
    pub(crate) fn import_names(&self) -> Vec<String> {
        names(&self.imports)
    }

    /// The names of its exports.
    pub(crate) fn export_names(&self) -> Vec<String> {
        names(&self.exports)
    }

    fn add(&mut self, section: &Section<'a>) -> Result<(), wasmparser::BinaryReaderError> {
        let mut reader = BinaryReader::new(section.payload, section.offset);
        match section.id {
            CUSTOM if reader.read_string()? == MANIFEST_SECTION => {
                self.manifests.push(reader.read_bytes(reader.bytes_remaining())?);
            }
            IMPORTS => {
                for import in ComponentImportSectionReader::new(reader)? {
                    let import = import?;
                    let is_instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    let is_function = matches!(import.ty, ComponentTypeRef::Func(_));
                    self.imports.push(Item { name: import.name.name, is_instance, is_function });
                }
            }
            EXPORTS => {
                for export in ComponentExportSectionReader::new(reader)? {
                    let export = export?;
                    let is_instance = export.kind == ComponentExternalKind::Instance;
                    let is_function = export.kind == ComponentExternalKind::Func;
                    self.exports.push(Item { name: export.name.name, is_instance, is_function });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn names(items: &[Item<'_>]) -> Vec<String> {
    items.iter().map(|item| item.name.to_owned()).collect()
}

/// Whether the bytes are framed as one component: the cheap half of [`Component::read`], good for saying how a
/// package was damaged.
pub(crate) fn check_frame(bytes: &[u8]) -> Result<(), Refusal> {
    check_header(bytes)?;
    sections(bytes).try_for_each(|section| section.map(|_| ()))
}

/// The sections behind the header of 8 bytes, up to the first that is broken. Never collected: 64 MiB hold 32 million
/// empty ones.
fn sections(bytes: &[u8]) -> impl Iterator<Item = Result<Section<'_>, Refusal>> {
    let mut offset = 8;
    std::iter::from_fn(move || {
        if offset >= bytes.len() {
            return None;
        }
        let section = section(bytes, offset);
        offset = section.as_ref().map_or(bytes.len(), |section| section.offset + section.payload.len());
        Some(section)
    })
}

fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > MAX_PACKAGE_BYTES {
        return Err(Refusal::TooLarge { size: bytes.len() as u64 });
    }
    let start = &bytes[..bytes.len().min(4)];
    if !MAGIC.starts_with(start) || start.is_empty() {
        return Err(Refusal::NotAComponent);
    }
    match bytes.get(4..8) {
        None => Err(Refusal::Truncated { missing: 8 - bytes.len() as u64 }),
        Some(version) if version == COMPONENT => Ok(()),
        Some(version) if version == CORE_MODULE => Err(Refusal::CoreModule),
        Some(_) => Err(Refusal::NotAComponent),
    }
}

fn section(bytes: &[u8], offset: usize) -> Result<Section<'_>, Refusal> {
    let rest = &bytes[offset..];
    // A second file behind the first would read as a custom section of 97 bytes with a name of 115.
    if rest[0] > LAST_ID || rest.starts_with(MAGIC) {
        return Err(Refusal::TrailingBytes { extra: rest.len() as u64 });
    }
    let mut reader = BinaryReader::new(&rest[1..], offset + 1);
    let size = match reader.read_var_u32() {
        Ok(size) => size as usize,
        Err(_) if rest.len() < 6 => return Err(Refusal::Truncated { missing: 1 }),
        Err(error) => return Err(invalid(&error)),
    };
    let offset = reader.original_position();
    let left = bytes.len() - offset;
    if size > left {
        return Err(Refusal::Truncated { missing: (size - left) as u64 });
    }
    Ok(Section { id: rest[0], offset, payload: &bytes[offset..offset + size] })
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Refusal {
    let why = openpact_model::text::one_line(error.message(), 300);
    Refusal::Invalid { offset: error.offset() as u64, why }
}
