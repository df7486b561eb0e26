//! Secrets are in no answer, no failure and no argument.

use super::*;

async fn with_secret(world: &World) {
    let set = world.store.secret_vault();
    let entry = SecretEntry::new(SecretValue::new(SECRET.into()), vec![]);
    set.set("API_KEY".parse().unwrap(), entry).await.unwrap();
}

#[tokio::test]
async fn secrets_are_taken_out_of_every_part_of_an_answer() {
    let world = World::new();
    let leak = Tools::new("leak", vec![plain("leak")], |_| async {
        Ok(ToolOutput {
            content: vec![
                Content::text(format!("key={SECRET}")),
                Content::Json { value: json!({"a": [SECRET], SECRET: 1}) },
                Content::Image { data: SECRET.into(), media_type: "image/png".into() },
                Content::Image { data: "aGVsbG8=".into(), media_type: "image/png".into() },
                Content::ResourceLink {
                    uri: format!("https://x/?k={SECRET}"),
                    name: SECRET.into(),
                    description: Some(SECRET.into()),
                    media_type: Some(SECRET.into()),
                },
            ],
            structured: Some(json!({"deep": {"key": format!("<{SECRET}>")}})),
        })
    });
    let desk = owner(&world, &leak);
    // Set after the router was built, and no grant names anybody: it is taken out all the same.
    with_secret(&world).await;
    let answer = desk.call("leak", "{}").await;
    assert!(!answer.is_error);
    let text = serde_json::to_string(&answer).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("[REDACTED:API_KEY]") && text.contains("aGVsbG8="), "{text}");
    let records = world.audit("tool.call").await;
    assert_eq!(records.len(), 2);
    assert!(!serde_json::to_string(&records).unwrap().contains(SECRET));
}

#[tokio::test]
async fn arguments_that_hold_a_secret_reach_no_tool() {
    let world = World::new();
    with_secret(&world).await;
    let any = ToolSpec { input_schema: json!({"type": "object"}), ..plain("echo") };
    let tools = Tools::echo(vec![any]);
    let desk = owner(&world, &tools);
    // The last one is seen only once it is parsed.
    let escaped = format!("\\u{:04x}{}", u32::from(SECRET.as_bytes()[0]), &SECRET[1..]);
    for arguments in [
        json!({"text": format!("use {SECRET}")}).to_string(),
        json!({"deep": [{"list": [1, SECRET]}]}).to_string(),
        json!({"deep": [{ SECRET: 1 }]}).to_string(),
        format!("{{\"text\":\"{escaped}\"}}"),
    ] {
        let answer = desk.call("echo", &arguments).await;
        refused(&answer, "the arguments hold the value of a secret");
        assert!(!answer.output.as_text().contains("API_KEY"), "{}", answer.output.as_text());
        audited(&world.last_call().await, Verdict::Denied, "secret-in-arguments");
    }
    assert!(tools.calls().is_empty());
    let records = serde_json::to_string(&world.audit("tool.call").await).unwrap();
    assert!(!records.contains(SECRET) && records.contains("[REDACTED:API_KEY]"), "{records}");
    answered(&desk.call("echo", &json!({"text": &SECRET[1..]}).to_string()).await, &SECRET[1..]);
}

#[tokio::test]
async fn secrets_are_taken_out_of_every_failure() {
    let world = World::new();
    with_secret(&world).await;
    let failures = [
        ToolFailure::InvalidArguments(SECRET.into()),
        ToolFailure::NotFound(SECRET.into()),
        ToolFailure::Denied(SECRET.into()),
        ToolFailure::Unavailable(SECRET.into()),
        ToolFailure::Failed(SECRET.into()),
        ToolFailure::Broken(SECRET.into()),
        ToolFailure::Host(SECRET.into()),
    ];
    for failure in failures {
        let failing = failure.clone();
        let tools =
            Tools::new("fail", vec![plain("fail")], move |_| std::future::ready(Err(failing.clone())));
        let answer = owner(&world, &tools).call("fail", "{}").await;
        let text = answer.output.as_text();
        assert!(answer.is_error && !text.contains(SECRET), "{text}");
        let event = world.last_call().await;
        let verdict = if failure.code() == "denied" { Verdict::Denied } else { Verdict::Failed };
        audited(&event, verdict, failure.code());
    }
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    let wrong = [
        (format!("no_{SECRET}"), "{}".to_owned()),
        ("echo".to_owned(), json!({ SECRET: 1 }).to_string()),
        ("echo".to_owned(), format!("{{\"{SECRET}\":1,\"{SECRET}\":1}}")),
    ];
    for (name, arguments) in wrong {
        let answer = desk.call(&name, &arguments).await;
        assert!(answer.is_error && !answer.output.as_text().contains(SECRET), "{}", answer.output.as_text());
    }
    let everything = serde_json::to_string(&world.audit("tool.call").await).unwrap();
    assert!(!everything.contains(SECRET));
}
