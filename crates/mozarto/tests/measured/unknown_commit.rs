//! The connection to PostgreSQL breaks while a commit is under way: nobody is told that nothing was begun before the store was
//! asked, and nothing is done twice.

use crate::node::by_port;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const BINARY: &str = crate::node::BINARY;
const LIMIT: Duration = Duration::from_secs(40);

/// What the server makes of the commit whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has it.
    Stored,
    /// The message did not reach it.
    Lost,
}

/// The next transaction with that statement.
#[derive(Clone, Copy, Debug)]
struct Cut {
    statement: &'static str,
    fate: Fate,
    /// Nobody gets through afterwards.
    then_away: bool,
}

/// A proxy in front of a PostgreSQL that reads along and cuts the connection where it is told to.
#[derive(Clone)]
struct Cutter {
    port: u16,
    next: Arc<Mutex<Option<Cut>>>,
    away: Arc<AtomicBool>,
}

impl Cutter {
    async fn before(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let cutter = Self { port: listener.local_addr()?.port(), next: Arc::default(), away: Arc::default() };
        let this = cutter.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let this = this.clone();
                tokio::spawn(async move { this.carry(client, server).await });
            }
        });
        Ok(cutter)
    }

    fn cut(&self, statement: &'static str, fate: Fate) {
        self.set(Some(Cut { statement, fate, then_away: false }));
    }

    fn set(&self, cut: Option<Cut>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    fn is_cut(&self) -> Result<()> {
        let left = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(left.is_none(), "no such commit was seen: {left:?}");
        Ok(())
    }

    /// The cut that is due at the end of a transaction of these statements.
    fn due(&self, statements: &[String]) -> Option<Cut> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.take_if(|cut| statements.iter().any(|sql| sql.contains(cut.statement)))
    }

    async fn carry(&self, client: TcpStream, server: u16) -> Option<()> {
        if self.away.load(Ordering::SeqCst) {
            return None;
        }
        let server = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let deaf = Arc::new(AtomicBool::new(false));
        let mut back = tokio::spawn(answers(from_server, to_client, deaf.clone(), self.away.clone()));
        let mut to_server = to_server;
        let asked = self.statements(from_client, &mut to_server, &deaf);
        let cut = tokio::select! { cut = asked => cut, _ = &mut back => return None };
        if cut.is_some_and(|cut| cut.fate == Fate::Stored) {
            // The server carries out what it has and then sees the end: after its last word it is decided.
            to_server.shutdown().await.ok()?;
            let _ = (&mut back).await;
        }
        back.abort();
        None
    }

    /// Carries what the client sends, up to a commit that is to be cut.
    async fn statements(&self, mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, deaf: &AtomicBool) -> Option<Cut> {
        let mut prepared: HashMap<Vec<u8>, String> = HashMap::new();
        let mut running: Vec<String> = Vec::new();
        let mut begun = false;
        loop {
            let message = message(&mut from, begun).await?;
            let body = &message[if begun { 5 } else { 4 }..];
            if !begun {
                // What asks for TLS comes first, in the same form.
                begun = body.starts_with(&196_608_u32.to_be_bytes());
            } else if message[0] == b'P' {
                let mut texts = body.split(|byte| *byte == 0);
                let name = texts.next()?.to_vec();
                prepared.insert(name, String::from_utf8_lossy(texts.next()?).into_owned());
            } else if message[0] == b'B' {
                let name = body.split(|byte| *byte == 0).nth(1)?;
                running.extend(prepared.get(name).cloned());
            } else if message[0] == b'Q' && body.starts_with(b"COMMIT") {
                if let Some(cut) = self.due(&std::mem::take(&mut running)) {
                    self.away.store(cut.then_away, Ordering::SeqCst);
                    deaf.store(true, Ordering::SeqCst);
                    if cut.fate == Fate::Stored {
                        to.write_all(&message).await.ok()?;
                    }
                    return Some(cut);
                }
            } else if message[0] == b'Q' && body.starts_with(b"BEGIN") {
                running.clear();
            }
            if self.away.load(Ordering::SeqCst) {
                return None;
            }
            to.write_all(&message).await.ok()?;
        }
    }
}

/// One message; before the session has begun they have no letter.
async fn message(from: &mut OwnedReadHalf, begun: bool) -> Option<Vec<u8>> {
    let head = if begun { 5 } else { 4 };
    let mut message = vec![0; head];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[head - 4..].try_into().ok()?);
    message.resize(head + usize::try_from(length).ok()? - 4, 0);
    from.read_exact(&mut message[head..]).await.ok()?;
    Some(message)
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, deaf: Arc<AtomicBool>, away: Arc<AtomicBool>) -> Option<()> {
    let mut bytes = vec![0; 16_384];
    loop {
        let read = from.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        if deaf.load(Ordering::SeqCst) {
            continue;
        }
        if away.load(Ordering::SeqCst) {
            return None;
        }
        to.write_all(&bytes[..read]).await.ok()?;
    }
}

