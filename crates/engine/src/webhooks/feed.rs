//! The pull twin: every event of a company in commit order, for 30 days.

use crate::core::Engine;
use crate::flow::EngineError;
use domain::{CompanyId, EventId, Json, Timestamp};
use store::Dialect;
use store::repository::{events, feed};

/// An event as the feed shows it.
#[derive(Clone, Debug)]
pub struct FeedItem {
    /// Its id.
    pub id: EventId,
    /// 1, 2, ... per transaction.
    pub sequence: i64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// What its webhook says.
    pub body: Json,
}

/// A page of the feed.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, oldest first.
    pub items: Vec<FeedItem>,
    /// The `after` of the next page; `None`: there is nothing (more) now, and whoever follows asks again with what they have.
    pub next: Option<EventId>,
}

impl EventPage {
    /// `{"items":[{"id","sequence","createdAt","body"}],"next"}`.
    pub fn to_json(&self) -> Json {
        let item = |item: &FeedItem| {
            Json::object([
                ("id", Json::text(item.id.as_str())),
                ("sequence", Json::from(item.sequence)),
                ("createdAt", Json::text(item.created_at.to_string())),
                ("body", item.body.clone()),
            ])
        };
        let next = self.next.as_ref().map_or(Json::Null, |id| Json::text(id.as_str()));
        Json::object([("items", Json::Array(self.items.iter().map(item).collect())), ("next", next)])
    }
}

impl Engine {
    /// The company's events after that one, or from the oldest; `None` when it has no such event.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn events_after(
        &self,
        company: CompanyId,
        after: Option<&EventId>,
        limit: u32,
    ) -> Result<Option<EventPage>, EngineError> {
        let Some(found) = events::after(self.store(), company, after, limit).await? else { return Ok(None) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if found.len() < limit && self.store().dialect() == Dialect::Postgres && feed::has_unshown(self.store(), company).await? {
            // Whoever stored it may be gone.
            self.inner.wake.feed.notify_one();
        }
        let mut items = Vec::with_capacity(found.len());
        for event in found {
            let body = Json::parse(event.body.as_bytes())
                .map_err(|_| EngineError::Corrupt("the body of a webhook event is no JSON".to_owned()))?;
            items.push(FeedItem { id: event.id, sequence: event.sequence, created_at: event.created_at, body });
        }
        let next = items.last().map(|item| item.id.clone());
        Ok(Some(EventPage { items, next }))
    }
}
