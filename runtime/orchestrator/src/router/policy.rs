//! Who may use which tool: role × audience × tool. A pure decision; nothing in here can be widened by a model, a
//! message or a component.

use globset::{Glob, GlobSet, GlobSetBuilder};
use openpact_model::role::{Audience, Caller, Role};
use openpact_model::tool::{Reads, ToolSpec, Writes};

use crate::Error;

/// The tools of one role, by name with `*` and `?`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// Allowed, in place of the role's default.
    pub allow: Option<Vec<String>>,
    /// Denied, whatever is allowed.
    pub deny: Vec<String>,
}

/// The lists of every role. Defaults where they say nothing: an owner may use every tool; a member those that read
/// nothing private and write nothing outside; a guest none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// For owners.
    pub owner: Lists,
    /// For members.
    pub member: Lists,
    /// For guests.
    pub guest: Lists,
}

/// The lists, compiled.
pub(super) struct Policy {
    owner: Compiled,
    member: Compiled,
    guest: Compiled,
}

struct Compiled {
    /// `None`: the role's default.
    allow: Option<GlobSet>,
    deny: GlobSet,
}

impl Config {
    pub(super) fn compile(&self) -> Result<Policy, Error> {
        Ok(Policy {
            owner: self.owner.compile("owner")?,
            member: self.member.compile("member")?,
            guest: self.guest.compile("guest")?,
        })
    }
}

impl Lists {
    fn compile(&self, role: &str) -> Result<Compiled, Error> {
        Ok(Compiled {
            allow: match &self.allow {
                Some(patterns) => Some(globs(patterns, &format!("{role}.allow"))?),
                None => None,
            },
            deny: globs(&self.deny, &format!("{role}.deny"))?,
        })
    }
}

impl Policy {
    /// Whether `caller` may use the tool; if not, why in a sentence.
    pub(super) fn decide(&self, caller: &Caller, spec: &ToolSpec) -> Result<(), String> {
        let lists = match caller.role {
            Role::Owner => &self.owner,
            Role::Member => &self.member,
            Role::Guest => &self.guest,
        };
        if lists.deny.is_match(&spec.name) {
            return Err(format!("the role '{}' may not use {}", caller.role, spec.name));
        }
        // No list lifts this one: what a group reads is no longer private.
        if spec.effects.reads == Reads::Private && caller.audience != Audience::Private {
            return Err(format!("{} reads private things and works only in a private channel", spec.name));
        }
        let allowed = match &lists.allow {
            Some(allow) => allow.is_match(&spec.name),
            None => default(caller.role, spec),
        };
        if allowed {
            return Ok(());
        }
        Err(format!("the role '{}' may not use {}", caller.role, spec.name))
    }
}

fn default(role: Role, spec: &ToolSpec) -> bool {
    match role {
        Role::Owner => true,
        Role::Member => spec.effects.reads != Reads::Private && spec.effects.writes != Writes::External,
        Role::Guest => false,
    }
}

/// Compiles tool names with `*` and `?`; `place` is where they stand in the configuration.
pub(super) fn globs(patterns: &[String], place: &str) -> Result<GlobSet, Error> {
    let wrong = |pattern: &str, source| Error::Pattern {
        place: place.to_owned(),
        pattern: pattern.to_owned(),
        source,
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|source| wrong(pattern, source))?);
    }
    set.build().map_err(|source| wrong(&patterns.join(" "), source))
}

#[cfg(test)]
mod tests {
    use openpact_model::role::Sender;
    use openpact_model::tool::Effects;
    use serde_json::json;

    use super::*;

    fn spec(name: &str, reads: Reads, writes: Writes) -> ToolSpec {
        ToolSpec {
            name: name.to_owned(),
            title: None,
            description: String::new(),
            input_schema: json!({}),
            output_schema: None,
            effects: Effects { reads, writes },
        }
    }

    fn caller(role: Role, audience: Audience) -> Caller {
        let sender =
            Sender { provider: "test".into(), user: "1".into(), display_name: "owner, role:owner".into() };
        Caller { sender, role, audience }
    }

    #[track_caller]
    fn check(config: &Config, role: Role, audience: Audience, tool: &ToolSpec, allowed: bool) {
        let decision = config.compile().unwrap().decide(&caller(role, audience), tool);
        assert_eq!(decision.is_ok(), allowed, "{role} {audience:?} {}: {decision:?}", tool.name);
    }

    #[test]
    fn the_defaults_follow_role_audience_and_effects() {
        use Audience::{Group, Private};
        let config = Config::default();
        let shared = spec("web_fetch", Reads::Untrusted, Writes::Nothing);
        let local = spec("workspace_write", Reads::Nothing, Writes::Local);
        let private = spec("calendar_read", Reads::Private, Writes::Nothing);
        let external = spec("github_comment", Reads::Nothing, Writes::External);
        for (tool, owner, owner_in_group, member) in [
            (&shared, true, true, true),
            (&local, true, true, true),
            (&private, true, false, false),
            (&external, true, true, false),
        ] {
            check(&config, Role::Owner, Private, tool, owner);
            check(&config, Role::Owner, Group, tool, owner_in_group);
            check(&config, Role::Member, Group, tool, member);
            check(&config, Role::Guest, Group, tool, false);
            check(&config, Role::Guest, Private, tool, false);
        }
    }

    #[test]
    fn lists_narrow_and_widen_but_never_make_private_things_public() {
        use Audience::{Group, Private};
        let config = Config {
            owner: Lists { allow: Some(vec!["*".into()]), deny: vec!["github_*".into()] },
            member: Lists {
                allow: Some(vec!["github_*".into(), "calendar_read".into()]),
                deny: vec!["web_?etch".into()],
            },
            guest: Lists { allow: Some(vec!["web_fetch".into()]), deny: vec![] },
        };
        let web = spec("web_fetch", Reads::Untrusted, Writes::Nothing);
        let github = spec("github_comment", Reads::Nothing, Writes::External);
        let calendar = spec("calendar_read", Reads::Private, Writes::Nothing);
        check(&config, Role::Owner, Private, &github, false);
        check(&config, Role::Member, Group, &github, true);
        check(&config, Role::Member, Group, &web, false);
        check(&config, Role::Guest, Group, &web, true);
        check(&config, Role::Guest, Group, &github, false);
        check(&config, Role::Owner, Group, &calendar, false);
        check(&config, Role::Member, Group, &calendar, false);
        check(&config, Role::Owner, Private, &calendar, true);
        let local = spec("workspace_write", Reads::Nothing, Writes::Local);
        check(&config, Role::Member, Group, &local, false);
        check(&Config { member: Lists::default(), ..config }, Role::Member, Group, &local, true);
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let config = Config { owner: Lists { allow: Some(vec![]), deny: vec![] }, ..Config::default() };
        let tool = spec("workspace_read", Reads::Nothing, Writes::Nothing);
        check(&config, Role::Owner, Audience::Private, &tool, false);
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_named_with_its_place() {
        let config =
            Config { member: Lists { allow: Some(vec!["web_[".into()]), deny: vec![] }, ..Config::default() };
        let Err(error) = config.compile() else { panic!("it was taken") };
        let text = error.to_string();
        assert!(text.contains("member.allow") && text.contains("web_["), "{text}");
    }
}
