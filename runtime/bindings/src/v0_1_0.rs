//! `openpact:host@0.1.0` and `openpact:tool@0.1.0`, world `tool-component`.
#![expect(missing_docs, reason = "generated code: the documentation is in the WIT files")]

pub mod chat;

wasmtime::component::bindgen!({
    path: ["../../wit/io", "../../wit/host", "../../wit/tool"],
    world: "openpact:tool/tool-component",
    with: { "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll },
    imports: {
        "openpact:host/log.log": trappable,
        "openpact:host/settings.get": trappable,
        "openpact:host/credentials.reference": trappable,
        "openpact:host/progress.report": trappable,
        default: async | trappable,
    },
    exports: { default: async },
});
