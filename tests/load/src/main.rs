//! What the runtime itself takes for a message: from the event of an adapter to the part that the adapter sends, with an
//! engine that answers at once and an adapter in memory. Store, inbox, outbox, people, lanes and sessions are the real
//! ones, on a real disk.
//!
//! Prints figures and asserts nothing but that every message was answered. `tests/measure-turns.sh` runs it.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

mod adapter;
mod measure;
mod scene;
mod tool;

use std::time::Duration;

use measure::{Spent, memory, percentiles};
use scene::Scene;

/// How many messages each measurement takes; the first argument makes them fewer.
const MESSAGES: usize = 10_000;

fn main() {
    let messages: usize = std::env::args().nth(1).map_or(MESSAGES, |text| text.parse().expect("a number"));
    let kind = if cfg!(debug_assertions) {
        "DEBUG build: figures are for trying the script only"
    } else {
        "release build"
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{kind}; {cores} processors; {messages} messages a round; database below {}",
        std::env::temp_dir().display()
    );
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    runtime.block_on(async {
        overhead(messages).await;
        many_against_few(messages).await;
        stuck(messages.min(1000)).await;
    });
}

/// One chat, one message after the other; then many chats at once; then the memory.
async fn overhead(messages: usize) {
    let scene = Scene::new("overhead").await;
    let solo = messages.min(2000);
    scene.one_by_one("owner", "hello", 50).await;
    let times = scene.one_by_one("owner", "hello", solo).await;
    println!("\none chat, one message at a time ({solo}):\n  event to part sent   {}", percentiles(times));
    println!("  baseline, one commit {}", percentiles(scene.commits(solo.min(500)).await));

    let chats = 100.min(messages);
    scene.round("crowd", chats, 1).await;
    let before = memory();
    let spent = scene.round("crowd", chats, messages / chats).await;
    println!("\n{chats} chats at once, {} messages each:\n  {spent}", messages / chats);
    let between = memory();
    scene.round("crowd", chats, messages / chats).await;
    let after = memory();
    println!(
        "\nmemory of the process: {before} before, {between} after {messages} turns, {after} after {} turns",
        2 * messages
    );
}

/// The same number of messages in 10 chats and in as many chats as there are messages, by turns.
async fn many_against_few(messages: usize) {
    const FEW: usize = 10;
    let scene = Scene::new("chats").await;
    // Channels and sessions are made in a first round, which is no round of either.
    scene.round("few", FEW, 1).await;
    scene.round("many", messages, 1).await;
    let before = memory();
    scene.round("more", messages, 1).await;
    let after = memory();
    println!("\n{FEW} chats against {messages}, {messages} messages in each round, all in flight at once:");
    let (mut few, mut many) = (Spent::default(), Spent::default());
    for round in 1..=3 {
        let one = scene.round("few", FEW, messages / FEW).await;
        let other = scene.round("many", messages, 1).await;
        println!("  round {round}, {FEW} chats:      {one}\n  round {round}, {messages} chats: {other}");
        few = few.and(one);
        many = many.and(other);
    }
    println!(
        "  wall time per message, {messages} chats against {FEW}: {:.2}x",
        many.wall_each() / few.wall_each()
    );
    println!(
        "  processor per message, {messages} chats against {FEW}: {:.2}x",
        many.processor_each() / few.processor_each()
    );
    let each = after.bytes().saturating_sub(before.bytes()) / messages.max(1) as u64;
    println!(
        "  memory: {before} with {messages} idle chats, {after} with {}: {each} bytes for each",
        2 * messages
    );
}

/// What others wait while some stand still.
async fn stuck(messages: usize) {
    let scene = Scene::new("stuck").await;
    scene.one_by_one("owner", "hello", 50).await;
    println!("\none chat, one message at a time ({messages}), while others stand still:");
    let quiet = scene.one_by_one("owner", "hello", messages).await;
    println!("  nothing stands still           {}", percentiles(quiet));
    scene.stand_still(100).await;
    let beside = scene.one_by_one("owner", "hello", messages).await;
    println!("  100 chats, each in a tool      {}", percentiles(beside));
    scene.mute(100).await;
    let beside = scene.one_by_one("owner", "hello", messages).await;
    println!("  and an adapter that never ends {}", percentiles(beside));
    let spinning = Spinning::start();
    let beside = scene.one_by_one("owner", "hello", messages).await;
    println!("  and a thread that spins        {}", percentiles(beside));
    drop(spinning);
}

/// A thread that uses a processor up, as a guest does until its tokens are used up.
struct Spinning(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Spinning {
    fn start() -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let stop = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let this = std::sync::Arc::clone(&stop);
        std::thread::spawn(move || {
            while !this.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        Self(stop)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Longer than anything here takes; a run that hangs ends with a word.
const PATIENCE: Duration = Duration::from_mins(10);