/// A sandbox over such a proxy, in which every pay-out through PayOne waits for a person.
async fn world() -> Result<(World, Cutter, testkit::postgres::TestDatabase)> {
    let database = testkit::postgres::database().await;
    let (_, tail) = database.url.rsplit_once(':').context("a port")?;
    let port = tail.split('/').next().context("a port")?.parse()?;
    let cutter = Cutter::before(port).await?;
    let url = by_port(&database.url, cutter.port);
    let world =
        World::start(BINARY, &["PAYONE", "FLEXEPIN", "FORUMPAY"], |options| options.time_scale(20).database(&url)).await?;
    let matching = json!({"pspTypes": ["PAYONE"], "types": ["PAYOUT"]});
    let rule = json!({"name": "hold", "priority": 100, "active": true, "match": matching, "action": {"hold": true}});
    let made = world.client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 201 || made.status == 200, "{} {}", made.status, made.body);
    Ok((world, cutter, database))
}

fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId");
    ensure!(answer.status == 200 && !id.is_empty(), "{} {}", answer.status, answer.body);
    Ok(id.to_owned())
}

async fn count(hands: &Hands, path: &str) -> Result<usize> {
    let answer = hands.client.manage("GET", path, None).await?;
    let items = answer.body["data"]["items"].as_array().or_else(|| answer.body["data"].as_array());
    Ok(items.with_context(|| format!("no list: {} {}", answer.status, answer.body))?.len())
}

const CREATES: &str = "INSERT INTO transactions (";
const ACTS: &str = "INSERT INTO audit ";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_commit_is_in_doubt() {
    let (world, cutter, _database) = world().await.expect("a sandbox");
    let hands = world.hands();
    // One after the other: the proxy cuts what comes next.
    let mut table = Table::with_at_once("commits in doubt", 1);
    for (n, fate) in [Fate::Stored, Fate::Lost].into_iter().enumerate() {
        let row = |what: &str| format!("{what}, {fate:?}");
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a pay-in"), async move {
            let before = count(&h, "/transactions?limit=200").await?;
            c.cut(CREATES, fate);
            let id = id_of(&h.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
            c.is_cut()?;
            h.client.wait_for(&id, &["Pending", "Approved"], LIMIT).await?;
            ensure!(count(&h, "/transactions?limit=200").await? == before + 1, "not one transaction");
            ensure!(h.entries("payone", &id).await?.len() <= 1, "sent twice");
            Ok(())
        });
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a pay-in with a key"), async move {
            let (body, key) = (bodies::payone("PAYIN", "101.00"), format!("doubt-{n}"));
            c.cut(CREATES, fate);
            let first = h.client.cashier_with_key(&body, &key).await?;
            c.is_cut()?;
            let id = id_of(&first)?;
            let again = h.client.cashier_with_key(&body, &key).await?;
            ensure!(id_of(&again)? == id && again.header("idempotent-replayed").is_some(), "{}", again.body);
            Ok(())
        });
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a pay-out that nobody holds"), async move {
            c.cut(CREATES, fate);
            let id = id_of(&h.client.cashier(&bodies::forumpay_out("100.00")).await?)?;
            c.is_cut()?;
            h.client.wait_for(&id, &["OnHold", "Pending", "Approved"], LIMIT).await?;
            Ok(())
        });
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a pay-out that waits for a person"), async move {
            let before = count(&h, "/approvals").await?;
            c.cut(CREATES, fate);
            let id = id_of(&h.client.cashier(&bodies::payone("PAYOUT", "102.00")).await?)?;
            c.is_cut()?;
            ensure!(h.managed(&id).await?["transaction_status"] == "OnHold", "not on hold");
            ensure!(count(&h, "/approvals").await? == before + 1, "not one that waits");
            Ok(())
        });
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a voucher"), async move {
            c.cut(CREATES, fate);
            let serial = 700 + u32::try_from(n)?;
            let id = id_of(&h.client.cashier(&bodies::flexepin(serial, 2_000)).await?)?;
            c.is_cut()?;
            h.client.wait_for(&id, &["Approved"], LIMIT).await?;
            Ok(())
        });
    }
    table.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_or_a_setting_whose_commit_is_in_doubt() {
    let (world, cutter, _database) = world().await.expect("a sandbox");
    let hands = world.hands();
    let mut table = Table::with_at_once("commits in doubt", 1);
    for fate in [Fate::Stored, Fate::Lost] {
        let row = |what: &str| format!("{what}, {fate:?}");
        for (word, then) in [("approve", "Approved"), ("reject", "Rejected")] {
            let (h, c) = (hands.clone(), cutter.clone());
            table.row(row(word), async move {
                let id = id_of(&h.client.cashier(&bodies::payone("PAYOUT", "100.00")).await?)?;
                c.cut(ACTS, fate);
                let answer = h.client.manage("POST", &format!("/approvals/{id}/{word}"), Some(json!({"reason": "r"}))).await?;
                c.is_cut()?;
                ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
                h.client.wait_for(&id, &[then], LIMIT).await?;
                if word == "approve" {
                    let entry = json!({"direction": "out", "amount": "100.00", "currency": "CAD", "state": "settled"});
                    h.moved_once("payone", &id, &entry).await?;
                }
                Ok(())
            });
        }
        let made = [
            ("/rules", json!({"name": "more", "priority": 300, "active": false, "match": {}, "action": {"hold": true}})),
            ("/credentials", json!({"name": "more", "kind": "management", "scopes": ["read"]})),
        ];
        for (path, body) in made {
            let (h, c) = (hands.clone(), cutter.clone());
            table.row(row(path), async move {
                let before = count(&h, path).await?;
                c.cut(ACTS, fate);
                let answer = h.client.manage("POST", path, Some(body)).await?;
                c.is_cut()?;
                ensure!(answer.status == 201 || answer.status == 200, "{} {}", answer.status, answer.body);
                ensure!(count(&h, path).await? == before + 1, "not one");
                Ok(())
            });
        }
        let (h, c) = (hands.clone(), cutter.clone());
        table.row(row("a test event"), async move {
            let method = h.client.method_of("PAYONE").await?;
            c.cut(ACTS, fate);
            let answer = h.client.manage("POST", &format!("/payment-methods/{method}/webhook-test"), None).await?;
            c.is_cut()?;
            ensure!(answer.status == 200 && answer.body["data"]["status"] == "delivered", "{} {}", answer.status, answer.body);
            Ok(())
        });
    }
    table.end().await;
}

