//! A store as the revision before left it, brought up to date: nothing of it is lost, and what was open goes on. The store is
//! made here, in `made`, by that revision's own migrations and plain SQL.

mod followed;
mod goes_on;
mod kept;
mod made;
mod seeds;

use anyhow::{Context, Result, ensure};
use followed::Followed;
use kept::{Kept, Store};
use made::{Company, Target, directory};
use seeds::{BINARY, Seeds};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};

/// Payments beside those that are followed and those of the product: with them there are more than 100,000 rows.
const MANY: usize = 20_000;
const ROWS_MIN: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_store_of_the_revision_before_goes_on() {
    goes_on(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_store_of_the_revision_before_goes_on() {
    let database = testkit::postgres::database().await;
    goes_on(Some(&database.url)).await.unwrap();
}

async fn goes_on(database: Option<&str>) -> Result<()> {
    let began = Instant::now();
    let (fresh, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let seeds = seeds::make(fresh.path()).await.context("a sandbox's own company")?;
    let company = Company::of(fresh.path())?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let followed = followed::followed(&seeds, now)?;
    println!("{:?}: a company, and {} payments that simulators know", began.elapsed(), seeds.all.len());
    make(fresh.path(), data.path(), database, &followed, now).await.context("the old store")?;
    println!("{:?}: made", began.elapsed());

    let store = Store::open(data.path(), database).await?;
    let before = Kept::of(&store, &company).await.context("before")?;
    ensure!(before.rows() > ROWS_MIN, "{} rows", before.rows());
    every_kind_is_there(&before)?;
    let counted = kept::counts(&store).await?;
    drop(store);
    let started = Instant::now();
    directory::migrate(Path::new(BINARY), data.path(), database).await?;
    println!("{:?}: migrated within {:?}", began.elapsed(), started.elapsed());
    let store = Store::open(data.path(), database).await?;
    let after = Kept::of(&store, &company).await.context("after")?;
    before.is_kept_in(&after)?;
    ensure!(counted == kept::counts(&store).await?, "more or fewer than {counted:?}");
    let migrated = kept::has_first_attempts(&store).await?;
    println!("{:?}: {} rows are kept (attempts: {migrated})", began.elapsed(), before.rows());
    drop((before, after));
    run(data.path(), database, &seeds, &followed, &store).await?;
    println!("{:?}: goes on", began.elapsed());
    Ok(())
}

/// The old store, in a directory with what a sandbox has beside it.
async fn make(fresh: &Path, data: &Path, database: Option<&str>, followed: &Followed, now: i64) -> Result<()> {
    directory::beside(fresh, data)?;
    let target = match database {
        Some(url) => Target::postgres(url).await?,
        None => Target::sqlite(&data.join("mozarto.db"))?,
    };
    let payments: Vec<made::Payment> = followed.values().map(|(payment, _)| payment.clone()).collect();
    let made = made::make(fresh, target, &payments, MANY, now).await?;
    println!("{} payments, {} rows", made.transactions, made.rows);
    Ok(())
}

/// What the comparison would not miss if it were not there.
fn every_kind_is_there(kept: &Kept) -> Result<()> {
    let next = kept.part("next actions");
    for start in ["intent ", "run ", "inquire ", "late ", "hold "] {
        ensure!(next.values().any(|said| said.starts_with(start)), "no {start}");
        let owned = |said: &&String| said.starts_with(start) && said.contains(made::DEAD);
        ensure!(next.values().any(|said| owned(&said)), "no {start} of a dead process");
    }
    for doubt in ["harmless", "page", "money"] {
        ensure!(next.values().any(|said| said.contains(doubt)), "no intent of {doubt}");
    }
    for task in ["pay_in", "pay_out", "finalise", "release_again", "continue"] {
        ensure!(next.values().any(|said| said.contains(task)), "no {task}");
    }
    let payments = kept.part("transactions");
    for form in &made::FORMS {
        for status in
            ["Created", "Pending", "OnHold", "Approved", "Declined", "Cancelled", "Expired", "Rejected", "Failed", "Reversed"]
        {
            let is = |said: &String| {
                said.contains(&format!(" {} {} ", form.psp_type, form.operation)) && said.contains(&format!(" {status} "))
            };
            let of_pay_outs = matches!(status, "OnHold" | "Rejected");
            ensure!(payments.values().any(is) != (of_pay_outs && form.is_pay_in()), "{} {status}", form.psp_type);
        }
    }
    for part in ["callbacks", "holds", "approvals", "single_use", "page_tokens", "delivery_attempts", "callback tokens", "nodes"]
    {
        ensure!(!kept.part(part).is_empty(), "no {part}");
    }
    Ok(())
}

/// The program over it.
async fn run(data: &Path, database: Option<&str>, seeds: &Seeds, followed: &Followed, store: &Store) -> Result<()> {
    let options = Options::new(BINARY, data).variable("MOZARTO_LOG", "off");
    let options = if let Some(url) = database { options.database(url) } else { options };
    let mut sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    goes_on::Running { client: &client, followed, store, seeds }.goes_on().await?;
    sandbox.terminate().await?;
    Ok(())
}
