//! Reading a request's body within its limits.

use crate::reply::{self, Refused};
use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use domain::Json;
use domain::limits::BODY_MAX_BYTES;
use engine::cashier::{Wiped, WipedDocument};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use zeroize::Zeroizing;

/// The body did not come in its time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
pub struct TooSlow;

/// A body that must have come to its end a while after it was first waited for; around the body of every request, whoever reads
/// it.
pub(crate) struct Deadline {
    body: Body,
    limit: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(body: Body, limit: Duration) -> Self {
        Self { body, limit, until: None }
    }
}

impl HttpBody for Deadline {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = this.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.limit)));
        ready!(until.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The whole body, at most [`BODY_MAX_BYTES`]; a longer one is not read to its end, and one that says so is not read at all.
///
/// # Errors
/// 413, also for a body without a length; 408 for one that does not come in [`Limits::body_read`](crate::Limits::body_read); 400
/// for one that breaks off.
pub async fn read(mut body: Body) -> Result<Bytes, Refused> {
    if body.size_hint().lower() > BODY_MAX_BYTES as u64 {
        return Err(reply::too_large().into());
    }
    // Nearly every body comes as one piece, which is then handed on as it is. Whatever is copied or given up may hold a card:
    // nothing grows, and all of it is wiped.
    let first = Wiped::new(next_piece(&mut body).await?.unwrap_or_default());
    let mut whole: Option<Zeroizing<Vec<u8>>> = None;
    while first.bytes().len() <= BODY_MAX_BYTES {
        let Some(piece) = next_piece(&mut body).await?.map(Wiped::new) else {
            return Ok(whole.map_or_else(|| first.take(), Bytes::from_owner));
        };
        let so_far = whole.get_or_insert_with(|| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_MAX_BYTES));
            bytes.extend_from_slice(first.bytes());
            bytes
        });
        if so_far.len() + piece.bytes().len() > BODY_MAX_BYTES {
            break;
        }
        so_far.extend_from_slice(piece.bytes());
    }
    Err(reply::too_large().into())
}

/// The next piece of data; trailers are passed over.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Refused> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let slow = error.into_inner().is::<TooSlow>();
            Refused::from(if slow { reply::too_slow() } else { reply::incomplete() })
        })?;
        if let Ok(piece) = frame.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// The body as a JSON object.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn object(raw: &[u8]) -> Result<Json, Refused> {
    WipedDocument::object(raw).map(WipedDocument::take).map_err(|why| why.answer().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    async fn read_all(body: Body) -> Result<usize, u16> {
        read(body).await.map(|bytes| bytes.len()).map_err(|refused| refused.0.status)
    }

    /// A body without a known length, in pieces.
    fn in_pieces(piece: usize, times: usize) -> Body {
        let pieces = (0..times).map(move |_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; piece])));
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn the_limit_holds_to_the_byte() {
        assert_eq!(read_all(Body::empty()).await, Ok(0));
        assert_eq!(read_all(Body::from(vec![b'x'; BODY_MAX_BYTES])).await, Ok(BODY_MAX_BYTES));
        assert_eq!(read_all(Body::from(vec![b'x'; BODY_MAX_BYTES + 1])).await, Err(413));
        assert_eq!(read_all(in_pieces(1024, 64)).await, Ok(BODY_MAX_BYTES));
        assert_eq!(read_all(in_pieces(1024, 65)).await, Err(413));
        assert_eq!(read_all(in_pieces(BODY_MAX_BYTES + 1, 1)).await, Err(413));
        assert_eq!(read_all(in_pieces(0, 5)).await, Ok(0));
        assert_eq!(read_all(in_pieces(7, 3)).await, Ok(21));
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let sent = Bytes::from_static(b"{\"a\":1}");
        let got = read(Body::new(Full::new(sent.clone()))).await.unwrap();
        assert_eq!((got.as_ptr(), got.len()), (sent.as_ptr(), sent.len()));
    }

    #[tokio::test]
    async fn breaking_off_and_stalling() {
        let broken = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
        assert_eq!(read_all(Body::from_stream(futures::stream::iter(broken))).await, Err(400));
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = read(Body::new(Deadline::new(silent, Duration::from_millis(20)))).await.unwrap_err();
        assert_eq!(refused.0.status, 408);
    }
}
