//! `openpact egress log` and `test`.

use openpact_model::audit::Verdict;
use openpact_model::text::one_line;

use super::{Output, Style, add};
use crate::config::unit::Size;
use crate::control::{EgressCredential, EgressRequest, EgressTest};

/// The longest that one fact is shown.
const FACT: usize = 2000;

/// The requests, each with why, and with what would allow it; how many there were of which kind at the end.
pub(super) fn log(output: Output, requests: &[EgressRequest]) -> String {
    if requests.is_empty() {
        return "no requests\n".to_owned();
    }
    let mut text: String = requests.iter().map(|request| one(output, request)).collect();
    let count = |verdict| requests.iter().filter(|one| one.verdict == verdict && !one.would_deny).count();
    let counted = requests.iter().filter(|one| one.would_deny).count();
    let mut sums = vec![
        format!("{} allowed", count(Verdict::Allowed)),
        format!("{} denied", count(Verdict::Denied)),
        format!("{} failed", count(Verdict::Failed)),
    ];
    if counted > 0 {
        sums.push(format!("{counted} in count mode"));
    }
    add(&mut text, format_args!("{}\n", output.styled(&sums.join(", "), Style::Bold)));
    text
}

fn one(output: Output, request: &EgressRequest) -> String {
    let (word, style) = match request.verdict {
        _ if request.would_deny => ("would deny", Style::Yellow),
        Verdict::Allowed => ("allowed", Style::Green),
        Verdict::Denied => ("denied", Style::Red),
        Verdict::Failed => ("failed", Style::Yellow),
    };
    let when = output.styled(&request.time.strftime("%Y-%m-%d %H:%M:%S").to_string(), Style::Dim);
    // Padded before it is styled: the codes of a style have no width.
    let verdict = output.styled(&format!("{word:<10}"), style);
    let who = output.styled(&one_line(&request.principal, 100), Style::Bold);
    let query =
        if request.query.is_empty() { String::new() } else { format!("?{}", request.query.join("&")) };
    let url = one_line(&format!("{} {}{query}", request.method, request.url), FACT);
    let mut text = format!("{when}  {verdict}  {who}  {url}\n");
    let mut fact = |name: &str, value: &str| {
        let name = output.styled(&format!("{name:<7}"), Style::Dim);
        add(&mut text, format_args!("    {name} {}\n", one_line(value, FACT)));
    };
    if let Some(status) = request.status {
        let times =
            format!("in {} ms, {} out, {} in", request.ms, size(request.sent), size(request.received));
        let address =
            request.address.as_ref().map_or_else(String::new, |address| format!(", from {address}"));
        fact("answer", &format!("{status} {times}{address}"));
    }
    if let Some(rule) = &request.rule {
        fact("rule", rule);
    }
    if let Some(credential) = &request.credential {
        fact("carried", &format!("the credential {credential}"));
    }
    for why in [&request.reason, &request.detail].into_iter().flatten() {
        fact("why", why);
    }
    if let Some(fix) = request.fix.as_ref().or(request.allow.as_ref()) {
        fact("allow", fix);
    }
    text
}

/// What would become of a request.
pub(super) fn test(output: Output, found: &EgressTest) -> String {
    let who = output.styled(&found.principal.to_string(), Style::Bold);
    let mut text = format!("{who}  {}\n\n", one_line(&found.request, FACT));
    let mut fact = |name: &str, value: &str| {
        let name = output.styled(&format!("{name:<10}"), Style::Dim);
        add(&mut text, format_args!("  {name}  {value}\n"));
    };
    let verdict = match &found.denied {
        None => output.styled("would be allowed", Style::Green),
        Some(_) if found.counting => {
            output.styled("would be denied, but count mode lets it go on", Style::Yellow)
        }
        Some(_) => output.styled("would be denied", Style::Red),
    };
    fact("verdict", &verdict);
    if let Some(why) = &found.denied {
        fact("why", &one_line(why.trim_start_matches("denied: "), FACT));
    }
    if let Some(rule) = &found.rule {
        fact("rule", &one_line(rule, FACT));
    }
    for rule in &found.others {
        fact("also", &format!("{} (where the request carries its credential)", one_line(rule, FACT)));
    }
    for address in &found.addresses {
        let verdict = match &address.refused {
            None => output.styled("may be connected to", Style::Green),
            Some(kind) => output.styled(&format!("refused: {} address", one_line(kind, 80)), Style::Red),
        };
        fact("address", &format!("{:<15}  {verdict}", address.address.to_string()));
    }
    if let Some(why) = &found.lookup {
        fact("address", &output.styled(why, Style::Red));
    }
    for one in &found.credentials {
        fact("credential", &credential(output, one));
    }
    if let Some(fix) = found.fix.as_ref().or(found.allow.as_ref()) {
        fact("to allow", &output.styled(&one_line(fix, FACT), Style::Bold));
    }
    text.push_str("\nnothing was sent; only the name was looked up\n");
    text
}

