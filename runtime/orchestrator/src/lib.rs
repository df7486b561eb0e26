//! openpact-orchestrator.