/// While the store cannot be asked, nobody says that nothing was begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_that_stays() {
    let rows = async {
        let (world, cutter, _database) = world().await?;
        let hands = world.hands();
        let internal = |answer: &Answer| {
            ensure!(answer.status == 500 && answer.header("retry-after").is_none(), "{} {}", answer.status, answer.body);
            Ok(())
        };
        let before = count(&hands, "/approvals").await?;
        cutter.set(Some(Cut { statement: CREATES, fate: Fate::Stored, then_away: true }));
        let answer = hands.client.cashier(&bodies::payone("PAYOUT", "100.00")).await?;
        cutter.is_cut()?;
        cutter.away.store(false, Ordering::SeqCst);
        internal(&answer)?;
        ready(&hands).await?;
        ensure!(count(&hands, "/approvals").await? == before + 1, "it was stored");
        let before = count(&hands, "/rules").await?;
        cutter.set(Some(Cut { statement: ACTS, fate: Fate::Stored, then_away: true }));
        let rule = json!({"name": "more", "priority": 300, "active": false, "match": {}, "action": {"hold": true}});
        let answer = hands.client.manage("POST", "/rules", Some(rule)).await?;
        cutter.is_cut()?;
        cutter.away.store(false, Ordering::SeqCst);
        internal(&answer)?;
        ready(&hands).await?;
        ensure!(count(&hands, "/rules").await? == before + 1, "it was stored");
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

async fn ready(hands: &Hands) -> Result<Value> {
    let until = std::time::Instant::now() + LIMIT;
    loop {
        let answer = hands.client.read("/readyz").await?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        ensure!(std::time::Instant::now() < until, "not ready again: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One statement that takes too long is no store that is away: what needs it is refused, and nobody is told that everything is.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_statement_is_not_a_store_that_is_away() {
    let rows = async {
        let data = tempfile::tempdir()?;
        let database = testkit::postgres::database().await;
        let log = data.path().join("log");
        // The reader's limit is short for this database, and the table is held for longer.
        let mut options =
            testkit::sandbox::Options::new(BINARY, data.path()).database(&database.url).variable("MOZARTO_LOG", "warn");
        options.log = Some(log.clone());
        let sandbox = testkit::sandbox::Sandbox::start(options).await?;
        let client = testkit::client::Client::of(&sandbox);
        let (holder, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        holder.batch_execute("BEGIN; LOCK TABLE audit IN ACCESS EXCLUSIVE MODE").await?;
        let (killer, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let asked = tokio::spawn(async move { client.manage("GET", "/audit", None).await });
        // What a limit does, without waiting for it: the statement is cancelled.
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%FROM audit%' AND wait_event_type = 'Lock' \
                      AND datname = current_database() AND pid <> pg_backend_pid()";
        let until = std::time::Instant::now() + LIMIT;
        while !asked.is_finished() {
            ensure!(std::time::Instant::now() < until, "it goes on waiting");
            killer.query_one(cancel, &[]).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let answer = asked.await??;
        ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
        holder.batch_execute("ROLLBACK").await?;
        drop(sandbox);
        let said = std::fs::read_to_string(&log)?;
        ensure!(!said.contains("the store is away"), "{said}");
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
