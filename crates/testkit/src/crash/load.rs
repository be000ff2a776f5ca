//! What runs while processes are killed: payments of every kind, clients that hang up, people who decide; and what is known of it
//! afterwards.

use super::QUIET_LIMIT;
use crate::client::{Answer, Client, bodies};
use crate::invariants::Ordered;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `email` of the sandbox's user token.
const USER_EMAIL: &str = "player@example.com";
/// PINs of vouchers, so that each is used once.
static SERIAL: AtomicU32 = AtomicU32::new(1);

/// A small generator of numbers that look random and come again with the same seed.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// From 0 on, below that.
    pub(super) fn roll(&self, below: u64) -> u64 {
        let next = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }
}

/// What the load knows.
#[derive(Default)]
pub(super) struct Record {
    pub(super) answered: Vec<Ordered>,
    /// Key, body: the connection died; to be asked again.
    pub(super) unanswered: Vec<(String, String)>,
    /// First bytes per key.
    bytes: HashMap<String, Vec<u8>>,
    pub(super) broken: Vec<String>,
    pub(super) asked_again: usize,
}

/// The load beside which a process is killed.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// So many requests at once.
    pub(super) fn start(client: &Client, workers: usize, record: &Arc<Mutex<Record>>, dice: &Arc<Dice>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for _ in 0..workers {
            let (client, record, dice, stop) = (client.clone(), record.clone(), dice.clone(), stop.clone());
            tasks.push(tokio::spawn(async move {
                // The first broken connection is the kill: what would come after it never reaches anybody.
                while !stop.load(Ordering::Relaxed) && one_request(&client, &record, &dice).await {}
            }));
        }
        let (client, stop_too, dice) = (client.clone(), stop.clone(), dice.clone());
        tasks.push(tokio::spawn(async move {
            while !stop_too.load(Ordering::Relaxed) {
                decide_one(&client, &dice).await;
            }
        }));
        Self { stop, tasks }
    }

    /// Waits for the answers that are under way.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

fn key(dice: &Dice) -> String {
    format!("crash-{:016x}{:016x}", dice.roll(u64::MAX), dice.roll(u64::MAX))
}

/// A body with one of the amounts that the simulators make trouble for, or with none.
fn body(dice: &Dice) -> String {
    let cents = ["00", "00", "00", "05", "08", "10", "11", "12"][usize::try_from(dice.roll(8)).unwrap_or_default()];
    let amount = format!("{}.{cents}", 10 + dice.roll(90));
    match dice.roll(12) {
        6 => bodies::gigadat_in(&amount),
        7 => bodies::gigadat_out("ETO", &amount),
        8 => bodies::neosurf("EUR", &amount),
        9 | 10 => bodies::emerchantpay(&amount, "4200000000000000"),
        11 => bodies::worldpay_card(&amount, "4444333322221111", "John Doe"),
        0 | 1 => bodies::payone("PAYIN", &amount),
        2 => bodies::payone("PAYOUT", &amount),
        3 => bodies::forumpay_in(&amount),
        4 => bodies::forumpay_out(&amount),
        _ => {
            let minor = amount.replace('.', "").parse().unwrap_or(2_500);
            bodies::flexepin(SERIAL.fetch_add(1, Ordering::Relaxed) % 1_000_000, minor)
        }
    }
}

/// One client in so many hangs up, after at most so many milliseconds.
const HANGS_UP: (u64, u64) = (12, 40);

/// Whether the process is there: there was an answer, or the client did not wait for one.
async fn one_request(client: &Client, record: &Mutex<Record>, dice: &Dice) -> bool {
    let (key, body) = (key(dice), body(dice));
    let call = client.cashier_with_key(&body, &key);
    let patience = if dice.roll(HANGS_UP.0) == 0 { Duration::from_millis(dice.roll(HANGS_UP.1)) } else { QUIET_LIMIT };
    let Ok(answer) = tokio::time::timeout(patience, call).await else {
        record.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push((key, body));
        return true;
    };
    let Ok(answer) = answer else {
        record.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push((key, body));
        return false;
    };
    keep(&mut record.lock().unwrap_or_else(PoisonError::into_inner), &key, &body, &answer);
    give_back_parts(client, dice, &answer.body["transaction"]).await;
    true
}

/// Now and then two parts of a card payment are given back at the provider's console.
async fn give_back_parts(client: &Client, dice: &Dice, transaction: &Value) {
    let of_a_card = transaction["pspType"] == "EMERCHANTPAY" && transaction["transaction_status"] == "Approved";
    if !of_a_card || dice.roll(4) != 0 {
        return;
    }
    let id = transaction["transactionId"].as_str().unwrap_or_default();
    for minor in [100, 150] {
        // One that the kill cuts was given back or was not; either is as it may be.
        let _ = client.control("POST", &format!("/emerchantpay/{id}/refund?minor={minor}"), None).await;
    }
}

/// Holds the answer against an earlier one to the key, and remembers it.
pub(super) fn keep(record: &mut Record, key: &str, body: &str, answer: &Answer) {
    if let Some(first) = record.bytes.get(key)
        && *first != answer.bytes
    {
        record.broken.push(format!("INV8: key {key} was answered with other bytes"));
    }
    record.bytes.insert(key.to_owned(), answer.bytes.clone());
    let shown = &answer.body["transaction"];
    if answer.status != 200 && shown.is_null() {
        if answer.status >= 500 {
            record.broken.push(format!("an answer of ours failed: {} {}", answer.status, answer.body));
        }
        return;
    }
    let request: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    // To the user's address: the claims win over the body's.
    let e_transfer = (request["payoutType"] == "ETO").then_some(USER_EMAIL);
    let destination = request["walletAddress"].as_str().or(e_transfer).map(str::to_owned);
    record.answered.push(Ordered {
        transaction_id: shown["transactionId"].as_str().unwrap_or_default().to_owned(),
        operation: request["type"].as_str().unwrap_or_default().to_owned(),
        amount: shown["amount"].as_str().unwrap_or_default().to_owned(),
        currency: request["currency"].as_str().unwrap_or_default().to_owned(),
        destination,
    });
}

/// Approves, or now and then rejects, the oldest pay-out on hold.
async fn decide_one(client: &Client, dice: &Dice) {
    let Ok(waiting) = client.manage("GET", "/approvals?status=waiting&limit=3", None).await else {
        tokio::time::sleep(Duration::from_millis(20)).await;
        return;
    };
    let items = waiting.body["data"]["items"].as_array().cloned().unwrap_or_default();
    for item in &items {
        let id = item["transactionId"].as_str().unwrap_or_default();
        let decision = if dice.roll(8) == 0 {
            client.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "a test"}))).await
        } else {
            client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await
        };
        if decision.is_err() {
            return;
        }
    }
    if items.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
