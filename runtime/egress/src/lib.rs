//! openpact-egress.
