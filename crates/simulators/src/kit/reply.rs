//! What a simulator answers, and the faults it can put into the wire.

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::oneshot;

/// The cut of an answer comes this long after its first bytes, so that those are on the wire before it.
const CUT_AFTER: Duration = Duration::from_millis(40);

/// What goes wrong on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The head promises more bytes than come; then the connection is closed.
    Cut {
        /// The length that the head promises.
        promised: usize,
    },
    /// The connection is closed without an answer.
    Close,
    /// Silence for 120 s (divided by the time scale), then the connection is closed.
    Hang,
}

/// Marks a response that must never be written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloseWithoutAnswer;

/// An answer with what happens around it.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers beside the content length.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The fault, if any.
    pub(crate) fault: Fault,
    /// The answer is held back until this callback was sent once (scenario 10).
    pub(crate) after: Option<oneshot::Receiver<()>>,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), fault: Fault::None, after: None }
    }

    /// A text answer of some content type.
    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let mut reply = Self::empty(status);
        reply.body = body.into().into_bytes();
        reply.header("content-type", content_type)
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// HTTP 429 with `Retry-After: 1` (scenario 06).
    pub(crate) fn rate_limited(body: &Value) -> Self {
        Self::json(429, body).header("retry-after", "1")
    }

    /// Silence, then a closed connection (scenario 05).
    pub(crate) fn hang() -> Self {
        Self { fault: Fault::Hang, ..Self::empty(200) }
    }

    /// A connection closed without an answer (scenario 12).
    pub(crate) fn close() -> Self {
        Self { fault: Fault::Close, ..Self::empty(200) }
    }

    /// This answer, cut after its first `bytes` bytes (scenario 11).
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        let promised = self.body.len().max(bytes + 1);
        self.body.truncate(bytes);
        self.fault = Fault::Cut { promised };
        self
    }

    /// Holds the answer back until the callback was sent once.
    pub(crate) fn after(mut self, sent: Option<oneshot::Receiver<()>>) -> Self {
        self.after = sent;
        self
    }

    /// The HTTP form. `Hang` has been waited out by the caller and counts as `Close` here.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        match self.fault {
            Fault::Close | Fault::Hang => {
                response.extensions_mut().insert(CloseWithoutAnswer);
                return response;
            }
            Fault::Cut { promised } => {
                let head = futures::stream::iter([Ok::<Bytes, std::io::Error>(Bytes::from(self.body))]);
                let cut = futures::stream::once(async {
                    tokio::time::sleep(CUT_AFTER).await;
                    Err(std::io::Error::other("the answer is cut here on purpose"))
                });
                *response.body_mut() = Body::from_stream(head.chain(cut));
                response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(promised));
            }
            Fault::None => *response.body_mut() = Body::from(self.body),
        }
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}
