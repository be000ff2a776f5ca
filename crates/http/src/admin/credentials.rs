//! `/credentials`: who may call the APIs.

use super::serve::{Call, Reply};
use engine::admin::credentials;

pub(super) async fn list(call: Call) -> Reply {
    credentials::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn create(call: Call) -> Reply {
    credentials::create(&call.engine, &call.act(), &call.body).await
}

pub(super) async fn rotate(call: Call) -> Reply {
    credentials::rotate(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn revoke(call: Call) -> Reply {
    credentials::revoke(&call.engine, &call.act(), call.id()).await
}
