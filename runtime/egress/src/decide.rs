//! The decision on one hop: grant, literal address, scan, credential, rate. Nothing here touches the network.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use ipnet::IpNet;
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
    /// The special addresses that it may reach: those of all grants that allow it with this credential.
    pub(crate) private: Vec<IpNet>,
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
        let target = Target::of(&hop.method, &hop.url).ok_or_else(|| {
            Error::Invalid("the URL has no host that can be reached by HTTP, or that is no method".to_owned())
        })?;
        let matching = context.set.matcher.matching(&target);
        if matching.is_empty() && !self.is_counting() {
            return Err(no_grant(context, hop, &target));
        }
        let (mut url, mut headers) = (hop.url.clone(), hop.headers.clone());
        let (chosen, slot) = choose(context, &matching, hop, &mut url, &mut headers);
        let grant = chosen.map(|place| &context.set.grants[place]);
        keep_to_written(context, hop, &matching)?;
        if let Some(grant) = grant {
            exchange.note("rule", grant.rule.to_string());
        } else {
            exchange.note("would_deny", true);
            if let Some(rule) = suggestion(context, &target, None) {
                exchange.note("allow", rule.to_string());
            }
        }
        let private = private(context, &matching, grant.filter(|_| slot.is_some()));
        let carried = grant.filter(|_| slot.is_some()).and_then(|grant| grant.rule.credential.as_deref());
        guard_literal(&url, &private, &target).map_err(|error| explain(error, context, hop, carried))?;
        keep_placement_headers(context, &matching, hop, &mut headers)?;
        refuse_references(context, hop, &url, &headers)?;
        refuse_secrets(context, hop, &url, &headers)?;
        let bare_headers = headers.clone();
        let pending = slot.zip(grant).map(|(slot, grant)| Pending { grant: grant.clone(), slot });
        if pending.is_some() {
            refuse_parts(&headers)?;
        }
        if let Some(bucket) = chosen.and_then(|place| context.set.buckets[place].as_ref()) {
            bucket.take(self.shared.ports.clock.monotonic()).map_err(|retry| Error::RateLimited { retry })?;
        }
        let rule = grant.map(|grant| grant.rule.clone());
        Ok((Passed { rule, private, url, headers, bare_headers, credential: None }, pending))
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

/// The special addresses that a request may reach. Each grant that allows it allows it wholly, so what any of them names
/// counts; but where the request carries a credential, only what is named beside that credential.
fn private(context: &Context, matching: &[usize], carried: Option<&Grant>) -> Vec<IpNet> {
    let grants = matching.iter().map(|place| &context.set.grants[*place]);
    let same = grants.filter(|grant| {
        carried.is_none_or(|carried| {
            grant.rule.credential == carried.rule.credential && grant.secret == carried.secret
        })
    });
    let mut ranges: Vec<IpNet> = same.flat_map(|grant| grant.rule.private.iter().copied()).collect();
    ranges.sort();
    ranges.dedup();
    ranges
}

/// An address in the URL itself never reaches the resolver, so it is judged here.
fn guard_literal(url: &Url, private: &[IpNet], target: &Target<'_>) -> Result<(), Error> {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
        Some(url::Host::Domain(_)) | None => return Ok(()),
    };
    let refused = address::judge(address, private);
    refused.map_err(|refused| prohibited(target.host.to_string(), refused))
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

fn refuse_references(context: &Context, hop: &Hop, url: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let found = find(&hop.method, url, headers, |text| context.issued.find(text));
    found.map_or(Ok(()), |(place, name)| Err(misplaced(name, &place)))
}

/// A reference stands where no grant places it.
pub(crate) fn misplaced(name: &str, place: &str) -> Error {
    Error::denied(format!("the credential '{name}' may not stand in {place}"))
}

fn refuse_secrets(context: &Context, hop: &Hop, url: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let found = find(&hop.method, url, headers, |text| context.redactor.find(text));
    found.map_or(Ok(()), |(place, name)| Err(leak(name.as_str(), &place)))
}

