//! What the gateway's record says when it is asked, and what it answers to the second call after a device check. Its
//! notifications are dropped: what is found is found by hand.

use super::browser::{check, next, opens, told_check};
use super::*;

/// Every word of the status table, and one that is not in it.
const WORDS: [&str; 20] = [
    "approved",
    "declined",
    "unsuccessful",
    "error",
    "timeout",
    "cancelled",
    "voided",
    "pending",
    "in_progress",
    "pending_hold",
    "pending_review",
    "refunded",
    "chargebacked",
    "second_chargebacked",
    "pre_arbitrated",
    "representment_reversed",
    "chargeback_reversed",
    "chargeback_reversal",
    "represented",
    "exploded",
];
/// Those that can only follow a success.
const PROVING: [&str; 9] = [
    "approved",
    "refunded",
    "chargebacked",
    "second_chargebacked",
    "pre_arbitrated",
    "representment_reversed",
    "chargeback_reversed",
    "chargeback_reversal",
    "represented",
];
const MONEY: &str = "<amount>50500</amount><currency>EUR</currency>";

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for word in WORDS {
        is_met(stage, book, "open", None, word).await;
        is_met(stage, book, "Approved", Some("approve"), word).await;
    }
    for (status, outcome) in [("Declined", "decline"), ("Cancelled", "cancel"), ("Expired", "expire")] {
        for word in PROVING {
            is_met(stage, book, status, Some(outcome), word).await;
        }
        is_found(stage, book, status, Some(outcome), "a part went back", |ids| part(ids, "refunded", "2500")).await;
    }
    others(stage, book).await;
    codes(stage, book).await;
    parts(stage, book).await;
    disputes(stage, book).await;
    continued(stage, book).await;
}

/// A payment of 505.00 that has been brought to where it stands; the gateway's id.
async fn brought(scene: &mut Scene<'_>, status: &str, outcome: Option<&str>) -> Result<String> {
    let unique_id = opened(scene, "505.00", CHALLENGE).await?;
    if let Some(outcome) = outcome {
        scene.control(outcome).await?;
        scene.manage("inquire").await?;
        scene.until(status).await?;
        delivered(scene, 1).await?;
    }
    Ok(unique_id)
}

/// The gateway's own word.
async fn is_met(stage: &mut Stage, book: &mut Book, status: &str, outcome: Option<&str>, word: &str) {
    let work = async |scene: &mut Scene<'_>| {
        brought(scene, status, outcome).await?;
        scene.control(&format!("status/{word}")).await?;
        scene.manage("inquire").await.map(drop)
    };
    row(stage, book, &format!("{status}, then found {word}"), work).await;
}

/// A record of our making; it gets the elements that name the payment.
async fn is_found(
    stage: &mut Stage,
    book: &mut Book,
    status: &str,
    outcome: Option<&str>,
    name: &str,
    reply: impl FnOnce(&str) -> Value,
) {
    let work = async |scene: &mut Scene<'_>| {
        let unique_id = brought(scene, status, outcome).await?;
        let reply = reply(&ids(scene, &unique_id));
        scene.next(about(RECONCILE, &unique_id, reply)).await?;
        scene.manage("inquire").await.map(drop)
    };
    row(stage, book, &format!("{status}, then found: {name}"), work).await;
}

async fn is_found_open(stage: &mut Stage, book: &mut Book, name: &str, reply: impl FnOnce(&str) -> Value) {
    is_found(stage, book, "open", None, name, reply).await;
}

fn part(ids: &str, word: &str, minor: &str) -> Value {
    xml(
        200,
        &format!(
            "<status>{word}</status>{ids}<timestamp>2026-01-02T03:04:05Z</timestamp>\
             <amount>{minor}</amount><currency>EUR</currency>"
        ),
    )
}

/// Records of something else.
async fn others(stage: &mut Stage, book: &mut Book) {
    let elsewhere = "<transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id>";
    let theirs = "<unique_id>55177a21403427eb96664a6d7e5d5d48</unique_id>";
    let money =
        |word: &str, amount: &str| format!("<status>{word}</status><ids/><amount>{amount}</amount><currency>EUR</currency>");
    let approved = |more: &str| format!("<status>approved</status><ids/>{MONEY}{more}");
    let declined = |more: &str| format!("<status>declined</status><ids/>{MONEY}<code>500</code>{more}");
    let partial = "<partial_approval>true</partial_approval>";
    for (name, inner) in [
        ("another amount", money("approved", "50501")),
        ("a broken amount", money("approved", "505.5")),
        ("another currency", approved("").replace("EUR", "USD")),
        ("another transaction", format!("<status>approved</status>{elsewhere}{MONEY}")),
        ("another unique_id", format!("<status>approved</status>{theirs}{MONEY}")),
        ("no id at all", format!("<status>approved</status>{MONEY}")),
        ("no status", format!("<ids/>{MONEY}")),
        ("declined, another amount", money("declined", "1")),
        ("a word in capitals", money("APPROVED", "50500")),
        ("the amount with decimals", money("approved", "50500.00")),
        ("the amount as a power", money("approved", "505e2")),
        ("neither amount nor currency", "<status>approved</status><ids/>".to_owned()),
        ("a part approved", format!("{}{partial}", money("approved", "30000"))),
        ("approved in part, which is all", approved(partial)),
        (
            "declined with words",
            declined(
                "<response_code>51</response_code><message>No funds</message>\
                 <technical_message>Insufficient funds</technical_message>",
            ),
        ),
        (
            "a card number in words",
            declined(
                "<message>Card 4918-1900-0000-0002 refused</message>\
                 <technical_message>4918190000000002 is odd</technical_message>",
            ),
        ),
    ] {
        is_found_open(stage, book, name, |ids| xml(200, &inner.replace("<ids/>", ids))).await;
    }
    dressed(stage, book).await;
}

