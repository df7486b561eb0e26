//! Section `egress`: the one door to the network.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one door to the network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Egress {
    /// A PEM file with further certificate authorities to trust, for services inside an organisation.
    #[schemars(example = &"/etc/ssl/our-own.pem")]
    pub(crate) extra_ca: Option<PathBuf>,
}
