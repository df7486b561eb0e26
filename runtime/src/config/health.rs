//! Section `health`: the endpoint for probes and Prometheus.

use std::net::SocketAddr;

use openpact_health as health;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The endpoint for probes and Prometheus: `/health`, `/ready` and `/metrics`. It holds no secrets, but says what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    /// Whether it is there.
    pub(crate) enabled: bool,
    /// Address and port. What is wrong is told in detail to this machine alone.
    #[schemars(with = "String")]
    pub(crate) bind: SocketAddr,
    /// Whether `bind` may be an address that other machines reach, such as `0.0.0.0:8766` in a container.
    pub(crate) public: bool,
}

impl Default for Health {
    fn default() -> Self {
        let health::Config { bind, public } = health::Config::default();
        Self { enabled: true, bind, public }
    }
}

impl Health {
    /// From now on the program is measured, if somebody can ask for it.
    ///
    /// # Errors
    /// When it is measured already.
    pub(crate) fn measure(&self) -> Result<Option<health::Metrics>, health::Error> {
        self.enabled.then(health::recorder::install).transpose()
    }

    /// As the endpoint takes it.
    pub(crate) fn endpoint(&self) -> health::Config {
        health::Config { bind: self.bind, public: self.public }
    }

    /// What does not go together: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let is_own = self.bind.ip().to_canonical().is_loopback();
        if self.public || is_own {
            return Vec::new();
        }
        let message = "other machines would reach the health endpoint at this address; if that is meant, set \
                       'health.public: true'";
        vec![("health.bind", message.to_owned())]
    }
}
