//! `/company`: the company's own settings.

use super::serve::{Call, Reply};
use engine::admin::company;

pub(super) async fn find(call: Call) -> Reply {
    company::find(&call.engine, &call.act()).await
}

pub(super) async fn change(call: Call) -> Reply {
    company::change(&call.engine, &call.act(), &call.body).await
}
