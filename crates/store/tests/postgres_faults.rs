//! What only PostgreSQL can do to us: settings that lose data, a server that crashes, a connection that breaks
//! between commit and answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use mozarto_store::driver::{Batch, CommitError, Driver, OpenError, PostgresDriver};
use mozarto_store::params;
use testkit::postgres::PrivateCluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CREATE: &str = "CREATE TABLE items (id BIGINT PRIMARY KEY)";
const INSERT: &str = "INSERT INTO items (id) VALUES (?1)";

fn insert(id: i64, rows: i64) -> Batch {
    let mut batch = Batch::new();
    for row in 0..rows {
        batch.run(INSERT, params![id + row]);
    }
    batch
}

async fn stored(driver: &PostgresDriver) -> HashSet<i64> {
    let rows = driver.query("SELECT id FROM items", params![]).await.unwrap();
    rows.iter().map(|row| row.int(0).unwrap()).collect()
}

/// Tries until the server is back.
async fn wait_for(driver: &PostgresDriver) {
    for _ in 0..600 {
        if driver.ping().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the driver did not find the server again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_lose_data_is_refused() {
    for (name, value) in [("fsync", "off"), ("full_page_writes", "off")] {
        let cluster = PrivateCluster::start(&[(name, value)]);
        match PostgresDriver::connect(&cluster.url()).await {
            Err(OpenError::Unsafe { setting, found, .. }) => {
                assert_eq!((setting, found.as_str()), (name, "off"));
            }
            other => panic!("{name}={value}: {other:?}"),
        }
    }
    // This one each session may set for itself, and does.
    let cluster = PrivateCluster::start(&[("synchronous_commit", "off")]);
    let driver = PostgresDriver::connect(&cluster.url()).await.unwrap();
    let mut batch = Batch::new();
    batch.returning("SELECT current_setting('synchronous_commit')", params![]);
    let answer = driver.commit(batch).await.unwrap();
    assert_eq!(answer[0][0].text(0).unwrap(), "on");
}

#[tokio::test]
async fn an_address_without_a_server_is_unavailable_and_not_repeated() {
    let url = "postgres://user:canary-password@127.0.0.1:1/nowhere";
    let error = PostgresDriver::connect(url).await.unwrap_err();
    assert!(matches!(error, OpenError::Unavailable(_)));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    let error = PostgresDriver::connect("canary://x").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}

/// The server crashes under load, four times. Whatever was answered is there, whatever was refused is not; in
/// between stands only what was reported as unknown. Nobody restarts the driver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_lose_nothing_that_was_answered() {
    let cluster = PrivateCluster::start(&[]);
    let driver = Arc::new(PostgresDriver::connect(&cluster.url()).await.unwrap());
    let mut batch = Batch::new();
    batch.run(CREATE, params![]);
    driver.commit(batch).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..24_i64)
        .map(|client| {
            let (driver, stop) = (Arc::clone(&driver), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut results = Vec::new();
                let mut id = client * 1_000_000;
                while !stop.load(Ordering::Relaxed) {
                    // One row: a statement alone; three rows: a transaction.
                    let rows = 1 + 2 * (id % 2);
                    let result = driver.commit(insert(id, rows)).await;
                    if result.is_err() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    results.push((id, rows, result.map(|_| ())));
                    id += rows;
                }
                results
            })
        })
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        tokio::task::block_in_place(|| cluster.crash());
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::task::block_in_place(|| cluster.restart());
        wait_for(&driver).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut results = Vec::new();
    for client in clients {
        results.extend(client.await.unwrap());
    }
    let stored = stored(&driver).await;
    let (mut answered, mut refused, mut unknown) = (0, 0, 0);
    let mut accounted = 0;
    for (id, rows, result) in &results {
        let there = (0..*rows).filter(|row| stored.contains(&(id + row))).count() as i64;
        assert!(there == 0 || there == *rows, "{id}: {there} of {rows}: half a batch");
        accounted += there;
        match result {
            Ok(()) => {
                assert_eq!(there, *rows, "{id} was answered and is lost");
                answered += 1;
            }
            Err(CommitError::Unknown(_)) => unknown += 1,
            Err(CommitError::Unavailable(_)) => {
                assert_eq!(there, 0, "{id} was refused and is there: {result:?}");
                refused += 1;
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    assert_eq!(accounted, stored.len() as i64, "nothing came from nowhere");
    println!("{answered} answered, {refused} refused, {unknown} unknown");
    assert!(answered > 100 && refused + unknown > 0, "{answered} {refused} {unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_found_again_without_an_error() {
    let cluster = PrivateCluster::start(&[]);
    let driver = PostgresDriver::connect(&cluster.url()).await.unwrap();
    let mut batch = Batch::new();
    batch.run(CREATE, params![]);
    driver.commit(batch).await.unwrap();
    for round in 0..3 {
        driver.commit(insert(round * 10, 3)).await.unwrap();
        assert_eq!(stored(&driver).await.len() as i64, (round + 1) * 3);
        tokio::task::block_in_place(|| {
            cluster.crash();
            cluster.restart();
        });
        // What the connections of the pools went through must not be any caller's business.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_schema_does_not_stop_prepared_statements() {
    let database = testkit::postgres::database().await;
    let driver = PostgresDriver::connect(&database.url).await.unwrap();
    let run = async |sql| {
        let mut batch = Batch::new();
        batch.run(sql, params![]);
        driver.commit(batch).await.unwrap();
    };
    run(CREATE).await;
    let everything = "SELECT * FROM items";
    let mut batch = Batch::new();
    batch.returning("INSERT INTO items (id) VALUES (1) ON CONFLICT DO NOTHING RETURNING *", params![]);
    batch.returning(everything, params![]);
    // Each writer and several readers prepare it.
    for _ in 0..12 {
        driver.commit(batch.clone()).await.unwrap();
        driver.query(everything, params![]).await.unwrap();
    }
    run("ALTER TABLE items ADD COLUMN name TEXT").await;
    for _ in 0..12 {
        assert_eq!(driver.query(everything, params![]).await.unwrap()[0].len(), 2);
        assert_eq!(driver.commit(batch.clone()).await.unwrap()[1][0].len(), 2);
    }
}

/// What the wire does when the driver says `COMMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Whole = 0,
    /// The commit arrives, its answer does not.
    LoseAnswer = 1,
    /// The commit does not arrive.
    LoseCommit = 2,
}

/// Stands between driver and server and breaks connections on demand.
async fn proxy(server: u16, wire: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            tokio::spawn(relay(client, server, Arc::clone(&wire)));
        }
    });
    port
}

