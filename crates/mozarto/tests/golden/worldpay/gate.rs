//! Stands before an endpoint: what goes there waits until the row lets it go, so that the timeline has everything in one order.

use anyhow::{Context as _, Result};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const END_OF_HEAD: &str = "\r\n\r\n";

/// Open, or not.
pub(super) struct Gate {
    pub(super) url: String,
    open: Arc<watch::Sender<bool>>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// Before that endpoint.
    pub(super) async fn start(endpoint: &str) -> Result<Self> {
        let (host, path) = endpoint.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("no address")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/{path}", listener.local_addr()?);
        let (open, host) = (Arc::new(watch::Sender::new(false)), host.to_owned());
        let (opened, waiting) = (open.clone(), Arc::new(watch::Sender::new(0)));
        let came = waiting.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, host.clone(), opened.subscribe(), came.clone()));
            }
        });
        Ok(Self { url, open, waiting })
    }

    /// Opens it for good.
    pub(super) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until so many have come.
    pub(super) async fn waits_for(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await.expect("a gate");
    }
}

/// One request and its answer; a connection has no second one, which would pass unseen.
async fn pass_on(
    mut stream: TcpStream,
    host: String,
    mut open: watch::Receiver<bool>,
    came: Arc<watch::Sender<usize>>,
) -> Result<()> {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let mut buffer = vec![0; 16_384];
        let got = stream.read(&mut buffer).await?;
        anyhow::ensure!(got > 0, "half a request");
        read.extend_from_slice(&buffer[..got]);
    }
    came.send_modify(|came| *came += 1);
    open.wait_for(|open| *open).await?;
    let mut there = TcpStream::connect(&host).await?;
    let said = String::from_utf8(read)?.replacen(END_OF_HEAD, "\r\nconnection: close\r\n\r\n", 1);
    there.write_all(said.as_bytes()).await?;
    tokio::io::copy(&mut there, &mut stream).await?;
    Ok(())
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once(END_OF_HEAD) else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or_default()
}
