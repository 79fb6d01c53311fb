//! A database for what is remembered: for several machines that decide, so that none believes what another has seen replaced.
//!
//! PostgreSQL, one table with a row for each collection. A row is replaced only where it still has the revision that was read
//! (compare and swap), and what is written is what was read, merged with what was seen.

use std::sync::Arc;
use std::time::Duration;

use bulla_registry::ConfigError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use tokio::sync::OnceCell;

use crate::config::DatabaseConfig;
use crate::state::State;
use crate::store::{MAX_STATE_BYTES, StoreError, merge};

/// Wall time for one thing that is asked: a decision waits for it.
const BUDGET: Duration = Duration::from_secs(2);
/// How often a row is read again because somebody else has written it. Each time somebody succeeded.
const ATTEMPTS: u32 = 16;
/// Connections of one process. A decision asks twice, for a millisecond.
const CONNECTIONS: u32 = 4;
const TABLE: &str = "create table if not exists bulla_remembered \
    (collection text primary key, state text not null, revision bigint not null)";
const READ: &str = "select state, revision from bulla_remembered where collection = $1";
const INSERT: &str =
    "insert into bulla_remembered (collection, state, revision) values ($1, $2, 1) on conflict (collection) do nothing";
const REPLACE: &str =
    "update bulla_remembered set state = $2, revision = revision + 1 where collection = $1 and revision = $3";

/// A database with what is remembered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    options: Arc<PgConnectOptions>,
    /// Server and database, for messages.
    place: String,
    /// Made by the first one who asks, once the table is there.
    pool: Arc<OnceCell<PgPool>>,
}

impl Database {
    /// The database that is configured. Nobody is asked yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Self, ConfigError> {
        let wrong = |reason: &dyn std::fmt::Display| ConfigError::Value {
            key: "trust.database.url".to_owned(),
            reason: reason.to_string(),
        };
        let url = url::Url::parse(&config.url).map_err(|error| wrong(&error))?;
        let is_whole =
            matches!(url.scheme(), "postgres" | "postgresql") && url.has_host() && !url.username().is_empty();
        if !is_whole || url.path().len() < 2 {
            return Err(wrong(&"expected postgres://USER@HOST/DATABASE"));
        }
        if url.password().is_some() {
            return Err(wrong(&"a password is not for this file: name one that has it by passwordFile"));
        }
        if url.query().is_some() {
            return Err(wrong(&"no options are taken from it"));
        }
        let mut options: PgConnectOptions = config.url.parse().map_err(|error: sqlx::Error| wrong(&error))?;
        if let Some(path) = &config.password_file {
            let password = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
                key: "trust.database.passwordFile".to_owned(),
                path: path.clone(),
                reason: error.to_string(),
            })?;
            options = options.password(password.trim_end_matches(['\r', '\n']));
        }
        // Whoever could answer in its place could say that nothing was ever seen.
        let is_here = options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1");
        options = match &config.ca_file {
            Some(file) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file),
            None if is_here => options.ssl_mode(PgSslMode::Disable),
            None => options.ssl_mode(PgSslMode::VerifyFull),
        };
        let place =
            format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default());
        let options = Arc::new(options.application_name("bulla"));
        Ok(Self { options, place, pool: Arc::default() })
    }

    pub(crate) async fn read(&self, collection: &str) -> Result<Option<State>, StoreError> {
        let row = self.within(self.row(collection)).await?;
        Ok(row.map(|(state, _)| state))
    }

    pub(crate) async fn remember(&self, collection: &str, state: &State) -> Result<(), StoreError> {
        self.within(self.swap(collection, state)).await
    }

    async fn swap(&self, collection: &str, state: &State) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let row = self.row(collection).await?;
            let Some(merged) = merge(collection, row.as_ref().map(|(before, _)| before), state)? else { return Ok(()) };
            let text = serde_json::to_string(&merged).map_err(|error| self.failed(&error))?;
            let written = match row {
                Some((_, revision)) => sqlx::query(REPLACE).bind(collection).bind(text).bind(revision),
                None => sqlx::query(INSERT).bind(collection).bind(text),
            };
            let written = written.execute(self.pool().await?).await.map_err(|error| self.failed(&error))?;
            if written.rows_affected() == 1 {
                return Ok(());
            }
        }
        Err(StoreError::Busy { place: self.place.clone(), waited: BUDGET.as_millis() })
    }

    /// What is there, with its revision.
    async fn row(&self, collection: &str) -> Result<Option<(State, i64)>, StoreError> {
        let query = sqlx::query_as::<_, (String, i64)>(READ).bind(collection);
        let found = query.fetch_optional(self.pool().await?).await.map_err(|error| self.failed(&error))?;
        let Some((text, revision)) = found else { return Ok(None) };
        let damaged =
            |why: String| StoreError::Damaged { place: format!("{}, bulla_remembered, {collection}", self.place), why };
        if text.len() as u64 > MAX_STATE_BYTES {
            return Err(damaged(format!("more than {MAX_STATE_BYTES} octets")));
        }
        let state = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Some((state, revision)))
    }

    /// Connections, and the table. Who may not make it can use one that somebody else has made.
    async fn pool(&self) -> Result<&PgPool, StoreError> {
        let connect = || async {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(BUDGET);
            let pool =
                pool.connect_with(PgConnectOptions::clone(&self.options)).await.map_err(|error| self.failed(&error))?;
            let made = sqlx::query(TABLE).execute(&pool).await;
            let is_there = sqlx::query("select 1 from bulla_remembered limit 0").execute(&pool).await;
            match (made, is_there) {
                (_, Ok(_)) => Ok(pool),
                (made, Err(error)) => Err(self.failed(&made.err().unwrap_or(error))),
            }
        };
        self.pool.get_or_try_init(connect).await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| self.failed(&format!("no answer within {} ms", BUDGET.as_millis()));
        tokio::time::timeout(BUDGET, work).await.map_err(late).flatten()
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Database { place: self.place.clone(), error: error.to_string() }
    }
}
