//! What is accepted, what is refused with which words, and whether the generated files are fresh.

use super::*;

fn parse(text: &str, variables: &Environment) -> Result<Config, String> {
    Config::parse(Path::new("config.yaml"), text, variables).map_err(|error| error.to_string())
}

#[track_caller]
fn accepted(text: &str) -> Config {
    parse(text, &Environment::default()).unwrap_or_else(|error| panic!("{text}\nwas refused: {error}"))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = parse(text, &Environment::default()).expect_err(text);
    assert_eq!(error, expected, "for\n{text}");
}

#[test]
fn nothing_written_is_the_default() {
    for text in ["", "\n\n", "# only a comment\n", "---\n", "{}", "engine:\ntools:\n", "engine:\n  model:\n"]
    {
        assert_eq!(accepted(text), Config::default(), "{text:?}");
    }
    assert_eq!(Config::default().engine.kind(), engine::Kind::Direct);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
    refused(
        "engine:\n  modle: x\n",
        "config.yaml, line 2, column 3: unknown key 'modle' in 'engine'; did you mean 'model'?",
    );
    refused(
        "Engine:\n  model: x\n",
        "config.yaml, line 1, column 1: unknown key 'Engine' at the top; did you mean 'engine'?",
    );
    refused(
        "components:\n  web:\n    mounts:\n      vault: {acces: read}\n",
        "config.yaml, line 4, column 15: unknown key 'acces' in 'components.web.mounts.vault'; did you mean 'access'?",
    );
    refused(
        "egress:\n  zzz: 1\n",
        "config.yaml, line 2, column 3: unknown key 'zzz' in 'egress'; the keys there are extra_ca",
    );
}

#[test]
fn every_unknown_key_is_reported_at_once() {
    let error = parse("engin: {}\nlog:\n  levle: info\n", &Environment::default()).unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("'engin'") && error.contains("'levle'"), "{error}");
}

#[test]
fn wrong_values_are_named_with_their_place() {
    refused(
        "limits:\n  call:\n    memory: lots\n",
        "config.yaml, line 3, column 5: 'limits.call.memory': 'lots' is not a size: write a number of bytes, or one \
         with B, kB, MB, GB, KiB, MiB or GiB behind it",
    );
    refused(
        "engine:\n  type: magic\n",
        "config.yaml, line 2, column 3: 'engine.type': 'magic' cannot stand here; write 'direct' or 'builtin'",
    );
    refused(
        "limits:\n  instances: 7\n",
        "config.yaml, line 2, column 3: 'limits.instances': 7 is too little to answer anybody: tools, and every part of \
         an answer, take a place; use 8 or more, or leave it out",
    );
    assert_eq!(accepted("limits: { instances: 8 }").limits.instances, 8);
    refused(
        "components:\n  Web: {}\n",
        "config.yaml, line 2, column 3: 'components.Web': 'Web' is not a component name: 2 to 64 of a-z, 0-9 and '-', \
         starting with a letter",
    );
    refused(
        "tools:\n  rate:\n    person: {burst: 0, per_minute: 1}\n",
        "config.yaml, line 3, column 5: 'tools.rate.person': a rate of 0 would let nothing pass; use 'tools.disabled' \
         to switch a tool off",
    );
    refused(
        "- engine\n",
        "config.yaml, line 1, column 1: a configuration has to be a mapping: lines such as 'engine:' with keys below",
    );
}

#[test]
fn no_sentence_names_what_the_program_is_made_of() {
    let place = "config.yaml, line 1, column";
    for (text, key, expected) in [
        ("mcp: {bind: 'localhost:8765'}", "mcp.bind", "write an address and a port, such as 127.0.0.1:8765"),
        ("health: {bind: 8766}", "health.bind", "this is a number; write"),
        ("mcp: {enabled: maybe}", "mcp.enabled", "this is a text; write true or false"),
        ("mcp: {hosts: a.example}", "mcp.hosts", "this is a text; write a list, such as [a, b]"),
        ("components: {web: 3}", "components.web", "this is a number; write a mapping: keys with values"),
        ("engine: {max_steps: -1}", "engine.max_steps", "write a whole number from 0 to"),
        ("users: {alice: {}}", "users.alice", "the key 'role' is missing"),
    ] {
        let error = parse(text, &Environment::default()).expect_err(text);
        assert!(error.starts_with(place) && error.contains(&format!("'{key}': ")), "{error}");
        assert!(error.contains(expected), "{error}");
        for internal in ["variant", "struct", "expected", "syntax", "u32", "field"] {
            assert!(!error.contains(internal), "'{internal}' in {error}");
        }
    }
}

