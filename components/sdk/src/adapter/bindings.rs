//! The generated bindings of the world `openpact:chat/adapter-component`.
//!
//! They are generated natively too, so that the words of the interface are there in tests; what they import is not.
//! The functions of the host that tools import as well are used by way of the tools' bindings; these here only use the
//! inbox, so that a tool never imports anything of this world.
#![expect(
    clippy::same_length_and_capacity,
    reason = "generated: the canonical ABI gives lists without a capacity"
)]

wit_bindgen::generate!({
    path: ["../../wit/io", "../../wit/host", "../../wit/chat"],
    world: "openpact:chat/adapter-component",
    pub_export_macro: true,
    default_bindings_module: "openpact_sdk::adapter::bindings",
    export_macro_name: "export_adapter_component",
    additional_derives: [PartialEq, Eq],
    generate_all,
});
