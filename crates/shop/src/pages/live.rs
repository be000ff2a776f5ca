//! Server-Sent Events: the part of an order's page that changes, each time it changed.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::stream::unfold;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Shop;
use super::view::OrderView;
use crate::error::Error;
use crate::order::Status;

/// A comment keeps the line open through whatever sits in between.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long and the browser opens another one: no forgotten tab holds a place for ever.
const STREAM_LIFE: Duration = Duration::from_secs(15 * 60);
/// Seconds after which a refused page may try again.
const BUSY_RETRY_S: &str = "5";

/// What a page is told.
#[derive(Debug, Serialize)]
struct Told {
    status: &'static str,
    settled: bool,
    /// The title of the page.
    title: String,
    /// For the ears: what changed, in one sentence.
    say: String,
    /// For the eyes: the part of the page, rendered here and escaped.
    html: String,
}

struct Watch {
    desk: Shop,
    seq: i64,
    changes: Receiver<i64>,
    /// The last part that was sent; the same again is not.
    sent: Option<String>,
    ends: tokio::time::Instant,
    _place: OwnedSemaphorePermit,
}

/// The live events of one order: `event: order`, `data` JSON with `status`, `settled`, `title`, `say` and `html`.
/// The first comes at once, so nothing is missed between a page and its stream.
pub(super) async fn events(State(desk): State<Shop>, Path(number): Path<String>) -> Response {
    let Ok(place) = desk.streams.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, BUSY_RETRY_S)]).into_response();
    };
    // Listening begins before the order is read.
    let changes = desk.changes();
    match desk.store.by_number(number).await {
        Ok(Some(order)) => {
            let watch = Watch {
                changes,
                seq: order.seq,
                sent: None,
                ends: tokio::time::Instant::now() + STREAM_LIFE,
                _place: place,
                desk,
            };
            Sse::new(stream(watch)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "Not found").into_response(),
        Err(error) => super::failed(&error),
    }
}

fn stream(watch: Watch) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(watch, |mut watch| async move {
        loop {
            if watch.sent.is_some() && !watch.changed().await {
                return None;
            }
            match watch.tell().await {
                Ok(Some(event)) => return Some((Ok(event), watch)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a live page could not be told");
                    return None;
                }
            }
        }
    })
}

impl Watch {
    /// Waits for a change of this order; `false`: the stream ends.
    async fn changed(&mut self) -> bool {
        loop {
            tokio::select! {
                () = self.desk.stop.cancelled() => return false,
                () = tokio::time::sleep_until(self.ends) => return false,
                change = self.changes.recv() => match change {
                    Ok(seq) if seq == self.seq => return true,
                    Ok(_) => {}
                    // Some changes were missed; one of them may be ours.
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                },
            }
        }
    }

    /// The event, unless the page shows it already; an error when the order is gone.
    async fn tell(&mut self) -> Result<Option<Event>, Error> {
        let order = self.desk.store.by_seq(self.seq).await?.ok_or(Error::Task)?;
        let (status, settled) = (order.status, order.status.is_settled());
        let view = OrderView::load(&self.desk, order).await?;
        let html = view.fragment()?;
        if self.sent.as_ref() == Some(&html) {
            return Ok(None);
        }
        let told =
            Told { status: status.word(), settled, title: view.page_title(), say: spoken(&view, status), html: html.clone() };
        self.sent = Some(html);
        Ok(Some(Event::default().event("order").data(serde_json::to_string(&told)?)))
    }
}

fn spoken(view: &OrderView, status: Status) -> String {
    if status.is_settled() {
        format!("{}. {} {} {}.", view.headline, view.kind, view.amount, view.currency)
    } else {
        format!("{}.", view.headline)
    }
}
