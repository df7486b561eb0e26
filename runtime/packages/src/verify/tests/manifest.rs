//! The manifest within a package: one, at its place, and right.

use super::*;

#[test]
fn a_component_without_a_manifest_is_refused() {
    assert_eq!(refusal(tool_component()), Refusal::NoManifest);
}

#[test]
fn two_manifests_are_refused() {
    let mut bytes = package();
    append(&mut bytes, &manifest_text(SOURCE));
    assert_eq!(refusal(bytes), Refusal::TwoManifests);
}

#[test]
fn a_manifest_inside_a_nested_module_or_component_does_not_count() {
    let text = manifest_text(&SOURCE.replace("\"web\"", "\"evil\""));
    let section = CustomSection { name: MANIFEST_SECTION.into(), data: text.as_bytes().into() };
    let mut module = Module::new();
    module.section(&section);
    let mut inner = Encoder::new();
    inner.section(&section);
    let mut nested = tool_component();
    wasm_encoder::ComponentSection::append_to_component(&ModuleSection(&module), &mut nested);
    wasm_encoder::ComponentSection::append_to_component(&NestedComponentSection(&inner), &mut nested);
    assert_eq!(refusal(nested.clone()), Refusal::NoManifest);

    let packed = pack(&nested, SOURCE, vec![tool("fetch")]).unwrap();
    let key = SecretKey::generate().unwrap();
    let signature = sign(&packed, &key).unwrap();
    let verified = verify(packed, &signature, &trust(&key)).unwrap();
    assert_eq!(verified.manifest().name.as_str(), "web", "the one at the top counts");
}

#[test]
fn a_section_of_nearly_that_name_is_no_manifest() {
    for name in ["openpact:manifest2", "openpact:manifes", "openpact:manifest ", "Openpact:manifest", ""] {
        let mut bytes = tool_component();
        append_section(&mut bytes, name, &manifest_text(SOURCE));
        assert_eq!(refusal(bytes), Refusal::NoManifest, "{name:?}");
    }
}

/// A LEB128 number in five bytes, whatever its value.
fn padded(number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap();
    let mut bytes: Vec<_> = (0..5).map(|at| ((number >> (7 * at)) & 0x7f) as u8 | 0x80).collect();
    bytes[4] &= 0x7f;
    bytes
}

/// A custom section with padded lengths.
fn padded_section(name: &str, text: &str) -> Vec<u8> {
    let payload = [&padded(name.len())[..], name.as_bytes(), text.as_bytes()].concat();
    [&[0][..], &padded(payload.len()), &payload].concat()
}

#[test]
fn a_manifest_with_padded_lengths_is_one_as_others_are() {
    let padded = padded_section(MANIFEST_SECTION, &manifest_text(SOURCE));
    let alone = [tool_component(), padded.clone()].concat();
    let key = SecretKey::generate().unwrap();
    let signature = sign(&alone, &key).unwrap();
    assert_eq!(verify(alone, &signature, &trust(&key)).unwrap().manifest().name.as_str(), "web");
    // So it cannot hide beside another one, before it or behind it, whatever it says.
    let evil = padded_section(MANIFEST_SECTION, "");
    assert_eq!(refusal([package(), padded].concat()), Refusal::TwoManifests);
    assert_eq!(refusal([package(), evil.clone()].concat()), Refusal::TwoManifests);
    let whole = package();
    let (head, rest) = whole.split_at(8);
    assert_eq!(refusal([head, &evil, rest].concat()), Refusal::TwoManifests);
    assert!(matches!(
        pack(&[tool_component(), evil].concat(), SOURCE, vec![]),
        Err(crate::Error::AlreadyPacked)
    ));
}

#[test]
fn lengths_that_are_too_long_are_invalid() {
    for overlong in [&[0xff, 0xff, 0xff, 0xff, 0x7f][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]] {
        let section = [&[0][..], overlong, b"x"].concat();
        let refusal = refusal([package(), section].concat());
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
        // As the length of a name within its section.
        let payload = [overlong, b"openpact:manifest"].concat();
        let section = [&[0, u8::try_from(payload.len()).unwrap()][..], &payload].concat();
        let refusal = self::refusal([package(), section].concat());
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    }
}

#[test]
fn a_wrong_manifest_is_refused_with_its_key() {
    let text = manifest_text(SOURCE).replace("license =", "licence =");
    let refusal = refusal(packed_by_hand(&tool_component(), &text));
    assert!(matches!(&refusal, Refusal::Manifest(_)), "{refusal:?}");
    assert!(refusal.to_string().contains("licence"), "{refusal}");
}
