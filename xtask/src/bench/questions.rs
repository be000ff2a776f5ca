//! What `bench lists` asks: every filter of the lists alone, every pair of two filters, and the other lists, details and status
//! queries. What a filter is (of the few-valued group, or one that matches few rows) is not assumed: its rows are counted.

use super::stage::Stage;
use anyhow::{Context, Result};

/// A filter that matches no more rows than this is selective: a pair with it is answered whole.
const SELECTIVE_ROWS: i64 = 20_000;
/// Rows of a page.
pub(super) const PAGE: i64 = 50;

/// The rows of the table, as the document names them.
pub(super) const ALONE: &str = "one filter, whatever it matches";
pub(super) const FEW_VALUED: &str = "pairs of `transaction_status`, `type`, `pspType`, `attention`, all";
pub(super) const SELECTIVE: &str = "pairs of which one matches at most 20,000";
pub(super) const OTHERS: &str = "any other (a user with 100,000, and more)";

/// Whom a question is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Management,
    Cashier,
}

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) api: Api,
    /// Below the API's address.
    pub(super) path: String,
    /// How many entries the first page must have; `None`: any number.
    pub(super) entries: Option<i64>,
    /// The second page is asked for as well, where there is one.
    pub(super) goes_on: bool,
}

impl Question {
    pub(super) fn new(api: Api, path: impl Into<String>) -> Self {
        Self { api, path: path.into(), entries: None, goes_on: false }
    }

    /// A list whose second page is asked for too.
    pub(super) fn list(api: Api, path: impl Into<String>) -> Self {
        Self { goes_on: true, ..Self::new(api, path) }
    }
}

/// A filter with its rows.
#[derive(Debug, Clone)]
struct Filter {
    /// Two of one field are no pair.
    field: &'static str,
    parameters: String,
    condition: String,
    rows: i64,
}

impl Filter {
    fn new(field: &'static str, column: &str, value: &str) -> Self {
        // Outside, a `Created` is a `Pending`; none is seeded.
        Self { field, parameters: format!("{field}={value}"), condition: format!("{column} = '{value}'"), rows: 0 }
    }

    fn is_few_valued(&self) -> bool {
        ["transaction_status", "type", "pspType", "attention"].contains(&self.field)
    }

    fn is_selective(&self) -> bool {
        self.rows <= SELECTIVE_ROWS
    }
}

/// The filters that are asked with: rare and frequent ones, and such as match nothing.
fn filters(now: jiff::Timestamp) -> Vec<Filter> {
    let fields: [(&str, &str, &[&str]); 6] = [
        (
            "transaction_status",
            "status",
            &["Pending", "OnHold", "Approved", "Declined", "Cancelled", "Expired", "Rejected", "Failed", "Reversed"],
        ),
        ("type", "operation", &["PAYIN", "PAYOUT"]),
        (
            "pspType",
            "psp_type",
            &["FORUMPAY", "GIGADAT", "WORLDPAY_EU", "CLEO", "TRUST", "PAYONE", "NEOSURF", "FLEXEPIN", "BRITE", "EMERCHANTPAY"],
        ),
        ("attention", "attention", &["stuck", "anomaly", "duplicate"]),
        ("userId", "user_id", &["heavy", "user_77", "nobody"]),
        ("merchantReference", "merchant_reference", &["often", "ref-4711", "ref-none"]),
    ];
    let of = |(field, column, values): (&'static str, &str, &[&str])| {
        values.iter().map(|value| Filter::new(field, column, value)).collect::<Vec<_>>()
    };
    fields.into_iter().flat_map(of).chain(times(now)).collect()
}

