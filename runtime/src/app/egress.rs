//! The admin's view of the network: what went there, what was refused, what would become of a request; and the rule
//! that would allow it, ready to be granted.

use openpact_egress::{self as egress, Door};
use openpact_model::audit::Verdict;
use openpact_model::principal::Principal;
use openpact_store::audit;
use openpact_store::secret::Kind;
use serde_json::{Map, Value};

use super::{App, deployment};
use crate::control::{EgressAddress, EgressCredential, EgressFilter, EgressRequest, EgressTest, Grant};
use crate::exit::{Code, Failure, chain};

use std::sync::Arc;

/// The most requests that are shown at once.
const MOST: u32 = 1000;

impl App {
    /// Requests that have ended, the oldest first.
    pub(super) async fn egress_log(&self, filter: EgressFilter) -> Result<Vec<EgressRequest>, Failure> {
        let EgressFilter { principal, verdict, would_deny, since, limit } = filter;
        let filter = audit::Filter {
            kind_prefix: Some("egress.".to_owned()),
            actor: principal.map(|principal| principal.to_string()),
            verdict,
            since,
            would_deny,
            ended: true,
            limit: limit.min(MOST),
            ..audit::Filter::default()
        };
        let page = self.store.audit().page(filter).await.map_err(Failure::failed)?;
        let grants = self.grants(None).await?;
        let is_traffic = |kind: &str| kind == "egress.request" || kind == "egress.message";
        let traffic = page.into_iter().filter(|entry| is_traffic(&entry.event.kind));
        let shown = traffic.map(|entry| self.egress_request(entry, &grants));
        Ok(shown.filter(|one| !would_deny || one.would_deny).collect())
    }

    fn egress_request(&self, entry: audit::Entry, grants: &[Grant]) -> EgressRequest {
        let detail = &entry.event.detail;
        let principal = entry.event.actor.parse::<Principal>();
        // What the address guard or the scan refused was refused, in count mode too.
        let counted = detail.get("would_deny").is_some_and(|value| value == true);
        let would_deny = counted && entry.event.verdict != Verdict::Denied;
        let method = text(detail, "method").unwrap_or_else(|| "message".to_owned());
        let url = entry.event.subject.clone();
        let suggested = || egress::rule::suggest(&method, &url);
        let allow = text(detail, "allow").or_else(|| would_deny.then(suggested).flatten());
        let fix = allow.as_ref().zip(principal.ok()).and_then(|(rule, who)| self.fix(&who, rule, grants));
        EgressRequest {
            number: entry.number,
            time: entry.time,
            verdict: entry.event.verdict,
            would_deny,
            query: names(detail),
            rule: text(detail, "rule"),
            credential: text(detail, "credential"),
            reason: text(detail, "reason"),
            detail: text(detail, "detail"),
            allow,
            fix,
            status: number(detail, "status").and_then(|status| u16::try_from(status).ok()),
            address: text(detail, "address"),
            sent: number(detail, "sent").unwrap_or_default(),
            received: number(detail, "received").unwrap_or_default(),
            ms: number(detail, "ms").unwrap_or_default(),
            principal: entry.event.actor,
            method,
            url,
        }
    }

    /// What would become of a request. Only the host's name is looked up.
    pub(super) async fn egress_test(
        &self,
        principal: Principal,
        method: &str,
        url: &str,
    ) -> Result<EgressTest, Failure> {
        let grants = self.grants(Some(&principal)).await?;
        let door = self.door_of(&principal, &grants).await?;
        let explained = door.explain(&method.to_uppercase(), url).await;
        let found = explained.map_err(|error| Failure::new(Code::Usage, chain(&error)))?;
        let fix = found.allow.as_ref().and_then(|rule| self.fix(&principal, rule, &grants));
        let address = |one: egress::Address| EgressAddress { address: one.address, refused: one.refused };
        let credential = |one: egress::Credential| EgressCredential {
            name: one.name,
            placement: one.placement,
            secret: one.secret,
            minted: one.minted,
            problem: one.problem,
        };
        Ok(EgressTest {
            principal,
            request: found.request,
            rule: found.rule,
            others: found.others,
            denied: found.denied,
            allow: found.allow,
            fix,
            counting: found.counting,
            addresses: found.addresses.into_iter().map(address).collect(),
            lookup: found.lookup,
            credentials: found.credentials.into_iter().map(credential).collect(),
        })
    }

