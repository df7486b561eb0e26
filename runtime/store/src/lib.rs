//! openpact-store.
