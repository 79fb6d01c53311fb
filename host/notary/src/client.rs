//! The client of a Notary server (notary, server/server.go and storage/httpstore.go). Requests are carried out by the registry's client, which
//! has its credentials, tokens, certificates and limits.

use std::collections::BTreeMap;

use bulla_registry::{Access, Client, RegistryError, ServiceAnswer, ServiceRequest};
use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;

use crate::error::NotaryError;
use crate::names;
use crate::update::form;

/// Octets of a key as the server hands it out: an RSA key of 4096 bits takes 800.
const MAX_KEY_BYTES: u64 = 8 * 1024;
/// Octets of an answer that says nothing.
const MAX_EMPTY_BYTES: u64 = 1024;

/// Talks to Notary servers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notary {
    client: Client,
}

/// What came of a role file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleFile {
    /// The file, unchecked.
    Found(Bytes),
    /// The server says that there is none.
    Absent,
    /// It has more octets than were asked for: so many were announced, or read when reading stopped.
    TooLong(u64),
}

/// A role whose key the server may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerRole {
    /// Always the server's.
    Timestamp,
    /// The server's, if the owner of the collection wants it so.
    Snapshot,
}

impl ServerRole {
    const fn file(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp.key",
            Self::Snapshot => "snapshot.key",
        }
    }
}

impl Notary {
    /// A client that asks with this registry client's credentials, certificates and limits.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Fetches a role file by its name, e.g. `targets/releases.<sha256>.json`, of a collection on a server
    /// (`https://host[:port]`).
    ///
    /// # Errors
    /// [`NotaryError`]; a file that is not there, or is too long, is an answer.
    pub async fn role_file(
        &self,
        server: &str,
        collection: &str,
        file: &str,
        limit: u64,
        deadline: Instant,
    ) -> Result<RoleFile, NotaryError> {
        let file = names::role_file(file)?;
        let request = Asked { method: Method::GET, access: Access::Pull, file, body: None, limit };
        match self.ask(server, collection, request, Some(deadline)).await {
            Ok(body) => Ok(RoleFile::Found(body)),
            Err(NotaryError::Absent { .. }) => Ok(RoleFile::Absent),
            Err(NotaryError::Request(RegistryError::TooLarge { got, .. })) => Ok(RoleFile::TooLong(got)),
            Err(error) => Err(error),
        }
    }

    /// Publishes role files, by the names of their roles: all of them or none.
    ///
    /// # Errors
    /// [`NotaryError::Outdated`] when somebody else published in the meantime; [`NotaryError::Refused`] with what the server
    /// does not like. It is sent once: whoever does not know whether it arrived fetches the role files again.
    pub async fn publish(
        &self,
        server: &str,
        collection: &str,
        files: &BTreeMap<String, Bytes>,
    ) -> Result<(), NotaryError> {
        let (body, media_type) = form(files)?;
        let body = Some((body, media_type.as_str()));
        let request = Asked { method: Method::POST, access: Access::Push, file: "", body, limit: MAX_EMPTY_BYTES };
        self.ask(server, collection, request, None).await.map(drop)
    }

    /// The public key that the server signs a role with, as JSON of a role file. It makes one if there is none.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn server_key(&self, server: &str, collection: &str, role: ServerRole) -> Result<Bytes, NotaryError> {
        let (access, file) = (Access::Push, role.file());
        let request = Asked { method: Method::GET, access, file, body: None, limit: MAX_KEY_BYTES };
        self.ask(server, collection, request, None).await
    }

    /// Has the server make a new key for a role. It counts once a root lists it.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn rotate_server_key(
        &self,
        server: &str,
        collection: &str,
        role: ServerRole,
    ) -> Result<Bytes, NotaryError> {
        let (access, file) = (Access::Admin, role.file());
        let body = Some((Bytes::new(), "application/json"));
        let request = Asked { method: Method::POST, access, file, body, limit: MAX_KEY_BYTES };
        self.ask(server, collection, request, None).await
    }

    /// Removes everything that the server has of a collection.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn delete(&self, server: &str, collection: &str) -> Result<(), NotaryError> {
        let (method, access) = (Method::DELETE, Access::Admin);
        let request = Asked { method, access, file: "", body: None, limit: MAX_EMPTY_BYTES };
        self.ask(server, collection, request, None).await.map(drop)
    }

    async fn ask(
        &self,
        server: &str,
        collection: &str,
        asked: Asked<'_>,
        deadline: Option<Instant>,
    ) -> Result<Bytes, NotaryError> {
        let host = names::host(server)?;
        let path = format!("_trust/tuf/{}", asked.file);
        let label = format!("{} {path} of {}", asked.method, names::collection(collection)?);
        let request = ServiceRequest {
            host,
            repository: collection,
            path: &path,
            access: asked.access,
            method: asked.method,
            body: asked.body,
            limit: asked.limit,
            deadline,
        };
        match self.client.request_service(&request).await? {
            ServiceAnswer { status: 200, body } => Ok(body),
            ServiceAnswer { status, body } => Err(NotaryError::from_answer(host, label, status, &body)),
        }
    }
}

struct Asked<'a> {
    method: Method,
    access: Access,
    /// What follows `_trust/tuf/`.
    file: &'a str,
    body: Option<(Bytes, &'a str)>,
    limit: u64,
}
