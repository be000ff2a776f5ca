//! Every word of every provider that can only follow a success, met first, from every status, told by a callback or by the record
//! alone.

mod sheets;

use crate::steps::{LIMIT, control, events, has_event, id_of, inquire, minor_units, next, posted, until};
use anyhow::{Result, ensure};
use serde_json::json;
use sheets::{Proof, RUN_OUT, SHEETS, Sheet, TRUST, Way, Word};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Rows that run at once: most of each one's time is spent in waiting for answers.
const AT_ONCE: usize = 8;
/// Rows that wait at once for a webhook too many.
const QUIET_AT_ONCE: usize = 64;
/// Trust's three hours and a quarter are over in twelve seconds.
const TRUST_SCALE: u32 = 1_000;
/// Attempts to open a link: at that scale it lives 300 ms.
const POSTS_MAX: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_told_word_that_only_follows_a_success_proves_it() {
    every_word(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_word_that_only_follows_a_success_proves_it() {
    every_word(false).await;
}

/// Told by a callback, or found in the record when a person has it asked about.
async fn every_word(told: bool) {
    let psp_types = ["FORUMPAY", "GIGADAT", "BRITE", "PAYONE", "CLEO", "NEOSURF", "WORLDPAY_EU", "TRUST", "EMERCHANTPAY"];
    let (world, quick) = tokio::join!(world(&psp_types, 1), world(&["TRUST"], TRUST_SCALE));
    let (due, due_in_scaled_time) = (Due::default(), Due::default());
    // Until their time has passed they only wait.
    callbacks(&quick, TRUST.name, told).await;
    let mut run_out = Table::with_at_once("words after Trust's time", AT_ONCE);
    rows(&mut run_out, &quick, &TRUST, &[RUN_OUT], told, &due_in_scaled_time);
    let mut table = Table::with_at_once("words that prove a success", AT_ONCE);
    for sheet in SHEETS {
        callbacks(&world, sheet.name, told).await;
        rows(&mut table, &world, sheet, sheet.ways, told, &due);
        if let Some(pay_out) = sheet.pay_out {
            let word = sheet.words[0];
            table.row(format!("{} {}, pay-out", sheet.name, word.0), paid_out(world.hands(), sheet, pay_out, word, None));
            let after = paid_out(world.hands(), sheet, pay_out, word, Some("decline"));
            table.row(format!("{} {}, pay-out after its refusal", sheet.name, word.0), after);
        }
    }
    if told {
        table.row("flexepin USED after Pending", flexepin(world.hands()));
    }
    table.end().await;
    run_out.end().await;
    due.came(false).await;
    due_in_scaled_time.came(true).await;
}

async fn world(psp_types: &[&str], scale: u32) -> World {
    World::start(env!("CARGO_BIN_EXE_mozarto"), psp_types, |options| options.time_scale(scale)).await.expect("a sandbox")
}

async fn callbacks(world: &World, provider: &str, sent: bool) {
    let settings = json!({"dropCallbacks": !sent, "settleDelayMs": 3_600_000});
    let set = world.client.control("PUT", &format!("/{provider}/settings"), Some(settings)).await.expect("settings");
    assert_eq!(set.status, 200, "{}", set.body);
}

fn rows(table: &mut Table, world: &World, sheet: &'static Sheet, ways: &'static [Way], told: bool, due: &Due) {
    let how = if told { "told" } else { "found" };
    for way in ways {
        for word in sheet.words {
            let name = format!("{} {} after {}, {how}", sheet.name, word.2, way.status);
            table.row(name, met(world.hands(), sheet, way, *word, told, due.clone()));
        }
        if sheet.parts && !told {
            let name = format!("{} a part went back after {}", sheet.name, way.status);
            table.row(name, part_went_back(world.hands(), sheet, way, due.clone()));
        }
    }
}

/// A transaction, where its webhooks go, and which it must have had.
type Webhooks = (Hands, String, Vec<&'static str>);

/// The webhooks that each transaction must have had in the end, and no further one.
#[derive(Clone, Default)]
struct Due(Arc<Mutex<Vec<Webhooks>>>);

impl Due {
    fn add(&self, hands: Hands, id: String, webhooks: Vec<&'static str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((hands, id, webhooks));
    }

    /// `repeats`: an answer may be later than its scaled limit, and the same event is told again.
    async fn came(self, repeats: bool) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut table = Table::with_at_once("webhooks of words that prove a success", QUIET_AT_ONCE);
        for (hands, id, webhooks) in all {
            table.row(id.clone(), async move {
                if repeats {
                    hands.webhooks_told_again(&id, &webhooks, LIMIT).await
                } else {
                    hands.webhooks(&id, &webhooks, LIMIT).await
                }
            });
        }
        table.end().await;
    }
}

/// A pay-in in that status; the webhooks that are due until then.
async fn brought_to(hands: &Hands, sheet: &Sheet, way: &Way) -> Result<(String, Vec<&'static str>)> {
    let body = (sheet.pay_in)(&format!("70.{}", way.cents));
    let id = if sheet.form { posted_in_time(hands, &body).await? } else { id_of(&hands.client.cashier(&body).await?)? };
    if let Some(what) = way.control {
        control(hands, sheet.name, &id, what).await?;
        inquire(hands, &id).await?;
    }
    hands.client.wait_for(&id, &[way.status], LIMIT).await?;
    Ok((id, if way.status == "Pending" { Vec::new() } else { vec![way.status] }))
}

/// The form of a pay-in whose link was opened before its time was over.
async fn posted_in_time(hands: &Hands, body: &str) -> Result<String> {
    let mut last = None;
    for _ in 0..POSTS_MAX {
        match posted(hands, body).await {
            Ok((id, _)) => return Ok(id),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("never posted")))
}

/// The word is met; what it proves is so, with its webhooks, and nothing else.
async fn met(hands: Hands, sheet: &Sheet, way: &Way, word: Word, told: bool, due: Due) -> Result<()> {
    let (word, proof, shown) = word;
    let (id, mut webhooks) = brought_to(&hands, sheet, way).await?;
    control(&hands, sheet.name, &id, &format!("status/{word}")).await?;
    if !told {
        inquire(&hands, &id).await?;
    }
    match (proof, way.status) {
        (Proof::TakenBack(kind), "Pending" | "Approved") => {
            hands.ends_as(&id, "Reversed", shown, LIMIT).await?;
            let data = until(&hands, &id, |data| events(data, kind).len() == 1).await?;
            ensure!((data["disputed"] == true) == (kind == "charged_back"), "{data}");
            let came: &[&str] = if way.status == "Pending" { &["Approved", "Reversed"] } else { &["Reversed"] };
            webhooks.extend(came);
        }
        // After another ending a reversal is for a person.
        (Proof::TakenBack(_), status) => {
            let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
            ensure!(data["transaction_status"] == status, "{data}");
        }
        (_, "Approved") => {
            inquire(&hands, &id).await?;
            hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
        }
        _ => {
            hands.ends_as(&id, "Approved", shown, LIMIT).await?;
            webhooks.push("Approved");
        }
    }
    match proof {
        Proof::TakenBack(_) => {}
        Proof::Paid | Proof::Noted => {
            let data = until(&hands, &id, |data| proof == Proof::Paid || data["events"].to_string().contains(shown)).await?;
            ensure!(data["attention"].is_null(), "{data}");
        }
        Proof::Seen | Proof::Won => {
            let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
            ensure!(has_event(&data, "anomaly", shown), "no anomaly: {data}");
            ensure!(events(&data, "chargeback_won").len() == usize::from(proof == Proof::Won), "{data}");
        }
    }
    due.add(hands, id, webhooks);
    Ok(())
}

/// Nobody heard of the payment itself: that a part of it went back is the first, and proves it.
async fn part_went_back(hands: Hands, sheet: &Sheet, way: &Way, due: Due) -> Result<()> {
    let (id, mut webhooks) = brought_to(&hands, sheet, way).await?;
    if way.status != "Approved" {
        control(&hands, sheet.name, &id, &format!("status/{}", sheet.words[0].0)).await?;
        webhooks.push("Approved");
    }
    control(&hands, sheet.name, &id, "refund?minor=3000").await?;
    inquire(&hands, &id).await?;
    let data = until(&hands, &id, |data| data["refundedAmount"] == "30.00").await?;
    ensure!(data["transaction_status"] == "Approved" && minor_units(&data, "refunded") == [3_000], "{data}");
    due.add(hands, id, webhooks);
    Ok(())
}

/// A pay-out that turns out paid after another ending changes no state, and somebody must look.
async fn paid_out(hands: Hands, sheet: &Sheet, pay_out: fn(&str) -> String, word: Word, before: Option<&str>) -> Result<()> {
    let answer = hands.client.cashier(&pay_out("80.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    if let Some(what) = before {
        control(&hands, sheet.name, &id, what).await?;
        inquire(&hands, &id).await?;
        hands.client.wait_for(&id, &["Declined"], LIMIT).await?;
    }
    control(&hands, sheet.name, &id, &format!("status/{}", word.0)).await?;
    inquire(&hands, &id).await?;
    if before.is_none() {
        hands.ends_as(&id, "Approved", word.2, LIMIT).await?;
        return hands.webhooks(&id, &["Approved"], LIMIT).await;
    }
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Declined" && data.to_string().contains("highest"), "{data}");
    hands.webhooks(&id, &["Declined"], LIMIT).await
}

/// A redeem that was taken and whose answer got lost, as did the first questions about it: the record proves it.
async fn flexepin(hands: Hands) -> Result<()> {
    next(&hands, "flexepin", json!({"path": "/trans/", "http": 500, "times": 3})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(701, 7012)).await?;
    ensure!(answer.status == 504, "{} {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    next(&hands, "flexepin", json!({"http": 200, "times": 0})).await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "USED", LIMIT).await.map(|_| ())
}
