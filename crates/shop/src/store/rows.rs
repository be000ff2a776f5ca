//! What is read and written: orders, webhooks, and the news that moves orders on.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Store;
use crate::catalog::Direction;
use crate::error::Error;
use crate::order::{News, Order, Source, Status};

/// Orders kept; beyond it the oldest go.
const ORDERS_MAX: i64 = 5_000;
/// Webhooks kept, which is also the memory of what was a duplicate; beyond it the oldest go.
const WEBHOOKS_MAX: i64 = 20_000;

const ORDER_COLUMNS: &str = "seq, number, key, psp_type, type, amount, currency, customer, request, status, source,
  transaction_id, session_id, psp_transaction_id, provider_status, message, error_code, has_page, created_at_ms,
  sent_at_ms, webhook_at_ms, settled_at_ms, asks";

/// An order before its call.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) key: String,
    /// Four characters that make the order number one of a kind, across a store that was deleted too.
    pub(crate) suffix: String,
    pub(crate) psp_type: &'static str,
    pub(crate) direction: Direction,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) customer: &'static str,
    pub(crate) now_ms: i64,
    /// When the platform is asked about it if no answer was recorded by then.
    pub(crate) ask_at_ms: i64,
}

/// What came of a draft.
pub(crate) enum Drafted {
    New(Order),
    /// The form was sent before: its order.
    Known(Order),
}

/// A verified webhook.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: String,
    pub(crate) sequence: Option<i64>,
    pub(crate) method: String,
    /// The word as it came.
    pub(crate) transaction_status: String,
    pub(crate) news: News,
    pub(crate) received_at_ms: i64,
}

/// What came of a webhook.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    Duplicate { order_seq: Option<i64> },
    Stored { order_seq: Option<i64> },
}

/// A stored webhook, for the pages.
#[derive(Debug)]
pub(crate) struct HookRow {
    pub(crate) id: String,
    pub(crate) order_number: Option<String>,
    pub(crate) transaction_id: String,
    pub(crate) sequence: Option<i64>,
    pub(crate) method: String,
    pub(crate) transaction_status: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    /// What it did: `applied`, or why it changed nothing.
    pub(crate) effect: String,
    pub(crate) received_at_ms: i64,
    pub(crate) duplicates: i64,
}

impl Store {
    /// Stores an order before its call; the request's text comes with [`Store::set_request`], because it holds
    /// the number that is made here.
    pub(crate) async fn draft(&self, draft: Draft) -> Result<Drafted, Error> {
        self.run(move |connection| insert_order(connection, &draft)).await
    }

    /// Keeps the request as it is about to be sent, masked.
    pub(crate) async fn set_request(&self, seq: i64, request: String) -> Result<(), Error> {
        self.run(move |connection| {
            connection.execute("UPDATE orders SET request=?2 WHERE seq=?1", params![seq, request])?;
            Ok(())
        })
        .await
    }

    /// Takes back an order that the platform refused before it created anything.
    pub(crate) async fn withdraw(&self, seq: i64) -> Result<(), Error> {
        self.run(move |connection| {
            connection.execute("DELETE FROM orders WHERE seq=?1 AND transaction_id IS NULL AND status='New'", params![seq])?;
            Ok(())
        })
        .await
    }

    /// Applies the answer or a status query; `next_ask_at_ms` says when to ask again if the order is then still
    /// open. Answers the order as it is now.
    pub(crate) async fn learn(
        &self,
        seq: i64,
        news: News,
        now_ms: i64,
        next_ask_at_ms: fn(&Order, i64) -> Option<i64>,
    ) -> Result<Option<Order>, Error> {
        self.run(move |connection| {
            let Some(order) = order_where(connection, "seq=?1", &seq)? else {
                return Ok(None);
            };
            if news.source == Source::Query {
                connection.execute("UPDATE orders SET asks=asks+1 WHERE seq=?1", params![seq])?;
            }
            apply(connection, &order, &news, now_ms)?;
            let Some(order) = order_where(connection, "seq=?1", &seq)? else {
                return Ok(None);
            };
            schedule(connection, &order, next_ask_at_ms(&order, now_ms))?;
            Ok(Some(order))
        })
        .await
    }