#[test]
fn a_component_that_is_not_there_is_doubted_with_the_nearest_name() {
    let doubts = accepted("components:\n  telegrm: {}\n  workspace: {}\n  zzz: {}\n").doubts(&[]);
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(
        doubts[0].ends_with("no component 'telegrm' is installed; did you mean 'telegram'?"),
        "{doubts:?}"
    );
    assert!(doubts[1].ends_with("no component 'zzz' is installed"), "{doubts:?}");
    let installed = accepted("components:\n  zzz: {}\n").doubts(&["zzz".to_owned()]);
    assert_eq!((installed, Config::default().doubts(&[])), (Vec::new(), Vec::new()));
}

#[test]
fn a_platform_whose_adapter_is_not_there_is_doubted_and_one_that_is_installed_is_not() {
    let text = "users:\n  alice: { role: owner, identities: { irc: [alice], slack: [U1] } }\n\
                chat:\n  providers: { telegarm: {}, discord: {} }\n";
    let doubts = accepted(text).doubts(&[]);
    let expected = [
        "'chat.providers.telegarm' has no effect as long as no adapter 'telegarm' is installed; did you mean 'telegram'?",
        "'users.alice.identities.irc' has no effect as long as no adapter 'irc' is installed; there are discord, slack, telegram",
    ];
    assert_eq!(doubts, expected);
    assert_eq!(accepted(text).doubts(&["irc".to_owned(), "telegarm".to_owned()]), [""; 0]);
}

#[test]
fn a_rule_that_is_none_is_told_before_anything_runs() {
    let text = "components:\n  web: { grants: ['GET https://a.example/**', 'GET a.example'] }\n";
    let doubts = accepted(text).doubts(&[]);
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    let expected = "a rule of 'components.web.grants' grants nothing (\"GET a.example\"): ";
    assert!(doubts[0].starts_with(expected), "{doubts:?}");
}

