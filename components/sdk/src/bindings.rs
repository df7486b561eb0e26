//! The generated bindings of the world `openpact:tool/tool-component`. Hidden: authors see the modules beside this one.
#![expect(
    clippy::same_length_and_capacity,
    reason = "generated: the canonical ABI gives lists without a capacity"
)]

wit_bindgen::generate!({
    path: ["../../wit/io", "../../wit/host", "../../wit/tool"],
    world: "openpact:tool/tool-component",
    pub_export_macro: true,
    default_bindings_module: "openpact_sdk::export::bindings",
    export_macro_name: "export_component",
    generate_all,
});
