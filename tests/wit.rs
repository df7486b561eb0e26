//! The component interfaces under `wit/`: they resolve, together, and everything in them is documented.

use std::collections::BTreeSet;
use std::path::Path;

use wit_parser::{Docs, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, World};

/// The folders of `wit/`, each after those that it uses.
const FOLDERS: [&str; 4] = ["io", "host", "tool", "chat"];

fn interfaces() -> Resolve {
    let mut resolve = Resolve::default();
    for folder in FOLDERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit").join(folder);
        if let Err(error) = resolve.push_dir(&path) {
            panic!("{folder}: {error:?}");
        }
    }
    resolve
}

/// The items of the packages `openpact:*` that have no documentation, by their path.
fn undocumented(resolve: &Resolve) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, package) in &resolve.packages {
        if package.name.namespace != "openpact" {
            continue;
        }
        let name = package.name.to_string();
        check(&mut missing, &name, &package.docs);
        for (interface, id) in &package.interfaces {
            of_interface(resolve, &mut missing, &format!("{name}/{interface}"), &resolve.interfaces[*id]);
        }
        for (world, id) in &package.worlds {
            check(&mut missing, &format!("{name}/{world}"), &resolve.worlds[*id].docs);
        }
    }
    missing
}

fn check(missing: &mut Vec<String>, path: &str, docs: &Docs) {
    if docs.contents.as_ref().is_none_or(|text| text.trim().is_empty()) {
        missing.push(path.to_owned());
    }
}

fn of_interface(resolve: &Resolve, missing: &mut Vec<String>, path: &str, interface: &Interface) {
    check(missing, path, &interface.docs);
    for (name, function) in &interface.functions {
        check(missing, &format!("{path}.{name}"), &function.docs);
    }
    for (name, id) in &interface.types {
        if !is_used_from_elsewhere(resolve, *id) {
            of_type(missing, &format!("{path}.{name}"), &resolve.types[*id]);
        }
    }
}

/// Whether the type is there only because of a `use`: it is documented where it comes from.
fn is_used_from_elsewhere(resolve: &Resolve, id: TypeId) -> bool {
    let this = &resolve.types[id];
    matches!(this.kind, TypeDefKind::Type(Type::Id(target)) if resolve.types[target].owner != this.owner)
}

fn of_type(missing: &mut Vec<String>, path: &str, this: &TypeDef) {
    check(missing, path, &this.docs);
    let members: Vec<(&String, &Docs)> = match &this.kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| (&field.name, &field.docs)).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().map(|case| (&case.name, &case.docs)).collect(),
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| (&case.name, &case.docs)).collect(),
        TypeDefKind::Flags(flags) => flags.flags.iter().map(|flag| (&flag.name, &flag.docs)).collect(),
        _ => Vec::new(),
    };
    for (name, docs) in members {
        check(missing, &format!("{path}.{name}"), docs);
    }
}

fn world<'a>(resolve: &'a Resolve, package: &str, name: &str) -> &'a World {
    let (_, package) =
        resolve.packages.iter().find(|(_, this)| this.name.to_string() == package).expect(package);
    &resolve.worlds[package.worlds[name]]
}

/// The imports, or the exports, of a world by their full names.
fn names<'a>(
    resolve: &Resolve,
    items: impl IntoIterator<Item = (&'a wit_parser::WorldKey, &'a wit_parser::WorldItem)>,
) -> BTreeSet<String> {
    items.into_iter().map(|(key, _)| resolve.name_world_key(key)).collect()
}

#[test]
fn every_folder_is_checked() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let there: BTreeSet<String> = std::fs::read_dir(wit)
        .expect("wit/ is there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(
        there,
        FOLDERS.map(str::to_owned).into(),
        "name the new folder in FOLDERS, after those that it uses"
    );
}

#[test]
fn everything_is_documented() {
    let missing = undocumented(&interfaces());
    assert!(missing.is_empty(), "no documentation:\n{}", missing.join("\n"));
}

#[test]
fn what_is_not_documented_is_found() {
    let text = "
        package openpact:sample@0.1.0;
        interface i {
          type alias = u32;
          record r { field: u32 }
          variant v { case-one(u32) }
          enum e { two }
          flags f { three }
          resource thing { constructor(); method: func(); make: static func(); }
          call: func();
        }
        interface j { use i.{r}; again: func(it: r); }
        world w { import i; }
    ";
    let mut resolve = Resolve::default();
    resolve.push_str("sample.wit", text).expect("it resolves");
    let found: BTreeSet<String> = undocumented(&resolve).into_iter().collect();
    let expected = [
        "",
        "/i",
        "/i.alias",
        "/i.r",
        "/i.r.field",
        "/i.v",
        "/i.v.case-one",
        "/i.e",
        "/i.e.two",
        "/i.f",
        "/i.f.three",
        "/i.thing",
        "/i.[constructor]thing",
        "/i.[method]thing.method",
        "/i.[static]thing.make",
        "/i.call",
        "/j",
        "/j.again",
        "/w",
    ];
    assert_eq!(found, expected.map(|path| format!("openpact:sample@0.1.0{path}")).into());
}

#[test]
fn a_tool_component_exports_tools_and_may_import_the_host() {
    let resolve = interfaces();
    let world = world(&resolve, "openpact:tool@0.1.0", "tool-component");
    let host = ["credentials", "kv", "log", "progress", "settings", "websocket"]
        .map(|name| format!("openpact:host/{name}@0.1.0"));
    let wanted: BTreeSet<String> = host.into_iter().chain(["wasi:io/poll@0.2.0".to_owned()]).collect();
    assert_eq!(names(&resolve, &world.imports), wanted);
    assert_eq!(names(&resolve, &world.exports), ["openpact:tool/tools@0.1.0".to_owned()].into());
}

#[test]
fn an_adapter_component_delivers_to_the_inbox_and_exports_an_adapter() {
    let resolve = interfaces();
    let world = world(&resolve, "openpact:chat@0.1.0", "adapter-component");
    let host = ["credentials", "kv", "log", "settings", "websocket"]
        .map(|name| format!("openpact:host/{name}@0.1.0"));
    let own = ["events", "inbox", "rendering", "types"].map(|name| format!("openpact:chat/{name}@0.1.0"));
    let imported: BTreeSet<String> = names(&resolve, &world.imports);
    let wanted: BTreeSet<String> =
        host.into_iter().chain(own).chain(["wasi:io/poll@0.2.0".to_owned()]).collect();
    assert_eq!(imported, wanted);
    assert_eq!(names(&resolve, &world.exports), ["openpact:chat/adapter@0.1.0".to_owned()].into());
}
