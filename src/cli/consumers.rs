//! Those who take a run's events: the screen and the report.

use std::collections::VecDeque;
use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::time::{Instant, MissedTickBehavior};

use super::error::Error;
use crate::events::{Event, Events};
use crate::model::describe_io;
use crate::report::Builder;
use crate::ui::Console;

/// Starts them on a thread of their own: a terminal or a pipe that takes no
/// more text must hold up neither the run nor its signals.
pub(super) fn start(
    events: Events,
    console: Console,
    builder: Builder,
) -> Result<JoinHandle<(Console, Builder)>, Error> {
    let cannot = |error: io::Error| Error::failed(format!("cannot start: {}", describe_io(&error)));
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(cannot)?;
    thread::Builder::new()
        .name("consumers".to_owned())
        .spawn(move || runtime.block_on(consume(events, console, builder)))
        .map_err(cannot)
}

/// Feeds the consumers until the run has ended.
async fn consume(
    mut events: Events,
    mut console: Console,
    mut builder: Builder,
) -> (Console, Builder) {
    let mut held = VecDeque::new();
    let every = console.interval();
    let mut clock = tokio::time::interval_at(Instant::now() + every, every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = if let Some(event) = held.pop_front() {
            event
        } else {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => event,
                    None => break,
                },
                _ = clock.tick() => {
                    console.tick();
                    continue;
                }
            }
        };
        if matches!(event, Event::RunEnded) {
            break;
        }
        builder.observe(&event);
        console.show(event, &mut events, &mut held).await;
    }
    (console, builder)
}
