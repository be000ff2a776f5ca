//! Lists of transactions: every filter by the index that fits it, whatever the statistics say.
//!
//! * Nothing, or stretches of time: the primary key.
//! * Any of provider, type, status, attention: `transactions_by_group` (`transactions_by_attention` where attention is asked
//!   for). Whatever is not asked for is enumerated, so that each arm is one stretch of the index in the order of the list, and no
//!   arm reads more than a page.
//! * A user or a reference, with or without those: their own index, in pieces; where the first piece does not answer, the other
//!   filters' index instead, if they match few; of a user and a reference together likewise the one that matches few. What is
//!   left is searched piece by piece, as long as there is time.
//!
//! On PostgreSQL these indexes have a collation of their own, which the conditions name: no other index then gives the order, and
//! no look-up takes one of them. On SQLite the statements name their index.

use super::{Filter, transaction};
use crate::repository::read;
use crate::{Dialect, Driver, QueryError, Row, Value};
use domain::{CompanyId, Operation, Transaction, TransactionId, TransactionStatus};
use std::time::Instant;

/// A filter that matches no more rows than this is selective: together with any other it answers whole pages.
pub const SELECTIVE_ROWS: u32 = 20_000;

/// How far a search goes at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many rows of a user or a reference are looked through at once.
    pub(crate) piece: u32,
    /// [`SELECTIVE_ROWS`].
    pub(crate) selective: u32,
}

const PACE: Pace = Pace { piece: 4_000, selective: SELECTIVE_ROWS };

/// Every provider of which the company has a transaction: from one to the next by the index.
const PROVIDERS: &str = "WITH RECURSIVE p (v) AS (\
    SELECT (SELECT t.psp_type FROM transactions t INDEXED BY transactions_by_group WHERE t.company_id /*pg COLLATE \"C\" */= ?1 \
    ORDER BY t.psp_type, t.operation, t.status LIMIT 1) \
    UNION ALL SELECT (SELECT t.psp_type FROM transactions t INDEXED BY transactions_by_group WHERE t.company_id /*pg COLLATE \"C\" */= ?1 AND t.psp_type > p.v \
    ORDER BY t.psp_type, t.operation, t.status LIMIT 1) FROM p WHERE p.v IS NOT NULL) SELECT v FROM p WHERE v IS NOT NULL";

/// `company_id` and `id` as the indexes of lists have them.
const COMPANY: &str = "company_id /*pg COLLATE \"C\" */";
const ID: &str = "id /*pg COLLATE \"C\" */";

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Newest first.
    pub items: Vec<Transaction>,
    /// The time was up: everything from this one on was looked at, nothing older.
    pub stopped_at: Option<TransactionId>,
}

/// Up to `limit` of a company's transactions, newest first. A combination of filters that no index answers at once is searched
/// until `until`; without that, to its end.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn search(
    db: &dyn Driver,
    company: CompanyId,
    filter: &Filter,
    limit: u32,
    until: Option<Instant>,
) -> Result<Found, QueryError> {
    search_at(PACE, db, company, filter, limit, until).await
}

/// [`search`], at a pace of its own.
pub(crate) async fn search_at(
    pace: Pace,
    db: &dyn Driver,
    company: CompanyId,
    filter: &Filter,
    limit: u32,
    until: Option<Instant>,
) -> Result<Found, QueryError> {
    let list = List { db, company: company.to_string(), filter, limit, pace };
    let reference = |value| Narrow { column: "merchant_reference", index: "transactions_by_reference", value };
    let user = |value| Narrow { column: "user_id", index: "transactions_by_user", value };
    let mut narrow = filter.merchant_reference.as_deref().map(reference).into_iter().chain(filter.user_id.as_deref().map(user));
    match narrow.next() {
        Some(first) => list.in_pieces(&first, narrow.next().as_ref(), until).await,
        None if list.has_group() => Ok(Found { items: list.by_group(false).await?, stopped_at: None }),
        None => Ok(Found { items: list.by_time().await?, stopped_at: None }),
    }
}

/// A filter with an index of its own.
struct Narrow<'a> {
    column: &'static str,
    index: &'static str,
    value: &'a str,
}

