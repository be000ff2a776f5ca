//! `/payment-methods`: configured provider accounts.

use super::serve::{Call, Reply};
use engine::admin::{deliveries, payment_methods};

pub(super) async fn list(call: Call) -> Reply {
    payment_methods::list(&call.engine, &call.act(), call.query.as_deref()).await
}

pub(super) async fn create(call: Call) -> Reply {
    payment_methods::create(&call.engine, &call.act(), &call.body).await
}

pub(super) async fn find(call: Call) -> Reply {
    payment_methods::find(&call.engine, &call.act(), call.id()).await
}

pub(super) async fn change(call: Call) -> Reply {
    payment_methods::change(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn test(call: Call) -> Reply {
    payment_methods::test(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn rotate_signing(call: Call) -> Reply {
    payment_methods::rotate_signing(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn rotate_bearer(call: Call) -> Reply {
    payment_methods::rotate_bearer(&call.engine, &call.act(), call.id(), &call.body).await
}

pub(super) async fn webhook_test(call: Call) -> Reply {
    deliveries::send_test(&call.engine, &call.act(), call.id(), &call.body).await
}
