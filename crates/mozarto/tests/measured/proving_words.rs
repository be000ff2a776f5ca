//! Every word of every provider that can only follow a success, met first, from every status, told by a callback or by the record alone.
//!
//! To add a provider: a [`Sheet`] with its published words. A word is what `status/{word}` of its simulator's control takes.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(30);
/// Rows that run at once: most of each one's time is spent in waiting for a webhook too many.
const AT_ONCE: usize = 8;

/// What a word proves.
#[derive(Clone, Copy)]
enum Proof {
    /// The money came.
    Paid,
    /// It came, and was taken back.
    TakenBack,
}

/// How a pay-in comes to a status before the word is met: the cents of its amount, and the simulator's control.
struct Way {
    status: &'static str,
    cents: &'static str,
    control: Option<&'static str>,
}

const fn way(status: &'static str, cents: &'static str, control: Option<&'static str>) -> Way {
    Way { status, cents, control }
}

const PENDING: Way = way("Pending", "00", None);
const APPROVED: Way = way("Approved", "00", Some("approve"));
const DECLINED: Way = way("Declined", "00", Some("decline"));
const CANCELLED: Way = way("Cancelled", "00", Some("cancel"));
const EXPIRED: Way = way("Expired", "00", Some("expire"));

/// A provider's words that only follow a success, and the statuses that its pay-ins can be in.
struct Sheet {
    name: &'static str,
    pay_in: fn(&str) -> String,
    ways: &'static [Way],
    /// The word, what it proves, and what the merchant is shown as `status`.
    words: &'static [(&'static str, Proof, &'static str)],
    /// A pay-out that the provider has and that ends as the simulator's control says, where it has pay-outs that nobody must approve.
    pay_out: Option<fn(&str) -> String>,
}

const SHEETS: &[Sheet] = &[
    Sheet {
        name: "forumpay",
        pay_in: bodies::forumpay_in,
        // A link whose address got lost is Failed, and may be paid all the same.
        ways: &[PENDING, APPROVED, CANCELLED, EXPIRED, way("Failed", "12", None)],
        words: &[("confirmed", Proof::Paid, "confirmed")],
        pay_out: None,
    },
    Sheet {
        name: "gigadat",
        pay_in: bodies::gigadat_in,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED, way("Failed", "11", None)],
        words: &[("STATUS_SUCCESS", Proof::Paid, "STATUS_SUCCESS")],
        pay_out: None,
    },
    Sheet {
        name: "brite",
        pay_in: brite,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED],
        words: &[("CREDIT", Proof::Paid, "CREDIT"), ("SETTLED", Proof::Paid, "SETTLED"), ("DEBIT", Proof::TakenBack, "DEBIT")],
        pay_out: None,
    },
    Sheet {
        name: "payone",
        pay_in: |amount| bodies::payone("PAYIN", amount),
        ways: &[PENDING, APPROVED, DECLINED],
        words: &[("Approved", Proof::Paid, "success")],
        pay_out: Some(|amount| bodies::payone("PAYOUT", amount)),
    },
    Sheet {
        name: "cleo",
        pay_in: cleo_in,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED],
        words: &[("COMPLETED", Proof::Paid, "COMPLETED")],
        pay_out: Some(cleo_out),
    },
    Sheet {
        name: "neosurf",
        pay_in: |amount| bodies::neosurf("EUR", amount),
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED, way("Failed", "12", None)],
        words: &[("ok", Proof::Paid, "ok")],
        pay_out: None,
    },
];

fn brite(amount: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}}"#
    )
}

fn cleo_in(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{amount},"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}}}"#
    )
}

