//! The decision on one hop: grant, literal address, scan, credential, rate. Nothing here touches the network.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use openpact_model::secret::{SecretName, SecretSnapshot};
use openpact_model::text::one_line;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::address;
use crate::credential::{Issued, Slot, Taken, Unsupplied};
use crate::door::{Door, Grant, GrantSet};
use crate::error::{Denial, Error, Hidden};
use crate::exchange::Exchange;
use crate::header;
use crate::redact::Redactor;
use crate::request::Only;
use crate::rule::path::Pattern;
use crate::rule::{Rule, Target};
use crate::transport::prohibited;

/// The longest URL in bytes.
const MAX_URL: usize = 16 * 1024;
/// How much of a URL the guest is shown.
const SHOWN: usize = 300;

/// What holds for the whole request, all hops.
pub(crate) struct Context {
    pub(crate) set: Arc<GrantSet>,
    pub(crate) issued: Arc<Issued>,
    pub(crate) snapshot: Arc<SecretSnapshot>,
    pub(crate) redactor: Arc<Redactor>,
    /// What grants for any site are narrowed to, if anything.
    pub(crate) only: Option<Only>,
}

/// One hop as the guest, or a redirect, asks for it: no credential value in it.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    pub(crate) number: u8,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// The credential that an earlier hop carried in a header, to be placed again if this hop's grant names it.
    pub(crate) offered: Option<String>,
}

/// A hop that may go out.
#[derive(Debug)]
pub(crate) struct Passed {
    /// `None` in count mode, where no grant allows it.
    pub(crate) rule: Option<Rule>,
    /// As it is sent, with the credential filled in.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// The headers without any credential, for the next hop.
    pub(crate) bare_headers: HeaderMap,
    /// The credential that was filled in.
    pub(crate) credential: Option<Placed>,
}

/// A credential in a request.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) credential: String,
    pub(crate) secret: SecretName,
    pub(crate) in_header: bool,
}

impl Context {
    /// `text` for people: no secret, no reference, one line.
    pub(crate) fn show(&self, text: &str, max: usize) -> String {
        one_line(&self.redactor.redact(&self.issued.show(text)), max)
    }

    /// A URL for people, without its query.
    pub(crate) fn show_url(&self, url: &Url, max: usize) -> String {
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        // Any other way to escape a value in a path shows once it is decoded; such a path is not shown at all.
        if self.is_secret(&percent_decode_str(bare.path()).collect::<Vec<u8>>())
            && !self.is_secret(bare.path().as_bytes())
        {
            bare.set_path("/[REDACTED]");
        }
        self.show(bare.as_str(), max)
    }

    /// A URL for a guest: with its query, unless that holds what the guest may not see.
    pub(crate) fn show_whole(&self, url: &Url, max: usize) -> String {
        let bare = self.show_url(url, max);
        let is_bare = bare.len() == url.as_str().split(['?', '#']).next().map_or(0, str::len);
        let query = url.query().filter(|query| {
            is_bare
                && !self.is_secret(query.as_bytes())
                && !self.is_secret(&percent_decode_str(query).collect::<Vec<u8>>())
        });
        query.map_or(bare.clone(), |query| format!("{bare}?{query}"))
    }

    /// Whether the value of a secret or a reference stands in `text`.
    pub(crate) fn is_secret(&self, text: &[u8]) -> bool {
        self.redactor.find(text).is_some() || self.issued.find(text).is_some()
    }
}

impl Door {
    /// Judges one hop, and fills its credential in; one that is minted is minted now where it must be.
    pub(crate) async fn decide(
        &self,
        context: &Context,
        hop: &Hop,
        exchange: &mut Exchange,
    ) -> Result<Passed, Error> {
        let (mut passed, pending) = self.judge(context, hop, exchange)?;
        if let Some(Pending { grant, slot }) = pending {
            self.fill(context, &grant, slot, hop, &mut passed).await?;
            if passed.credential.is_some() {
                exchange.note("credential", grant.rule.credential);
            }
        }
        Ok(passed)
    }

