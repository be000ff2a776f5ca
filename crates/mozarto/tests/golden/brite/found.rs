//! What Brite's records say when it is asked. Its callbacks are dropped: what is found is found by hand.

use super::*;

const TRANSACTIONS: [&str; 9] = ["CREATED", "PENDING", "ABORTED", "FAILED", "COMPLETED", "CREDIT", "SETTLED", "DEBIT", "42"];

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for word in TRANSACTIONS {
        is_met(stage, book, "open", None, word).await;
        is_met(stage, book, "Approved", Some("status/CREDIT"), word).await;
    }
    for state in 0..14 {
        is_met(stage, book, "open", None, &format!("session:{state}")).await;
    }
    for (status, outcome) in [("Declined", "fail"), ("Cancelled", "cancel"), ("Expired", "expire"), ("Reversed", "status/DEBIT")]
    {
        for word in ["CREDIT", "SETTLED", "DEBIT"] {
            is_met(stage, book, status, Some(outcome), word).await;
        }
    }
    for outcome in ["cancel", "expire", "fail", "risk"] {
        is_met(stage, book, "begun", Some("status/PENDING"), outcome).await;
    }
    of_sessions(stage, book).await;
    of_transactions(stage, book).await;
    whose(stage, book).await;
    no_records(stage, book).await;
}

/// A pay-in that has been brought to where it stands; Brite's id of its session.
async fn brought(scene: &mut Scene<'_>, status: &str, outcome: Option<&str>) -> Result<String> {
    let session = opened(scene).await?;
    if let Some(outcome) = outcome {
        scene.control(outcome).await?;
        scene.manage("inquire").await?;
        match status {
            "begun" => {}
            "Reversed" => delivered(scene, 2).await?,
            status => {
                scene.until(status).await?;
                delivered(scene, 1).await?;
            }
        }
    }
    Ok(session)
}

/// Brite's own word, or a button.
async fn is_met(stage: &mut Stage, book: &mut Book, status: &str, outcome: Option<&str>, word: &str) {
    let work = async |scene: &mut Scene<'_>| {
        brought(scene, status, outcome).await?;
        let is_button = word.bytes().all(|byte| byte.is_ascii_lowercase());
        scene.control(&if is_button { word.to_owned() } else { format!("status/{word}") }).await?;
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, &format!("{status}, then found {word}"), work).await;
}

/// The row's pay-in, as records are made of it.
#[derive(Clone, Copy)]
struct Ours<'a> {
    id: &'a str,
    session: &'a str,
}

impl Ours<'_> {
    fn session(&self, state: i64, transaction: Value, code: Value) -> Value {
        json!({
            "id": self.session, "type": 0, "state": state, "amount": 511.00, "currency_id": "eur", "country_id": "fi",
            "merchant_reference": self.id, "transaction_id": transaction, "error_code": code,
        })
    }

    /// The row's own, so that it is not taken for another row's.
    fn theirs(&self) -> String {
        format!("t-{}", self.session)
    }

    fn transaction(&self, state: i64, code: Value) -> Value {
        json!({
            "id": self.theirs(), "type": 0, "state": state, "amount": 511.0, "currency_id": "eur", "country_id": "fi",
            "merchant_reference": self.id, "session_id": self.session, "created": 1741890000.0, "settled": null, "error_code": code,
        })
    }

    /// What a transaction need not say left out.
    fn bare(&self, more: Value) -> Value {
        let mut record = json!({"id": self.theirs(), "type": 0, "state": 5, "amount": 511.0, "currency_id": "eur"});
        if let (Some(record), Some(more)) = (record.as_object_mut(), more.as_object()) {
            record.extend(more.clone());
        }
        record
    }
}

fn with(mut record: Value, member: &str, value: Value) -> Value {
    record[member] = value;
    record
}