#[test]
fn what_is_not_yaml_is_refused_with_its_line() {
    for text in ["engine: [\n", "engine:\n  model: a\n  model: b\n", "a: b: c\n", "engine:\n\tmodel: x\n"] {
        let error = parse(text, &Environment::default()).expect_err(text);
        assert!(
            error.starts_with("config.yaml, line ") && error.contains("not valid YAML"),
            "{text:?}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_secret_written_where_its_name_belongs_is_not_repeated() {
    let error = parse("engine:\n  key: sk-abcdefghijklmnop\n", &Environment::default()).unwrap_err();
    assert!(!error.contains("sk-abc"), "{error}");
    assert!(
        error.contains("config.yaml, line 2, column 3: 'engine.key'") && error.contains("secret set"),
        "{error}"
    );
}

#[test]
fn the_environment_sets_every_kind_of_key() {
    let variables = Environment::from([
        ("OPENPACT_ENGINE__MODEL", "4.5"),
        ("OPENPACT_ENGINE__BASE_URL", "http://127.0.0.1:1/v1"),
        ("OPENPACT_ENGINE__PRIVATE", "[127.0.0.1/32]"),
        ("OPENPACT_ENGINE__MAX_STEPS", "3"),
        ("OPENPACT_LIMITS__CALL__MEMORY", "1MiB"),
        ("OPENPACT_TOOLS__ROLES__GUEST__ALLOW", "[workspace_read]"),
        ("OPENPACT_COMPONENTS__MY_TOOL__ENABLED", "false"),
        ("OPENPACT_DATA", "/elsewhere"),
        ("OPENPACT_PORT_80_TCP", "tcp://10.0.0.1:80"),
    ]);
    let config = parse("engine:\n  model: small\n  max_steps: 9\n", &variables).unwrap();
    assert_eq!(config.engine.model.as_deref(), Some("4.5"), "a text stays a text");
    assert_eq!(config.engine.kind(), engine::Kind::Builtin);
    assert_eq!((config.engine.max_steps, config.engine.private.len()), (3, 1));
    assert_eq!(config.limits.call.memory, unit::Size::mib(1));
    assert_eq!(config.tools.roles.guest.allow, Some(vec!["workspace_read".to_owned()]));
    assert_eq!(config.components[&"my-tool".parse().unwrap()].enabled, Some(false));
}

#[test]
fn a_wrong_variable_is_named() {
    let wrong = |name, value| parse("", &Environment::from([(name, value)])).unwrap_err();
    assert_eq!(
        wrong("OPENPACT_ENGINE__TYP", "direct"),
        "environment variable OPENPACT_ENGINE__TYP: unknown key 'typ' in 'engine'; did you mean 'type'?"
    );
    assert_eq!(
        wrong("OPENPACT_ENGINE__TYPE__X", "direct"),
        "environment variable OPENPACT_ENGINE__TYPE__X: 'engine.type' has no keys below it, so 'x' cannot be set"
    );
    let error = wrong("OPENPACT_ENGINE__MAX_STEPS", "many");
    assert!(
        error.starts_with("environment variable OPENPACT_ENGINE__MAX_STEPS: 'engine.max_steps'"),
        "{error}"
    );
}

#[test]
fn a_log_level_is_a_level() {
    for good in ["info", "off", "WARN", "info,openpact_egress=debug"] {
        accepted(&format!("log:\n  level: {good:?}\n"));
    }
    for bad in ["inof", "", "info,", "info,x=loud"] {
        let error = parse(&format!("log:\n  level: {bad:?}\n"), &Environment::default()).expect_err(bad);
        assert!(error.starts_with("config.yaml, line 2, column 3: '"), "{error}");
    }
}

#[test]
fn people_are_stated_by_account_and_once() {
    let config = accepted("users:\n  alice: { role: owner, identities: { telegram: [123, '-5', abc] } }\n");
    let accounts: Vec<_> =
        config.users["alice"].identities["telegram"].iter().map(|one| one.0.as_str()).collect();
    assert_eq!(accounts, ["123", "-5", "abc"], "a number needs no quotes");
    refused(
        "users:\n  alice: { role: owner, identities: { telegram: [1] } }\n  bob: { role: guest, identities: { telegram: ['1'] } }\n",
        "config.yaml, line 3, column 37: 'users.bob.identities.telegram': the account '1' is stated for 'alice' already",
    );
    for text in [
        "users: { alice: { role: boss } }",
        "users: { alice: { identities: {} } }",
        "users: { alice: { role: owner, identities: { telegram: [''] } } }",
        "users: { alice: { role: owner, identities: { telegram: [1.5] } } }",
        "users: { ' x': { role: guest } }",
    ] {
        assert!(parse(text, &Environment::default()).is_err(), "{text}");
    }
}

#[test]
fn unknown_people_are_nobody_or_guests() {
    let config = accepted(
        "chat:\n  providers:\n    telegram:\n      default: guest\n      channels:\n        -100123: { default: nobody, respond: all }\n        '7': {}\n",
    );
    let telegram = &config.chat.providers["telegram"];
    assert_eq!(telegram.default, chat::Unknown::Guest);
    assert_eq!(telegram.channels["-100123"].default, Some(chat::Unknown::Nobody));
    assert_eq!(telegram.channels["7"].default, None);
    for text in [
        "chat: { providers: { telegram: { default: member } } }",
        "chat: { providers: { telegram: { default: owner } } }",
        "chat: { rate: { person: { burst: 0, per_minute: 1 } } }",
        "chat: { rate: { guest: { burst: 1, per_minute: 0 } } }",
        "chat: { providers: { telegram: { pace: { per_second: 0 } } } }",
    ] {
        assert!(parse(text, &Environment::default()).is_err(), "{text}");
    }
}

#[test]
fn places_to_send_to_are_channels_and_people() {
    let config =
        accepted("chat: { providers: { telegram: { send_to: [-100123, '7', 'channel:8', 'user:9'] } } }");
    let places: Vec<_> = config.chat.providers["telegram"].places().iter().map(ToString::to_string).collect();
    assert_eq!(places, ["channel:-100123", "channel:7", "channel:8", "user:9"]);
    assert!(chat::Provider::default().places().is_empty());
    for place in ["''", "'user:'", "'channel:user:7'", "' 7'", "1.5"] {
        let text = format!("chat: {{ providers: {{ telegram: {{ send_to: [{place}] }} }} }}");
        assert!(parse(&text, &Environment::default()).is_err(), "{text}");
    }
}

#[test]
fn variables_are_replaced_in_values_only() {
    let variables = Environment::from([("WHERE", "files"), ("STEPS", "7"), ("WORD", "engine")]);
    let text = "engine: {model: '${WHERE}-$${X}-$5', max_steps: '${STEPS}', base_url: 'https://x.example', private: []}\n";
    let config = parse(text, &variables).unwrap();
    assert_eq!(config.engine.model.as_deref(), Some("files-${X}-$5"));
    assert_eq!(config.engine.max_steps, 7);
    let error = parse("'${WORD}':\n  model: x\n", &variables).unwrap_err();
    assert!(error.contains("unknown key '${WORD}' at the top"), "{error}");
    refused(
        "log:\n  level: ${NOT_SET}\n",
        "config.yaml, line 2, column 3: the environment variable 'NOT_SET' that '${NOT_SET}' names is not set",
    );
    refused(
        "log:\n  level: ${OPEN\n",
        "config.yaml, line 2, column 3: there is a '${' without '}' (write '$${' for the characters themselves)",
    );
}

#[test]
fn a_model_needs_an_address_and_an_engine_a_model() {
    refused(
        "engine:\n  model: x\n",
        "config.yaml, line 1, column 1: 'engine.base_url' has to say where the model is, for example \
         'https://api.openai.com/v1', or 'http://127.0.0.1:11434/v1' for Ollama",
    );
    let error = parse("engine:\n  type: builtin\n", &Environment::default()).unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
    accepted("engine:\n  type: direct\n  model: x\n");
}

#[test]
fn a_private_address_has_to_be_stated_and_the_line_is_shown() {
    let engine = |url: &str, more: &str| format!("engine:\n  model: x\n  base_url: {url}\n{more}");
    for (url, range) in [
        ("http://127.0.0.1:11434/v1", "127.0.0.1/32"),
        ("http://localhost:11434/v1", "127.0.0.1/32"),
        ("http://localhost.:11434/v1", "127.0.0.1/32"),
        ("https://192.168.1.5/v1", "192.168.1.5/32"),
        ("http://0x7f000001/v1", "127.0.0.1/32"),
        ("http://[::1]/v1", "::1/128"),
        ("http://[::ffff:10.0.0.1]/v1", "::ffff:10.0.0.1/128"),
    ] {
        let error = parse(&engine(url, ""), &Environment::default()).expect_err(url);
        let line = format!("  private: [\"{range}\"]");
        assert!(error.ends_with(&line), "{url}: {error}");
        accepted(&engine(url, &format!("{line}\n")));
    }
    let error = parse(&engine("http://api.example.com/v1", ""), &Environment::default()).unwrap_err();
    assert!(error.contains("use https://"), "{error}");
    for bad in
        ["ftp://x.example", "https://user@x.example", "https://x.example/v1?key=1", "file:///etc/passwd"]
    {
        assert!(parse(&engine(bad, ""), &Environment::default()).is_err(), "{bad} must be refused");
    }
    accepted(&engine("https://api.example.com/v1", ""));
}

#[test]
fn what_is_stated_wins_over_the_default_grants_key_by_key() {
    let defaults = default_grants().unwrap();
    let workspace = defaults[&"workspace".parse::<ComponentName>().unwrap()].clone();
    let stated = accepted("components:\n  workspace:\n    mounts:\n      workspace: {access: read}\n");
    let result = stated.components[&"workspace".parse().unwrap()].clone().over(workspace.clone());
    let (before, after) = (&workspace.mounts["workspace"], &result.mounts["workspace"]);
    assert_eq!(after.access, Some(components::Access::Read));
    assert_eq!((&after.path, after.quota), (&before.path, before.quota));
}

#[test]
fn the_checked_in_files_are_what_is_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for (file, generated, command) in [
        ("openpact.example.yaml", Config::example(), "example"),
        ("openpact.schema.json", Config::schema(), "schema"),
    ] {
        let there = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert!(there == generated, "config/{file} is stale: cargo run -- config {command} > config/{file}");
    }
}

#[test]
fn the_example_is_empty_as_it_is_and_valid_when_its_keys_are_uncommented() {
    let example = Config::example();
    assert_eq!(accepted(&example), Config::default());
    let uncommented: Vec<String> = example.lines().map(uncomment).collect();
    let config = accepted(&uncommented.join("\n").replace("\n  key_file: ", "\n  #key_file: "));
    assert_eq!(config.limits, limits::Limits { guest_threads: Some(2), ..limits::Limits::default() });
    assert_eq!(config.engine.kind(), engine::Kind::Builtin);
}

/// Takes the `#` off a line that holds a key; a description has a space behind it.
fn uncomment(line: &str) -> String {
    let text = line.trim_start();
    let is_key = text
        .strip_prefix('#')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '"'));
    if is_key { line.replacen('#', "", 1) } else { line.to_owned() }
}
