//! A list whose time is over says how far back it came; whoever follows its cursor to the end has every row, once, in order. The
//! time is a setting, here none at all.

use crate::node::BINARY;
use crate::stores::Store;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};

/// More than is searched at once, for a user and for a type.
const ROWS: i64 = 50_000;
/// 2025-10-09T08:53:20Z, milliseconds; two transactions share each second.
const START_MS: i64 = 1_760_000_000_000;
const QUESTIONS: usize = 40;
/// A question with more rows than this has a stretch of time besides.
const MANY: usize = 1_500;
const PAGE: usize = 200;

/// Everything that goes together in many rows keeps apart in most: the user of every second row has few pay-outs, which are the
/// other half.
fn insert(store: &Store, company: &str) -> String {
    let at = format!("({START_MS} + n / 2 * 1000)");
    let (time, number, bytes, series) = (store.hex(&at), store.hex("n"), store.bytes(0, 1), store.series(ROWS));
    format!(
        "INSERT INTO transactions (company_id, id, session_id, psp_type, operation, method_id, merchant_reference, user_id, amount_minor, currency, \
           status, psp_status, attention, maker, sealed, events_sent, timeline_length, version, created_at, updated_at) \
         SELECT '{company}', {time} || {number}, '00000000-0000-7000-8000-' || {number}, \
           CASE WHEN n % 2 = 1 THEN 'PAYONE' WHEN n % 4001 = 0 THEN 'CLEO' ELSE 'TRUST' END, \
           CASE WHEN n % 2 = 1 OR n % 3001 = 0 THEN 'PAYOUT' ELSE 'PAYIN' END, '0199c82cc000010101010102', \
           CASE WHEN n % 2 = 1 THEN NULL WHEN n % 10 = 0 THEN 'often' ELSE 'ref-' || (n % 9000) END, \
           CASE WHEN n % 2 = 0 THEN 'heavy' ELSE 'user_' || (n % 400) END, 1, 'CAD', \
           CASE WHEN n % 2 = 0 AND n % 5003 <> 0 THEN 'Approved' WHEN n % 7 = 0 THEN 'Expired' ELSE 'Declined' END, \
           'w', CASE WHEN n % 977 = 0 THEN 'stuck' END, '0199c82cc000010101010103', {bytes}, 0, 0, 1, {at}, {at} \
         FROM {series}"
    )
}

const ALL: &str = "SELECT id, psp_type, operation, status, user_id, COALESCE(merchant_reference, ''), COALESCE(attention, ''), \
                   CAST(created_at AS TEXT) FROM transactions ORDER BY id DESC";

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Texts by the column of [`ALL`]; from and to, seconds after the first.
#[derive(Debug, Default)]
struct Question {
    texts: Vec<(usize, &'static str)>,
    stretch: Option<(i64, i64)>,
}

const NAMES: [&str; 7] = ["", "pspType", "type", "transaction_status", "userId", "merchantReference", "attention"];

impl Question {
    /// A user or a reference, which alone has an index of its own, with any of the others.
    fn any(dice: &mut Dice) -> Self {
        // Two halves with next to nothing in common, each larger than what is searched at once.
        if dice.roll(4) == 0 {
            let other = [(2, "PAYOUT"), (1, "PAYONE")][usize::try_from(dice.roll(2)).unwrap_or_default()];
            return Self { texts: vec![(4, "heavy"), other], stretch: None };
        }
        let mut texts = match dice.roll(4) {
            0 => vec![(5, "often")],
            1 => vec![(5, "often"), (4, "heavy")],
            _ => vec![(4, "heavy")],
        };
        for (column, of) in [
            (1, &["PAYONE", "CLEO", "TRUST"][..]),
            (2, &["PAYOUT", "PAYIN"]),
            (3, &["Declined", "Approved", "Expired"]),
            (6, &["stuck"]),
        ] {
            if dice.roll(if column == 6 { 6 } else { 2 }) == 0 {
                let sides = u64::try_from(of.len()).unwrap_or(1);
                texts.push((column, of[usize::try_from(dice.roll(sides)).unwrap_or_default()]));
            }
        }
        Self { texts, stretch: None }
    }

    fn takes(&self, row: &[String]) -> bool {
        let at: i64 = row[7].parse().unwrap_or_default();
        let within = |(from, to): (i64, i64)| (START_MS + from * 1_000..START_MS + to * 1_000).contains(&at);
        self.texts.iter().all(|(column, text)| row[*column] == *text) && self.stretch.is_none_or(within)
    }

