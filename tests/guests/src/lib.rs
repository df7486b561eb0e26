//! openpact-test-guests.
