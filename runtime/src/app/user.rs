//! Who may speak: what the configuration says of people, and what an admin does about the others.

use std::sync::Arc;

use openpact_model::role::Role;
use openpact_orchestrator::people::{self, Acceptance, Identity, Origin, People, Person, Refusal, Unknown};
use openpact_orchestrator::{Error, router};

use super::{App, done};
use crate::config::{Config, tools};
use crate::control::{Asking, Response, User, Users};
use crate::exit::{Code, Failure};

/// Who changes something through the command line.
const ADMIN: &str = "admin";

impl App {
    /// Who may speak; read at the first call.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) async fn people(&self) -> Result<&Arc<People>, Failure> {
        let build = || async {
            let ports = people::Ports {
                store: self.store.clone(),
                clock: Arc::clone(&self.clock),
                random: Arc::clone(&self.random),
            };
            stated(&self.config()).build(ports).await.map_err(failure)
        };
        self.people.get_or_try_init(build).await
    }

    /// Makes what the configuration says of people hold now.
    ///
    /// # Errors
    /// When the store cannot be used; everything is as before then.
    pub(super) async fn renew_people(&self) -> Result<(), Failure> {
        self.people().await?.reconfigure(stated(&self.config())).await.map_err(failure)
    }

    /// Everybody who may speak, and everybody who asked to.
    pub(super) async fn users(&self) -> Result<Users, Failure> {
        let people::Listing { people, requests } = self.people().await?.list().await.map_err(failure)?;
        let users = people.into_iter().map(|person| {
            let (origin, by, since) = match person.origin {
                Origin::Configuration => ("configuration", None, None),
                Origin::Paired { by, since } => ("paired", Some(by), Some(since)),
            };
            let identities = person.identities.iter().map(account).collect();
            User { name: person.name, role: person.role, identities, origin: origin.to_owned(), by, since }
        });
        let requests = requests.into_iter().map(|request| Asking {
            identity: account(&request.identity),
            display_name: request.display_name,
            channel: request.channel.to_string(),
            asked: request.asked,
            expires: request.expires,
        });
        Ok(Users { users: users.collect(), requests: requests.collect() })
    }

    /// Lets somebody in.
    pub(super) async fn accept_user(&self, code: &str, role: Role, name: Option<&str>) -> Response {
        let acceptance = Acceptance { code, role, name, by: ADMIN };
        let accepted = self.people().await?.accept(acceptance).await.map_err(failure)?;
        Ok(done(accepted.sentence()))
    }

    /// Turns somebody down.
    pub(super) async fn deny_user(&self, code: &str) -> Response {
        let account = self.people().await?.deny(code, ADMIN).await.map_err(failure)?;
        Ok(done(format!("{account} was turned down, and is told no other code for a day")))
    }

    /// Takes somebody out.
    pub(super) async fn remove_user(&self, target: &str) -> Response {
        match self.people().await?.remove(target, ADMIN).await {
            Ok(removed) => Ok(done(format!("{removed} may speak no longer"))),
            Err(Error::Refused(refusal @ (Refusal::StatedPerson { .. } | Refusal::StatedAccount { .. }))) => {
                let file = self.config_file.display();
                Err(Failure::new(Code::Refused, format!("{refusal} in {file}")))
            }
            Err(error) => Err(failure(error)),
        }
    }
}

/// What the configuration says of people.
fn stated(config: &Config) -> people::Config {
    let people = config.users.iter().map(|(name, user)| {
        let identities = user.identities.iter().flat_map(|(provider, accounts)| {
            accounts.iter().map(|account| Identity { provider: provider.clone(), user: account.0.clone() })
        });
        Person { name: name.clone(), role: user.role, identities: identities.collect() }
    });
    let defaults = config.chat.providers.iter().map(|(name, provider)| {
        let channels = provider.channels.iter();
        let channels = channels.filter_map(|(id, channel)| Some((id.clone(), channel.default?.role())));
        (name.clone(), Unknown { role: provider.default.role(), channels: channels.collect() })
    });
    let rate = |rate: tools::Rate| router::Rate { burst: rate.burst, per_minute: rate.per_minute };
    let rates = &config.chat.rate;
    people::Config {
        people: people.collect(),
        defaults: defaults.collect(),
        rates: people::Rates {
            person: rate(rates.person),
            guest: rate(rates.guest),
            channel: rate(rates.channel),
        },
        ..people::Config::default()
    }
}

fn account(identity: &Identity) -> String {
    format!("{}:{}", identity.provider, identity.user)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn failure(error: Error) -> Failure {
    let code = match &error {
        Error::Refused(Refusal::NotACode | Refusal::Name) => Code::Usage,
        Error::Refused(
            Refusal::StatedAccount { .. } | Refusal::StatedPerson { .. } | Refusal::TooManyAttempts { .. },
        ) => Code::Refused,
        Error::People { .. } => Code::Configuration,
        _ => Code::Failed,
    };
    Failure::of(code, &error)
}
