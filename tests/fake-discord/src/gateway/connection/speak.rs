//! What a connection says, and what goes wrong with it.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Connection, End, Flow, LEAVE};
use crate::gateway::fault::{GatewayFault, Stage};
use crate::gateway::session::Event;
use crate::gateway::wire::Manner;

impl Connection {
    pub(super) async fn disturb(&mut self, fault: GatewayFault) -> Flow {
        match fault {
            GatewayFault::Cut => return ControlFlow::Break(End::Broken),
            GatewayFault::Close(code) => return ControlFlow::Break(End::Code(code)),
            GatewayFault::NoAcknowledgement => self.acknowledges = false,
            GatewayFault::Silence => self.silent = true,
            GatewayFault::InvalidSession(resumable) => self.invalidate(resumable).await?,
            GatewayFault::Reconnect => {
                self.say(7, &Value::Null).await?;
                self.leaves = Some(Instant::now() + LEAVE);
            }
            GatewayFault::AskHeartbeat => self.say(1, &Value::Null).await?,
            GatewayFault::Malformed => self.text("{\"op\":0,\"t\":".to_owned(), Manner::Whole).await?,
            GatewayFault::Misshapen => {
                self.text("[\"neither\", {\"op\": \"zero\"}]".to_owned(), Manner::Whole).await?;
            }
            GatewayFault::Unknown => {
                self.say(99, &json!({"unexpected": true})).await?;
                if let Some(session) = self.session.as_ref() {
                    let mut world = self.shared.world();
                    let session = world.sessions.get_mut(session);
                    if let Some(session) = session {
                        session.event("KIND_OF_TOMORROW", &json!({"a": [1]}));
                    }
                }
            }
            GatewayFault::Delay(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
            // These are about an event, or about nothing.
            GatewayFault::Ignore
            | GatewayFault::Duplicate
            | GatewayFault::Swap
            | GatewayFault::Pieces
            | GatewayFault::Slow(_) => {}
        }
        ControlFlow::Continue(())
    }

    async fn invalidate(&mut self, resumable: bool) -> Flow {
        if let Some(id) = self.session.take() {
            let mut world = self.shared.world();
            if !resumable {
                world.sessions.remove(&id);
            } else if let Some(session) = world.sessions.get_mut(&id) {
                session.part(self.number);
            }
        }
        self.say(9, &resumable.into()).await
    }

    pub(super) async fn event(&mut self, event: Event) -> Flow {
        let fault = self.shared.world().strike_gateway(Stage::Event, Some(&event.name));
        let manner = match fault {
            Some(GatewayFault::Ignore) => return ControlFlow::Continue(()),
            Some(GatewayFault::Swap) if self.held.is_none() => {
                self.held = Some(event);
                return ControlFlow::Continue(());
            }
            Some(GatewayFault::Pieces) => Manner::Pieces(Duration::ZERO),
            Some(GatewayFault::Slow(milliseconds)) => Manner::Pieces(Duration::from_millis(milliseconds)),
            _ => Manner::Whole,
        };
        let twice = fault == Some(GatewayFault::Duplicate);
        if let Some(fault) = fault {
            self.disturb(fault).await?;
        }
        let is_ready = event.name == "READY";
        for text in [Some(event.text.clone()), twice.then_some(event.text)].into_iter().flatten() {
            self.text(text, manner).await?;
        }
        if let Some(held) = self.held.take() {
            self.text(held.text, Manner::Whole).await?;
        }
        if is_ready {
            self.reach(Stage::Ready, None).await?;
            self.shared.touch();
        }
        ControlFlow::Continue(())
    }

    pub(super) async fn say(&mut self, opcode: u64, data: &Value) -> Flow {
        let text = json!({"op": opcode, "s": null, "t": null, "d": data}).to_string();
        self.text(text, Manner::Whole).await
    }

    pub(super) async fn text(&mut self, text: String, manner: Manner) -> Flow {
        if self.silent {
            return ControlFlow::Continue(());
        }
        match self.wire.send(text, manner).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Broken),
        }
    }
}
