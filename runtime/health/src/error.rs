//! What can go wrong when the endpoint is started.

use std::io;
use std::net::SocketAddr;

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not this machine's own, and nobody said that it may be.
    #[error(
        "the health endpoint would be reachable from other machines at {0}; if that is meant, set 'health.public: true'"
    )]
    Public(SocketAddr),
    /// The address cannot be listened at.
    #[error(
        "the health endpoint cannot listen at {address}; is another program there? set 'health.bind' to another"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else records measurements already.
    #[error("measurements are recorded already")]
    Installed,
    /// A metric's buckets are none. The list of names is wrong.
    #[error("the buckets of the metrics are wrong")]
    Buckets(#[source] metrics_exporter_prometheus::BuildError),
}
