//! Interfaces: what a component exports makes it a tool or an adapter, what it imports is what it can ask for.

use semver::Version;

use crate::manifest::{Kind, Manifest};
use crate::refusal::Refusal;
use crate::structure::{Component, Item};

/// The WASI packages that every toolchain links and that give nothing by themselves: files need a mount, the
/// environment and the arguments are empty, and there is no network behind the sockets.
const INERT: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:random", "wasi:io", "wasi:filesystem", "wasi:sockets"];

/// An interface name such as `wasi:http/types@0.2.3`, taken apart.
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: Version,
}

impl<'a> Interface<'a> {
    fn read(item: Item<'a>) -> Option<Self> {
        if !item.is_instance {
            return None;
        }
        let (path, version) = item.name.split_once('@')?;
        let (package, name) = path.split_once('/')?;
        Some(Self { package, name, version: version.parse().ok()? })
    }

    /// Whether it belongs to a version that this program knows: `0.x` and any patch of it, since a patch only adds.
    fn is(&self, package: &str, minor: u64) -> bool {
        self.package == package
            && self.version.major == 0
            && self.version.minor == minor
            && self.version.pre.is_empty()
            && self.version.build.is_empty()
    }
}

/// The kinds that a component is by its exports.
pub(crate) fn kinds(exports: &[Item<'_>]) -> Vec<Kind> {
    let kind = |item: &Item<'_>| {
        let interface = Interface::read(*item)?;
        match interface.name {
            "tools" if interface.is("openpact:tool", 1) => Some(Kind::Tool),
            "adapter" if interface.is("openpact:chat", 1) => Some(Kind::Adapter),
            _ => None,
        }
    };
    exports.iter().filter_map(kind).collect()
}

/// Refuses a component that is none of ours, and says what it is.
pub(crate) fn check_ours(component: &Component<'_>) -> Result<(), Refusal> {
    if kinds(&component.exports).is_empty() {
        let (what, exports) = (foreign(component), listed(&component.exports));
        return Err(Refusal::NotOurs { what, exports });
    }
    Ok(())
}

/// What a component is that is none of ours, by the names that other hosts look for.
fn foreign(component: &Component<'_>) -> &'static str {
    let exports = &component.exports;
    let exported = |names: &[&str]| exports.iter().any(|item| names.contains(&path(item.name)));
    let of = |packages: &[&str]| {
        let mut items = exports.iter().chain(&component.imports);
        items.any(|item| packages.iter().any(|package| item.name.starts_with(package)))
    };
    if exported(&["openpact:tool/tools", "openpact:chat/adapter"]) {
        "made for another version of OpenPact"
    } else if of(&["fermyon:spin", "spin:", "spinframework:"]) {
        "a Spin application"
    } else if of(&["wasmcp:", "wasi:mcp", "mcp:"]) {
        "a part of an MCP server of another host"
    } else if exported(&["wasi:http/incoming-handler", "wasi:http/handler"]) {
        "an HTTP server (wasi:http/proxy)"
    } else if exported(&["wasi:cli/run"]) {
        "a command-line program (wasi:cli/command)"
    } else if exports.iter().any(|item| item.is_function) {
        "a set of plain functions, as Wassette serves them over MCP"
    } else if exports.is_empty() {
        "a component that offers nothing"
    } else {
        "made for another host, or a library for other components"
    }
}

/// The name of an interface without its version.
fn path(name: &str) -> &str {
    name.split_once('@').map_or(name, |(path, _)| path)
}

/// Refuses a component that is not what its manifest says, or more than that.
pub(crate) fn check_world(manifest: &Manifest, component: &Component<'_>) -> Result<(), Refusal> {
    check_ours(component)?;
    if kinds(&component.exports) != [manifest.kind] {
        return Err(Refusal::WorldMismatch { kind: manifest.kind, exports: listed(&component.exports) });
    }
    Ok(())
}

/// Refuses an import that the manifest does not request.
pub(crate) fn check_imports(manifest: &Manifest, imports: &[Item<'_>]) -> Result<(), Refusal> {
    imports.iter().try_for_each(|import| check_import(manifest, *import))
}

fn check_import(manifest: &Manifest, import: Item<'_>) -> Result<(), Refusal> {
    let requests = &manifest.requests;
    let unknown = || Refusal::UnknownImport { import: shown(import.name) };
    let Some(interface) = Interface::read(import) else { return Err(unknown()) };
    if INERT.iter().any(|package| interface.is(package, 2)) {
        return Ok(());
    }
    let (requested, remedy) = match interface.name {
        "types" | "outgoing-handler" if interface.is("wasi:http", 2) => {
            (!requests.http.is_empty(), "state each site under [[requests.http]]")
        }
        "log" | "settings" if interface.is("openpact:host", 1) => (true, ""),
        "progress" if interface.is("openpact:host", 1) => {
            (manifest.kind == Kind::Tool, "only a tool has somebody who waits for it")
        }
        "kv" if interface.is("openpact:host", 1) => {
            (requests.kv.is_some(), "state the bytes that it may store as requests.kv")
        }
        "websocket" if interface.is("openpact:host", 1) => {
            (!requests.websocket.is_empty(), "state each address under [[requests.websocket]]")
        }
        "credentials" if interface.is("openpact:host", 1) => (
            !requests.credentials.is_empty() || !manifest.secret_settings().is_empty(),
            "state each credential under [[requests.credentials]]",
        ),
        "inbox" | "types" | "events" | "rendering" if interface.is("openpact:chat", 1) => {
            (manifest.kind == Kind::Adapter, "only an adapter may deliver messages")
        }
        _ => return Err(unknown()),
    };
    if requested {
        return Ok(());
    }
    Err(Refusal::UnrequestedImport { import: shown(import.name), remedy })
}

/// What the manifest requests and the component cannot use, one sentence each.
pub(crate) fn unbacked(manifest: &Manifest, imports: &[Item<'_>]) -> Vec<String> {
    let has = |package: &str, name: &str| {
        let same = |i: &Interface<'_>| i.package == package && (name.is_empty() || i.name == name);
        imports.iter().filter_map(|import| Interface::read(*import)).any(|interface| same(&interface))
    };
    let requests = &manifest.requests;
    let pairs = [
        (!requests.http.is_empty(), "requests.http", "wasi:http", ""),
        (!requests.websocket.is_empty(), "requests.websocket", "openpact:host", "websocket"),
        (!requests.credentials.is_empty(), "requests.credentials", "openpact:host", "credentials"),
        (!requests.files.is_empty(), "requests.files", "wasi:filesystem", ""),
        (requests.kv.is_some(), "requests.kv", "openpact:host", "kv"),
        (manifest.settings.is_some(), "settings", "openpact:host", "settings"),
    ];
    let unused = pairs.into_iter().filter(|(stated, _, package, name)| *stated && !has(package, name));
    unused
        .map(|(_, key, package, name)| {
            let import = if name.is_empty() { package.to_owned() } else { format!("{package}/{name}") };
            format!("the manifest states {key}, but the component does not import {import}")
        })
        .collect()
}

/// Names for people, in order.
pub(crate) fn listed(items: &[Item<'_>]) -> String {
    match items {
        [] => "nothing".to_owned(),
        items => {
            let mut names: Vec<_> = items.iter().take(10).map(|item| shown(item.name)).collect();
            if items.len() > names.len() {
                names.push(format!("{} more", items.len() - names.len()));
            }
            names.join(", ")
        }
    }
}

fn shown(name: &str) -> String {
    openpact_model::text::one_line(name, 120)
}