fn cleo_out(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYOUT","baseamount":{amount},"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_only_follows_a_success_proves_it() {
    let psp_types: Vec<String> = SHEETS.iter().map(|sheet| sheet.name.to_uppercase()).collect();
    let psp_types: Vec<&str> = psp_types.iter().map(String::as_str).collect();
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &psp_types, |options| options.time_scale(1)).await;
    let world = world.expect("a sandbox");
    for told in [true, false] {
        // Told by a callback, or found in the record when a person has it asked about.
        for sheet in SHEETS {
            let settings = json!({"dropCallbacks": !told, "settleDelayMs": 3_600_000});
            world.client.control("PUT", &format!("/{}/settings", sheet.name), Some(settings)).await.expect("settings");
        }
        let mut table = Table::with_at_once("words that prove a success", AT_ONCE);
        for sheet in SHEETS {
            for word in sheet.words {
                for way in sheet.ways {
                    let name = format!("{} {} after {}, {}", sheet.name, word.0, way.status, if told { "told" } else { "found" });
                    table.row(name, met(world.hands(), sheet, way, *word, told));
                }
            }
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
    }
}

async fn control(hands: &Hands, sheet: &Sheet, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{}/{id}/{what}", sheet.name), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// A pay-in in that status; the webhooks that came until then.
async fn brought_to(hands: &Hands, sheet: &Sheet, way: &Way) -> Result<(String, Vec<&'static str>)> {
    let answer = hands.client.cashier(&(sheet.pay_in)(&format!("70.{}", way.cents))).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "{} {}", answer.status, answer.body);
    if let Some(what) = way.control {
        control(hands, sheet, &id, what).await?;
        inquire(hands, &id).await?;
    }
    hands.client.wait_for(&id, &[way.status], LIMIT).await?;
    Ok((id, if way.status == "Pending" { Vec::new() } else { vec![way.status] }))
}

/// The word is met; what it proves is so, with its webhooks, and nothing else.
async fn met(hands: Hands, sheet: &Sheet, way: &Way, word: (&str, Proof, &str), told: bool) -> Result<()> {
    let (word, proof, shown) = word;
    let (id, mut webhooks) = brought_to(&hands, sheet, way).await?;
    control(&hands, sheet, &id, &format!("status/{word}")).await?;
    if !told {
        inquire(&hands, &id).await?;
    }
    match (proof, way.status) {
        (Proof::Paid, "Approved") => {
            inquire(&hands, &id).await?;
            hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
        }
        (Proof::Paid, _) => {
            hands.ends_as(&id, "Approved", shown, LIMIT).await?;
            webhooks.push("Approved");
        }
        (Proof::TakenBack, "Pending" | "Approved") => {
            hands.ends_as(&id, "Reversed", shown, LIMIT).await?;
            let came: &[&str] = if way.status == "Pending" { &["Approved", "Reversed"] } else { &["Reversed"] };
            webhooks.extend(came);
        }
        // After another ending a reversal is for a person.
        (Proof::TakenBack, status) => {
            let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
            ensure!(data["transaction_status"] == status, "{data}");
        }
    }
    hands.webhooks(&id, &webhooks, LIMIT).await
}

/// A pay-out that turns out paid after another ending changes no state, and somebody must look.
async fn paid_out(
    hands: Hands,
    sheet: &Sheet,
    pay_out: fn(&str) -> String,
    word: (&str, Proof, &str),
    before: Option<&str>,
) -> Result<()> {
    let answer = hands.client.cashier(&pay_out("80.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(answer.status == 200 && !id.is_empty(), "{} {}", answer.status, answer.body);
    if let Some(what) = before {
        control(&hands, sheet, &id, what).await?;
        inquire(&hands, &id).await?;
        hands.client.wait_for(&id, &["Declined"], LIMIT).await?;
    }
    control(&hands, sheet, &id, &format!("status/{}", word.0)).await?;
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
    let silent = json!({"path": "/trans/", "http": 500, "times": 3});
    let set = hands.client.control("PUT", "/flexepin/next", Some(silent)).await?;
    ensure!(set.status == 200, "{}", set.body);
    let answer = hands.client.cashier(&bodies::flexepin(701, 7012)).await?;
    ensure!(answer.status == 504, "{} {}", answer.status, answer.body);
    let id = answer.body.pointer("/transaction/transactionId").and_then(Value::as_str).context("no transaction")?;
    let clear = hands.client.control("PUT", "/flexepin/next", Some(json!({"http": 200, "times": 0}))).await?;
    ensure!(clear.status == 200, "{}", clear.body);
    inquire(&hands, id).await?;
    hands.ends_as(id, "Approved", "USED", LIMIT).await.map(|_| ())
}