/// Stretches of time, by how many days ago they begin and end: days at the end, in the middle and at the beginning; one before
/// everything; and such as hold nearly all.
fn times(now: jiff::Timestamp) -> impl Iterator<Item = Filter> {
    let stretches = [
        (Some(1), None),
        (Some(45), Some(44)),
        (None, Some(89)),
        (None, Some(400)),
        (Some(60), Some(30)),
        (Some(88), None),
        (None, Some(2)),
    ];
    stretches.into_iter().map(move |(from, to): (Option<u64>, Option<u64>)| {
        let at = |days: u64| now - std::time::Duration::from_secs(days * 86_400);
        let bounds = [("from", ">=", from), ("to", "<", to)];
        let bounds: Vec<_> = bounds.iter().filter_map(|(name, sign, days)| days.map(|days| (*name, *sign, at(days)))).collect();
        let parameters: Vec<String> =
            bounds.iter().map(|(name, _, at)| format!("{name}={}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))).collect();
        let conditions: Vec<String> =
            bounds.iter().map(|(_, sign, at)| format!("created_at {sign} {}", at.as_second() * 1_000)).collect();
        Filter { field: "time", parameters: parameters.join("&"), condition: conditions.join(" AND "), rows: 0 }
    })
}

/// What is asked of the lists of transactions, by kind.
pub(super) struct OfTransactions {
    alone: Vec<Filter>,
}

impl OfTransactions {
    /// Counts what each filter matches, in one look at the whole table.
    pub(super) async fn counted(stage: &Stage) -> Result<Self> {
        let company = stage.company.as_deref().context("a company")?;
        let mut alone = filters(jiff::Timestamp::now());
        let counts: Vec<String> =
            alone.iter().map(|filter| format!("COUNT(CASE WHEN {} THEN 1 END)", filter.condition)).collect();
        let sql = format!("SELECT {} FROM transactions WHERE company_id = '{company}'", counts.join(", "));
        for (filter, rows) in alone.iter_mut().zip(stage.ask_store_for_row(&sql).await?) {
            filter.rows = rows;
        }
        Ok(Self { alone })
    }

    fn of(&self, api: Api) -> impl Iterator<Item = &Filter> {
        // The Cashier API does not show what needs a person's attention.
        self.alone.iter().filter(move |filter| api == Api::Management || filter.field != "attention")
    }

    /// Each filter alone, and none.
    pub(super) fn singles(&self, api: Api) -> Vec<Question> {
        let one = |filter: &Filter| Question { entries: Some(filter.rows.min(PAGE)), ..ask(api, &[filter]) };
        self.of(api).map(one).chain([ask(api, &[])]).map(|question| Question { goes_on: true, ..question }).collect()
    }

    fn pairs(&self, api: Api) -> impl Iterator<Item = [&Filter; 2]> {
        let with = move |one: &'_ Filter, other: &&Filter| one.field != other.field && one.parameters < other.parameters;
        self.of(api).flat_map(move |one| self.of(api).filter(move |other| with(one, other)).map(move |other| [one, other]))
    }

    /// Pairs within the few-valued group, the selective ones among them too.
    pub(super) fn few_valued(&self, api: Api) -> Vec<Question> {
        self.pairs(api).filter(|pair| pair.iter().all(|filter| filter.is_few_valued())).map(|pair| ask(api, &pair)).collect()
    }

    /// Other pairs of which one matches few rows.
    pub(super) fn selective(&self, api: Api) -> Vec<Question> {
        self.pairs(api)
            .filter(|pair| !pair.iter().all(|filter| filter.is_few_valued()) && pair.iter().any(|filter| filter.is_selective()))
            .map(|pair| ask(api, &pair))
            .collect()
    }

    /// What may stop early: pairs of which none is selective, and some three together.
    pub(super) fn others(&self, api: Api) -> Vec<Question> {
        let none_selective = |pair: &[&Filter; 2]| {
            !pair.iter().all(|filter| filter.is_few_valued()) && !pair.iter().any(|filter| filter.is_selective())
        };
        let mut others: Vec<Question> = self.pairs(api).filter(none_selective).map(|pair| ask(api, &pair)).collect();
        let named = |parameters: &str| self.alone.iter().find(|filter| filter.parameters == parameters);
        for three in [
            ["userId=heavy", "pspType=TRUST", "transaction_status=Expired"],
            ["userId=heavy", "transaction_status=Declined", "type=PAYIN"],
            ["merchantReference=often", "transaction_status=Cancelled", "pspType=CLEO"],
        ] {
            let three: Vec<&Filter> = three.iter().filter_map(|one| named(one)).collect();
            others.push(ask(api, &three));
        }
        others
    }

    /// How many pairs there are of each class, and how many filters are selective: for the print.
    pub(super) fn told(&self) -> String {
        let selective = self.alone.iter().filter(|filter| filter.is_selective()).count();
        format!("{selective} of {} filters match at most {SELECTIVE_ROWS} rows", self.alone.len())
    }
}

/// The list with those filters.
fn ask(api: Api, filters: &[&Filter]) -> Question {
    let parameters: Vec<&str> = filters.iter().map(|filter| filter.parameters.as_str()).collect();
    let soft = if api == Api::Management { "&budget=soft" } else { "" };
    Question::new(api, format!("/transactions?limit={PAGE}{soft}&{}", parameters.join("&")).trim_end_matches('&'))
}
