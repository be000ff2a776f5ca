//! `/audit`: who did what.

use super::serve::{Call, Reply};
use engine::admin::audit;

pub(super) async fn list(call: Call) -> Reply {
    audit::list(&call.engine, &call.act(), call.query.as_deref()).await
}
