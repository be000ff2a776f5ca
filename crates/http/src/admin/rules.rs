//! `/rules`: orchestration.

use super::serve::{Call, Reply};
use engine::admin::rules;

pub(super) async fn list(call: Call) -> Reply {
    rules::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn create(call: Call) -> Reply {
    rules::create(&call.engine, &call.act(), &call.body).await
}

pub(super) async fn find(call: Call) -> Reply {
    rules::find(&call.engine, &call.act(), call.id()).await
}

pub(super) async fn change(call: Call) -> Reply {
    rules::change(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn delete(call: Call) -> Reply {
    rules::delete(&call.engine, &call.act(), call.id()).await
}