    fn judge(
        &self,
        context: &Context,
        hop: &Hop,
        exchange: &mut Exchange,
    ) -> Result<(Passed, Option<Pending>), Error> {
        if hop.url.as_str().len() > MAX_URL {
            return Err(Error::Invalid(format!("the URL is longer than {MAX_URL} bytes")));
        }
        let target = Target::of(&hop.method, &hop.url)
            .ok_or_else(|| Error::Invalid("the URL has no host that can be reached by HTTP".to_owned()))?;
        let matching = context.set.matcher.matching(&target);
        if matching.is_empty() && !self.is_counting() {
            return Err(no_grant(context, hop, &target));
        }
        let (mut url, mut headers) = (hop.url.clone(), hop.headers.clone());
        let (chosen, slot) = choose(context, &matching, hop, &mut url, &mut headers);
        let grant = chosen.map(|place| &context.set.grants[place]);
        keep_to_written(context, hop, &matching)?;
        match grant {
            Some(grant) => exchange.note("rule", grant.rule.to_string()),
            None => exchange.note("would_deny", true),
        }
        guard_literal(&url, grant, &target)?;
        keep_placement_headers(context, &matching, hop, &mut headers)?;
        refuse_references(context, &url, &headers)?;
        refuse_secrets(context, &url, &headers)?;
        let bare_headers = headers.clone();
        let pending = slot.zip(grant).map(|(slot, grant)| Pending { grant: grant.clone(), slot });
        if pending.is_some() {
            refuse_parts(&headers)?;
        }
        if let Some(bucket) = chosen.and_then(|place| context.set.buckets[place].as_ref()) {
            bucket.take(self.shared.ports.clock.monotonic()).map_err(|retry| Error::RateLimited { retry })?;
        }
        let rule = grant.map(|grant| grant.rule.clone());
        Ok((Passed { rule, url, headers, bare_headers, credential: None }, pending))
    }

    async fn fill(
        &self,
        context: &Context,
        grant: &Grant,
        slot: Slot,
        hop: &Hop,
        passed: &mut Passed,
    ) -> Result<(), Error> {
        let name = grant.rule.credential.as_deref().unwrap_or_default();
        let unavailable = |detail: String| {
            let reason = format!("the credential '{name}' is not available");
            Error::Denied(Denial { reason, admin: Hidden { detail: Some(detail), rule: None } })
        };
        let in_header = matches!(slot, Slot::Header(..) | Slot::Basic(_));
        let host = hop.url.host_str().unwrap_or_default();
        let value = match self.supply(grant, &context.snapshot, host).await {
            Ok(value) => value,
            // A server chose this host: it gets the request without the credential, as it does where no grant has one.
            Err(Unsupplied::Elsewhere(_)) if hop.number > 0 && in_header => return Ok(()),
            Err(Unsupplied::Elsewhere(why) | Unsupplied::Missing(why)) => return Err(unavailable(why)),
        };
        slot.fill(value.expose(), &mut passed.url, &mut passed.headers)
            .map_err(|why| unavailable(format!("its value does not fit: {why}")))?;
        let names = grant.rule.credential.clone().zip(grant.secret.clone());
        passed.credential = names.map(|(credential, secret)| Placed { credential, secret, in_header });
        if let Some(secret) = &grant.secret {
            self.shared.ports.secrets.used(secret);
        }
        Ok(())
    }
}

/// A credential that is still to be filled in.
struct Pending {
    grant: Grant,
    slot: Slot,
}

/// Where nothing but a grant for any site allows a request, an address that its caller was not given is refused. In count
/// mode too: what it counts is what an admin may come to grant, and this no grant allows.
fn keep_to_written(context: &Context, hop: &Hop, matching: &[usize]) -> Result<(), Error> {
    let Some(Only(addresses)) = context.only.as_ref().filter(|_| hop.number == 0) else { return Ok(()) };
    let is_named = matching.iter().any(|place| !context.set.grants[*place].rule.is_any_site());
    if is_named || addresses.contains(hop.url.as_str()) {
        return Ok(());
    }
    Err(Error::denied("in this conversation, any site is reached only at addresses that a person wrote"))
}

/// The grant that decides, and the place of its credential, which is taken out of `url` and `headers`: the first
/// whose credential the request carries, else the first.
fn choose(
    context: &Context,
    matching: &[usize],
    hop: &Hop,
    url: &mut Url,
    headers: &mut HeaderMap,
) -> (Option<usize>, Option<Slot>) {
    for place in matching {
        let grant = &context.set.grants[*place];
        let (Some(credential), Some(placement)) = (&grant.rule.credential, &grant.placement) else {
            continue;
        };
        let Some(reference) = context.issued.reference(credential) else { continue };
        if let Taken::Template(slot) = placement.take(reference, url, headers) {
            return (Some(*place), Some(slot));
        }
        if hop.offered.as_ref() == Some(credential)
            && let Some(slot) = placement.header_slot()
        {
            return (Some(*place), Some(slot));
        }
    }
    (matching.first().copied(), None)
}

