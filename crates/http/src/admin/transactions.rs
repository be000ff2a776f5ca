//! `/transactions`.

use super::serve::{Call, Reply};
use engine::admin::transactions;

pub(super) async fn list(call: Call) -> Reply {
    transactions::list(&call.engine, &call.act(), call.query.as_deref(), call.search).await
}

pub(super) async fn find(call: Call) -> Reply {
    transactions::find(&call.engine, &call.act(), call.id()).await
}

pub(super) async fn inquire(call: Call) -> Reply {
    transactions::inquire(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn release(call: Call) -> Reply {
    transactions::release(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn resolve(call: Call) -> Reply {
    transactions::resolve(&call.engine, &call.act(), call.id(), &call.body).await
}
