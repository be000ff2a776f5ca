//! `/deliveries`: webhooks on their way to the merchant.

use super::serve::{Call, Reply};
use engine::admin::deliveries;

pub(super) async fn list(call: Call) -> Reply {
    deliveries::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn find(call: Call) -> Reply {
    deliveries::find(&call.engine, &call.act(), call.id()).await
}

pub(super) async fn replay(call: Call) -> Reply {
    deliveries::replay(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn replay_since(call: Call) -> Reply {
    deliveries::replay_since(&call.engine, &call.act(), &call.body).await
}
