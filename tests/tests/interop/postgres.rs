//! A PostgreSQL server on loopback, over TLS, with a database and a user that has a password.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bulla_tests::peers;
use bulla_tests::support::{free_address, run};
use tempfile::TempDir;

use super::notary::{certificates, listens};

/// PostgreSQL does not run as root: there, the user that its Debian package makes runs it.
const USER: &str = "postgres";

/// A server with a folder of its own. Ends when dropped.
pub(super) struct Postgres {
    program: PathBuf,
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    owner: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts one, if the program is there.
    pub(super) fn start() -> Option<Self> {
        let program = fs::canonicalize(peers::require("postgres")?).expect("a program");
        let folder = tempfile::tempdir().expect("a folder");
        let owner = (id(&["-u"]) == 0).then(|| (id(&["-u", USER]), id(&["-g", USER])));
        let mut server = Self { program, child: None, port: free_address().port(), folder, owner };
        fs::write(server.password_file(), "a long password\n").expect("written");
        certificates(server.folder.path());
        for file in ["tls.key", "tls.crt", "password"] {
            server.own(&server.folder.path().join(file));
        }
        server.own(server.folder.path());
        let mut command = server.command("initdb");
        command.arg("--pgdata").arg(server.data()).args(["--username=bulla", "--auth=scram-sha-256", "--no-sync"]);
        run(command.arg("--pwfile").arg(server.password_file()));
        server.run();
        Some(server)
    }

    /// Starts the program again after [`stop`](Self::stop).
    pub(super) fn run(&mut self) {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "fsync=off", "-c", "ssl=on", "-k", &self.folder.path().display().to_string()]);
        command.args(["-c", &format!("ssl_cert_file={}", file("tls.crt"))]);
        command.args(["-c", &format!("ssl_key_file={}", file("tls.key"))]);
        let log = fs::File::create(file("log")).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("postgres starts"));
        listens(self.port, &self.folder.path().join("log"));
    }

    /// Ends the program; connections break.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Immediately: there is nothing to keep that is not on disk.
            let quit = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            if !quit.is_ok_and(|status| status.success()) {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    /// `trust.database` of a configuration.
    pub(super) fn config(&self) -> serde_json::Value {
        serde_json::json!({
            "url": format!("postgres://bulla@localhost:{}/postgres", self.port),
            "passwordFile": self.password_file(),
            "caFile": self.folder.path().join("ca.crt"),
        })
    }

    /// Has the server carry something out, as its first user.
    pub(super) fn execute(&self, statement: &str) {
        let mut command = self.command("psql");
        command.env("PGPASSWORD", "a long password").env("PGSSLMODE", "require").env("HOME", self.folder.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "bulla", "-d", "postgres"]);
        run(command.args(["-v", "ON_ERROR_STOP=1", "-c", statement]));
    }

    /// `trust.database.url` by its Unix socket, for its first user.
    pub(super) fn socket(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://bulla@{folder}:{}/postgres", self.port)
    }

    fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of its programs, as a user that it runs as.
    fn command(&self, name: &str) -> Command {
        let program = self.program.with_file_name(name);
        let Some((user, group)) = self.owner else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
        command.arg(program);
        command
    }

    fn own(&self, path: &Path) {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group)).expect("an owner");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}
