//! The clock behind deadlines: one thread that advances the epoch of both engines.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Time between two ticks. 5 ms: deadlines are hundreds of milliseconds, and 200 wake-ups a second cost nothing measurable.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The longest budget a call can have; a longer one is cut to this. It keeps the arithmetic on epochs far from overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the thread. It ends by itself once no engine is left, so nobody has to stop it.
pub(crate) fn start(engines: Vec<EngineWeak>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("bulla-epoch".into()).spawn(move || {
        loop {
            thread::sleep(TICK);
            let mut alive = false;
            // A sandbox keeps its own engine alive: it has to meet its deadline even when the rest is gone already.
            for engine in engines.iter().filter_map(EngineWeak::upgrade) {
                engine.increment_epoch();
                alive = true;
            }
            if !alive {
                return;
            }
        }
    })
}

/// Ticks that give a call at least `budget`: rounded up, and one more because the next tick may come at once.
pub(crate) fn ticks(budget: Duration) -> u64 {
    let ticks = budget.min(LONGEST).as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX >> 1).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{start, ticks};

    #[test]
    fn a_call_never_has_less_than_its_budget() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(5)), 2);
        assert_eq!(ticks(Duration::from_millis(6)), 3);
        assert_eq!(ticks(Duration::MAX), 24 * 60 * 60 * 200 + 1);
    }

    #[test]
    fn the_thread_ends_when_the_last_engine_is_gone() {
        let (first, second) = (wasmtime::Engine::default(), wasmtime::Engine::default());
        let thread = start(vec![first.weak(), second.weak()]).expect("a thread");
        drop(first);
        std::thread::sleep(Duration::from_millis(30));
        assert!(!thread.is_finished(), "one engine is left");
        drop(second);
        thread.join().expect("it ends by itself");
    }
}
