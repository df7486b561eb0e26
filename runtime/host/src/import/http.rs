//! `wasi:http/outgoing-handler`: every request goes through the component's egress door, or nowhere.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use openpact_egress as egress;
use openpact_egress::credential::References;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use crate::ledger::Ledger;

/// The door of one instance.
pub(crate) struct Hooks {
    door: Option<(Arc<egress::Door>, Arc<References>)>,
    ledger: Arc<Ledger>,
}

impl Hooks {
    pub(crate) fn new(door: Option<(Arc<egress::Door>, Arc<References>)>, ledger: Arc<Ledger>) -> Self {
        Self { door, ledger }
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
        self.ledger.request();
        let Some((door, references)) = self.door.clone() else {
            self.ledger.denied();
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let ledger = Arc::clone(&self.ledger);
        let request =
            request.map(|body| body.map_err(|error| egress::Error::Body(Box::new(error))).boxed_unsync());
        let options = options.unwrap_or_default();
        let options = egress::Options {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
            total: None,
        };
        Box::new(async move {
            let answer = door.send(request, options, &references).await;
            let answer = answer.map_err(|error| {
                if matches!(error, egress::Error::Denied(_) | egress::Error::Prohibited { .. }) {
                    ledger.denied();
                }
                told(error)
            })?;
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
        other @ (egress::Error::Invalid(_) | egress::Error::RateLimited { .. } | egress::Error::Body(_)) => {
            Error::InternalError(Some(other.to_string()))
        }
    }
}
