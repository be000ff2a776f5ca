//! The making of a store as the revision before left it: its schema (migrations 1 to 9), the configuration that a sandbox
//! made, and payments in every state with every kind of open work, by plain SQL. Nothing of it goes through a repository of
//! this program: those are of today's schema.

mod company;
pub(crate) mod directory;
mod forms;
mod payment;
mod product;
mod tables;
mod target;

use anyhow::{Context, Result};
pub(crate) use company::Company;
pub(crate) use forms::{FORMS, Form, form};
pub(crate) use payment::{Callback, Delivery, Hold, Job, Key, Payment, hex_id};
pub(crate) use product::DEAD;
use std::path::Path;
use store::Value;
pub(crate) use tables::{Rows, Table};
pub(crate) use target::Target;

/// Payments that are put together before they are written.
const AT_ONCE: usize = 20_000;
/// The first number of those of the product, and of the many.
const PRODUCT_FROM: u64 = 10_000_000;
const MANY_FROM: u64 = 20_000_000;
/// How long ago the dead process beat last, milliseconds.
const DEAD_SINCE_MS: i64 = 600_000;

/// What was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) transactions: usize,
    /// In all tables that are filled.
    pub(crate) rows: usize,
}

/// Fills a new store with what a sandbox's directory has been configured to, with these payments, with the product, and with so
/// many more. `now`: milliseconds since 1970 UTC.
pub(crate) async fn make(fresh: &Path, mut target: Target, followed: &[Payment], many: usize, now: i64) -> Result<Made> {
    let company = Company::of(fresh)?;
    company::copy(fresh, &mut target).await.context("the configuration")?;
    let mut rows = Rows::default();
    rows.add(Table::Nodes, vec![DEAD.into(), (now - 2 * DEAD_SINCE_MS).into(), (now - DEAD_SINCE_MS).into()]);
    let (sick, _) = company.account("CLEO")?;
    rows.add(Table::EndpointHealth, vec![company.id.as_str().into(), sick.into(), (now - DEAD_SINCE_MS).into(), Value::Null]);
    let product = product::product(PRODUCT_FROM, now);
    let many = (MANY_FROM..).take(many).map(|n| product::one_of_many(n, now));
    let mut made = Made { transactions: 0, rows: 0 };
    let mut waiting = 0;
    for payment in followed.iter().cloned().chain(product).chain(many) {
        payment.write(&company, &mut rows)?;
        made.transactions += 1;
        waiting += 1;
        if waiting == AT_ONCE {
            made.rows += flush(&mut target, &mut rows).await?;
            waiting = 0;
        }
    }
    made.rows += flush(&mut target, &mut rows).await?;
    target.close().await?;
    Ok(made)
}

async fn flush(target: &mut Target, rows: &mut Rows) -> Result<usize> {
    let count = rows.len();
    for (table, rows) in rows.take() {
        target.fill(table, &rows).await?;
    }
    Ok(count)
}
