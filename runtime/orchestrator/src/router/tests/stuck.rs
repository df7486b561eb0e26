//! Tools that break or do not end, and callers that go away.

use super::*;

#[tokio::test]
async fn a_tool_that_panics_breaks_nothing_else() {
    let world = World::new();
    let tools = Tools::new("mixed", vec![plain("boom"), plain("fine")], |call| async move {
        assert!(call.tool != "boom", "this tool panics on purpose");
        Ok(ToolOutput::text("fine"))
    });
    let desk = owner(&world, &tools);
    refused(&desk.call("boom", "{}").await, "the tool broke");
    audited(&world.last_call().await, Verdict::Failed, "broken");
    answered(&desk.call("fine", "{}").await, "fine");
}

fn hasty() -> Config {
    Config { deadline: Duration::from_millis(20), grace: Duration::from_millis(20), ..Config::default() }
}

#[tokio::test]
async fn a_tool_that_ignores_its_deadline_is_abandoned() {
    let world = World::new();
    let tools = Tools::new("deaf", vec![plain("deaf")], |_| std::future::pending());
    let desk = desk(&router(&world, hasty(), vec![tools.clone()]), Role::Owner, Audience::Private);
    let limit = ToolFailure::LimitReached { limit: Limit::Time, value: 20 };
    refused(&desk.call("deaf", "{}").await, &limit.to_string());
    let event = world.last_call().await;
    audited(&event, Verdict::Failed, "limit-reached");
    let call = tools.calls().pop().unwrap();
    assert!(call.cancel.is_cancelled());
    assert_eq!(world.store.journal().outcome(&call.id).await.unwrap().as_deref(), Some("limit-reached"));
}

#[tokio::test]
async fn a_stopped_turn_stops_its_calls_and_takes_no_new_ones() {
    let world = World::new();
    let started = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&started);
    let tools = Tools::new("patient", vec![plain("obeys"), plain("ignores")], move |call| {
        signal.add_permits(1);
        async move {
            if call.tool == "ignores" {
                std::future::pending::<()>().await;
            }
            call.cancel.cancelled().await;
            Err(ToolFailure::Cancelled)
        }
    });
    let config = Config { grace: Duration::from_millis(20), ..Config::default() };
    let router = router(&world, config, vec![tools.clone()]);
    for (name, how) in [("obeys", "stop"), ("ignores", "stop"), ("obeys", "close"), ("ignores", "close")] {
        let Desk { router, turn, cancel } = desk(&router, Role::Owner, Audience::Private);
        let id = turn.id().clone();
        let caller = Arc::clone(&router);
        let task = tokio::spawn(async move { caller.call(&id, name, "{}").await });
        started.acquire().await.unwrap().forget();
        let open = if how == "stop" {
            cancel.cancel();
            Some(turn)
        } else {
            drop(turn);
            None
        };
        refused(&task.await.unwrap(), "cancelled");
        audited(&world.last_call().await, Verdict::Failed, "cancelled");
        if let Some(open) = open {
            let ran = tools.calls().len();
            refused(&router.call(open.id(), name, "{}").await, "cancelled");
            assert_eq!(tools.calls().len(), ran);
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_complete_record() {
    let world = World::new();
    let (started, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (signal, gate) = (Arc::clone(&started), Arc::clone(&go));
    let tools = Tools::new("slow", vec![plain("slow")], move |_| {
        signal.add_permits(1);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(ToolOutput::text("done"))
        }
    });
    let desk = owner(&world, &tools);
    let (router, id) = (Arc::clone(&desk.router), desk.turn.id().clone());
    let task = tokio::spawn(async move { router.call(&id, "slow", "{}").await });
    started.acquire().await.unwrap().forget();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    go.add_permits(1);
    let call = tools.calls().pop().unwrap();
    // The begin is one record, the end the other.
    while world.audit("tool.call").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    audited(&world.last_call().await, Verdict::Allowed, "ok");
    while world.store.journal().outcome(&call.id).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_stuck_tool_delays_no_other() {
    let world = World::new();
    let tools = Tools::new("mixed", vec![plain("stuck"), plain("fine")], |call| async move {
        if call.tool == "stuck" {
            std::future::pending::<()>().await;
        }
        Ok(ToolOutput::text("fine"))
    });
    let desk = owner(&world, &tools);
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let (router, id) = (Arc::clone(&desk.router), desk.turn.id().clone());
        stuck.push(tokio::spawn(async move { router.call(&id, "stuck", "{}").await }));
    }
    while tools.calls().len() < 20 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    answered(&desk.call("fine", "{}").await, "fine");
    assert!(stuck.iter().all(|task| !task.is_finished()));
}