/// Answers to the calls of one inquiry, each with its path.
type Answers = Vec<(&'static str, Value)>;

async fn is_found(stage: &mut Stage, book: &mut Book, name: &str, answers: impl FnOnce(Ours<'_>) -> Answers) {
    let work = async |scene: &mut Scene<'_>| {
        let session = opened(scene).await?;
        let id = scene.id().to_owned();
        for (path, reply) in answers(Ours { id: &id, session: &session }) {
            // A transaction's id has the session's in it.
            let named = if path == SESSION_BY_REFERENCE || path == TRANSACTION_BY_REFERENCE { &id } else { &session };
            scene.next(about(path, named, reply)).await?;
        }
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, &format!("found: {name}"), work).await;
}

async fn of_sessions(stage: &mut Stage, book: &mut Book) {
    for (state, code) in [
        (10, json!("expired_session")),
        (10, json!("cancelled_by_user")),
        (10, json!("USER_CANCELLED")),
        (10, json!("risk_rejected")),
        (10, json!("name_mismatch")),
        (10, Value::Null),
        (11, json!("cancelled_by_user")),
        (11, json!("expired_session")),
        (11, Value::Null),
        (13, Value::Null),
    ] {
        let name = format!("session {state} {code}");
        is_found(stage, book, &name, |ours| vec![(SESSION, says(200, ours.session(state, Value::Null, code)))]).await;
    }
    for (name, member, value) in [
        ("amount", "amount", json!(51.00)),
        ("amount that is none", "amount", json!("much")),
        ("currency", "currency_id", json!("sek")),
        ("reference", "merchant_reference", json!(OTHER_REFERENCE)),
        ("reference that is none", "merchant_reference", Value::Null),
        ("id", "id", json!("another")),
        ("state that is none", "state", json!("CREATED")),
        ("state that is left out", "state", Value::Null),
    ] {
        let record = |ours: Ours<'_>| vec![(SESSION, says(200, with(ours.session(11, Value::Null, Value::Null), member, value)))];
        is_found(stage, book, &format!("a session with another {name}"), record).await;
    }
    for (name, member, value) in [
        ("the amount as a text", "amount", json!("511.00")),
        ("no amount", "amount", Value::Null),
        ("the currency in capitals", "currency_id", json!("EUR")),
        ("the state as a text", "state", json!("11")),
        ("an error_name beside it", "error_name", json!("Odd")),
    ] {
        let record = |ours: Ours<'_>| vec![(SESSION, says(200, with(ours.session(11, Value::Null, Value::Null), member, value)))];
        is_found(stage, book, &format!("a session: {name}"), record).await;
    }
}

async fn of_transactions(stage: &mut Stage, book: &mut Book) {
    for (state, code) in [
        (0, Value::Null),
        (1, Value::Null),
        (2, json!("expired_session")),
        (2, json!("user_cancelled")),
        (2, json!("risk_rejected")),
        (2, Value::Null),
        (3, json!("cancelled_by_user")),
        (3, Value::Null),
        (4, Value::Null),
        (5, Value::Null),
        (6, Value::Null),
        (7, Value::Null),
        (8, Value::Null),
    ] {
        for of_session in [10, 12] {
            let name = format!("session {of_session}, transaction {state} {code}");
            let records = |ours: Ours<'_>| {
                vec![
                    (SESSION, says(200, ours.session(of_session, json!(ours.theirs()), json!("expired_session")))),
                    (TRANSACTION, says(200, ours.transaction(state, code.clone()))),
                ]
            };
            is_found(stage, book, &name, records).await;
        }
    }
    for (name, member, value) in [
        ("amount", "amount", json!(51.00)),
        ("currency", "currency_id", json!("sek")),
        ("reference", "merchant_reference", json!(OTHER_REFERENCE)),
        ("session", "session_id", json!("another")),
        ("id", "id", json!("another")),
    ] {
        let records = |ours: Ours<'_>| {
            vec![
                (SESSION, says(200, ours.session(12, json!(ours.theirs()), Value::Null))),
                (TRANSACTION, says(200, with(ours.transaction(5, Value::Null), member, value))),
            ]
        };
        is_found(stage, book, &format!("a transaction with another {name}"), records).await;
    }
}

/// A transaction that does not say whose it is.
async fn whose(stage: &mut Stage, book: &mut Book) {
    let bare = |ours: Ours<'_>, more: Value| {
        vec![(SESSION, says(200, ours.session(12, json!(ours.theirs()), Value::Null))), (TRANSACTION, says(200, ours.bare(more)))]
    };
    is_found(stage, book, "a transaction of nobody", |ours| bare(ours, json!({}))).await;
    is_found(stage, book, "a transaction of our reference", |ours| bare(ours, json!({"merchant_reference": ours.id}))).await;
    is_found(stage, book, "a transaction of our session", |ours| bare(ours, json!({"session_id": ours.session}))).await;
    is_found(stage, book, "a transaction of nothing", |ours| bare(ours, json!({"merchant_reference": null, "session_id": ""})))
        .await;
    let not_found = || says(400, problem("NotFound", "no"));
    is_found(stage, book, "a transaction that its session alone knows", |ours| {
        vec![(SESSION, says(200, ours.session(12, json!(ours.theirs()), Value::Null))), (TRANSACTION, not_found())]
    })
    .await;
    is_found(stage, book, "by our reference, the session", |ours| {
        vec![(SESSION, not_found()), (SESSION_BY_REFERENCE, says(200, ours.session(11, Value::Null, Value::Null)))]
    })
    .await;
    is_found(stage, book, "by our reference, the transaction", |ours| {
        vec![
            (SESSION, not_found()),
            (SESSION_BY_REFERENCE, not_found()),
            (TRANSACTION_BY_REFERENCE, says(200, ours.transaction(5, Value::Null))),
        ]
    })
    .await;
    is_found(stage, book, "nowhere", |_| {
        vec![(SESSION, not_found()), (SESSION_BY_REFERENCE, not_found()), (TRANSACTION_BY_REFERENCE, not_found())]
    })
    .await;
    is_found(stage, book, "by our reference, a transaction of nobody", |ours| {
        vec![
            (SESSION, not_found()),
            (SESSION_BY_REFERENCE, not_found()),
            (TRANSACTION_BY_REFERENCE, says(200, ours.bare(json!({"session_id": ours.session})))),
            (SESSION, not_found()),
            (SESSION_BY_REFERENCE, not_found()),
            (TRANSACTION_BY_REFERENCE, says(200, ours.bare(json!({"session_id": ours.session})))),
        ]
    })
    .await;
}

/// What is no record.
async fn no_records(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in [
        ("NotFound with 404", says(404, problem("NotFound", "no"))),
        ("404 without a body", json!({"http": 404})),
        ("403", json!({"http": 403})),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("500", json!({"http": 500})),
        ("500 NotFound", says(500, problem("NotFound", "no"))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("another error", says(400, problem("TransactionInvalid", "no"))),
        ("a list", says(200, json!([]))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("nothing", says(200, json!(""))),
    ] {
        is_found(stage, book, &format!("the session: {name}"), |_| vec![(SESSION, reply.clone())]).await;
        let records = |ours: Ours<'_>| {
            vec![(SESSION, says(200, ours.session(12, json!(ours.theirs()), Value::Null))), (TRANSACTION, reply)]
        };
        is_found(stage, book, &format!("the transaction: {name}"), records).await;
    }
}
