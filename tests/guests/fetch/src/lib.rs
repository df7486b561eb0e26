//! Tries to reach the network and other people's credentials.
#![cfg(target_family = "wasm")]

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "get" => get,
    "header" => header,
    "credential" => credential,
    "setting" => setting,
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

/// Gets `scheme://authority/path` and gives the status, or the error's code as text.
fn get(arguments: &Value) -> Answer {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

    let request = OutgoingRequest::new(Fields::new());
    let scheme = if text(arguments, "scheme") == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "no scheme")?;
    request.set_authority(Some(text(arguments, "authority"))).map_err(|()| "no authority")?;
    request.set_path_with_query(Some(text(arguments, "path"))).map_err(|()| "no path")?;
    let answer = handle(request, None).map_err(|code| format!("{code:?}"))?;
    answer.subscribe().block();
    let answer = answer.get().ok_or("not ready")?.map_err(|()| "taken")?;
    let answer = answer.map_err(|code| format!("{code:?}"))?;
    Ok(answer.status().to_string())
}

/// Sets a header that the host keeps for itself.
fn header(arguments: &Value) -> Answer {
    let fields = wasip2::http::types::Fields::new();
    let set = fields.append(text(arguments, "name"), b"value");
    set.map(|()| "set".to_owned()).map_err(|error| format!("{error:?}"))
}

fn credential(arguments: &Value) -> Answer {
    openpact_guest_kit::credentials::reference(text(arguments, "name")).map_err(|error| format!("{error:?}"))
}

fn setting(arguments: &Value) -> Answer {
    openpact_guest_kit::settings::get(text(arguments, "key")).ok_or_else(|| "none".to_owned())
}
