//! What of the assistant's files is shown, and to whom.

use std::fs;
use std::os::unix::fs::symlink;

use openpact_model::role::Sender;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, Folder) {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("ai-data");
    for name in ["memory", "prompts", "workspace"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(temporary.path().join("outside.md"), "outside").unwrap();
    fs::write(root.join("MEMORY.md"), "remembered").unwrap();
    fs::write(root.join("memory/2026-01-31.md"), "a day").unwrap();
    fs::write(root.join("workspace/file.md"), "not memory").unwrap();
    symlink("../../outside.md", root.join("memory/link.md")).unwrap();
    fs::write(root.join("prompts/greet.md"), "# Greet somebody\nSay hello to {{name}}.\n").unwrap();
    symlink("../../outside.md", root.join("prompts/link.md")).unwrap();
    let library = Folder::new(root);
    (temporary, library)
}

fn caller(role: Rank) -> Caller {
    let sender = Sender { provider: "mcp".into(), user: "c".into(), display_name: "c".into() };
    let audience = if role == Rank::Owner { Audience::Private } else { Audience::Group };
    Caller { sender, role, audience }
}

#[tokio::test]
async fn the_owner_reads_the_memory_and_nobody_else() {
    let (_temporary, library) = folder();
    let uris = |resources: Vec<Resource>| resources.into_iter().map(|one| one.uri).collect::<Vec<_>>();
    let listed = uris(library.resources(&caller(Rank::Owner)).await);
    assert_eq!(listed, ["memory://MEMORY.md", "memory://memory/2026-01-31.md"]);
    for uri in listed {
        assert!(library.read(&caller(Rank::Owner), &uri).await.is_ok(), "{uri}");
        for role in [Rank::Guest, Rank::Member] {
            assert!(library.resources(&caller(role)).await.is_empty());
            let refused = library.read(&caller(role), &uri).await;
            assert!(matches!(refused, Err(Missing::NotFound(_))), "{role}: {refused:?}");
        }
    }
    let group = Caller { audience: Audience::Group, ..caller(Rank::Owner) };
    assert!(library.read(&group, "memory://MEMORY.md").await.is_err(), "not in front of others");
}

#[tokio::test]
async fn nothing_else_can_be_reached() {
    let (_temporary, library) = folder();
    for uri in [
        "memory://../outside.md",
        "memory://memory/../../outside.md",
        "memory://memory/link.md",
        "memory://workspace/file.md",
        "memory://memory//2026-01-31.md",
        "memory:///etc/passwd",
        "memory://memory/.md",
        "memory://",
        "file:///etc/passwd",
        "MEMORY.md",
        "",
    ] {
        assert!(library.read(&caller(Rank::Owner), uri).await.is_err(), "{uri}");
    }
}

#[tokio::test]
async fn a_file_that_is_written_has_another_revision() {
    let (temporary, library) = folder();
    let owner = caller(Rank::Owner);
    for (uri, path) in [
        ("memory://MEMORY.md", "ai-data/MEMORY.md"),
        ("memory://memory/2026-01-31.md", "ai-data/memory/2026-01-31.md"),
    ] {
        let before = library.revision(&owner, uri).await.unwrap();
        assert_eq!(library.revision(&owner, uri).await, Some(before));
        fs::write(temporary.path().join(path), "something else and longer").unwrap();
        assert_ne!(library.revision(&owner, uri).await.unwrap(), before, "{uri}");
        assert_eq!(library.revision(&caller(Rank::Member), uri).await, None);
    }
    for uri in ["memory://USER.md", "memory://memory/link.md", "memory://../outside.md"] {
        assert_eq!(library.revision(&owner, uri).await, None, "{uri}");
    }
}

#[tokio::test]
async fn prompts_are_listed_with_their_arguments_and_filled_in() {
    let (_temporary, library) = folder();
    assert!(library.prompts(&caller(Rank::Guest)).await.is_empty());
    let prompts = library.prompts(&caller(Rank::Member)).await;
    let prompts = serde_json::to_value(prompts).unwrap();
    assert_eq!(
        prompts,
        json!([{
            "name": "greet",
            "description": "Greet somebody",
            "arguments": [{"name": "name", "required": true}],
        }])
    );
    let arguments = |value: Value| value.as_object().unwrap().clone();
    let filled =
        library.prompt(&caller(Rank::Member), "greet", &arguments(json!({"name": "{{name}}"}))).await;
    let filled = serde_json::to_value(filled.unwrap()).unwrap();
    assert_eq!(filled["messages"][0]["content"]["text"], "# Greet somebody\nSay hello to {{name}}.\n");
    for (name, given) in [
        ("greet", json!({})),
        ("greet", json!({"name": 1})),
        ("link", json!({})),
        ("../MEMORY", json!({})),
        ("none", json!({})),
    ] {
        assert!(library.prompt(&caller(Rank::Owner), name, &arguments(given)).await.is_err(), "{name}");
    }
    assert!(library.prompt(&caller(Rank::Guest), "greet", &JsonObject::new()).await.is_err());
}
