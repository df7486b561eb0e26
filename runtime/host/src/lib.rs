//! openpact-host.
