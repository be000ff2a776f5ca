//! A page of the pull twin costs a page, however many events come after it, and a look-up by a session id costs one row: over a
//! shared store without statistics about its tables, by the rows that its indexes were read for. (The embedded store has but one
//! index that fits each.)

use crate::node::BINARY;
use crate::stores::Store;
use anyhow::{Context, Result, ensure};
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};

const EVENTS: i64 = 20_000;
const PAGE: i64 = 50;
const PAGES: i64 = 20;
/// What else looks at the table while the test runs: a few rows a second.
const ELSE_READ: i64 = 2_000;

/// Rows that the indexes of a table were read for.
async fn read_so_far(store: &Store, table: &str) -> Result<i64> {
    let sum = "SELECT CAST(COALESCE(SUM(idx_tup_read), 0) AS BIGINT) FROM pg_stat_user_indexes";
    store.count(&format!("{sum} WHERE relname = '{table}'")).await
}

/// How many more were read than `before`. What ended sessions counted arrives a moment later: `least` is waited for.
async fn read_since(store: &Store, table: &str, before: i64, least: i64) -> Result<i64> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let read = read_so_far(store, table).await? - before;
        if read >= least || std::time::Instant::now() > end {
            return Ok(read);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Events of one moment now and then, as several writers make them.
fn events(company: &str) -> String {
    format!(
        "ALTER TABLE webhook_events SET (autovacuum_enabled = false); \
         INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body, round, position) \
         SELECT '{company}', 'evt_' || lpad(to_hex(({EVENTS} * 7919 - n * 7919) % 1000003), 24, '0'), lpad(to_hex(n), 24, '0'), 1, \
           '0199c82cc000010101010102', CASE WHEN n % 100 = 0 THEN 1 ELSE 0 END, 0, '{{\"n\":' || n || '}}', 0, n / 7 \
         FROM generate_series(1, {EVENTS}::bigint) n"
    )
}

/// `PAGES` pages in order; answers the ids of all.
async fn pages(client: &Client, mut after: Option<String>) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for _ in 0..PAGES {
        let after_it = after.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
        let answer = client.read(&format!("/v1/api/mozarto/events?limit={PAGE}{after_it}")).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        let items = answer.body["data"]["items"].as_array().context("a page")?;
        seen.extend(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned));
        after = answer.body["data"]["next"].as_str().map(str::to_owned);
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_feed_reads_a_page() -> Result<()> {
    let database = testkit::postgres::database().await;
    let data = tempfile::tempdir()?;
    let options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off").database(&database.url);
    let mut sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    let store = Store::open(data.path(), Some(&database.url)).await?;
    store.run(&events(sandbox.text("companyId"))).await?;
    let order = "SELECT id FROM webhook_events WHERE sample = 0 ORDER BY position, id COLLATE \"C\"";
    let all: Vec<String> = store.texts(order, 1).await?.concat();
    let middle = all.len() / 2;
    let before = read_so_far(&store, "webhook_events").await?;
    let first = pages(&client, None).await?;
    let later = pages(&client, Some(all[middle].clone())).await?;
    // Sessions tell what they have read when they end.
    sandbox.terminate().await?;
    let asked = 2 * PAGES * PAGE;
    let read = read_since(&store, "webhook_events", before, asked).await?;
    let length = usize::try_from(PAGES * PAGE)?;
    ensure!(first == all[..length], "the first pages are not the first events, in their order");
    ensure!(later == all[middle + 1..][..length], "the pages after one in the middle are not those that follow it");
    ensure!(read >= asked, "{read} rows were read for {asked}: reading is not counted");
    ensure!(read <= asked * 2 + ELSE_READ, "{asked} events were shown, and {read} rows were read for them");
    Ok(())
}

/// Transactions of one company; the server knows how many there are, and nothing else of them.
fn transactions(company: &str) -> String {
    format!(
        "INSERT INTO transactions (company_id, id, session_id, psp_type, operation, method_id, user_id, amount_minor, currency, status, psp_status, \
           maker, sealed, events_sent, timeline_length, version, created_at, updated_at) \
         SELECT '{company}', '0199c82cc000' || lpad(to_hex(n), 12, '0'), '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'PAYONE', 'PAYIN', \
           '0199c82cc000010101010102', 'user', 1, 'CAD', 'Approved', 'w', '0199c82cc000010101010103', '\\x00'::bytea, 0, 0, 1, 0, 0 \
         FROM generate_series(1, {EVENTS}::bigint) n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_id_is_looked_up_by_itself() -> Result<()> {
    let database = testkit::postgres::database().await;
    let data = tempfile::tempdir()?;
    let options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off").database(&database.url);
    let mut sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    let store = Store::open(data.path(), Some(&database.url)).await?;
    store.run("ALTER TABLE transactions SET (autovacuum_enabled = false)").await?;
    store.run(&transactions(sandbox.text("companyId"))).await?;
    store.run("VACUUM transactions").await?;
    let before = read_so_far(&store, "transactions").await?;
    for n in 1..=PAGES {
        let answer = client.status(&format!("00000000-0000-7000-8000-{:012x}", n * 900)).await?;
        let id = answer.text("/data/transactionId");
        ensure!(id == format!("0199c82cc000{:012x}", n * 900), "{}", answer.body);
    }
    sandbox.terminate().await?;
    let read = read_since(&store, "transactions", before, PAGES).await?;
    ensure!(read >= PAGES, "{read} rows were read for {PAGES}: reading is not counted");
    ensure!(read <= PAGES + ELSE_READ, "{PAGES} transactions were shown, and {read} rows were read for them");
    Ok(())
}
