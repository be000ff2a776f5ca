//! Clients that never finish their requests, and clients that ask too often: the others are answered as quickly as before, and
//! the rate is kept.

use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::world::{Hands, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
/// No request may be half open for longer.
const HALF_OPEN_MAX: Duration = Duration::from_secs(15);
const HALF_OPEN: usize = 1_000;
/// Theirs alone, so that they are no neighbours of those who are measured.
const SLOW_FROM: &str = "127.0.0.9:0";

/// How long the healthy are measured without the slow ones, before and after.
const CALM: Duration = Duration::from_secs(3);
/// A hundred healthy requests per second, each fifth of them a pay-in.
const ASK_EVERY: Duration = Duration::from_millis(10);
const PAY_IN_EVERY: u32 = 5;
/// A 99th percentile below this is not judged: the slowest one in a hundred of a few hundred requests waits for a commit on a
/// disk and for a core, both of which the tests beside this one use too, so that it doubles by chance. Whoever waits for a
/// half-open request waits for seconds.
const NOISE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn half_open_requests_end_and_slow_nobody_down() {
    let set = |options: testkit::sandbox::Options| options.variable("MOZARTO_LIMITS_CONNECTIONS_PER_PEER", "1200");
    let world = World::start(BINARY, &[], set).await.expect("a sandbox");
    beside_half_open(&world.hands()).await.map_err(|error| format!("{error:#}")).unwrap();
}

async fn beside_half_open(hands: &Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "{} {}", answer.status, answer.body);
    // Connections are made, plans and pages are read once.
    steady(hands, &id, for_a_while(Duration::from_secs(1))).await?;
    let before = steady(hands, &id, for_a_while(CALM)).await?;
    let open = Arc::new(AtomicBool::new(true));
    let slow = tokio::spawn(half_open(hands.clone(), open.clone()));
    let beside = steady(hands, &id, move || open.load(Ordering::Relaxed)).await;
    let longest = slow.await??;
    let beside = beside?;
    // A machine that has become busy meanwhile is no fault: it is so afterwards, too.
    let after = steady(hands, &id, for_a_while(CALM)).await?;
    println!("healthy, 99th percentile: {before:?} before, {beside:?} beside {HALF_OPEN} half-open requests, {after:?} after");
    println!("the longest half-open request: {longest:?}");
    ensure!(longest <= HALF_OPEN_MAX, "a half-open request was kept for {longest:?}");
    let most = (before.max(after) * 2).max(NOISE);
    ensure!(beside <= most, "{beside:?} beside half-open requests, {before:?} before, {after:?} after");
    Ok(())
}

fn for_a_while(while_: Duration) -> impl Fn() -> bool {
    let until = Instant::now() + while_;
    move || Instant::now() < until
}

/// Healthy requests at a steady pace, whether or not the one before is answered; their 99th percentile.
async fn steady(hands: &Hands, id: &str, goes_on: impl Fn() -> bool) -> Result<Duration> {
    let mut pace = tokio::time::interval(ASK_EVERY);
    let mut asked: JoinSet<Result<Duration>> = JoinSet::new();
    let mut number = 0;
    while goes_on() {
        pace.tick().await;
        number += 1;
        let (client, id, began) = (hands.client.clone(), id.to_owned(), Instant::now());
        asked.spawn(async move {
            let answer = match number % PAY_IN_EVERY {
                0 => client.cashier(&bodies::payone("PAYIN", "100.00")).await?,
                _ => client.status(&id).await?,
            };
            ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
            Ok(began.elapsed())
        });
    }
    let mut took = asked.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    ensure!(took.len() >= 100, "{} requests have no 99th percentile", took.len());
    took.sort_unstable();
    Ok(took[took.len() * 99 / 100])
}

/// Requests that stop at any place, until the last one is closed; how long the longest was open. `open` is taken away then,
/// whatever happened.
async fn half_open(hands: Hands, open: Arc<AtomicBool>) -> Result<Duration> {
    let rows = async {
        let at: SocketAddr = hands.client.base.trim_start_matches("http://").parse()?;
        let mut peers = JoinSet::new();
        for number in 0..HALF_OPEN {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SLOW_FROM.parse()?)?;
            let began = Instant::now();
            let mut stream = socket.connect(at).await?;
            stream.write_all(part_of_a_request(number).as_bytes()).await?;
            peers.spawn(async move {
                let mut said = Vec::new();
                let closed = tokio::time::timeout(HALF_OPEN_MAX * 2, stream.read_to_end(&mut said)).await;
                closed.context("a half-open request is never closed")??;
                let said = String::from_utf8_lossy(&said).into_owned();
                // Cut off, or told that it was too slow; never let in or turned away as one too many.
                ensure!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "it was answered: {said:?}");
                Ok(began.elapsed())
            });
        }
        let kept = peers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        kept.into_iter().max().context("none")
    };
    let longest = rows.await;
    open.store(false, Ordering::Relaxed);
    longest
}

fn part_of_a_request(number: usize) -> String {
    let head = "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    match number % 4 {
        0 => String::new(),
        1 => head[..number % head.len()].to_owned(),
        2 => head.to_owned(),
        _ => format!("{head}{{\"pspType\":"),
    }
}

// --- rates ------------------------------------------------------------------------------------

const RATE: u32 = 100;
/// Half a second's: it covers the pauses that a busy machine makes, in which a rate without it would be lost.
const BURST: u32 = 50;
const RATED_FOR: Duration = Duration::from_secs(5);
const SENDERS: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_within_five_per_cent() {
    let set = |options: testkit::sandbox::Options| {
        options
            .variable("MOZARTO_LIMITS_REQUESTS_PER_SECOND", &RATE.to_string())
            .variable("MOZARTO_LIMITS_BURST", &BURST.to_string())
    };
    let world = World::start(BINARY, &[], set).await.expect("a sandbox");
    rate(&world.hands()).await.map_err(|error| format!("{error:#}")).unwrap();
}

async fn rate(hands: &Hands) -> Result<()> {
    let (taken, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let began = Instant::now();
    let mut senders: JoinSet<Result<Instant>> = JoinSet::new();
    for _ in 0..SENDERS {
        let (client, taken, refused) = (hands.client.clone(), taken.clone(), refused.clone());
        senders.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut last = began;
            while began.elapsed() < RATED_FOR {
                pace.tick().await;
                last = Instant::now();
                let answer = client.read("/v1/api/mozarto/transactions?limit=1").await?;
                match answer.status {
                    200 => taken.fetch_add(1, Ordering::Relaxed),
                    429 => refused.fetch_add(1, Ordering::Relaxed),
                    _ => anyhow::bail!("{} {}", answer.status, answer.body),
                };
                ensure!(answer.status == 200 || answer.header("retry-after") == Some("1"), "{:?}", answer.header("retry-after"));
            }
            Ok(last)
        });
    }
    let last = senders.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.into_iter().max().context("no sender")?;
    let allowed = |time: Duration| u128::from(BURST) + u128::from(RATE) * time.as_millis() / 1_000;
    let (least, most) = (allowed(last - began) * 95 / 100, allowed(began.elapsed()) * 105 / 100);
    let (taken, refused) = (taken.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    println!("{taken} were taken and {refused} refused; {least} to {most} are right");
    ensure!(refused > taken / 2, "only {refused} were too many beside {taken}");
    ensure!((least..=most).contains(&u128::from(taken)), "{taken} were taken, {least} to {most} are right");
    Ok(())
}
