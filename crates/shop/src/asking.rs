//! Orders whose outcome no webhook tells are asked about: vouchers that are still open, and calls that brought no
//! answer. Asking moves nothing, so it may be repeated; sending again is never done.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use crate::cashier::Asked;
use crate::clock::now_ms;
use crate::desk::Desk;
use crate::order::{Order, Status};

/// How often due orders are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Orders asked about at once.
const AT_ONCE: i64 = 8;
/// Waits after the first inquiries, in seconds.
const FIRST_WAITS_S: [i64; 10] = [1, 1, 2, 5, 5, 10, 10, 15, 30, 60];
const LATER_WAIT_S: i64 = 300;
const LATEST_WAIT_S: i64 = 3_600;
/// From this age on it is asked hourly.
const HOURLY_FROM_S: i64 = 2 * 3_600;
/// No order is asked about for longer: the platform's own schedule ends before.
const ASK_UNTIL_S: i64 = 73 * 3_600;
/// After a voucher's negative ending the platform asks once more at 1, 24 and 72 h, and no webhook tells a late
/// success: a few minutes after each of them so do we.
const LATE_LOOKS_S: [i64; 3] = [65 * 60, (24 * 60 + 5) * 60, (72 * 60 + 5) * 60];
/// A call without an answer counts as never made once the platform, at this age of the order or later, knows no
/// transaction of its number. It creates the transaction before it calls anyone, so this is ample.
const NEVER_CREATED_AFTER_S: i64 = 180;

/// What an order says of which the platform has no transaction.
const NEVER_CREATED: &str = "The platform has no transaction for this order: nothing was taken.";

/// Looks for due orders until the shop stops.
pub(crate) async fn run(desk: Arc<Desk>) {
    if let Err(error) = desk.store.wake_interrupted(now_ms()).await {
        tracing::error!(%error, "interrupted orders could not be taken up");
    }
    loop {
        tokio::select! {
            () = desk.stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        match desk.store.due(now_ms(), AT_ONCE).await {
            Ok(orders) => {
                join_all(orders.iter().map(|order| ask_about(&desk, order))).await;
            }
            Err(error) => tracing::warn!(%error, "orders to ask about could not be read"),
        }
    }
}

async fn ask_about(desk: &Desk, order: &Order) {
    let asked = match &order.transaction_id {
        Some(id) => desk.cashier.ask(id).await,
        None => desk.cashier.find(&order.number).await,
    };
    let now = now_ms();
    let done = match asked {
        Asked::Found { news, .. } => desk.store.learn(order.seq, *news, now, next_ask).await.map(|_| ()),
        Asked::NotFound if order.transaction_id.is_none() && now - order.created_at_ms >= NEVER_CREATED_AFTER_S * 1_000 => {
            desk.store.never_created(order.seq, NEVER_CREATED, now).await
        }
        Asked::NotFound | Asked::NoAnswer => desk.store.asked(order.seq, now, next_ask).await,
    };
    match done {
        Ok(()) => desk.announce(order.seq),
        Err(error) => tracing::warn!(%error, order = %order.number, "an inquiry's result could not be stored"),
    }
}

/// When `order`, as it stands now, is asked about next; `None`: no more.
pub(crate) fn next_ask(order: &Order, now_ms: i64) -> Option<i64> {
    let age_s = (now_ms - order.created_at_ms) / 1_000;
    if order.status.is_settled() {
        if order.awaits_webhook() || !order.status.is_negative() {
            return None;
        }
        let settled_at_ms = order.settled_at_ms?;
        return LATE_LOOKS_S.iter().map(|look_s| settled_at_ms + look_s * 1_000).find(|look_ms| *look_ms > now_ms);
    }
    let is_open = order.status == Status::New || !order.awaits_webhook();
    if !is_open || age_s > ASK_UNTIL_S {
        return None;
    }
    let wait_s = usize::try_from(order.asks)
        .ok()
        .and_then(|asks| FIRST_WAITS_S.get(asks).copied())
        .unwrap_or(if age_s < HOURLY_FROM_S { LATER_WAIT_S } else { LATEST_WAIT_S });
    Some(now_ms + wait_s * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Direction;

    fn order(psp_type: &str, status: Status, asks: i64) -> Order {
        Order {
            seq: 1,
            number: "ORD-1001-TEST".to_owned(),
            key: "key".to_owned(),
            psp_type: psp_type.to_owned(),
            direction: Direction::PayIn,
            amount: "25.00".to_owned(),
            currency: "EUR".to_owned(),
            customer: "demo-clara".to_owned(),
            request: String::new(),
            status,
            source: None,
            transaction_id: None,
            session_id: None,
            psp_transaction_id: None,
            provider_status: String::new(),
            message: String::new(),
            error_code: None,
            has_page: false,
            created_at_ms: 0,
            sent_at_ms: None,
            webhook_at_ms: None,
            settled_at_ms: status.is_settled().then_some(0),
            asks,
        }
    }

    #[test]
    fn only_what_no_webhook_tells_is_asked_about() {
        assert_eq!(next_ask(&order("PAYONE", Status::Pending, 0), 0), None);
        assert_eq!(next_ask(&order("FORUMPAY", Status::OnHold, 0), 0), None);
        assert_eq!(next_ask(&order("PAYONE", Status::New, 0), 0), Some(1_000));
        assert_eq!(next_ask(&order("FLEXEPIN", Status::Pending, 0), 0), Some(1_000));
        assert_eq!(next_ask(&order("FLEXEPIN", Status::Approved, 0), 0), None);
        assert_eq!(next_ask(&order("PAYONE", Status::Failed, 0), 0), None);
    }

    #[test]
    fn asking_slows_down_and_ends() {
        let pending = |asks, age_s: i64| {
            next_ask(&order("FLEXEPIN", Status::Pending, asks), age_s * 1_000).map(|at_ms| at_ms / 1_000 - age_s)
        };
        assert_eq!(pending(9, 140), Some(60));
        assert_eq!(pending(10, 200), Some(300));
        assert_eq!(pending(50, 3 * 3_600), Some(3_600));
        assert_eq!(pending(150, 74 * 3_600), None);
        let failed = |age_s: i64| next_ask(&order("FLEXEPIN", Status::Failed, 0), age_s * 1_000);
        assert_eq!(failed(0), Some(65 * 60 * 1_000));
        assert_eq!(failed(66 * 60), Some((24 * 60 + 5) * 60 * 1_000));
        assert_eq!(failed(73 * 3_600), None);
    }
}