/// What of a filter is left beside that by which the index is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    BesideTheGroup,
    Beside(&'static str),
}

struct List<'a> {
    db: &'a dyn Driver,
    company: String,
    filter: &'a Filter,
    limit: u32,
    pace: Pace,
}

/// A statement that is put together.
struct Sql {
    text: String,
    params: Vec<Value>,
    postgres: bool,
}

impl Sql {
    fn new(db: &dyn Driver, company: &str) -> Self {
        Self { text: String::new(), params: vec![company.into()], postgres: db.dialect() == Dialect::Postgres }
    }

    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// The placeholder of a value.
    fn bind(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }
}

/// The statuses that a filter means: outside, `Created` is a `Pending`.
fn statuses(asked: Option<TransactionStatus>) -> Vec<&'static str> {
    match asked {
        Some(TransactionStatus::Pending | TransactionStatus::Created) => {
            vec![TransactionStatus::Created.as_str(), TransactionStatus::Pending.as_str()]
        }
        Some(status) => vec![status.as_str()],
        None => TransactionStatus::ALL.iter().map(|status| status.as_str()).collect(),
    }
}

impl List<'_> {
    fn has_group(&self) -> bool {
        let f = self.filter;
        f.psp_type.is_some() || f.operation.is_some() || f.status.is_some() || f.attention.is_some()
    }

    /// The stretch of ids, and of times: ` AND id < ... AND id >= ...`. `from`: nothing below this one.
    fn stretch(&self, sql: &mut Sql, id: &str, before: Option<TransactionId>, from: Option<TransactionId>) -> String {
        let mut text = String::new();
        let mut add = |condition: &str, value: Value, sql: &mut Sql| {
            let place = sql.bind(value);
            text.push_str(&format!(" AND {condition} {place}"));
        };
        let below = |sql: &mut Sql, at: TransactionId, add: &mut dyn FnMut(&str, Value, &mut Sql)| {
            add(&format!("{id} <"), at.to_string().into(), sql);
        };
        if let Some(before) = before {
            below(sql, before, &mut add);
        }
        if let Some(to) = self.filter.to {
            // Ids begin with the time: the same bound on the key keeps the scan short.
            below(sql, TransactionId::new(to, [0; 6]), &mut add);
            add("created_at <", to.millis().into(), sql);
        }
        if let Some(from) = self.filter.from {
            add(&format!("{id} >="), TransactionId::new(from, [0; 6]).to_string().into(), sql);
            add("created_at >=", from.millis().into(), sql);
        }
        if let Some(from) = from {
            add(&format!("{id} >="), from.to_string().into(), sql);
        }
        text
    }

    /// What is asked for besides, in a form for which no index can be taken.
    fn the_rest(&self, sql: &mut Sql, which: Rest) -> String {
        let f = self.filter;
        let mut text = String::new();
        let mut add = |column: &str, values: Vec<Value>, sql: &mut Sql| {
            let places: Vec<String> = values.into_iter().map(|value| sql.bind(value)).collect();
            text.push_str(&format!(" AND COALESCE({column}, '') IN ({})", places.join(", ")));
        };
        if let Rest::Beside(_) = which {
            if let Some(value) = &f.psp_type {
                add("psp_type", vec![value.clone().into()], sql);
            }
            if let Some(value) = f.operation {
                add("operation", vec![value.as_str().into()], sql);
            }
            if f.status.is_some() {
                add("status", statuses(f.status).into_iter().map(Value::from).collect(), sql);
            }
            if let Some(value) = f.attention {
                add("attention", vec![value.as_str().into()], sql);
            }
        }
        for (column, value) in [("user_id", &f.user_id), ("merchant_reference", &f.merchant_reference)] {
            if let Some(value) = value.as_ref().filter(|_| which != Rest::Beside(column)) {
                add(column, vec![value.clone().into()], sql);
            }
        }
        text
    }

    async fn rows(&self, sql: Sql) -> Result<Vec<Row>, QueryError> {
        self.db.query_dynamic(sql.text, sql.params).await
    }

    async fn transactions(&self, sql: Sql) -> Result<Vec<Transaction>, QueryError> {
        self.rows(sql).await?.iter().map(transaction).collect()
    }

    async fn by_time(&self) -> Result<Vec<Transaction>, QueryError> {
        let mut sql = Sql::new(self.db, &self.company);
        let stretch = self.stretch(&mut sql, "id", self.filter.before, None);
        let text = concat!("SELECT ", columns!(), " FROM transactions WHERE company_id = ?1");
        sql.push(text).push(&stretch).push(&format!(" ORDER BY id DESC LIMIT {}", self.limit));
        self.transactions(sql).await
    }

    /// The providers that an arm is needed for.
    async fn providers(&self) -> Result<Vec<String>, QueryError> {
        if let Some(one) = &self.filter.psp_type {
            return Ok(vec![one.clone()]);
        }
        let rows = self.db.query(PROVIDERS, vec![(&*self.company).into()]).await?;
        rows.iter().map(|row| Ok(row.text(0)?)).collect()
    }

    /// The ids of what the few-valued filters match, and `rest`, each arm up to `arm_limit`: a query of one column.
    fn arms(&self, sql: &mut Sql, providers: &[String], rest: &str, arm_limit: u32) -> String {
        let operations: Vec<&str> = match self.filter.operation {
            Some(one) => vec![one.as_str()],
            None => [Operation::PayIn, Operation::PayOut].map(Operation::as_str).to_vec(),
        };
        let statuses: Vec<String> = statuses(self.filter.status).into_iter().map(|status| sql.bind(status.into())).collect();
        let operations: Vec<String> = operations.into_iter().map(|operation| sql.bind(operation.into())).collect();
        let providers: Vec<String> = providers.iter().map(|provider| sql.bind((&**provider).into())).collect();
        let attention = self.filter.attention.map(|attention| sql.bind(attention.as_str().into()));
        let (index, attention) = match attention {
            Some(place) => ("transactions_by_attention", format!(" AND attention = {place}")),
            None => ("transactions_by_group", String::new()),
        };
        let (company, id) = (COMPANY, ID);
        let stretch = self.stretch(sql, id, self.filter.before, None);
        let arm = |psp: &str, operation: &str, status: &str| {
            format!(
                "SELECT id FROM transactions INDEXED BY {index} WHERE {company} = ?1{attention} AND psp_type = {psp} AND operation = {operation} \
                 AND status = {status}{stretch}{rest} ORDER BY {id} DESC LIMIT {arm_limit}"
            )
        };
        let mut combinations = Vec::new();
        for psp in &providers {
            for operation in &operations {
                combinations.extend(statuses.iter().map(|status| (psp, operation, status)));
            }
        }
        if sql.postgres {
            let values: Vec<String> = combinations.iter().map(|(p, o, s)| format!("({p}::text, {o}::text, {s}::text)")).collect();
            // One plan for all arms.
            return format!(
                "SELECT l.id FROM (VALUES {}) AS g (psp, op, st) CROSS JOIN LATERAL ({}) l",
                values.join(", "),
                arm("g.psp", "g.op", "g.st")
            );
        }
        let arms: Vec<String> = combinations.iter().map(|(p, o, s)| format!("SELECT id FROM ({})", arm(p, o, s))).collect();
        format!("SELECT l.id FROM ({}) l", arms.join(" UNION ALL "))
    }

    /// By the few-valued filters; `with_rest`: what else is asked for is looked up row by row, which is for few rows.
    async fn by_group(&self, with_rest: bool) -> Result<Vec<Transaction>, QueryError> {
        let providers = self.providers().await?;
        if providers.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(self.db, &self.company);
        let rest = if with_rest { self.the_rest(&mut sql, Rest::BesideTheGroup) } else { String::new() };
        let arms = self.arms(&mut sql, &providers, &rest, self.limit);
        let page = format!("{arms} ORDER BY l.{ID} DESC LIMIT {}", self.limit);
        // The array keeps PostgreSQL from joining the two in another way than by the primary key.
        let page = if sql.postgres { format!("SELECT unnest(ARRAY({page}))") } else { page };
        let text = concat!("SELECT ", columns!(), " FROM transactions WHERE company_id = ?1 AND id IN (");
        sql.push(text).push(&page).push(&format!(") ORDER BY id DESC LIMIT {}", self.limit));
        self.transactions(sql).await
    }

    /// Whether the few-valued filters match few rows.
    async fn group_is_selective(&self) -> Result<bool, QueryError> {
        let providers = self.providers().await?;
        if providers.is_empty() {
            return Ok(true);
        }
        let mut sql = Sql::new(self.db, &self.company);
        let most = self.pace.selective + 1;
        let arms = self.arms(&mut sql, &providers, "", most);
        sql.push(&format!("SELECT COUNT(*) FROM ({arms} LIMIT {most}) few"));
        let rows = self.rows(sql).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.int(0))? <= i64::from(self.pace.selective))
    }

    /// The row of a narrow filter that comes after so many others; `None`: there are not so many.
    async fn row_at(
        &self,
        narrow: &Narrow<'_>,
        before: Option<TransactionId>,
        place_in_list: u32,
    ) -> Result<Option<TransactionId>, QueryError> {
        let mut sql = Sql::new(self.db, &self.company);
        let id = ID;
        let place = sql.bind(narrow.value.into());
        let by = narrow.index;
        let stretch = self.stretch(&mut sql, id, before, None);
        let column = narrow.column;
        sql.push(&format!(
            "SELECT id FROM transactions INDEXED BY {by} WHERE {COMPANY} = ?1 AND {column} = {place}{stretch} \
             ORDER BY {id} DESC LIMIT 1 OFFSET {place_in_list}"
        ));
        self.rows(sql).await?.first().map(|row| read::parse(row, 0)).transpose()
    }

    /// Along a narrow filter's rows. `other`: one that is asked for as well, and taken instead where the first piece does not
    /// answer and it matches few rows.
    async fn in_pieces(
        &self,
        narrow: &Narrow<'_>,
        other: Option<&Narrow<'_>>,
        until: Option<Instant>,
    ) -> Result<Found, QueryError> {
        let mut items: Vec<Transaction> = Vec::new();
        let mut before = self.filter.before;
        let mut first = true;
        loop {
            // The oldest of the next piece; none: what is left is less than a piece.
            let end = self.row_at(narrow, before, self.pace.piece - 1).await?;
            items.extend(self.piece(narrow, before, end, items.len()).await?);
            let full = items.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX);
            let Some(end) = end.filter(|_| !full) else { return Ok(Found { items, stopped_at: None }) };
            if std::mem::take(&mut first) {
                if self.has_group() && self.group_is_selective().await? {
                    return Ok(Found { items: self.by_group(true).await?, stopped_at: None });
                }
                if let Some(other) = other
                    && self.row_at(other, self.filter.before, self.pace.selective).await?.is_none()
                {
                    // So few that they are looked through to the end.
                    return Box::pin(self.in_pieces(other, None, None)).await;
                }
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Found { items, stopped_at: Some(end) });
            }
            before = Some(end);
        }
    }

    /// What matches in one piece.
    async fn piece(
        &self,
        narrow: &Narrow<'_>,
        before: Option<TransactionId>,
        end: Option<TransactionId>,
        have: usize,
    ) -> Result<Vec<Transaction>, QueryError> {
        let mut sql = Sql::new(self.db, &self.company);
        let id = ID;
        let place = sql.bind(narrow.value.into());
        let by = narrow.index;
        let stretch = self.stretch(&mut sql, id, before, end);
        let rest = self.the_rest(&mut sql, Rest::Beside(narrow.column));
        let missing = usize::try_from(self.limit).unwrap_or(usize::MAX).saturating_sub(have);
        let column = narrow.column;
        let text = concat!("SELECT ", columns!(), " FROM transactions");
        sql.push(text).push(&format!(
            " INDEXED BY {by} WHERE {COMPANY} = ?1 AND {column} = {place}{stretch}{rest} ORDER BY {id} DESC LIMIT {missing}"
        ));
        self.transactions(sql).await
    }
}
