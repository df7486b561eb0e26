//! openpact-packages.
