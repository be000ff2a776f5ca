//! A company with a long past, written straight into the store: what lists are asked over.

use super::stage::Stage;
use anyhow::{Context, Result};

/// How the transactions' fields follow from their number `n`; texts for both stores. Statuses are skewed as real ones are, one
/// provider was given up long ago, one has never been used, one takes no pay-outs; a tenth of the transactions are one user's.
fn columns(company: &str, method: &str, from_ms: i64, step_ms: i64, hex: impl Fn(&str) -> String) -> String {
    let at = format!("({from_ms} + n * {step_ms})");
    let mixed = "(n * 7919 % 10000)";
    let status = format!(
        "CASE WHEN {mixed} < 8000 THEN 'Approved' WHEN {mixed} < 9200 THEN 'Declined' WHEN {mixed} < 9500 THEN 'Expired' \
         WHEN {mixed} < 9700 THEN 'Failed' WHEN {mixed} < 9900 THEN 'Cancelled' WHEN {mixed} < 9990 THEN 'Pending' \
         WHEN {mixed} < 9995 THEN 'OnHold' WHEN {mixed} < 9997 THEN 'Rejected' ELSE 'Reversed' END"
    );
    let psp = "CASE WHEN n < 50000 THEN 'TRUST' WHEN n % 100 < 55 THEN 'PAYONE' WHEN n % 100 < 75 THEN 'WORLDPAY_EU' \
               WHEN n % 100 < 85 THEN 'EMERCHANTPAY' WHEN n % 100 < 92 THEN 'GIGADAT' WHEN n % 100 < 97 THEN 'CLEO' WHEN n % 100 < 99 THEN 'NEOSURF' \
               WHEN n % 1000 < 999 THEN 'FLEXEPIN' ELSE 'FORUMPAY' END";
    [
        format!("'{company}'"),
        format!("{}{}", hex(&at), format_args!(" || {}", hex("n"))),
        format!("'00000000-0000-7000-8000-' || {}", hex("n")),
        psp.to_owned(),
        "CASE WHEN n % 10 = 3 AND n % 100 < 92 THEN 'PAYOUT' ELSE 'PAYIN' END".to_owned(),
        format!("'{method}'"),
        "CASE WHEN n % 10 = 0 THEN NULL WHEN n % 10 IN (4, 5, 6) THEN 'often' ELSE 'ref-' || n END".to_owned(),
        "CASE WHEN n % 10 = 1 THEN 'heavy' ELSE 'user_' || (n % 50000) END".to_owned(),
        "1 + n % 100000".to_owned(),
        "'CAD'".to_owned(),
        status,
        "'word'".to_owned(),
        "'psp-' || n".to_owned(),
        "CASE WHEN n % 5000 = 17 THEN 'stuck' WHEN n % 20000 = 19 THEN 'anomaly' ELSE NULL END".to_owned(),
        format!("'{method}'"),
        at.clone(),
        at,
    ]
    .join(", ")
}

const NAMES: &str = "company_id, id, session_id, psp_type, operation, method_id, merchant_reference, user_id, amount_minor, currency, status, psp_status, \
     psp_transaction_id, attention, maker, created_at, updated_at";
const CONSTANT_NAMES: &str = "sealed, events_sent, timeline_length, version";

/// Stores so many transactions of the run's company; with statistics about them if so wanted.
pub(crate) async fn transactions(stage: &Stage, rows: u64, analyzed: bool) -> Result<()> {
    const DAY_MS: i64 = 86_400_000;
    let company = stage.company.as_deref().context("a company")?;
    let rows = i64::try_from(rows)?;
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let (from, step) = (now - 90 * DAY_MS, (90 * DAY_MS / rows.max(1)).max(1));
    let maker = "000000000000000000000001";
    match stage.connect().await? {
        Some(client) => {
            let hex = |value: &str| format!("lpad(to_hex(({value})::bigint), 12, '0')");
            let columns = columns(company, maker, from, step, hex);
            let insert = format!(
                "INSERT INTO transactions ({NAMES}, {CONSTANT_NAMES}) SELECT {columns}, '\\x00'::bytea, 0, 0, 1 \
                 FROM generate_series(1, {rows}::bigint) n"
            );
            client.batch_execute(&insert).await.context("seeding")?;
            client.batch_execute(if analyzed { "VACUUM ANALYZE" } else { "VACUUM" }).await?;
        }
        None => {
            let db = rusqlite::Connection::open(stage.file())?;
            let columns = columns(company, maker, from, step, |value| format!("printf('%012x', {value})"));
            let insert = format!(
                "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
                 INSERT INTO transactions ({NAMES}, {CONSTANT_NAMES}) SELECT {columns}, X'00', 0, 0, 1 FROM s"
            );
            db.execute_batch("PRAGMA cache_size = -400000")?;
            db.execute_batch(&insert).context("seeding")?;
            if analyzed {
                db.execute_batch("ANALYZE")?;
            }
        }
    }
    Ok(())
}