    /// Counts an inquiry that brought nothing and sets the next one.
    pub(crate) async fn asked(&self, seq: i64, now_ms: i64, next_ask_at_ms: fn(&Order, i64) -> Option<i64>) -> Result<(), Error> {
        self.run(move |connection| {
            connection.execute("UPDATE orders SET asks=asks+1 WHERE seq=?1", params![seq])?;
            if let Some(order) = order_where(connection, "seq=?1", &seq)? {
                schedule(connection, &order, next_ask_at_ms(&order, now_ms))?;
            }
            Ok(())
        })
        .await
    }

    /// Ends an order of which the platform has no transaction: nothing was taken.
    pub(crate) async fn never_created(&self, seq: i64, message: &'static str, now_ms: i64) -> Result<(), Error> {
        self.run(move |connection| {
            connection.execute(
                "UPDATE orders SET status='Failed', source='query', message=?2, settled_at_ms=?3, next_ask_at_ms=NULL
                 WHERE seq=?1 AND status='New'",
                params![seq, message, now_ms],
            )?;
            Ok(())
        })
        .await
    }

    /// Stores a webhook and moves its order on, in one commit; a known id is only counted.
    pub(crate) async fn receive(&self, incoming: Incoming) -> Result<Receipt, Error> {
        self.run(move |connection| receive(connection, &incoming)).await
    }

    /// After a start: orders whose call was cut off by the end of the process are asked about now.
    pub(crate) async fn wake_interrupted(&self, now_ms: i64) -> Result<(), Error> {
        self.run(move |connection| {
            connection.execute("UPDATE orders SET next_ask_at_ms=?1 WHERE status='New'", params![now_ms])?;
            Ok(())
        })
        .await
    }

    /// Orders to ask the platform about now.
    pub(crate) async fn due(&self, now_ms: i64, limit: i64) -> Result<Vec<Order>, Error> {
        self.run(move |connection| {
            orders(connection, "next_ask_at_ms <= ?1 ORDER BY next_ask_at_ms LIMIT ?2", params![now_ms, limit])
        })
        .await
    }

    /// The order of a number.
    pub(crate) async fn by_number(&self, number: String) -> Result<Option<Order>, Error> {
        self.run(move |connection| order_where(connection, "number=?1", &number)).await
    }

    /// The order of a sequence number.
    pub(crate) async fn by_seq(&self, seq: i64) -> Result<Option<Order>, Error> {
        self.run(move |connection| order_where(connection, "seq=?1", &seq)).await
    }

    /// The order of a platform id, either of the two.
    pub(crate) async fn by_transaction(&self, id: String) -> Result<Option<Order>, Error> {
        self.run(move |connection| order_where(connection, "transaction_id=?1 OR session_id=?1", &id)).await
    }

    /// Orders before `before` (all when `None`), newest first.
    pub(crate) async fn newest(&self, before: Option<i64>, limit: i64) -> Result<Vec<Order>, Error> {
        self.run(move |connection| {
            orders(connection, "seq < ?1 ORDER BY seq DESC LIMIT ?2", params![before.unwrap_or(i64::MAX), limit])
        })
        .await
    }

    /// The webhooks of an order (`Some`) or of all (`None`), newest first.
    pub(crate) async fn webhooks(&self, order_seq: Option<i64>, limit: i64) -> Result<Vec<HookRow>, Error> {
        self.run(move |connection| hooks(connection, order_seq, limit)).await
    }
}

