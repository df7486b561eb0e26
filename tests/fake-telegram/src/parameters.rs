//! The parameters of a request, in the form in which the platform takes them.

use bytes::Bytes;
use http::request::Parts;
use openpact_fake_kit::form;

pub(crate) use openpact_fake_kit::Parameters;

/// The largest body, in bytes: the real server takes files of 50 MB, no test sends one.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// Those of this request; the error is the description of a refusal.
pub(crate) async fn read(parts: &Parts, body: Bytes) -> Result<Parameters, String> {
    let mut parameters = Parameters::default();
    parameters.form(parts.uri.query().unwrap_or_default().as_bytes());
    let kind = form::content_type(parts);
    match form::media_type(kind).as_str() {
        "application/json" if body.is_empty() => {}
        "application/json" => {
            let object = serde_json::from_slice(&body);
            parameters.object(object.map_err(|_| "Bad Request: can't parse JSON object of the request")?);
        }
        "application/x-www-form-urlencoded" => parameters.form(&body),
        "multipart/form-data" => {
            let parts = form::parts(kind, body).await;
            parameters.parts(parts.map_err(|why| format!("Bad Request: can't parse multipart data: {why}"))?);
        }
        // As the real server does with a body that it does not know.
        _ => {}
    }
    Ok(parameters)
}