async fn relay(client: TcpStream, server: TcpStream, wire: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut up = vec![0; 65_536];
    let mut down = vec![0; 65_536];
    loop {
        tokio::select! {
            read = from_client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let commits = up[..count].windows(7).any(|window| window == b"COMMIT\0");
                let state = wire.load(Ordering::SeqCst);
                if commits && state != Wire::Whole as u8 {
                    if state == Wire::LoseAnswer as u8 {
                        to_server.write_all(&up[..count]).await.unwrap();
                        // Long enough for the server to do it; nothing of its answer goes back.
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    return;
                }
                if to_server.write_all(&up[..count]).await.is_err() { return }
            }
            read = from_server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if to_client.write_all(&down[..count]).await.is_err() { return }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_reported_as_unknown() {
    let database = testkit::postgres::database().await;
    let (_, address) = database.url.rsplit_once(':').unwrap();
    let server: u16 = address.split('/').next().unwrap().parse().unwrap();
    let wire = Arc::new(AtomicU8::new(Wire::Whole as u8));
    let port = proxy(server, Arc::clone(&wire)).await;
    let url = database.url.replace(&format!(":{server}/"), &format!(":{port}/"));
    let driver = PostgresDriver::connect(&url).await.unwrap();
    let mut batch = Batch::new();
    batch.run(CREATE, params![]);
    driver.commit(batch).await.unwrap();
    driver.commit(insert(10, 3)).await.unwrap();
    for (id, state, there) in [(20, Wire::LoseAnswer, true), (30, Wire::LoseCommit, false)] {
        wire.store(state as u8, Ordering::SeqCst);
        let error = driver.commit(insert(id, 3)).await.unwrap_err();
        assert!(matches!(error, CommitError::Unknown(_)), "{state:?}: {error}");
        wire.store(Wire::Whole as u8, Ordering::SeqCst);
        assert_eq!(stored(&driver).await.contains(&id), there, "{state:?}");
    }
    driver.commit(insert(40, 3)).await.unwrap();
    assert_eq!(stored(&driver).await.len(), 9);
}
