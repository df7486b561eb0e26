//! The tools that the conformance suite of the Model Context Protocol calls, by the names and with the answers that it
//! expects, and a few that wait, count or fail, for the tests of the MCP server. Made with the SDK, as components are.
#![cfg(target_family = "wasm")]

use std::thread::sleep;
use std::time::Duration;

use openpact_sdk::{
    Body, Content, Effects, Embedded, Error, Link, Output, Reads, Result, Tool, Writes, export, kv, log,
    progress, schema_of,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One red pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\
    \x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";
/// A sound of no samples.
const WAV: &[u8] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Key {
    /// The key of the key-value store that is touched.
    key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Routed {
    /// Where to; a proxy may read it in a header.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

/// A sum.
#[derive(Serialize, JsonSchema)]
struct Sum {
    /// The sum.
    sum: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    /// One number.
    a: i64,
    /// Another.
    b: i64,
}

macro_rules! tool {
    ($type:ident, $name:literal, $effects:expr, |$arguments:ident: $shape:ty| $body:expr) => {
        struct $type;

        impl Tool for $type {
            type Arguments = $shape;
            const NAME: &'static str = $name;
            const DESCRIPTION: &'static str = concat!("For tests: ", $name, ".");
            const EFFECTS: Effects = $effects;

            fn call($arguments: $shape) -> Result<Output> {
                $body
            }
        }
    };
}

fn embedded(uri: &str, media_type: &str, text: &str) -> Embedded {
    Embedded { uri: uri.into(), media_type: Some(media_type.into()), body: Body::Text(text.into()) }
}

tool!(SimpleText, "test_simple_text", Effects::NONE, |_none: Nothing| {
    Ok("This is a simple text response for testing.".into())
});

tool!(ImageContent, "test_image_content", Effects::NONE, |_none: Nothing| {
    Ok(Output::image(PNG.to_vec(), "image/png"))
});

tool!(AudioContent, "test_audio_content", Effects::NONE, |_none: Nothing| {
    Ok(Output::audio(WAV.to_vec(), "audio/wav"))
});

tool!(EmbeddedResource, "test_embedded_resource", Effects::NONE, |_none: Nothing| {
    let text = "This is an embedded resource content.";
    Ok(Output::embedded(embedded("test://embedded-resource", "text/plain", text)))
});

tool!(Mixed, "test_multiple_content_types", Effects::NONE, |_none: Nothing| {
    let resource =
        embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
    Ok(Output::text("Multiple content types test:")
        .with(Content::Image { data: PNG.to_vec(), media_type: "image/png".into() })
        .with(Content::Embedded(resource)))
});

tool!(Linked, "test_resource_link", Effects::NONE, |_none: Nothing| {
    Ok(Output::link(Link {
        uri: "test://static-text".into(),
        name: "static text".into(),
        description: None,
        media_type: Some("text/plain".into()),
    }))
});

tool!(Failing, "test_error_handling", Effects::NONE, |_none: Nothing| {
    Err(Error::failed("This tool intentionally returns an error for testing"))
});

tool!(WithProgress, "test_tool_with_progress", Effects::NONE, |_none: Nothing| {
    for done in [0.0, 50.0, 100.0] {
        progress::report(done, Some(100.0), Some(&format!("Completed step {done} of 100")));
        sleep(Duration::from_millis(50));
    }
    Ok("done".into())
});

// Waits until the host stops it, and says by its progress that it began, and by the store that it ended.
tool!(Endless, "test_endless", Effects::new(Reads::Nothing, Writes::Nothing), |touched: Key| {
    progress::report(1.0, None, Some("waiting"));
    for _ in 0..600 {
        sleep(Duration::from_millis(50));
    }
    kv::set(&touched.key, b"ended").map_err(|error| Error::failed(format!("{error:?}")))?;
    Ok("nobody stopped it".into())
});

tool!(WithLogging, "test_tool_with_logging", Effects::NONE, |_none: Nothing| {
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        log::line(log::Level::Info, text);
        sleep(Duration::from_millis(50));
    }
    Ok("logged three lines".into())
});

tool!(Logging, "test_logging_tool", Effects::NONE, |_none: Nothing| {
    for level in [log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error] {
        log::line(level, &format!("a line at {level:?}"));
    }
    Ok("logged a line at each level".into())
});

tool!(WithHeader, "test_with_header", Effects::NONE, |routed: Routed| Ok(routed.region.into()));

// What this one is asked for is what the host does not do: nothing is asked of the client.
tool!(Streaming, "test_streaming_elicitation", Effects::NONE, |_none: Nothing| Ok("asked nothing".into()));

tool!(Private, "test_private", Effects::new(Reads::Private, Writes::Nothing), |_none: Nothing| {
    Ok("for the owner".into())
});

tool!(
    Write,
    "test_write",
    Effects::new(Reads::Nothing, Writes::Local),
    |_none: Nothing| Ok("written".into())
);

struct Add;

impl Tool for Add {
    type Arguments = Numbers;
    const NAME: &'static str = "test_add";
    const TITLE: Option<&'static str> = Some("Add");
    const DESCRIPTION: &'static str = "Adds two numbers.";
    const EFFECTS: Effects = Effects::NONE;

    fn output_schema() -> Option<openpact_sdk::serde_json::Value> {
        Some(schema_of::<Sum>())
    }

    fn call(numbers: Numbers) -> Result<Output> {
        let sum = numbers.a.checked_add(numbers.b).ok_or_else(|| Error::failed("too large"))?;
        Output::structured(&Sum { sum })
    }
}

export!(
    SimpleText,
    ImageContent,
    AudioContent,
    EmbeddedResource,
    Mixed,
    Linked,
    Failing,
    WithProgress,
    Endless,
    WithLogging,
    Logging,
    WithHeader,
    Streaming,
    Private,
    Write,
    Add
);
