//! A database for what is remembered: for several machines that decide, so that none believes what another has seen replaced.
//!
//! PostgreSQL, one table with a row for each collection. A row is replaced only where it still has the revision that was read
//! (compare and swap), and what is written is what was read, merged with what was seen.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulla_registry::ConfigError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use tokio::sync::Mutex;

use crate::config::DatabaseConfig;
use crate::state::State;
use crate::store::{Kept, MAX_STATE_BYTES, StoreError, merge};

/// Wall time for one thing that is asked: a decision waits for it.
const BUDGET: Duration = Duration::from_secs(2);
/// How often a row is read again because somebody else has written it. Each time somebody succeeded.
const ATTEMPTS: u32 = 16;
/// Wall time to wait for a connection: less, so that it is told apart from an answer that does not come.
const CONNECT: Duration = Duration::from_millis(1500);
/// What each connection is set to. The schema: others could make one that stands before it, with a table of the same name. And after
/// how many milliseconds the server gives up, because nobody waits any more.
const SETTINGS: [(&str, &str); 2] = [("search_path", "public"), ("statement_timeout", "2000")];
/// Connections of one process. A decision asks twice, for a millisecond.
const CONNECTIONS: u32 = 4;
/// PostgreSQL's own port.
const PORT: u16 = 5432;
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const TABLE: &str = "create table if not exists bulla_remembered \
    (collection text primary key, state text not null, revision bigint not null)";
/// Whether it is a plain table that nobody else has made or added to: another owner could take rows away, and nothing would be
/// remembered. Whoever owns the database could anyway.
const OURS: &str = "select c.relkind = 'r' and c.relpersistence = 'p' and not c.relrowsecurity and not c.relhastriggers and not c.relhasrules \
    and (c.relowner = (select oid from pg_roles where rolname = current_user) or c.relowner = d.datdba) \
    from pg_class c, pg_database d where c.oid = to_regclass('bulla_remembered') and d.datname = current_database()";
/// A row that is too large is not sent, and comes as nothing.
const READ: &str = "select case when octet_length(state) <= $2 then state end, revision \
    from bulla_remembered where collection = $1";
const INSERT: &str =
    "insert into bulla_remembered (collection, state, revision) values ($1, $2, 1) on conflict (collection) do nothing";
const REPLACE: &str =
    "update bulla_remembered set state = $2, revision = revision + 1 where collection = $1 and revision = $3";
/// What a database says that is set to stricter isolation than is needed here, to one of two who write the same row
/// (PostgreSQL, appendix A: serialization_failure, deadlock_detected).
const AGAIN: [&str; 2] = ["40001", "40P01"];

/// A database with what is remembered. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    options: Arc<PgConnectOptions>,
    /// Server and database, for messages.
    place: String,
    /// Made by the first one who asks, and again after it failed: connections that nobody ends wait for ever.
    pool: Arc<Mutex<Pool>>,
}

/// Connections, and how often they were made.
#[derive(Default)]
struct Pool {
    made: u64,
    connections: Option<PgPool>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold the password.
        formatter.debug_struct("Database").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Database {
    /// The database that is configured. Nobody is asked yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Self, ConfigError> {
        let wrong = |reason: &dyn fmt::Display| ConfigError::Value {
            key: "trust.database.url".to_owned(),
            reason: reason.to_string(),
        };
        let unreadable = |key: &str, path: &Path, reason: &dyn fmt::Display| ConfigError::File {
            key: format!("trust.database.{key}"),
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let url = url::Url::parse(&config.url).map_err(|error| wrong(&error))?;
        let is_whole = matches!(url.scheme(), "postgres" | "postgresql") && !url.username().is_empty();
        if !is_whole || !url.has_host() || url.path().len() < 2 {
            return Err(wrong(&"expected postgres://USER@HOST/DATABASE"));
        }
        if url.password().is_some() {
            return Err(wrong(&"a password is not for this file: name one that has it by passwordFile"));
        }
        if url.query().is_some() {
            return Err(wrong(&"no options are taken from it"));
        }
        if url.host_str().is_some_and(|host| host.starts_with('[')) {
            return Err(wrong(&"a server has to prove its name, and this is an address: name the host"));
        }
        let mut options: PgConnectOptions = config.url.parse().map_err(|error: sqlx::Error| wrong(&error))?;
        options = options.port(url.port().unwrap_or(PORT)).application_name("bulla").options(SETTINGS);
        if let Some(path) = &config.password_file {
            let password = fs::read_to_string(path).map_err(|error| unreadable("passwordFile", path, &error))?;
            options = options.password(password.trim_end_matches(['\r', '\n']));
        }
        if let Some(path) = &config.ca_file {
            let pem = fs::read(path).map_err(|error| unreadable("caFile", path, &error))?;
            if !pem.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) {
                return Err(unreadable("caFile", path, &"no certificate in it, as PEM"));
            }
            options = options.ssl_root_cert(path);
        }
        // Whoever could answer in its place could say that nothing was ever seen. A socket belongs to who made it.
        let is_socket = options.get_socket().is_some();
        options = options.ssl_mode(if is_socket { PgSslMode::Disable } else { PgSslMode::VerifyFull });
        let server = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let place = format!("{server}/{}", options.get_database().unwrap_or_default());
        Ok(Self { options: Arc::new(options), place, pool: Arc::default() })
    }

