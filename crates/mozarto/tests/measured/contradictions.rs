//! What a provider says of a payment that has ended here. A success proves itself; another word without money is no news; one
//! that says that money moves, or is not where it was, is for a person, and is told once.

use crate::steps::{LIMIT, control, events, id_of, inquire};
use anyhow::{Result, ensure};
use serde_json::json;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// What is to come of a word.
#[derive(Clone, Copy)]
enum Is {
    /// For a person; the text is in it.
    Odd(&'static str),
    Quiet,
    /// It changes the status.
    Now(&'static str),
}
use Is::{Now, Odd, Quiet};

const PAYS_YET: &str = "it may still be paid";

/// One payment that has ended, and a word that comes then.
struct Row {
    provider: &'static str,
    pays_out: bool,
    /// How it ends at the provider.
    ends: &'static str,
    ended: &'static str,
    word: &'static str,
    is: Is,
}

const fn pay_in(provider: &'static str, ends: &'static str, ended: &'static str, word: &'static str, is: Is) -> Row {
    Row { provider, pays_out: false, ends, ended, word, is }
}

const fn pay_out(provider: &'static str, ends: &'static str, ended: &'static str, word: &'static str, is: Is) -> Row {
    Row { provider, pays_out: true, ends, ended, word, is }
}

const ROWS: [Row; 30] = [
    pay_in("gigadat", "decline", "Declined", "STATUS_INITED", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_PENDING", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_EXPIRED", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_WEIRD", Odd("unknown")),
    pay_in("gigadat", "decline", "Declined", "STATUS_SUCCESS", Now("Approved")),
    pay_in("gigadat", "approve", "Approved", "STATUS_PENDING", Odd("STATUS_PENDING")),
    pay_in("gigadat", "approve", "Approved", "STATUS_REJECTED", Odd("STATUS_REJECTED")),
    pay_out("gigadat", "decline", "Declined", "STATUS_INITED", Odd(PAYS_YET)),
    pay_out("gigadat", "decline", "Declined", "STATUS_PENDING", Quiet),
    pay_out("gigadat", "decline", "Declined", "STATUS_ABORTED", Quiet),
    pay_out("gigadat", "decline", "Declined", "STATUS_SUCCESS", Odd("Approved")),
    pay_out("gigadat", "approve", "Approved", "STATUS_INITED", Odd("STATUS_INITED")),
    pay_in("neosurf", "decline", "Declined", "pending", Quiet),
    pay_in("neosurf", "decline", "Declined", "weird", Odd("unknown")),
    pay_in("neosurf", "cancel", "Cancelled", "ko", Quiet),
    pay_in("neosurf", "decline", "Declined", "ok", Now("Approved")),
    pay_in("neosurf", "approve", "Approved", "pending", Odd("pending")),
    pay_in("neosurf", "approve", "Approved", "ko", Odd("ko")),
    pay_in("cleo", "decline", "Declined", "PROCESSING", Quiet),
    pay_in("cleo", "decline", "Declined", "EXPIRED", Quiet),
    pay_in("cleo", "decline", "Declined", "COMPLETED", Now("Approved")),
    pay_in("cleo", "approve", "Approved", "PROCESSING", Odd("PROCESSING")),
    pay_out("cleo", "decline", "Declined", "PROCESSING", Odd(PAYS_YET)),
    pay_out("cleo", "decline", "Declined", "CANCELLED", Quiet),
    pay_in("payone", "decline", "Declined", "Pending", Quiet),
    pay_in("payone", "approve", "Approved", "Pending", Odd("Pending")),
    pay_out("payone", "decline", "Declined", "Pending", Odd(PAYS_YET)),
    pay_out("payone", "decline", "Declined", "Expired", Quiet),
    pay_in("forumpay", "cancel", "Cancelled", "waiting", Quiet),
    pay_in("forumpay", "cancel", "Cancelled", "processing", Odd("coins come to a payment that has ended")),
];

/// Brite's states are numbers.
const BRITE: [Row; 7] = [
    pay_in("brite", "decline", "Declined", "4", Quiet),
    pay_in("brite", "decline", "Declined", "2", Quiet),
    pay_in("brite", "decline", "Declined", "5", Now("Approved")),
    pay_in("brite", "approve", "Approved", "1", Odd("PENDING")),
    pay_in("brite", "reverse", "Reversed", "5", Odd("CREDIT of a payment that was taken back")),
    pay_in("brite", "reverse", "Reversed", "6", Odd("SETTLED of a payment that was taken back")),
    pay_in("brite", "reverse", "Reversed", "3", Odd("FAILED")),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_payment_that_has_ended() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    // A pay-out would settle by itself before it is declined.
    for provider in ["gigadat", "cleo", "payone"] {
        let slow = json!({"settleDelayMs": 3_600_000});
        world.client.control("PUT", &format!("/{provider}/settings"), Some(slow)).await.expect("settings");
    }
    let mut table = Table::new("words after an ending");
    for row in ROWS.into_iter().chain(BRITE) {
        let way = if row.pays_out { "out" } else { "in" };
        table.row(format!("{} {way}: {} after {}", row.provider, row.word, row.ended), said(world.hands(), row));
    }
    table.end().await;
}

fn body(row: &Row) -> String {
    const CLEO_OUT: &str = r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":500.00,"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}"#;
    match (row.provider, row.pays_out) {
        ("cleo", true) => CLEO_OUT.to_owned(),
        ("gigadat", true) => bodies::gigadat_out("ETO", "202.00"),
        ("payone", true) => bodies::payone("PAYOUT", "202.00"),
        (name, _) => {
            let of = crate::ten::ALL.into_iter().find(|one| one.name == name);
            of.map(|one| one.pay_in(0, "100.00")).unwrap_or_default()
        }
    }
}

async fn said(hands: Hands, row: Row) -> Result<()> {
    let answer = hands.client.cashier(&body(&row)).await?;
    let id = id_of(&answer)?;
    if row.pays_out && row.provider == "gigadat" {
        let approved = hands.approve(&id).await?;
        ensure!(approved.status == 200, "approve: {} {}", approved.status, approved.body);
        crate::steps::until(&hands, &id, |shown| !events(shown, "sent").is_empty()).await?;
    }
    if row.ends == "reverse" {
        control(&hands, row.provider, &id, "approve").await?;
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    control(&hands, row.provider, &id, row.ends).await?;
    hands.client.wait_for(&id, &[row.ended], LIMIT).await?;
    let before = events(&hands.managed(&id).await?, "anomaly").len();
    ensure!(before == 0, "odd from the start: {}", hands.managed(&id).await?);
    control(&hands, row.provider, &id, &format!("status/{}", row.word)).await?;
    for _ in 0..2 {
        let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
        ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    }
    let wanted = match row.is {
        Now(status) => status,
        Odd(_) | Quiet => row.ended,
    };
    hands.client.wait_for(&id, &[wanted], LIMIT).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == wanted, "{shown}");
    let odd = events(&shown, "anomaly");
    match row.is {
        // Once by the callback that notifies of it, once by the record.
        Odd(text) => {
            ensure!((1..=2).contains(&odd.len()) && odd.iter().all(|one| one.to_string().contains(text)), "{odd:?}");
        }
        Quiet | Now(_) => ensure!(odd.is_empty(), "{odd:?}"),
    }
    Ok(())
}
