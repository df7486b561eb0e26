//! `wasi:http/outgoing-handler`: every request goes through the component's egress door, or nowhere.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use openpact_egress as egress;
use openpact_egress::credential::References;
use openpact_model::tool::Reach;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use crate::ledger::Ledger;

/// The door of one instance.
pub(crate) struct Hooks {
    door: Option<(Arc<egress::Door>, Arc<References>)>,
    ledger: Arc<Ledger>,
    only: Option<egress::Only>,
    /// From when on nothing is waited for any more.
    ending: CancellationToken,
}

impl Hooks {
    pub(crate) fn new(door: Option<(Arc<egress::Door>, Arc<References>)>, ledger: Arc<Ledger>) -> Self {
        Self { door, ledger, only: None, ending: CancellationToken::new() }
    }

    /// Cuts off requests from the moment at which this is cancelled.
    pub(crate) fn end_by(&mut self, ending: CancellationToken) {
        self.ending = ending;
    }

    /// Narrows what a grant for any site allows to what this call may reach.
    pub(crate) fn keep_to(&mut self, reach: &Reach) {
        self.only = match reach {
            Reach::Granted => None,
            Reach::Only(addresses) => Some(egress::Only(Arc::clone(addresses))),
        };
    }

    /// What a grant for any site is narrowed to, for the other ways to the network.
    pub(crate) fn only(&self) -> Option<egress::Only> {
        self.only.clone()
    }
}

/// Tells the far end of a body how the exchange ended; nothing of ours needs to.
type Finished = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(http::Response<WasiBody>, Finished), Error>;

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(egress::is_forbidden_header)
    }

    fn set_host_header(&mut self) -> bool {
        // The door writes it, from the address that it checked.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _finished: Finished,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        if !self.ledger.request() {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let Some((door, references)) = self.door.clone() else {
            self.ledger.denied();
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let ledger = Arc::clone(&self.ledger);
        let mut request =
            request.map(|body| body.map_err(|error| egress::Error::Body(Box::new(error))).boxed_unsync());
        if let Some(only) = self.only.clone() {
            request.extensions_mut().insert(only);
        }
        let options = options.unwrap_or_default();
        let options = egress::Options {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
            total: None,
        };
        let ending = self.ending.clone();
        Box::new(async move {
            let exchange = async {
                ledger.pace().await;
                door.send(request, options, &references).await
            };
            let answer = tokio::select! {
                biased;
                () = ending.cancelled() => return Err(Error::ConnectionTerminated),
                answer = exchange => answer,
            };
            let answer = answer.map_err(|error| {
                if matches!(error, egress::Error::Denied(_) | egress::Error::Prohibited { .. }) {
                    ledger.denied();
                }
                told(error)
            })?;
            ledger.let_through();
            let finished: Finished = Box::new(async { Ok(()) });
            Ok((answer.map(|body| body.map_err(told).boxed_unsync()), finished))
        })
    }
}

/// What the guest is told: the standard's own codes where they fit, and else the one line that the door has for guests.
fn told(error: egress::Error) -> Error {
    use egress::{Part, Phase};
    match error {
        egress::Error::Denied(_) => Error::HttpRequestDenied,
        egress::Error::Prohibited { .. } => Error::DestinationIpProhibited,
        egress::Error::Dns { .. } => Error::DnsError { rcode: None, info_code: None },
        egress::Error::Connect { .. } => Error::ConnectionRefused,
        egress::Error::Tls { .. } => Error::TlsCertificateError,
        egress::Error::Timeout { phase: Phase::Connect, .. } => Error::ConnectionTimeout,
        egress::Error::Timeout { phase: Phase::BetweenBytes, .. } => Error::ConnectionReadTimeout,
        egress::Error::Timeout { .. } => Error::HttpResponseTimeout,
        egress::Error::TooLarge { part: Part::Request, limit } => Error::HttpRequestBodySize(Some(limit)),
        egress::Error::TooLarge { part: Part::ResponseHeaders, .. } => {
            Error::HttpResponseHeaderSectionSize(None)
        }
        egress::Error::TooLarge { part: Part::Response, limit } => Error::HttpResponseBodySize(Some(limit)),
        egress::Error::TooManyRedirects(_) => Error::LoopDetected,
        egress::Error::Remote { .. } => Error::HttpResponseIncomplete,
        egress::Error::Audit(_) | egress::Error::Setup(_) => Error::ConfigurationError,
        other @ (egress::Error::Invalid(_)
        | egress::Error::RateLimited { .. }
        | egress::Error::Body(_)
        | egress::Error::TooLarge { part: Part::Message, .. }
        | egress::Error::Refused { .. }
        | egress::Error::TooManyConnections(_)
        | egress::Error::Closed) => Error::InternalError(Some(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;
    use http_body_util::Empty;
    use openpact_model::audit;
    use openpact_model::clock::SystemClock;
    use openpact_model::port::{AuditSink, PortError};
    use openpact_model::random::SystemRandom;

    use super::*;
    use crate::ledger::{MAX_REQUESTS, lock};

    /// What the door wrote down.
    #[derive(Default)]
    struct Audit(Mutex<Vec<audit::Event>>);

    #[async_trait]
    impl AuditSink for Audit {
        async fn record(&self, event: audit::Event) -> Result<(), PortError> {
            lock(&self.0).push(event);
            Ok(())
        }
    }

    async fn send(hooks: &mut Hooks) -> Result<(), Error> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get("http://127.0.0.1:9/").body(body).unwrap();
        let answer = hooks.send_request(request, None, Box::new(async { Ok(()) }));
        Box::into_pin(answer).await.map(drop)
    }

    #[tokio::test]
    async fn requests_past_the_most_of_a_call_do_not_reach_the_door() {
        let audit = Arc::new(Audit::default());
        let ports = egress::Ports {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            audit: Arc::clone(&audit) as Arc<dyn AuditSink>,
            secrets: Arc::new(()),
        };
        let door =
            egress::Config::default().build(ports).unwrap().door("component:tested".parse().unwrap(), vec![]);
        let references = Arc::new(door.credentials());
        let ledger = Arc::new(Ledger::for_tests());
        let mut hooks = Hooks::new(Some((door, references)), Arc::clone(&ledger));
        let written = || lock(&audit.0).len();
        for number in 1..=MAX_REQUESTS {
            assert!(matches!(send(&mut hooks).await, Err(Error::HttpRequestDenied)));
            assert_eq!(written(), number as usize, "a denied request is written down");
        }
        for _ in 0..100 {
            assert!(matches!(send(&mut hooks).await, Err(Error::HttpRequestDenied)));
        }
        assert_eq!((written(), ledger.requests()), (MAX_REQUESTS as usize, MAX_REQUESTS + 100));
    }
}
