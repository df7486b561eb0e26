//! openpact-bindings.
