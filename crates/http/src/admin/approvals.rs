//! `/approvals`: pay-outs on hold.

use super::serve::{Call, Reply};
use engine::admin::approvals;

pub(super) async fn list(call: Call) -> Reply {
    approvals::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn approve(call: Call) -> Reply {
    approvals::approve(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn reject(call: Call) -> Reply {
    approvals::reject(&call.engine, &call.act(), call.id(), &call.body).await
}