fn credential(output: Output, one: &EgressCredential) -> String {
    let name = one_line(&one.name, 100);
    let place =
        one.placement.as_ref().map_or_else(String::new, |place| format!(" in {}", one_line(place, 200)));
    let from = one.secret.as_ref().map_or_else(String::new, |secret| format!(", from the secret {secret}"));
    let minted = if one.minted { " (minted by the host)" } else { "" };
    match &one.problem {
        None => format!("{name}{place}{from}{minted}"),
        Some(why) => {
            let not = output.styled(&format!("not put in: {}", one_line(why, 300)), Style::Yellow);
            format!("{name}{place}{from}{minted}: {not}")
        }
    }
}

fn size(bytes: u64) -> String {
    Size(bytes).about()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Output = Output { json: false, colours: false };

    fn request(verdict: Verdict) -> EgressRequest {
        EgressRequest {
            number: 7,
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            principal: "component:web".to_owned(),
            verdict,
            would_deny: false,
            method: "GET".to_owned(),
            url: "https://a.example/x".to_owned(),
            query: vec!["key".to_owned()],
            rule: None,
            credential: None,
            reason: None,
            detail: None,
            allow: None,
            fix: None,
            status: None,
            address: None,
            sent: 0,
            received: 2048,
            ms: 84,
        }
    }

    #[test]
    fn a_request_says_how_it_ended_and_what_would_allow_it() {
        let mut allowed = request(Verdict::Allowed);
        (allowed.rule, allowed.status) = (Some("GET https://a.example/**".to_owned()), Some(200));
        let mut denied = request(Verdict::Denied);
        denied.reason = Some("denied: no grant\n\u{1b}[2J allows it".to_owned());
        denied.fix = Some("openpact grant add component:web 'GET https://a.example/x'".to_owned());
        let text = log(PLAIN, &[allowed, denied]);
        let expected = "\
2026-01-02 03:04:05  allowed     component:web  GET https://a.example/x?key
    answer  200 in 84 ms, 0 bytes out, 2.0 KiB in
    rule    GET https://a.example/**
2026-01-02 03:04:05  denied      component:web  GET https://a.example/x?key
    why     denied: no grant\\u{a}\\u{1b}[2J allows it
    allow   openpact grant add component:web 'GET https://a.example/x'
1 allowed, 1 denied, 0 failed
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_test_answers_every_question() {
        let address = |address: [u8; 4], refused: Option<&str>| crate::control::EgressAddress {
            address: address.into(),
            refused: refused.map(str::to_owned),
        };
        let test_ = EgressTest {
            principal: "component:web".parse().unwrap(),
            request: "GET https://a.example/x".to_owned(),
            rule: None,
            others: Vec::new(),
            denied: Some("denied: no grant allows it".to_owned()),
            allow: Some("GET https://a.example/x".to_owned()),
            fix: Some("openpact grant add component:web 'GET https://a.example/x'".to_owned()),
            counting: false,
            addresses: vec![address([93, 184, 215, 14], None), address([10, 0, 0, 7], Some("private"))],
            lookup: None,
            credentials: vec![EgressCredential {
                name: "token".to_owned(),
                placement: Some("header authorization: Bearer {}".to_owned()),
                secret: Some("API".parse().unwrap()),
                minted: true,
                problem: None,
            }],
        };
        let expected = "\
component:web  GET https://a.example/x

  verdict     would be denied
  why         no grant allows it
  address     93.184.215.14    may be connected to
  address     10.0.0.7         refused: private address
  credential  token in header authorization: Bearer {}, from the secret API (minted by the host)
  to allow    openpact grant add component:web 'GET https://a.example/x'

nothing was sent; only the name was looked up
";
        assert_eq!(test(PLAIN, &test_), expected);
    }
}