    /// The door of a principal; one that is made for this where there is none.
    async fn door_of(&self, principal: &Principal, grants: &[Grant]) -> Result<Arc<Door>, Failure> {
        let parts = self.parts().await?;
        if let Principal::Component(name) = principal {
            let component = self.loaded(name).await?;
            if let Some(door) = component.door() {
                return Ok(Arc::clone(door));
            }
            let manifest = component.manifest().ok_or_else(|| {
                Failure::new(Code::Refused, format!("'{name}' is not verified, so it reaches nothing"))
            })?;
            let built = deployment::build_grants(grants, principal, manifest, &self.stated(name));
            let built = built.map_err(|why| Failure::new(Code::Failed, why))?;
            return Ok(parts.egress.door(principal.clone(), built));
        }
        let plain = |grant: &Grant| {
            let rule = grant.rule.parse().ok()?;
            Some(egress::Grant { rule, placement: None, secret: grant.secret.clone() })
        };
        Ok(parts.egress.door(principal.clone(), grants.iter().filter_map(plain).collect()))
    }

    /// What to do so that `rule` holds for `principal`.
    fn fix(&self, principal: &Principal, rule: &str, grants: &[Grant]) -> Option<String> {
        let Principal::Component(name) = principal else { return None };
        if self.is_configured(principal) {
            let quoted = serde_json::to_string(rule).ok()?;
            return Some(format!("add to 'components.{name}.grants' in the configuration: - {quoted}"));
        }
        let credential = rule.split(' ').find(|word| word.starts_with("credential="));
        let same = |grant: &&Grant| {
            grant.principal == *principal && grant.rule.split(' ').any(|word| Some(word) == credential)
        };
        let secret = grants.iter().filter(same).find_map(|grant| grant.secret.as_ref());
        let secret = secret.map_or_else(String::new, |secret| format!(" --secret {secret}"));
        Some(format!("openpact grant add {principal} {}{secret}", quoted(rule)))
    }

    /// The grants by which the host itself asks for tokens, one for each credential that is minted.
    pub(super) async fn minting_grants(&self) -> Result<Vec<Grant>, Failure> {
        let all = self.store.secret_vault().list().await.map_err(Failure::failed)?;
        let grant = |info: openpact_store::secret::Info| {
            let Kind::Minted { endpoint, private, .. } = info.kind else { return None };
            let private =
                if private.is_empty() { String::new() } else { format!(" private={}", private.join(",")) };
            let readable = info.readable && !endpoint.is_empty();
            readable.then(|| Grant {
                id: None,
                principal: Principal::Runtime,
                rule: format!("POST {endpoint}{private}"),
                any_site: false,
                secret: Some(info.name),
                origin: "secret".to_owned(),
            })
        };
        Ok(all.into_iter().filter_map(grant).collect())
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn text(detail: &Map<String, Value>, key: &str) -> Option<String> {
    detail.get(key)?.as_str().map(str::to_owned)
}

fn number(detail: &Map<String, Value>, key: &str) -> Option<u64> {
    detail.get(key)?.as_u64()
}

fn names(detail: &Map<String, Value>) -> Vec<String> {
    let all = detail.get("query").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_one_word_for_the_shell() {
        assert_eq!(quoted("GET https://a.example/**"), "'GET https://a.example/**'");
        assert_eq!(quoted("a'; rm -rf ~; '"), r"'a'\''; rm -rf ~; '\'''");
    }
}