/// A good record in another dress, and what is no record.
async fn dressed(stage: &mut Stage, book: &mut Book) {
    let whole = |ids: &str| format!("<status>approved</status>{ids}{MONEY}");
    is_found_open(stage, book, "the other root", |ids| {
        says(200, json!(format!("<payment_transaction>{}</payment_transaction>", whole(ids))))
    })
    .await;
    is_found_open(stage, book, "a root that is neither", |ids| says(200, json!(format!("<answer>{}</answer>", whole(ids)))))
        .await;
    is_found_open(stage, book, "a mark before it", |ids| {
        says(200, json!(format!("\u{feff}<payment_response>{}</payment_response>", whole(ids))))
    })
    .await;
    is_found_open(stage, book, "a DOCTYPE", |ids| {
        says(200, json!(format!("<!DOCTYPE p [<!ENTITY x \"y\">]><payment_response>{}</payment_response>", whole(ids))))
    })
    .await;
    is_found_open(stage, book, "cut", |ids| says(200, json!(format!("<payment_response>{}", whole(ids))))).await;
    is_found_open(stage, book, "approved with 500", |ids| xml(500, &whole(ids))).await;
    is_found_open(stage, book, "approved with 404", |ids| xml(404, &whole(ids))).await;
    for (name, reply) in [
        ("401", json!({"http": 401})),
        ("403", json!({"http": 403})),
        ("404 with a page", says(404, json!("<html>no</html>"))),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("500", json!({"http": 500})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("JSON", says(200, json!({"status": "approved"}))),
        ("nothing", says(200, json!(""))),
    ] {
        is_found_open(stage, book, name, |_| reply).await;
    }
}

/// Errors with a code: about the payment, about the call.
async fn codes(stage: &mut Stage, book: &mut Book) {
    for code in [199, 200, 225, 250, 251, 300, 340, 500, 530, 630, 900, 950, 960] {
        is_found_open(stage, book, &format!("error {code}"), |ids| {
            xml(200, &format!("<status>error</status>{ids}<code>{code}</code>"))
        })
        .await;
    }
    for code in ["101", "110", "220", "300", "350", "360", "460", "x"] {
        is_found_open(stage, book, &format!("error {code} without ids"), |_| {
            xml(200, &format!("<status>error</status><code>{code}</code>"))
        })
        .await;
    }
}

/// Refunds, and whatever else may be of a part.
async fn parts(stage: &mut Stage, book: &mut Book) {
    for (name, minors) in [
        ("two parts", &["3000", "7000"][..]),
        ("many parts", &["1", "999", "4000", "5000"]),
        ("a part", &["9999"]),
        ("one cent", &["1"]),
        ("the whole as a part", &["10000"]),
        ("a part, then the rest", &["2500", ""]),
        ("a part, asked twice", &["2500", "again"]),
    ] {
        row(stage, book, &format!("refunds: {name}"), async |scene| goes_back(scene, minors).await).await;
    }
    for (word, minor) in [
        ("refunded", "10000"),
        ("chargebacked", "10000"),
        ("chargeback_reversed", "10000"),
        ("voided", "10000"),
        ("refunded", "50501"),
        ("refunded", "0"),
        ("refunded", "-1"),
        ("refunded", "99.5"),
    ] {
        for (status, outcome) in [("open", None), ("Approved", Some("approve"))] {
            is_found(stage, book, status, outcome, &format!("{minor} {word}"), |ids| part(ids, word, minor)).await;
        }
    }
    let work = async |scene: &mut Scene<'_>| {
        opened(scene, "100.00", CHALLENGE).await?;
        scene.control("approve?minor=6000").await?;
        scene.manage("inquire").await.map(drop)
    };
    row(stage, book, "a part is approved at the gateway", work).await;
}

async fn goes_back(scene: &mut Scene<'_>, minors: &[&str]) -> Result<()> {
    paid(scene, "100.00").await?;
    delivered(scene, 1).await?;
    for minor in minors {
        match *minor {
            "again" => {}
            "" => scene.control("refund").await?,
            minor => scene.control(&format!("refund?minor={minor}")).await?,
        }
        scene.manage("inquire").await?;
    }
    Ok(())
}

