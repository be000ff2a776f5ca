//! A server that is slow at the start is waited for; only what is certainly a pooler is called one.

use crate::node::{Node, by_port};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longer than a start waits for one answer.
const STALL: Duration = Duration::from_secs(7);

/// Carries to the server; from the first transaction that is begun on, no answer comes through for a while, once.
async fn stalling(port: u16) -> Result<(u16, Arc<AtomicBool>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ours = listener.local_addr()?.port();
    let stalled = Arc::new(AtomicBool::new(false));
    let (gate, open) = watch::channel(true);
    let gate = Arc::new(gate);
    let seen = stalled.clone();
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let Ok(to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let (gate, mut open, seen) = (gate.clone(), open.clone(), seen.clone());
            let ((mut from_read, mut from_write), (mut to_read, mut to_write)) = (from.into_split(), to.into_split());
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = from_read.read(&mut buffer).await {
                    let begins = buffer[..read].windows(5).any(|word| word.eq_ignore_ascii_case(b"BEGIN"));
                    if begins && !seen.swap(true, Ordering::SeqCst) {
                        gate.send_replace(false);
                        let gate = gate.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(STALL).await;
                            gate.send_replace(true);
                        });
                    }
                    if to_write.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = to_read.read(&mut buffer).await {
                    if open.wait_for(|open| *open).await.is_err() || from_write.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok((ours, stalled))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_at_the_start_is_waited_for() {
    let rows = async {
        let database = testkit::postgres::database().await;
        let port =
            database.url.rsplit_once(':').and_then(|(_, tail)| tail.split_once('/')).and_then(|(port, _)| port.parse().ok());
        let (port, stalled) = stalling(port.unwrap_or_default()).await?;
        let node = Node::start(|command| {
            command.env("MOZARTO_DATABASE", by_port(&database.url, port)).env("MOZARTO_DATABASE_WAIT_SECONDS", "40");
        })
        .await?;
        ensure!(stalled.load(Ordering::SeqCst), "nothing was held back");
        ensure!(node.lines("waiting for PostgreSQL") == 1, "{}", node.said());
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
