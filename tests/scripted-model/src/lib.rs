//! openpact-scripted-model.