/// A chargeback, its end, and what follows that.
async fn disputes(stage: &mut Stage, book: &mut Book) {
    for word in ["chargeback_reversed", "chargeback_reversal", "represented"] {
        let work = async |scene: &mut Scene<'_>| {
            paid(scene, "100.00").await?;
            delivered(scene, 1).await?;
            for what in ["chargeback".to_owned(), format!("status/{word}"), "status/representment_reversed".to_owned()] {
                scene.control(&what).await?;
                scene.manage("inquire").await?;
                delivered(scene, 2).await?;
            }
            Ok(())
        };
        row(stage, book, &format!("charged back, then {word}, then taken back"), work).await;
    }
    for (name, words) in [
        ("charged back twice", ["chargebacked", "second_chargebacked"]),
        ("charged back, then arbitrated", ["chargebacked", "pre_arbitrated"]),
        ("refunded, then charged back", ["refunded", "chargebacked"]),
        ("charged back, then refunded", ["chargebacked", "refunded"]),
        ("in review, then let through", ["pending_review", "pending_async"]),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            opened(scene, "100.00", CHALLENGE).await?;
            for word in words {
                scene.control(&format!("status/{word}")).await?;
                scene.manage("inquire").await?;
                // Its end is told after the approval that it proves.
                delivered(scene, if word.starts_with("pending") { 0 } else { 2 }).await?;
            }
            Ok(())
        };
        row(stage, book, name, work).await;
    }
}

// --- the second call --------------------------------------------------------------------------

async fn continued(stage: &mut Stage, book: &mut Book) {
    let no = "<status>declined</status><ids/><code>500</code>";
    let asks = |word: &str, url: &str| xml(200, &format!("<status>{word}</status><ids/><redirect_url>{url}</redirect_url>"));
    let signature = "<message>Please check signature!</message>";
    let rows = [
        ("409", xml(409, "<status>error</status>")),
        ("409 with a code", xml(409, "<status>error</status><ids/><code>500</code>")),
        ("409 declined", xml(409, "<status>declined</status><ids/>")),
        ("409 approved", xml(409, "<status>approved</status><ids/>")),
        ("409 in_progress", xml(409, "<status>in_progress</status><ids/>")),
        ("400 about the signature", xml(400, &format!("<status>in_progress</status><ids/>{signature}"))),
        ("400 declined", xml(400, &format!("<status>declined</status><ids/>{signature}"))),
        ("400", json!({"http": 400})),
        ("422", json!({"http": 422})),
        ("404", says(404, json!("<html>no</html>"))),
        ("401", xml(401, "<status>error</status><code>110</code>")),
        ("429", json!({"http": 429})),
        ("500", json!({"http": 500})),
        ("500 with a decline", xml(500, no)),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("another root", says(200, json!("<x/>"))),
        ("220 without ids", xml(200, "<status>error</status><code>220</code>")),
        ("500 without ids", xml(200, "<status>error</status><code>500</code>")),
        ("error 230", xml(200, "<status>error</status><ids/><code>230</code>")),
        ("an unknown status", xml(200, "<status>brand_new</status><ids/>")),
        ("another amount", xml(200, &format!("{no}<amount>1</amount>"))),
        ("another unique_id", xml(200, "<status>declined</status><unique_id>55177a21403427eb96664a6d7e5d5d48</unique_id>")),
        ("nowhere to go", xml(200, "<status>pending_async</status><ids/>")),
        ("a script to go to", asks("pending_async", "javascript:x")),
        ("an address", asks("pending_async", "https://acs.example/challenge")),
        ("approved", xml(200, "<status>approved</status><ids/>")),
        ("declined", xml(200, no)),
        ("error", xml(200, "<status>error</status><ids/>")),
        ("timeout", xml(200, "<status>timeout</status><ids/>")),
        ("cancelled", xml(200, "<status>cancelled</status><ids/>")),
        ("in_progress", xml(200, "<status>in_progress</status><ids/>")),
        ("represented", xml(200, "<status>represented</status><ids/>")),
    ];
    for (name, reply) in rows {
        let work = async |scene: &mut Scene<'_>| goes_on(scene, reply).await;
        row(stage, book, &format!("continue: {name}"), work).await;
    }
}

async fn goes_on(scene: &mut Scene<'_>, mut reply: Value) -> Result<()> {
    let unique_id = opened(scene, "505.00", CHECK_THEN_CHALLENGE).await?;
    if let Some(text) = reply["body"].as_str() {
        reply["body"] = json!(text.replace("<ids/>", &ids(scene, &unique_id)));
    }
    scene.next(at(&format!("PUT /threeds/threeds_method/{unique_id}"), reply)).await?;
    opens(scene).await?;
    told_check(scene, &check(&unique_id, "completed")).await?;
    next(scene).await.map(drop)
}