    pub(crate) async fn read(&self, collection: &str) -> Result<Option<State>, StoreError> {
        let row = self.within(self.row(collection)).await?;
        Ok(row.map(|(state, _)| state))
    }

    pub(crate) async fn remember(&self, collection: &str, state: &State) -> Result<Kept, StoreError> {
        self.within(self.swap(collection, state)).await
    }

    async fn swap(&self, collection: &str, state: &State) -> Result<Kept, StoreError> {
        for _ in 0..ATTEMPTS {
            let row = self.row(collection).await?;
            let (merged, kept) = merge(collection, row.as_ref().map(|(before, _)| before), state)?;
            let Some(merged) = merged else { return Ok(kept) };
            let text = serde_json::to_string(&merged).map_err(|error| self.failed(&error))?;
            let written = match row {
                Some((_, revision)) => sqlx::query(REPLACE).bind(collection).bind(text).bind(revision),
                None => sqlx::query(INSERT).bind(collection).bind(text),
            };
            match written.persistent(false).execute(&self.pool().await?).await {
                Ok(written) if written.rows_affected() == 1 => return Ok(kept),
                Ok(_) => {}
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Err(StoreError::Busy { place: self.place.clone(), tried: format!("{ATTEMPTS} times") })
    }

    /// What is there, with its revision.
    async fn row(&self, collection: &str) -> Result<Option<(State, i64)>, StoreError> {
        let limit = i64::try_from(MAX_STATE_BYTES).unwrap_or(i64::MAX);
        let query = sqlx::query_as::<_, (Option<String>, i64)>(READ).bind(collection).bind(limit).persistent(false);
        let found = query.fetch_optional(&self.pool().await?).await.map_err(|error| self.failed(&error))?;
        let Some((text, revision)) = found else { return Ok(None) };
        let damaged = |why: String| StoreError::Damaged { place: format!("bulla_remembered, {collection}"), why };
        let text = text.ok_or_else(|| damaged(format!("more than {MAX_STATE_BYTES} octets")))?;
        let state = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Some((state, revision)))
    }

    /// Connections, and the table. Who may not make it can use one that the owner of the database has made.
    async fn pool(&self) -> Result<PgPool, StoreError> {
        let mut made = self.pool.lock().await;
        if let Some(pool) = &made.connections {
            return Ok(pool.clone());
        }
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT);
        let pool =
            pool.connect_with(PgConnectOptions::clone(&self.options)).await.map_err(|error| self.failed(&error))?;
        let created = sqlx::query(TABLE).persistent(false).execute(&pool).await;
        let ours = sqlx::query_scalar::<_, bool>(OURS).persistent(false).fetch_optional(&pool).await;
        match (created, ours.map_err(|error| self.failed(&error))?) {
            (_, Some(true)) => {}
            (_, Some(false)) => {
                return Err(
                    self.failed(&"bulla_remembered is not a plain table of this user or of the database's owner")
                );
            }
            (Err(error), None) => return Err(self.failed(&error)),
            (Ok(_), None) => return Err(self.failed(&"bulla_remembered is not there")),
        }
        made.made = made.made.saturating_add(1);
        made.connections = Some(pool.clone());
        Ok(pool)
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let before = self.made();
        let late = |_| self.failed(&format!("no answer within {} ms", BUDGET.as_millis()));
        let done = tokio::time::timeout(BUDGET, work).await.map_err(late).flatten();
        // Others may have made new ones meanwhile, or be about to.
        if let (Err(StoreError::Database { .. }), Ok(mut pool)) = (&done, self.pool.try_lock())
            && before == Some(pool.made)
        {
            pool.connections = None;
        }
        done
    }

    fn made(&self) -> Option<u64> {
        self.pool.try_lock().ok().map(|pool| pool.made)
    }

    fn failed(&self, error: &dyn fmt::Display) -> StoreError {
        StoreError::Database { place: self.place.clone(), error: error.to_string() }
    }
}

fn is_lost_race(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| AGAIN.contains(&code.as_ref()))
}
