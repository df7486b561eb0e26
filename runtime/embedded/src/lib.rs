//! openpact-embedded.
