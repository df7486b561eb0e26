//! Files: the way up, in three steps, and what is known of one.

use serde_json::{Value, json};

use super::{Answer, send};
use crate::file::File;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

pub(super) fn begin(world: &mut World, parameters: &Parameters) -> Answer {
    let name = parameters.needed("filename")?;
    let length = parameters.integer("length").and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|length| *length > 0) else {
        return Err(Refusal::arguments(&["length must be more than 0".to_owned()]));
    };
    let id = format!("F0UP{:06}", world.number());
    let me = world.account().user.id.clone();
    let file = File { expected: Some(length), ..File::new(&id, &name, "application/octet-stream", &me, &[]) };
    world.files.insert(id.clone(), file);
    Ok(json!({"upload_url": format!("{}/files/upload/v1/{id}", world.base), "file_id": id}))
}

pub(super) fn complete(world: &mut World, parameters: &Parameters) -> Answer {
    let listed = parameters.structure("files", "invalid_arguments")?.unwrap_or_default();
    let listed = listed.as_array().filter(|files| !files.is_empty()).cloned();
    let Some(listed) = listed else {
        return Err(Refusal::arguments(&["missing required field: files".to_owned()]));
    };
    let mut objects = Vec::new();
    for entry in &listed {
        let id = entry["id"].as_str().unwrap_or_default();
        let base = world.base.clone();
        let found = world.files.get_mut(id).filter(|file| file.expected.is_none());
        let file = found.ok_or_else(|| Refusal::new("file_not_found"))?;
        if let Some(title) = entry["title"].as_str() {
            title.clone_into(&mut file.title);
        }
        objects.push(file.object(&base));
    }
    if parameters.has("channel_id") {
        let channel = super::channel(world, parameters, "channel_id")?;
        share(world, channel, parameters, &objects);
    }
    Ok(json!({"files": objects}))
}

/// Says that the files are there, in the channel.
fn share(world: &mut World, channel: String, parameters: &Parameters, files: &[Value]) {
    let content = send::Content {
        text: parameters.text("initial_comment").unwrap_or_default(),
        blocks: Value::Null,
        attachments: Value::Null,
        metadata: Value::Null,
        files: files.into(),
    };
    let place = send::Place { channel, thread: parameters.text("thread_ts"), broadcast: false };
    send::post(world, &place, &content, parameters, "files.completeUploadExternal");
}

pub(super) fn info(world: &World, parameters: &Parameters) -> Answer {
    let id = parameters.needed("file")?;
    let file = world.files.get(&id).filter(|file| file.expected.is_none());
    let file = file.ok_or_else(|| Refusal::new("file_not_found"))?;
    Ok(json!({"file": file.object(&world.base), "comments": [], "response_metadata": {"next_cursor": ""}}))
}