/// The value of a secret was about to leave. The guest is not told which.
pub(crate) fn leak(name: &str, place: &str) -> Error {
    let detail = format!("the value of {name} was in {place}");
    let reason = format!("{place} holds the value of a secret");
    Error::Denied(Denial { reason, admin: Hidden { detail: Some(detail), rule: None } })
}

/// Looks through everything in a request but its body: the method, the URL as it is sent and decoded, each header's name
/// and value. Gives what was found with the name of its place.
fn find<T>(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    search: impl Fn(&[u8]) -> Option<T>,
) -> Option<(String, T)> {
    let decoded: Cow<'_, [u8]> = percent_decode_str(url.as_str()).into();
    let in_method = search(method.as_str().as_bytes()).map(|found| ("the method", found));
    let in_url = || search(url.as_str().as_bytes()).or_else(|| search(&decoded));
    let in_name = || headers.keys().find_map(|name| search(name.as_str().as_bytes()));
    let in_value = || {
        let mut values = headers.iter();
        values.find_map(|(name, value)| Some((format!("the header '{name}'"), search(value.as_bytes())?)))
    };
    in_method
        .or_else(|| in_url().map(|found| ("the URL", found)))
        .or_else(|| in_name().map(|found| ("the name of a header", found)))
        .map(|(place, found)| (place.to_owned(), found))
        .or_else(in_value)
}

/// No grant allows it: one line for the guest, the rule that would allow it for the admin.
pub(crate) fn no_grant(context: &Context, hop: &Hop, target: &Target<'_>) -> Error {
    let shown = context.show_url(&hop.url, SHOWN);
    let redirect = if hop.number == 0 { "" } else { "redirect to " };
    let method = context.show(hop.method.as_str(), SHOWN);
    let reason = format!("no grant allows {redirect}{method} {shown}");
    let rule = suggestion(context, target, None).map(|rule| rule.to_string());
    Error::Denied(Denial { reason, admin: Hidden { detail: None, rule } })
}

/// Completes what the admin is told of a refused address: the rule that would allow just this request, beside the grants
/// that are there.
pub(crate) fn explain(error: Error, context: &Context, hop: &Hop, credential: Option<&str>) -> Error {
    if !matches!(error, Error::Prohibited { .. }) {
        return error;
    }
    let target = Target::of(&hop.method, &hop.url);
    let rule = target.and_then(|target| suggestion(context, &target, credential));
    with_rule(error, rule.as_ref())
}

/// Adds the refused address to `rule`.
pub(crate) fn with_rule(error: Error, rule: Option<&Rule>) -> Error {
    let Error::Prohibited { host, mut admin } = error else { return error };
    let range = admin.rule.take().and_then(|range| range.parse().ok());
    admin.rule = rule.zip(range).map(|(rule, range)| {
        let mut allowing = rule.clone();
        allowing.private.push(range);
        allowing.private.sort();
        allowing.private.dedup();
        allowing.to_string()
    });
    Error::Prohibited { host, admin }
}

/// The rule that allows exactly such a request, ready to paste. A segment of the path that holds a secret or a
/// reference becomes `*`; where one would show nevertheless, as in the name of the host, there is no such rule, and
/// neither is there for what no rule can say, such as a name with a dot at its end.
fn suggestion(context: &Context, target: &Target<'_>, credential: Option<&str>) -> Option<Rule> {
    if target.path.is_hostile() {
        return None;
    }
    let mut rule = Rule::allowing(target);
    rule.credential = credential.map(str::to_owned);
    let may_be_shown = |rule: &Rule| {
        let text = rule.to_string();
        let decoded: Vec<u8> = percent_decode_str(&text).collect();
        !context.is_secret(text.as_bytes()) && !context.is_secret(&decoded)
    };
    if !may_be_shown(&rule) {
        rule.path = Pattern::naming(&target.path, |segment| !context.is_secret(segment));
    }
    if !may_be_shown(&rule) {
        // A value that goes over a slash.
        rule.path = Pattern::naming(&target.path, |_| false);
    }
    let reads_back = rule.to_string().parse().is_ok_and(|read: Rule| read == rule);
    (reads_back && may_be_shown(&rule)).then_some(rule)
}
