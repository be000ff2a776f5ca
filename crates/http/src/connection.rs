//! One accepted connection: its socket with the limits that hyper does not have, and what requests know of it.

use crate::limits::{LINGER, LINGER_MAX_BYTES, WRITE_STALL};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What a request knows of the connection that it came by; a request extension.
#[derive(Debug)]
pub struct Connection {
    /// The other end of the socket.
    pub peer: SocketAddr,
    linger: AtomicBool,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self { peer, linger: AtomicBool::new(false) }
    }

    /// The request was answered before it had been read to its end. Closing at once would make the kernel send a reset, which
    /// takes the answer from a peer that is still sending; so the rest is thrown away for a moment first.
    pub(crate) fn answered_early(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }
}

/// The socket: a write that stalls too long fails, and closing lingers where [`Connection::answered_early`] asked for it.
pub(crate) struct Socket<S = TcpStream> {
    stream: S,
    connection: Arc<Connection>,
    stall_limit: Duration,
    linger_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
}

struct Lingering {
    until: Pin<Box<Sleep>>,
    left_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection, stall_limit: WRITE_STALL, linger_limit: LINGER, stalled: None, lingering: None }
    }

    /// Passes progress on; without any, the time until the cut runs.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let limit = self.stall_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_stalled(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stalled(cx, progress)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.connection.linger.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let limit = this.linger_limit;
        let lingering = this
            .lingering
            .get_or_insert_with(|| Lingering { until: Box::pin(tokio::time::sleep(limit)), left_bytes: LINGER_MAX_BYTES });
        let mut scratch = [0; 4096];
        loop {
            if lingering.left_bytes == 0 || lingering.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    lingering.left_bytes = lingering.left_bytes.saturating_sub(buf.filled().len());
                }
                // The peer closed, or is gone: either way it has what it wants.
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const SHORT: Duration = Duration::from_millis(200);

    fn socket(buffer_bytes: usize) -> (Socket<DuplexStream>, DuplexStream, Arc<Connection>) {
        let (near, far) = duplex(buffer_bytes);
        let connection = Arc::new(Connection::new(SocketAddr::from(([127, 0, 0, 1], 1))));
        let mut socket = Socket::new(near, Arc::clone(&connection));
        (socket.stall_limit, socket.linger_limit) = (SHORT, SHORT);
        (socket, far, connection)
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_cut_off() {
        let (mut socket, _far, _) = socket(16);
        let start = Instant::now();
        let error = socket.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn one_that_reads_slowly_is_not() {
        let (mut socket, mut reader, _) = socket(16);
        let start = Instant::now();
        let writing = tokio::spawn(async move { socket.write_all(&[0; 96]).await });
        let mut piece = [0; 16];
        for _ in 0..6 {
            tokio::time::sleep(SHORT / 4).await;
            reader.read_exact(&mut piece).await.unwrap();
        }
        writing.await.unwrap().unwrap();
        assert!(start.elapsed() > SHORT, "longer in all than one stall may be");
    }

    #[tokio::test]
    async fn closing_lingers_only_where_it_was_asked_for_and_not_for_long() {
        let (mut silent, _far, connection) = socket(64);
        connection.answered_early();
        let start = Instant::now();
        silent.shutdown().await.unwrap();
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());

        let (mut left, far, connection) = socket(64);
        connection.answered_early();
        drop(far);
        let start = Instant::now();
        left.shutdown().await.unwrap();
        assert!(start.elapsed() < SHORT / 2, "{:?}", start.elapsed());

        let (mut usual, _far, _) = socket(64);
        let start = Instant::now();
        usual.shutdown().await.unwrap();
        assert!(start.elapsed() < SHORT / 2, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_flood_is_not_swallowed_for_ever() {
        let (mut socket, mut far, connection) = socket(64 * 1024);
        socket.linger_limit = Duration::from_secs(60);
        connection.answered_early();
        let flood = tokio::spawn(async move {
            let mut sent = 0;
            while let Ok(n) = far.write(&[0; 64 * 1024]).await {
                sent += n;
            }
            sent
        });
        socket.shutdown().await.unwrap();
        drop(socket);
        let sent = flood.await.unwrap();
        assert!((LINGER_MAX_BYTES..LINGER_MAX_BYTES + 256 * 1024).contains(&sent), "{sent} bytes were taken");
    }
}
