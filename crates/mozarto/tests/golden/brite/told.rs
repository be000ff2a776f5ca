//! Callbacks, which are unsigned: hints. Brite's own are dropped.

use super::*;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
/// The merchant's id at Brite; nothing is made of it.
const MERCHANT: &str = "m";

/// What is known of the row's pay-in.
#[derive(Clone, Copy)]
struct Ours<'a> {
    session: &'a str,
    /// Empty before there is one.
    transaction: &'a str,
}

impl Ours<'_> {
    fn transaction(&self, state: i64) -> String {
        json!({"merchant_id": MERCHANT, "transaction_id": self.transaction, "transaction_state": state}).to_string()
    }

    fn session(&self, state: i64) -> String {
        json!({"merchant_id": MERCHANT, "session_id": self.session, "session_state": state}).to_string()
    }
}

type Body = fn(Ours<'_>) -> String;

fn bodies() -> [(&'static str, Body); 16] {
    [
        ("CREDIT", |ours| ours.transaction(5)),
        ("SETTLED", |ours| ours.transaction(6)),
        ("an end that it is not", |ours| ours.transaction(2)),
        ("an unknown state", |ours| ours.transaction(42)),
        ("a session's end", |ours| ours.session(12)),
        ("a session's abortion", |ours| ours.session(10)),
        ("another session", |ours| Ours { session: "another", ..ours }.session(10)),
        ("another transaction", |ours| Ours { transaction: "brite-first-a", ..ours }.transaction(5)),
        ("both ids", |ours| json!({"transaction_id": ours.transaction, "session_id": ours.session}).to_string()),
        ("an id that is no text", |_| json!({"transaction_id": 7, "transaction_state": 5}).to_string()),
        ("only an id", |ours| json!({"transaction_id": ours.transaction}).to_string()),
        ("only a state", |_| json!({"transaction_state": 5}).to_string()),
        ("an empty object", |_| "{}".to_owned()),
        ("a list", |_| "[]".to_owned()),
        ("no JSON", |_| "hello".to_owned()),
        ("nothing", |_| String::new()),
    ]
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, body) in bodies() {
        for word in ["", "CREDIT", "FAILED"] {
            is_told(stage, book, word, name, body).await;
        }
    }
    set(stage, json!({"shortRecords": true})).await;
    for (name, body) in [bodies()[0], bodies()[4]] {
        is_told(stage, book, "CREDIT", &format!("{name}, in a record that does not say whose it is"), body).await;
    }
    set(stage, json!({"shortRecords": false})).await;
    stage.row(book, "told: late, after Declined", async |scene| is_late(scene).await).await;
    stage.row(book, "told: again after the end", async |scene| is_told_again(scene).await).await;
    stage.row(book, "told: taken back", async |scene| is_taken_back(scene).await).await;
    stage.row(book, "told: somebody else's transaction", async |scene| is_somebody_elses(scene).await).await;
    stage.row(book, "told: at addresses", async |scene| at_addresses(scene).await).await;
}

/// What Brite refuses to be asked about; it is asked again and again, about an id that is no row's, so that no row may follow for
/// long.
pub(super) async fn at_last(stage: &mut Stage, book: &mut Book) {
    for word in ["", "CREDIT", "FAILED"] {
        let body: Body = |ours| Ours { transaction: ours.session, ..ours }.transaction(5);
        is_told(stage, book, word, "a session's id for a transaction's", body).await;
    }
}

/// Brite's id of the transaction, as its ledger has it.
async fn transaction_of(scene: &Scene<'_>) -> Result<String> {
    let entries = scene.hands().entries(NAME, scene.id()).await?;
    Ok(entries.first().and_then(|entry| entry["providerReference"].as_str()).unwrap_or_default().to_owned())
}

async fn tell(scene: &mut Scene<'_>, body: String) -> Result<()> {
    scene.callback(&scene.callback_address()?, &JSON, body.into_bytes()).await.map(drop)
}

/// Told when the record stands at the word; none: nothing has begun.
async fn is_told(stage: &mut Stage, book: &mut Book, word: &str, name: &str, body: Body) {
    let work = async |scene: &mut Scene<'_>| {
        let session = opened(scene).await?;
        if !word.is_empty() {
            scene.control(&format!("status/{word}")).await?;
        }
        let transaction = transaction_of(scene).await?;
        tell(scene, body(Ours { session: &session, transaction: &transaction })).await
    };
    let stands = if word.is_empty() { "CREATED" } else { word };
    stage.row(book, &format!("told when it is {stands}: {name}"), work).await;
}

async fn is_late(scene: &mut Scene<'_>) -> Result<()> {
    let session = opened(scene).await?;
    scene.control("status/FAILED").await?;
    scene.manage("inquire").await?;
    scene.until("Declined").await?;
    delivered(scene, 1).await?;
    scene.control("status/CREDIT").await?;
    let transaction = transaction_of(scene).await?;
    tell(scene, Ours { session: &session, transaction: &transaction }.transaction(5)).await?;
    scene.until("Approved").await
}

async fn is_told_again(scene: &mut Scene<'_>) -> Result<()> {
    let session = opened(scene).await?;
    scene.control("status/CREDIT").await?;
    let transaction = transaction_of(scene).await?;
    let ours = Ours { session: &session, transaction: &transaction };
    tell(scene, ours.transaction(5)).await?;
    scene.until("Approved").await?;
    delivered(scene, 1).await?;
    scene.control("status/SETTLED").await?;
    tell(scene, ours.transaction(6)).await?;
    is_settled(scene).await?;
    // Nothing more comes of it, however often.
    scene.shows_once();
    tell(scene, ours.transaction(6)).await?;
    tell(scene, ours.transaction(5)).await
}

async fn is_taken_back(scene: &mut Scene<'_>) -> Result<()> {
    let session = opened(scene).await?;
    scene.control("status/CREDIT").await?;
    let transaction = transaction_of(scene).await?;
    let ours = Ours { session: &session, transaction: &transaction };
    tell(scene, ours.transaction(5)).await?;
    scene.until("Approved").await?;
    delivered(scene, 1).await?;
    scene.control("reverse").await?;
    tell(scene, ours.transaction(7)).await?;
    scene.until("Reversed").await
}

/// It was paid, of the same amount; our own session decides.
async fn is_somebody_elses(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene).await?;
    let theirs = "brite-theirs-b";
    let record = json!({"id": theirs, "type": 0, "state": 5, "amount": 511.0, "currency_id": "eur", "session_id": "another"});
    scene.next(about(TRANSACTION, theirs, says(200, record))).await?;
    tell(scene, Ours { session: "", transaction: theirs }.transaction(5)).await
}

async fn at_addresses(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene).await?;
    let url = scene.callback_address()?;
    let base = scene.client().base.clone();
    let body = || Some(b"{}".to_vec());
    let other = format!("{base}/callbacks/brite/{}", "A".repeat(43));
    let answer = scene.client().send("POST", &other, &JSON, body()).await?;
    scene.did("to another token", answer);
    for method in ["GET", "PUT"] {
        let answer = scene.client().send(method, &url, &JSON, body()).await?;
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        scene.did(method, shown(answer.status, allow));
    }
    let much = format!("{{\"more\":\"{}\"}}", "m".repeat(64 * 1024)).into_bytes();
    let answer = scene.client().send("POST", &url, &JSON, Some(much)).await?;
    scene.did("over 64 KiB", answer);
    let answer = scene.client().send("POST", &format!("{url}/"), &JSON, body()).await?;
    scene.did("with a slash at its end", answer);
    Ok(())
}
