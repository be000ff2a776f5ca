//! How many pay-outs a second PayOne's simulator takes, settles and calls back, on this machine:
//! `cargo run --release -p mozarto-simulators --example rate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use mozarto_simulators::Settings;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CLIENTS: u64 = 64;
const SECONDS: u64 = 5;
const KEY: &str = "payone-key-0001";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let data = tempfile::tempdir()?;
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let settings = Settings { data: data.path().to_owned(), auto_settle_ms: None, time_scale: 1 };
    let running = tokio::spawn(mozarto_simulators::serve(listener, settings, stop.clone()));

    let heard = Arc::new(AtomicU64::new(0));
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let callback_url = format!("http://{}/callback", receiver.local_addr()?);
    let counter = Arc::clone(&heard);
    let router = Router::new().fallback(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async { "ok" }
    });
    tokio::spawn(async move { axum::serve(receiver, router).await });

    let client = reqwest::Client::builder().no_proxy().build()?;
    client.put(format!("{base}/control/payone/accounts/{KEY}")).body(r#"{"client":"Demo"}"#).send().await?;
    let taken = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let workers = (0..CLIENTS).map(|worker| {
        let (client, base, url, taken) = (client.clone(), base.clone(), callback_url.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            for number in 0.. {
                if begun.elapsed() > Duration::from_secs(SECONDS) {
                    break;
                }
                let order = json!({
                    "client": "Demo", "brand": "Demo", "userId": "u", "first_name": "J", "last_name": "D",
                    "email": "e@x.example", "phone": "4915112345678", "userIp": "203.0.113.42", "currency": "CAD",
                    "amount": "10.00", "siteUrl": "https://s.example/", "referenceId": format!("{worker}-{number}"),
                    "callbackUrl": url,
                });
                let call = client.post(format!("{base}/payone/api/withdraw")).header("x-api-key", KEY);
                let answer = call.body(order.to_string()).send().await?;
                if answer.error_for_status()?.bytes().await?.is_empty() {
                    return Err("an empty answer".into());
                }
                taken.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Failure>(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    let (taken, elapsed) = (taken.load(Ordering::Relaxed), begun.elapsed());
    println!("{taken} pay-outs in {elapsed:?}: {} a second", u128::from(taken) * 1_000 / elapsed.as_millis());
    while heard.load(Ordering::Relaxed) < taken {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("all called back after {:?}", begun.elapsed());
    stop.cancel();
    running.await??;
    Ok(())
}
