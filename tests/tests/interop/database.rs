//! What is remembered of collections by several machines, in a real PostgreSQL: none believes what another has seen replaced.

use bulla_tests::support::free_address;
use bulla_trust::{Kept, Seen, State, Store, StoreError, TrustConfig};
use serde_json::{Value, json};

use super::entrusted::{World, expect, replay};
use super::postgres::Postgres;

const COLLECTION: &str = "notary.example registry.example/app 00";

fn store(database: &Value) -> Store {
    let config: TrustConfig = serde_json::from_value(json!({"database": database})).expect("valid");
    Store::new(&config).expect("a store")
}

fn state(timestamp: u64) -> State {
    let seen = Seen { version: timestamp, sha256: format!("sha256:{timestamp:064x}") };
    State { root: None, roles: [("timestamp".to_owned(), [("k".to_owned(), seen)].into())].into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_machines_at_once_leave_the_newest() {
    let Some(mut postgres) = Postgres::start() else { return };
    let database = postgres.config();
    assert_eq!(store(&database).read(COLLECTION).await.expect("readable"), None);
    let machines = (0..8).map(|machine| {
        let store = store(&database);
        tokio::spawn(async move {
            for step in 0..20 {
                store.remember(COLLECTION, &state(step * 8 + machine)).await.expect("written");
            }
        })
    });
    for machine in machines.collect::<Vec<_>>() {
        machine.await.expect("no panic");
    }
    let newest = store(&database);
    assert_eq!(newest.read(COLLECTION).await.expect("readable"), Some(state(159)));
    // Two contents of one version; and nothing changes.
    let mut other = state(159);
    other.roles.values_mut().flat_map(|by_key| by_key.values_mut()).for_each(|seen| seen.sha256.push('0'));
    assert!(matches!(newest.remember(COLLECTION, &other).await, Err(StoreError::Conflict { version: 159, .. })));
    assert_eq!(newest.read(COLLECTION).await.expect("readable"), Some(state(159)));
    // Whoever has lost the server knows nothing, and says so; once it is back, so is all of it.
    postgres.stop();
    assert!(matches!(newest.read(COLLECTION).await, Err(StoreError::Database { .. })));
    assert!(newest.remember(COLLECTION, &state(200)).await.is_err());
    postgres.run();
    assert_eq!(newest.read(COLLECTION).await.expect("readable"), Some(state(159)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_to_prove_its_name_and_lets_nobody_in_without_the_password() {
    let Some(postgres) = Postgres::start() else { return };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut database = postgres.config();
        change(&mut database);
        store(&database)
    };
    let refused = |store: Store| async move { store.read(COLLECTION).await.expect_err("refused").to_string() };
    let url = postgres.config()["url"].as_str().expect("text").to_owned();
    let by_address = url.replace("localhost", "127.0.0.1");
    let said = refused(with(&|it| it["url"] = json!(by_address))).await;
    assert!(said.contains("certificate"), "{said}");
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("password");
    std::fs::write(&wrong, "a wrong password").expect("written");
    let said = refused(with(&|it| it["passwordFile"] = json!(wrong))).await;
    assert!(said.contains("password authentication failed") && !said.contains("a wrong password"), "{said}");
    let nowhere = url.replace(&url[url.rfind(':').expect("a port") + 1..], &format!("{}/x", free_address().port()));
    assert!(refused(with(&|it| it["url"] = json!(nowhere))).await.contains("localhost:"));
    for (url, why) in [
        ("postgres://bulla:secret@db.example/bulla", "passwordFile"),
        ("postgres://bulla@db.example/bulla?sslmode=disable", "no options"),
        ("postgres://db.example", "expected postgres://"),
        ("mysql://bulla@db.example/bulla", "expected postgres://"),
        ("db.example", "relative URL"),
        ("postgres://bulla@[::1]/bulla", "name the host"),
    ] {
        let config: TrustConfig = serde_json::from_value(json!({"database": {"url": url}})).expect("of this shape");
        let said = Store::new(&config).expect_err("refused").to_string();
        assert!(said.starts_with("trust.database.url: ") && said.contains(why) && !said.contains("secret"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_else_can_change_is_not_used() {
    let Some(postgres) = Postgres::start() else { return };
    let database = |user: &str| {
        let mut database = postgres.config();
        database["url"] = json!(database["url"].as_str().expect("text").replace("bulla@", &format!("{user}@")));
        store(&database)
    };
    let said = |error: StoreError| error.to_string();
    // The owner of the database makes it for a user who may make none.
    postgres.execute("create role reader login password 'a long password'");
    let none = database("reader").read(COLLECTION).await.expect_err("no table, and no right to make one");
    assert!(said(none).contains("permission denied"));
    database("bulla").remember(COLLECTION, &state(3)).await.expect("written");
    postgres.execute("grant select, insert, update on bulla_remembered to reader");
    let reader = database("reader");
    assert_eq!(reader.read(COLLECTION).await.expect("readable"), Some(state(3)));
    assert_eq!(reader.remember(COLLECTION, &state(4)).await.expect("written"), Kept::Newest);
    assert_eq!(reader.remember(COLLECTION, &state(3)).await.expect("known"), Kept::Superseded);
    // By its socket there is no TLS; whoever made the socket is the server.
    let mut by_socket = postgres.config();
    by_socket["url"] = json!(postgres.socket());
    by_socket.as_object_mut().expect("a map").remove("caFile");
    assert_eq!(store(&by_socket).read(COLLECTION).await.expect("readable"), Some(state(4)));
    // A row that no decision should load.
    postgres.execute("update bulla_remembered set state = repeat('x', 2000000)");
    let large = reader.read(COLLECTION).await.expect_err("too large");
    assert!(matches!(&large, StoreError::Damaged { .. }), "{large}");
    // Row security hides rows; a table of a tenant is his.
    postgres.execute("alter table bulla_remembered enable row level security");
    let hidden = database("reader").read(COLLECTION).await.expect_err("hidden");
    assert!(said(hidden).contains("plain table"));
    postgres.execute("drop table bulla_remembered; create role tenant; create table bulla_remembered (collection text primary key, state text, revision bigint); alter table bulla_remembered owner to tenant; grant all on bulla_remembered to reader");
    let foreign = database("reader").read(COLLECTION).await.expect_err("foreign");
    assert!(said(foreign).contains("plain table"));
}

#[test]
fn what_one_machine_has_seen_no_other_believes_to_be_older() {
    let Some(mut postgres) = Postgres::start() else { return };
    let Some(mut world) = World::start() else { return };
    world.publish("1.0", "targets/releases");
    let root = world.inspect()["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    world.pin(&root);
    let config = world.path("bulla.yaml");
    std::fs::write(&config, json!({"trust": {"database": postgres.config()}}).to_string()).expect("written");
    expect(&world.verify_by("1.0", &config), 0, "accept");
    let old = ["timestamp.json", "root.json"].map(|name| (name.to_owned(), world.file(name)));
    world.publish("2.0", "targets");
    expect(&world.verify_by("2.0", &config), 0, "accept");
    // Another machine, of which nothing is left but the configuration.
    world.servers.stop();
    replay(world.servers.port, world.servers.folder.path(), old.into());
    expect(&world.verify_by("2.0", &config), 1, "trust-rollback");
    postgres.stop();
    expect(&world.verify_by("2.0", &config), 2, "unfetched");
    postgres.run();
    expect(&world.verify_by("2.0", &config), 1, "trust-rollback");
}