fn insert_order(connection: &Connection, draft: &Draft) -> rusqlite::Result<Drafted> {
    if let Some(order) = order_where(connection, "key=?1", &draft.key)? {
        return Ok(Drafted::Known(order));
    }
    let seq: i64 = connection.query_row("SELECT coalesce(max(seq), 1000) + 1 FROM orders", [], |row| row.get(0))?;
    let number = format!("ORD-{seq}-{}", draft.suffix);
    connection.execute(
        "INSERT INTO orders(seq, number, key, psp_type, type, amount, currency, customer, request, status,
           created_at_ms, next_ask_at_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', 'New', ?9, ?10)",
        params![
            seq,
            number,
            draft.key,
            draft.psp_type,
            draft.direction.code(),
            draft.amount,
            draft.currency,
            draft.customer,
            draft.now_ms,
            draft.ask_at_ms
        ],
    )?;
    connection.execute("DELETE FROM orders WHERE seq <= ?1", params![seq - ORDERS_MAX])?;
    order_where(connection, "seq=?1", &seq)?.map(Drafted::New).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn receive(connection: &Connection, incoming: &Incoming) -> rusqlite::Result<Receipt> {
    let known: Option<Option<i64>> = connection
        .prepare_cached("UPDATE webhooks SET duplicates=duplicates+1 WHERE id=?1 RETURNING order_seq")?
        .query_row(params![incoming.id], |row| row.get(0))
        .optional()?;
    if let Some(order_seq) = known {
        return Ok(Receipt::Duplicate { order_seq });
    }
    let news = &incoming.news;
    let order = order_of(connection, news)?;
    let effect = match &order {
        None => "no order here",
        Some(order) => apply(connection, order, news, incoming.received_at_ms)?,
    };
    let order_seq = order.map(|order| order.seq);
    if let Some(seq) = order_seq {
        connection.execute(
            "UPDATE orders SET webhook_at_ms=coalesce(webhook_at_ms, ?2) WHERE seq=?1",
            params![seq, incoming.received_at_ms],
        )?;
    }
    connection
        .prepare_cached(
            "INSERT INTO webhooks(id, order_seq, transaction_id, sequence, method, transaction_status, amount,
               currency, effect, received_at_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            incoming.id,
            order_seq,
            news.transaction_id,
            incoming.sequence,
            incoming.method,
            incoming.transaction_status,
            news.amount.as_deref().unwrap_or(""),
            news.currency.as_deref().unwrap_or(""),
            effect,
            incoming.received_at_ms
        ])?;
    connection
        .prepare_cached("DELETE FROM webhooks WHERE seq <= ?1")?
        .execute(params![connection.last_insert_rowid() - WEBHOOKS_MAX])?;
    Ok(Receipt::Stored { order_seq })
}

/// The order that news is about: by the platform's id, or, while the answer with that id is still on its way, by
/// our own order number.
fn order_of(connection: &Connection, news: &News) -> rusqlite::Result<Option<Order>> {
    if let Some(order) = order_where(connection, "transaction_id=?1", &news.transaction_id)? {
        return Ok(Some(order));
    }
    if news.merchant_reference.is_empty() {
        return Ok(None);
    }
    Ok(order_where(connection, "number=?1", &news.merchant_reference)?.filter(|order| order.transaction_id.is_none()))
}

/// Writes what `news` adds to `order`; says in a few words what it did.
fn apply(connection: &Connection, order: &Order, news: &News, now_ms: i64) -> rusqlite::Result<&'static str> {
    if order.transaction_id.as_deref().is_some_and(|id| id != news.transaction_id) {
        return Ok("another transaction's id");
    }
    if !news.same_money(order) {
        return Ok("amount or currency differs");
    }
    let new_status = news.status.filter(|status| status.supersedes(order.status));
    connection.execute(
        "UPDATE orders SET transaction_id=?2, session_id=coalesce(session_id, ?3),
           psp_transaction_id=coalesce(?4, psp_transaction_id), amount=coalesce(?5, amount),
           has_page=max(has_page, ?6), sent_at_ms=coalesce(sent_at_ms, ?7) WHERE seq=?1",
        params![
            order.seq,
            news.transaction_id,
            news.session_id,
            news.psp_transaction_id,
            news.amount,
            news.has_page,
            news.status.filter(|status| shows_sending(*status, news.error_code.is_some())).map(|_| now_ms),
        ],
    )?;
    let Some(status) = new_status else {
        return Ok("nothing new");
    };
    connection.execute(
        "UPDATE orders SET status=?2, source=?3, provider_status=?4, message=?5, error_code=?6, asks=0,
           settled_at_ms=CASE WHEN ?7 THEN ?8 ELSE settled_at_ms END,
           next_ask_at_ms=CASE WHEN ?7 THEN NULL ELSE next_ask_at_ms END WHERE seq=?1",
        params![
            order.seq,
            status.word(),
            news.source.word(),
            news.provider_status,
            news.message,
            news.error_code,
            status.is_settled(),
            now_ms
        ],
    )?;
    Ok("applied")
}