/// An address in the URL itself never reaches the resolver, so it is judged here.
fn guard_literal(url: &Url, grant: Option<&Grant>, target: &Target<'_>) -> Result<(), Error> {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
        Some(url::Host::Domain(_)) | None => return Ok(()),
    };
    let private = grant.map_or(&[][..], |grant| &grant.rule.private);
    let refused = address::judge(address, private);
    refused.map_err(|refused| {
        with_rule(prohibited(target.host.to_string(), refused), grant.map(|grant| &grant.rule))
    })
}

/// Completes what the admin is told of a refused address: the grant with the address named.
pub(crate) fn with_rule(error: Error, rule: Option<&Rule>) -> Error {
    let Error::Prohibited { host, mut admin } = error else { return error };
    let range = admin.rule.take().and_then(|range| range.parse().ok());
    admin.rule = rule.zip(range).map(|(rule, range)| {
        let mut allowing = rule.clone();
        allowing.private.push(range);
        allowing.private.sort();
        allowing.to_string()
    });
    Error::Prohibited { host, admin }
}

/// A header that a placement names belongs to that placement. A guest that wrote something else there is refused; on
/// a redirect the header is dropped, since the guest did not choose this host.
fn keep_placement_headers(
    context: &Context,
    matching: &[usize],
    hop: &Hop,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    let placements = matching.iter().filter_map(|place| context.set.grants[*place].placement.as_ref());
    for name in placements.filter_map(|placement| placement.header()) {
        if !headers.contains_key(name) {
            continue;
        }
        if hop.number == 0 {
            let reason =
                format!("the header '{name}' may hold only the credential that the grant places there");
            return Err(Error::denied(reason));
        }
        headers.remove(name);
    }
    Ok(())
}

/// Where a credential goes out, the answer may repeat it, and it is searched as a whole or not at all.
fn refuse_parts(headers: &HeaderMap) -> Result<(), Error> {
    let refused =
        |name| Error::denied(format!("the header '{name}' may not be sent along with a credential"));
    header::asks_for_part(headers).map_or(Ok(()), |name| Err(refused(name)))
}

fn refuse_references(context: &Context, url: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let found = texts(url, headers).find_map(|(place, text)| Some((place, context.issued.find(&text)?)));
    found.map_or(Ok(()), |(place, name)| Err(misplaced(name, &place)))
}

/// A reference stands where no grant places it.
pub(crate) fn misplaced(name: &str, place: &str) -> Error {
    Error::denied(format!("the credential '{name}' may not stand in {place}"))
}

fn refuse_secrets(context: &Context, url: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let found = texts(url, headers).find_map(|(place, text)| Some((place, context.redactor.find(&text)?)));
    found.map_or(Ok(()), |(place, name)| Err(leak(name.as_str(), &place)))
}

/// The value of a secret was about to leave. The guest is not told which.
pub(crate) fn leak(name: &str, place: &str) -> Error {
    let detail = format!("the value of {name} was in {place}");
    let reason = format!("{place} holds the value of a secret");
    Error::Denied(Denial { reason, admin: Hidden { detail: Some(detail), rule: None } })
}

/// Everything in a request but its body, with the name of its place: the URL as it is sent and decoded, each header.
fn texts<'a>(url: &'a Url, headers: &'a HeaderMap) -> impl Iterator<Item = (String, Vec<u8>)> + 'a {
    let raw = url.as_str().as_bytes().to_vec();
    let decoded = percent_encoding::percent_decode(&raw).collect();
    let urls = [raw, decoded].into_iter().map(|text| ("the URL".to_owned(), text));
    let names =
        headers.keys().map(|name| ("the name of a header".to_owned(), name.as_str().as_bytes().to_vec()));
    let values =
        headers.iter().map(|(name, value)| (format!("the header '{name}'"), value.as_bytes().to_vec()));
    urls.chain(names).chain(values)
}

/// No grant allows it: one line for the guest, the rule that would allow it for the admin.
pub(crate) fn no_grant(context: &Context, hop: &Hop, target: &Target<'_>) -> Error {
    let shown = context.show_url(&hop.url, SHOWN);
    let redirect = if hop.number == 0 { "" } else { "redirect to " };
    let reason = format!("no grant allows {redirect}{} {shown}", hop.method);
    let rule = (!target.path.is_hostile()).then(|| suggestion(context, target));
    Error::Denied(Denial { reason, admin: Hidden { detail: None, rule } })
}

fn suggestion(context: &Context, target: &Target<'_>) -> String {
    let mut rule = Rule::allowing(target);
    let text = rule.to_string();
    let decoded: Vec<u8> = percent_decode_str(&text).collect();
    if !context.is_secret(text.as_bytes()) && !context.is_secret(&decoded) {
        return text;
    }
    rule.path = Pattern::any();
    rule.to_string()
}
