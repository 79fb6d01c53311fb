//! How much one user asks for: requests at the same time, and in a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;
use crate::config::GatewayConfig;

/// Users that are remembered; the least recently seen are forgotten first. 10,000: a proxy names them, not whoever asks.
const MAX_USERS: u64 = 10_000;
/// After this time without a request nothing is left to remember: a minute fills everything up again.
const IDLE: Duration = Duration::from_secs(3600);
const MINUTE: f64 = 60.0;

pub(super) struct Accounts {
    users: Cache<String, Arc<Account>>,
    all: Arc<Semaphore>,
    requests: usize,
    per_user: usize,
    per_minute: u32,
}

struct Account {
    slots: Arc<Semaphore>,
    bucket: Mutex<Bucket>,
}

/// Requests that are left now. It fills up evenly.
struct Bucket {
    left: f64,
    at: Instant,
}

/// Leave to carry out one request, until it is dropped.
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Accounts {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        Self {
            users: Cache::builder().max_capacity(MAX_USERS).time_to_idle(IDLE).build(),
            all: Arc::new(Semaphore::new(config.requests)),
            requests: config.requests,
            per_user: config.requests_per_user,
            per_minute: config.requests_per_minute,
        }
    }

    /// A place for one request of this user, now or not at all.
    pub(super) async fn enter(&self, user: &str) -> Result<Place, Refusal> {
        let make = async {
            let bucket = Mutex::new(Bucket { left: self.per_minute.into(), at: Instant::now() });
            Arc::new(Account { slots: Arc::new(Semaphore::new(self.per_user)), bucket })
        };
        let account = self.users.get_with_by_ref(user, make).await;
        let busy = |limit| move |_| Refusal::Busy { limit };
        let own = Arc::clone(&account.slots).try_acquire_owned().map_err(busy(self.per_user))?;
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(busy(self.requests))?;
        let mut bucket = account.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if !bucket.take(self.per_minute, Instant::now()) {
            return Err(Refusal::TooOften { limit: self.per_minute });
        }
        Ok(Place { _own: own, _all: all })
    }
}

impl Bucket {
    fn take(&mut self, per_minute: u32, now: Instant) -> bool {
        let most = f64::from(per_minute);
        let came = now.saturating_duration_since(self.at).as_secs_f64() * most / MINUTE;
        (self.left, self.at) = ((self.left + came).min(most), now);
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Bucket;

    #[test]
    fn a_minute_fills_a_bucket_evenly() {
        let start = Instant::now();
        let mut bucket = Bucket { left: 2.0, at: start };
        assert!(bucket.take(2, start) && bucket.take(2, start) && !bucket.take(2, start));
        assert!(!bucket.take(2, start + Duration::from_secs(29)));
        assert!(bucket.take(2, start + Duration::from_secs(30)));
        assert!(!bucket.take(2, start + Duration::from_secs(31)));
        let later = start + Duration::from_secs(3600);
        assert!(bucket.take(2, later) && bucket.take(2, later) && !bucket.take(2, later), "never more than a minute's");
    }
}