    fn query(&self) -> String {
        let mut query = format!("limit={PAGE}");
        for (column, text) in &self.texts {
            query.push_str(&format!("&{}={text}", NAMES[*column]));
        }
        if let Some((from, to)) = self.stretch {
            let time = |after: i64| {
                let of_day = 8 * 3_600 + 53 * 60 + 20 + after;
                format!("2025-10-09T{:02}:{:02}:{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
            };
            query.push_str(&format!("&from={}&to={}", time(from), time(to)));
        }
        query
    }
}

/// What was seen of searches that ended early.
#[derive(Debug, Default)]
struct Seen {
    stopped: usize,
    empty: usize,
    refused: usize,
}

/// Follows the cursor to the end.
async fn follow(client: &Client, question: &Question, seen: &mut Seen) -> Result<Vec<String>> {
    let (mut found, mut cursor, mut reached) = (Vec::<String>::new(), String::new(), None::<String>);
    for _ in 0..ROWS {
        let path = format!("/transactions?{}{cursor}", question.query());
        let answer = client.manage("GET", &format!("{path}&budget=soft"), None).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        let data = &answer.body["data"];
        let items = data["items"].as_array().context("items")?;
        for item in items {
            let created = item["createdAt"].as_str().context("createdAt")?;
            ensure!(reached.as_deref().is_none_or(|reached| created <= reached), "{created} lies behind {reached:?}");
            found.push(item["transactionId"].as_str().context("transactionId")?.to_owned());
        }
        if let Some(back_to) = data["searchedBackTo"].as_str() {
            ensure!(data["nextCursor"].is_string(), "it stopped, and there is no way on: {}", answer.body);
            seen.stopped += 1;
            seen.empty += usize::from(items.is_empty());
            if seen.refused < 5 {
                // Who has not said that a part will do is not given one.
                let hard = client.manage("GET", &path, None).await?;
                ensure!(hard.status == 400 && hard.body.to_string().contains("budget=soft"), "{} {}", hard.status, hard.body);
                seen.refused += 1;
            }
            reached = Some(back_to.to_owned());
        }
        match data["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
    anyhow::bail!("the pages do not end: {}", question.query())
}

/// Random questions, each to its end.
async fn whole(client: &Client, store: &Store) -> Result<()> {
    let rows = store.texts(ALL, 8).await?;
    ensure!(i64::try_from(rows.len())? == ROWS, "{} rows", rows.len());
    let (mut dice, mut seen, mut sizes) = (Dice(11), Seen::default(), BTreeSet::new());
    for _ in 0..QUESTIONS {
        let mut question = Question::any(&mut dice);
        let brute = |question: &Question| -> Vec<String> {
            rows.iter().filter(|row| question.takes(row)).map(|row| row[0].clone()).collect()
        };
        if brute(&question).len() > MANY || dice.roll(4) == 0 {
            let from = i64::try_from(dice.roll(20_000))?;
            question.stretch = Some((from, from + 1_000));
        }
        let expected = brute(&question);
        let found = follow(client, &question, &mut seen).await?;
        let same = found == expected;
        ensure!(same, "{question:?}: {} rows instead of {}", found.len(), expected.len());
        sizes.insert(expected.len());
    }
    println!("{seen:?}, rows {sizes:?}");
    ensure!(seen.stopped > 20 && seen.empty > 5 && seen.refused == 5, "too few stopped early: {seen:?}");
    ensure!(sizes.len() > 5, "too much alike: {sizes:?}");
    Ok(())
}

async fn over(database: Option<&str>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off").variable("MOZARTO_LIMITS_SEARCH_MS", "0");
    if let Some(url) = database {
        options = options.database(url);
    }
    let mut sandbox = Sandbox::start(options.clone()).await?;
    let company = sandbox.text("companyId").to_owned();
    sandbox.terminate().await?;
    let store = Store::open(data.path(), database).await?;
    store.run(&insert(&store, &company)).await.context("filling")?;
    let sandbox = Sandbox::start(options).await?;
    whole(&Client::of(&sandbox), &store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_time_is_whole_on_sqlite() {
    over(None).await.map_err(|error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_time_is_whole_on_postgres() {
    let database = testkit::postgres::database().await;
    over(Some(&database.url)).await.map_err(|error| format!("{error:#}")).unwrap();
}
