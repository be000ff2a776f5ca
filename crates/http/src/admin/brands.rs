//! `/brands`.

use super::serve::{Call, Reply};
use engine::admin::brands;

pub(super) async fn list(call: Call) -> Reply {
    brands::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn create(call: Call) -> Reply {
    brands::create(&call.engine, &call.act(), &call.body).await
}

pub(super) async fn change(call: Call) -> Reply {
    brands::change(&call.engine, &call.act(), call.id(), &call.body).await
}