/// Whether a status says that the provider has the order: a held or rejected pay-out never left the platform, and
/// what failed with an error code may not have.
fn shows_sending(status: Status, failed: bool) -> bool {
    match status {
        Status::New | Status::OnHold | Status::Rejected => false,
        Status::Pending | Status::Approved | Status::Reversed => true,
        Status::Declined | Status::Cancelled | Status::Expired | Status::Failed => !failed,
    }
}

fn schedule(connection: &Connection, order: &Order, at_ms: Option<i64>) -> rusqlite::Result<()> {
    connection.execute("UPDATE orders SET next_ask_at_ms=?2 WHERE seq=?1", params![order.seq, at_ms])?;
    Ok(())
}

fn order_where(connection: &Connection, condition: &str, value: &dyn rusqlite::ToSql) -> rusqlite::Result<Option<Order>> {
    connection
        .prepare_cached(&format!("SELECT {ORDER_COLUMNS} FROM orders WHERE {condition}"))?
        .query_row([value], read_order)
        .optional()
}

fn orders(connection: &Connection, condition: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Order>> {
    connection
        .prepare_cached(&format!("SELECT {ORDER_COLUMNS} FROM orders WHERE {condition}"))?
        .query_map(values, read_order)?
        .collect()
}

fn read_order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let word = |index: usize| row.get::<_, String>(index);
    Ok(Order {
        seq: row.get(0)?,
        number: row.get(1)?,
        key: row.get(2)?,
        psp_type: row.get(3)?,
        direction: known(4, Direction::from_code(&word(4)?))?,
        amount: row.get(5)?,
        currency: row.get(6)?,
        customer: row.get(7)?,
        request: row.get(8)?,
        status: known(9, Status::from_word(&word(9)?))?,
        source: row.get::<_, Option<String>>(10)?.as_deref().and_then(Source::from_word),
        transaction_id: row.get(11)?,
        session_id: row.get(12)?,
        psp_transaction_id: row.get(13)?,
        provider_status: row.get(14)?,
        message: row.get(15)?,
        error_code: row.get(16)?,
        has_page: row.get(17)?,
        created_at_ms: row.get(18)?,
        sent_at_ms: row.get(19)?,
        webhook_at_ms: row.get(20)?,
        settled_at_ms: row.get(21)?,
        asks: row.get(22)?,
    })
}

/// A word of the file that this program did not write is an error, not a guess.
fn known<T>(column: usize, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, "unknown word".into()))
}

fn hooks(connection: &Connection, order_seq: Option<i64>, limit: i64) -> rusqlite::Result<Vec<HookRow>> {
    connection
        .prepare_cached(
            "SELECT w.id, o.number, w.transaction_id, w.sequence, w.method, w.transaction_status, w.amount,
               w.currency, w.effect, w.received_at_ms, w.duplicates
             FROM webhooks w LEFT JOIN orders o ON o.seq=w.order_seq
             WHERE ?1 IS NULL OR w.order_seq=?1 ORDER BY w.seq DESC LIMIT ?2",
        )?
        .query_map(params![order_seq, limit], |row| {
            Ok(HookRow {
                id: row.get(0)?,
                order_number: row.get(1)?,
                transaction_id: row.get(2)?,
                sequence: row.get(3)?,
                method: row.get(4)?,
                transaction_status: row.get(5)?,
                amount: row.get(6)?,
                currency: row.get(7)?,
                effect: row.get(8)?,
                received_at_ms: row.get(9)?,
                duplicates: row.get(10)?,
            })
        })?
        .collect()
}
