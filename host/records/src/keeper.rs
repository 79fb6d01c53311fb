//! The two threads behind a store: one flushes what was written, one collects what is too old or too much.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::limits::{COLLECT_EVERY, COLLECT_FIRST, FLUSH_AFTER};
use crate::store::{Shared, lock};

/// What the threads wait for.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    unflushed: bool,
    rotated: bool,
    ended: bool,
}

impl Signals {
    /// Something was written that is not flushed.
    pub(crate) fn unflushed(&self) {
        self.set(|state| std::mem::replace(&mut state.unflushed, true));
    }

    /// A segment is full.
    pub(crate) fn rotated(&self) {
        self.set(|state| std::mem::replace(&mut state.rotated, true));
    }

    /// Whether the store is being closed.
    pub(crate) fn is_ended(&self) -> bool {
        lock(&self.state).ended
    }

    fn end(&self) {
        self.set(|state| std::mem::replace(&mut state.ended, true));
    }

    /// Nobody is woken for what was said already.
    fn set(&self, change: impl FnOnce(&mut State) -> bool) {
        if !change(&mut lock(&self.state)) {
            self.changed.notify_all();
        }
    }

    /// Waits until `done` holds or the time is over; gives whether the store is still open.
    fn wait(&self, time: Duration, done: impl Fn(&State) -> bool) -> bool {
        let waiting = |state: &mut State| !state.ended && !done(state);
        let waited = self.changed.wait_timeout_while(lock(&self.state), time, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// The threads. Dropping it ends them after a last flush.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let mut keeper = Self { shared: shared.clone(), threads: Vec::new() };
        for (name, work) in [("bulla-flush", flush as fn(&Shared)), ("bulla-collect", collect)] {
            let shared = shared.clone();
            keeper.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))?);
        }
        Ok(keeper)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.signals.end();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        flush_now(&self.shared);
    }
}

fn flush(shared: &Shared) {
    while shared.signals.wait(Duration::MAX, |state| state.unflushed) {
        // What comes meanwhile goes along.
        shared.signals.wait(FLUSH_AFTER, |_| false);
        lock(&shared.signals.state).unflushed = false;
        flush_now(shared);
    }
}

fn flush_now(shared: &Shared) {
    if let Err(error) = shared.flush() {
        shared.failed();
        tracing::error!(folder = %shared.folder.path.display(), %error, "records could not be flushed to disk");
    }
}

fn collect(shared: &Shared) {
    let mut time = COLLECT_FIRST;
    while shared.signals.wait(time, |state| state.rotated) {
        time = COLLECT_EVERY;
        lock(&shared.signals.state).rotated = false;
        match shared.collect(crate::clock::now()) {
            Ok(collected) if collected.is_nothing() => {}
            Ok(collected) => tracing::info!(
                segments = collected.segments,
                contents = collected.contents,
                freed = collected.freed,
                left = collected.left,
                "old records were collected"
            ),
            Err(_) if shared.signals.is_ended() => {}
            Err(error) => {
                shared.failed();
                tracing::error!(folder = %shared.folder.path.display(), %error, "old records could not be collected");
            }
        }
    }
}
