//! Due work has its shares too: what is asked of a silent provider keeps nobody else's from being asked.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::sandbox::Options;
use testkit::world::{Hands, World};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
/// Due at once at the silent provider: four times as many as there are places.
const OPEN: usize = 260;
/// All places of due work.
const PLACES: usize = 64;
/// So many are asked about when its places have been taken three times: by then, who came later has been waiting for two time
/// limits.
const THREE_TIMES: usize = 3 * PLACES;
/// Half of a provider's time limits and of the first wait.
const SCALE: u32 = 2;
const LIMIT: Duration = Duration::from_secs(60);

/// A provider that takes every connection and says nothing.
struct Silent {
    address: String,
    taken: Arc<AtomicUsize>,
}

impl Silent {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let (taken, held) = (Arc::new(AtomicUsize::new(0)), Mutex::new(Vec::<TcpStream>::new()));
        let counted = taken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                held.lock().await.push(stream);
            }
        });
        Ok(Self { address, taken })
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn due_at_a_silent_provider_on_sqlite() {
    others_are_asked(|options| options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn due_at_a_silent_provider_on_postgres() {
    let database = testkit::postgres::database().await;
    others_are_asked(|options| options.database(database.url.clone())).await.unwrap();
}

async fn others_are_asked(set: impl FnOnce(Options) -> Options) -> Result<()> {
    let world = World::start(BINARY, &["PAYONE", "FORUMPAY"], |options| set(options.time_scale(SCALE))).await?;
    let hands = world.hands();
    // Only asking finds out how a payment at the other provider stands.
    let lost = hands.client.control("PUT", "/forumpay/settings", Some(json!({"dropCallbacks": true}))).await?;
    ensure!(lost.status == 200, "{}", lost.body);
    let silent = Silent::start().await?;
    many_pending(&hands).await?;
    let method = hands.client.method_of("PAYONE").await?;
    let moved = json!({"config": {"baseUrl": silent.address}});
    let moved = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(moved)).await?;
    ensure!(moved.status == 200, "{}", moved.body);
    // Alone, it has everything.
    let until = Instant::now() + LIMIT;
    while silent.taken() < PLACES {
        ensure!(Instant::now() < until, "{} are asked about at once, not {PLACES}", silent.taken());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = a_pending(&hands, &bodies::forumpay_in("100.00")).await?;
    let pressed = hands.client.control("POST", &format!("/forumpay/{id}/approve"), None).await?;
    ensure!(pressed.status == 200, "{}", pressed.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    let taken = silent.taken();
    ensure!(taken < THREE_TIMES, "the other provider was asked after {taken} of the silent one's");
    Ok(())
}

async fn a_pending(hands: &Hands, body: &str) -> Result<String> {
    let made = hands.client.cashier(body).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    Ok(made.text("/transaction/transactionId").to_owned())
}

async fn many_pending(hands: &Hands) -> Result<()> {
    let lanes = (0..8).map(|lane| {
        let hands = hands.clone();
        tokio::spawn(async move {
            for _ in (lane..OPEN).step_by(8) {
                a_pending(&hands, &bodies::payone("PAYIN", "100.00")).await?;
            }
            anyhow::Ok(())
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.context("a lane")??;
    }
    Ok(())
}
