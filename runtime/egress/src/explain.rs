//! What would become of a request, without sending it: which rule decides, where the name leads, where a credential
//! would stand. Only the name is looked up.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use ipnet::IpNet;
use openpact_model::secret::SecretName;
use url::Url;

use crate::address;
use crate::credential::References;
use crate::decide::{Context, Hop, no_grant, with_rule};
use crate::door::{Door, Grant};
use crate::error::Error;
use crate::request;
use crate::rule::Target;
use crate::transport::prohibited;

/// What would become of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The method and the URL as they would be judged, without the query.
    pub request: String,
    /// The rule that allows it.
    pub rule: Option<String>,
    /// Further rules that match; they count only where the request carries their credential.
    pub others: Vec<String>,
    /// What the guest would be told, where it would be denied.
    pub denied: Option<String>,
    /// The rule that would allow it, ready to be granted.
    pub allow: Option<String>,
    /// Whether count mode would let it go on all the same.
    pub counting: bool,
    /// Where the name leads.
    pub addresses: Vec<Address>,
    /// Why there is no address.
    pub lookup: Option<String>,
    /// The credentials that it could carry.
    pub credentials: Vec<Credential>,
}

/// One address of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// What it is, where it may not be connected to.
    pub refused: Option<String>,
}

/// A credential that a matching rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// Where it would stand.
    pub placement: Option<String>,
    /// The secret behind it.
    pub secret: Option<SecretName>,
    /// Why it would not be filled in.
    pub problem: Option<String>,
    /// Whether the host mints it.
    pub minted: bool,
}

impl Door {
    /// Judges a request as [`Door::send`] would, sends nothing and mints nothing. Nothing is recorded either.
    ///
    /// # Errors
    /// Where it is no request, or one that never passes.
    pub async fn explain(&self, method: &str, url: &str) -> Result<Explanation, Error> {
        let hop = hop(method, url)?;
        let target = Target::of(&hop.method, &hop.url)
            .ok_or_else(|| Error::Invalid("the URL has no host that can be reached by HTTP".to_owned()))?;
        let snapshot = self.shared.ports.secrets.snapshot();
        let redactor = self.redactor_for(&snapshot);
        let issued = References::none().issued();
        let context = Context { set: self.set(), issued, snapshot, redactor, only: None };
        let matching: Vec<&Grant> = context
            .set
            .matcher
            .matching(&target)
            .into_iter()
            .map(|place| &context.set.grants[place])
            .collect();
        let mut explanation = Explanation {
            request: format!("{} {}", hop.method, context.show_url(&hop.url, 2048)),
            counting: self.is_counting(),
            ..Explanation::default()
        };
        let deciding = matching.first().copied();
        match deciding {
            Some(grant) => explanation.rule = Some(grant.rule.to_string()),
            None => deny(&mut explanation, &no_grant(&context, &hop, &target)),
        }
        explanation.others = matching.iter().skip(1).map(|grant| grant.rule.to_string()).collect();
        let host = hop.url.host_str().unwrap_or_default();
        let named = matching.iter().filter(|grant| grant.rule.credential.is_some());
        explanation.credentials = named.map(|grant| self.credential(grant, &context, host)).collect();
        self.addresses(&mut explanation, &hop.url, deciding).await;
        Ok(explanation)
    }

    fn credential(&self, grant: &Grant, context: &Context, host: &str) -> Credential {
        let secret = grant.secret.clone();
        let entry = secret.as_ref().and_then(|name| context.snapshot.entries.get(name));
        let problem = match entry {
            None if secret.is_none() => Some("no secret stands behind it".to_owned()),
            None => Some("the secret is not set".to_owned()),
            Some(entry) if !entry.principals.contains(&self.principal) => {
                Some(format!("the secret is not bound to {}", self.principal))
            }
            Some(entry) if !entry.goes_to(host) => {
                let hosts: Vec<_> = entry.hosts.iter().map(ToString::to_string).collect();
                Some(format!("the secret is bound to {} and does not go to {host}", hosts.join(" ")))
            }
            Some(_) => None,
        };
        Credential {
            name: grant.rule.credential.clone().unwrap_or_default(),
            placement: grant.placement.as_ref().map(ToString::to_string),
            secret,
            problem,
            minted: entry.is_some_and(|entry| entry.minted.is_some()),
        }
    }

    async fn addresses(&self, explanation: &mut Explanation, url: &Url, grant: Option<&Grant>) {
        let private: &[IpNet] = grant.map_or(&[], |grant| &grant.rule.private);
        let found = match url.host() {
            Some(url::Host::Ipv4(address)) => Ok(vec![IpAddr::V4(address)]),
            Some(url::Host::Ipv6(address)) => Ok(vec![IpAddr::V6(address)]),
            Some(url::Host::Domain(name)) => {
                self.shared.transport.addresses(name, &self.lookups).await.map_err(|()| "it has no address")
            }
            None => Err("it has no host"),
        };
        let found = found.unwrap_or_else(|why| {
            explanation.lookup = Some(why.to_owned());
            Vec::new()
        });
        for address in found {
            let judged = address::judge(address, private);
            if let (Err(refused), Some(grant)) = (judged, grant)
                && explanation.denied.is_none()
            {
                let host = url.host_str().unwrap_or_default().to_owned();
                deny(explanation, &with_rule(prohibited(host, refused), Some(&grant.rule)));
            }
            let refused = judged.err().map(|refused| refused.kind.to_string());
            explanation.addresses.push(Address { address, refused });
        }
    }
}

fn deny(explanation: &mut Explanation, error: &Error) {
    explanation.denied = Some(error.to_string());
    explanation.allow = error.admin().and_then(|admin| admin.rule.clone());
}

/// What is asked for: a request, or the opening of a WebSocket.
fn hop(method: &str, url: &str) -> Result<Hop, Error> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "ws" | "wss"));
    let Some(address) = parsed else {
        let asked = request(method, url, &[], request::empty())?;
        return request::read(asked.into_parts().0);
    };
    if method != "GET" {
        return Err(Error::Invalid("a WebSocket is opened with GET".to_owned()));
    }
    let url = request::acceptable_as(address, ["ws", "wss"])?;
    Ok(Hop { number: 0, method: Method::GET, url, headers: HeaderMap::new(), offered: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_brings_the_rule_along() {
        let rule = "GET https://a.example/x".parse().unwrap();
        let refused = address::judge([127, 0, 0, 1].into(), &[]).unwrap_err();
        let mut explanation = Explanation::default();
        deny(&mut explanation, &with_rule(prohibited("a.example".into(), refused), Some(&rule)));
        assert_eq!(explanation.allow.as_deref(), Some("GET https://a.example/x private=127.0.0.1/32"));
        assert!(explanation.denied.unwrap().contains("may not be connected to"));
    }
}
