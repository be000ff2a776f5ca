//! The pages of orders: one, all, the browser's return, and the way back to the payment page.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::view::{Badge, HookLine, OrderView};
use super::{Here, Shop, failed, notice, page, see_other};
use crate::clock;
use crate::error::Error;
use crate::order::Order;

/// Orders on one page of the list.
const ORDERS_SHOWN: i64 = 50;
/// Webhooks below the list.
const WEBHOOKS_SHOWN: i64 = 50;
/// What a return address may say; anything else is not repeated on the page.
const RESULTS: [&str; 5] = ["success", "failure", "pending", "cancel", "return"];

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    here: Here,
    title: String,
    view: OrderView,
    /// `Some` when the browser just came back: the word of the return address.
    came_back: Option<String>,
    request: String,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct ListPage {
    here: Here,
    orders: Vec<Line>,
    older: Option<i64>,
    is_first: bool,
    hooks: Vec<HookLine>,
    refused: u64,
    webhook_address: String,
}

/// An order as a row.
struct Line {
    number: String,
    kind: &'static str,
    provider: String,
    amount: String,
    currency: String,
    badge: Badge,
    at: String,
    at_machine: String,
}

impl Line {
    fn of(order: Order) -> Line {
        Line {
            kind: order.direction.title(),
            provider: order.provider_name().to_owned(),
            badge: Badge::of(order.status),
            at: clock::readable(order.created_at_ms),
            at_machine: clock::rfc3339(order.created_at_ms),
            number: order.number,
            amount: order.amount,
            currency: order.currency,
        }
    }
}

/// What the browser brings back. Navigation: it finds the order, and says nothing about the outcome.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Return {
    transaction_id: Option<String>,
    session_id: Option<String>,
    merchant_reference: Option<String>,
    result: Option<String>,
}

/// Where a page of the list begins.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    before: Option<i64>,
}

/// `GET /orders/{number}`.
pub(super) async fn show(State(desk): State<Shop>, Path(number): Path<String>) -> Response {
    let order = desk.store.by_number(number).await;
    answer(&desk, order, None).await
}

/// `GET /return`: the address that payers come back to.
pub(super) async fn returned(State(desk): State<Shop>, Query(query): Query<Return>) -> Response {
    let result = query.result.filter(|word| RESULTS.contains(&word.as_str())).unwrap_or_default();
    for id in [query.transaction_id, query.session_id].into_iter().flatten() {
        match desk.store.by_transaction(id).await {
            Ok(None) => {}
            found => return answer(&desk, found, Some(result)).await,
        }
    }
    let order = desk.store.by_number(query.merchant_reference.unwrap_or_default()).await;
    answer(&desk, order, Some(result)).await
}

async fn answer(desk: &Shop, order: Result<Option<Order>, Error>, came_back: Option<String>) -> Response {
    let order = match order {
        Ok(Some(order)) => order,
        Ok(None) => {
            return notice(
                StatusCode::NOT_FOUND,
                "No such order",
                "This shop knows no order of that number. It may have been made elsewhere, through the API.",
            );
        }
        Err(error) => return failed(&error),
    };
    let request = order.request.clone();
    match OrderView::load(desk, order).await {
        Ok(view) => page(StatusCode::OK, &OrderPage { here: Here::Orders, title: view.page_title(), view, came_back, request }),
        Err(error) => failed(&error),
    }
}

/// `GET /orders`: the newest orders, and the webhooks.
pub(super) async fn list(State(desk): State<Shop>, Query(listing): Query<Listing>) -> Response {
    match list_page(&desk, listing.before).await {
        Ok(template) => page(StatusCode::OK, &template),
        Err(error) => failed(&error),
    }
}

async fn list_page(desk: &Shop, before: Option<i64>) -> Result<ListPage, Error> {
    // One more than is shown tells whether there are older ones.
    let mut orders = desk.store.newest(before, ORDERS_SHOWN + 1).await?;
    let shown = usize::try_from(ORDERS_SHOWN).unwrap_or(usize::MAX);
    let more = orders.len() > shown;
    orders.truncate(shown);
    let older = orders.last().map(|order| order.seq).filter(|_| more);
    let hooks = desk.store.webhooks(None, WEBHOOKS_SHOWN).await?;
    Ok(ListPage {
        here: Here::Orders,
        orders: orders.into_iter().map(Line::of).collect(),
        older,
        is_first: before.is_none(),
        hooks: hooks.into_iter().map(HookLine::of).collect(),
        refused: desk.refused_webhooks(),
        webhook_address: desk.addresses.webhook.clone(),
    })
}

/// `GET /orders/{number}/continue`: back to the provider's page while the payment is open.
pub(super) async fn lead_on(State(desk): State<Shop>, Path(number): Path<String>) -> Response {
    let order = match desk.store.by_number(number).await {
        Ok(Some(order)) => order,
        Ok(None) => return notice(StatusCode::NOT_FOUND, "No such order", "This shop knows no order of that number."),
        Err(error) => return failed(&error),
    };
    match desk.payment_page(&order).await {
        Some(address) => see_other(address.as_str()),
        None => see_other(&format!("/orders/{}", order.number)),
    }
}
