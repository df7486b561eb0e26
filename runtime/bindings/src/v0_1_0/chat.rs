//! `openpact:chat@0.1.0`, world `adapter-component`. What a component of either world imports from `openpact:host` is
//! one and the same here, so that the host implements it once.
#![expect(missing_docs, reason = "generated code: the documentation is in the WIT files")]

wasmtime::component::bindgen!({
    path: ["../../wit/io", "../../wit/host", "../../wit/chat"],
    world: "openpact:chat/adapter-component",
    with: {
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "openpact:host/log": crate::v0_1_0::openpact::host::log,
        "openpact:host/settings": crate::v0_1_0::openpact::host::settings,
        "openpact:host/kv": crate::v0_1_0::openpact::host::kv,
        "openpact:host/credentials": crate::v0_1_0::openpact::host::credentials,
        "openpact:host/websocket": crate::v0_1_0::openpact::host::websocket,
    },
    imports: { default: async | trappable },
    exports: { default: async },
});
