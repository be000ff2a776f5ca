//! What orders and second submits may be answered, without a word about an order of ours.

use super::documents::{error, http, next_second, payment, reply, status, xml};
use super::{CHALLENGE, PLAIN, Run, VISA};
use serde_json::{Value, json};
use testkit::client::bodies;

fn errors() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = ["1", "2", "3", "4", "5", "6", "8", "9", "10", "11", "12", "13", "14", "99", "05"]
        .map(|code| (format!("error {code}"), xml(&error(code, "no good"))))
        .into();
    let unnamed = |inner: &str| xml(&format!("<orderStatus>{inner}</orderStatus>"));
    let card = format!("Invalid payment details : Card number : {VISA}");
    let texts = [
        ("error 2 of an order", unnamed(&error("2", "no good"))),
        ("error 5 Duplicate Order", xml(&error("5", "Duplicate Order"))),
        ("error 5 DUPLICATE ORDER of an order", unnamed(&error("5", "DUPLICATE ORDER"))),
        ("error 5 with a timeout", xml(&error("5", "upstream timeout"))),
        ("error 5 about the details", xml(&error("5", "Invalid payment details : Expiry date"))),
        ("error 5 about the details of an order", unnamed(&error("5", "Invalid payment details : Expiry date"))),
        ("error 7", xml(&error("7", &card))),
        ("error 7 of an order", unnamed(&error("7", &card))),
        ("error 7, with 400", http(400, &reply(&error("7", "Invalid payment details")))),
        ("error 2, with 400", http(400, &reply(&error("2", "no good")))),
        ("error 2, with 503", http(503, &reply(&error("2", "no good")))),
        ("our password in error 2", xml(&error("2", "not wp-demo-secret-0001 and not wp-demo-secret-0002"))),
        ("a card in error 2", xml(&error("2", "no good: 5499 8300-0000 0000"))),
        ("a timeout in error 2", xml(&error("2", "no timeouts of 5499830000000000"))),
        ("error without a code", xml("<error>no</error>")),
        ("blanks in an error's code", xml("<error code=\" 2 \"> <!-- so --> no <![CDATA[ good ]]></error>")),
    ];
    all.extend(texts.map(|(name, reply)| (name.to_owned(), reply)));
    all
}

fn others() -> Vec<(String, Value)> {
    let other = format!("<orderStatus orderCode=\"64a1f2b3c4d5e6f7a8b9c0ff\">{}</orderStatus>", payment("AUTHORISED", ""));
    let whole = reply(&other);
    let all = [
        ("401", http(401, "<html>Requires Authentication</html>")),
        ("403", json!({"http": 403})),
        ("404", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429})),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("timeout in no XML", http(200, "<p>Gateway Timeout")),
        ("500", json!({"http": 500})),
        ("502 with a page", http(502, "<html>busy</html>")),
        ("302", json!({"http": 302, "headers": {"Location": "https://a.example/"}})),
        ("no XML", http(200, "<html><p>Welcome")),
        ("nothing", json!({"http": 200})),
        ("JSON", http(200, "{}")),
        ("another document", http(200, "<html/>")),
        ("an empty document", http(200, "<paymentService/>")),
        ("an empty reply", xml("")),
        ("an internal subset", http(200, "<!DOCTYPE a [<!ENTITY e \"x\">]><paymentService/>")),
        ("another order", http(200, &whole)),
        ("another order, cut", http(200, &whole[..whole.len() - 30])),
        ("UTF-16", json!({"http": 200, "body": whole, "dress": {"charset": "UTF-16", "charsetIn": "header"}})),
    ];
    all.map(|(name, reply)| (name.to_owned(), reply)).into()
}

/// The same refusal in other bytes: read, or not.
fn dressed() -> Vec<(&'static str, Value)> {
    let dresses = [
        ("a mark before", json!({"marks": 1})),
        ("two marks before", json!({"marks": 2})),
        ("a mark inside", json!({"markInside": true})),
        ("ISO-8859-1 by the header", json!({"charset": "ISO-8859-1", "charsetIn": "header"})),
        ("ISO-8859-1 by the declaration", json!({"charset": "ISO-8859-1", "charsetIn": "declaration"})),
        ("windows-1252 by the declaration", json!({"charset": "windows-1252", "charsetIn": "declaration"})),
        ("ISO-8859-1 by nothing", json!({"charset": "ISO-8859-1", "charsetIn": "nowhere"})),
        ("packed by gzip", json!({"packed": "gzip"})),
        ("packed by x-gzip", json!({"packed": "x-gzip"})),
        ("packed by deflate", json!({"packed": "deflate"})),
        ("packed by bare deflate", json!({"packed": "raw-deflate"})),
        ("not packed at all", json!({"says": "gzip"})),
        ("said to be packed by br", json!({"packed": "gzip", "says": "br"})),
    ];
    dresses
        .map(|(name, dress)| {
            let mut reply = xml(&error("2", "no good"));
            reply["dress"] = dress;
            (name, reply)
        })
        .into()
}

/// Calls 1 and 3.
pub(super) async fn creating(run: &mut Run) {
    for (name, reply) in errors().into_iter().chain(others()) {
        let body = bodies::worldpay("610.00");
        run.row(&format!("hosted: {name}"), async |act| act.answered(&body, reply.clone()).await).await;
        let body = bodies::worldpay_card("620.00", VISA, PLAIN);
        run.row(&format!("direct: {name}"), async |act| act.answered(&body, reply).await).await;
    }
}

/// The refusal in other dresses.
pub(super) async fn dressed_up(run: &mut Run) {
    for (name, reply) in dressed() {
        let body = bodies::worldpay("610.00");
        run.row(&format!("hosted, error 2: {name}"), async |act| act.answered(&body, reply).await).await;
    }
}

/// Call 5, and an inquiry at once wherever it has no result.
pub(super) async fn going_on(run: &mut Run) {
    for (name, reply) in [
        ("401", json!({"http": 401})),
        ("404", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("500", json!({"http": 500})),
        ("302", json!({"http": 302, "headers": {"Location": "https://a.example/"}})),
        ("no XML", http(200, "<html><p>Welcome")),
        ("error 1", xml(&error("1", "no"))),
        ("error 2", xml(&error("2", "no"))),
        ("error 4", xml(&error("4", "no"))),
        ("error 5", xml(&error("5", "no"))),
        ("error 7", xml(&error("7", "no"))),
    ] {
        second(run, name, |_| reply).await;
    }
    let of = |inner: String| move |id: &str| status(id, &inner);
    for word in
        ["AUTHORISED", "CAPTURED", "REFUSED", "CANCELLED", "EXPIRED", "SENT_FOR_AUTHORISATION", "ERROR", "null", "ODD_WORD"]
    {
        second(run, word, of(payment(word, ""))).await;
    }
    let code = "<ISO8583ReturnCode code=\"5\" description=\"REFUSED\"/>";
    second(run, "REFUSED with a code", of(payment("REFUSED", code))).await;
    second(run, "another amount", of(payment("AUTHORISED", "").replace("15000", "15001"))).await;
    second(run, "another currency", of(payment("AUTHORISED", "").replace("EUR", "USD"))).await;
    second(run, "another order", |_| status("64a1f2b3c4d5e6f7a8b9c0ff", &payment("AUTHORISED", ""))).await;
    second(run, "no payment", of(String::new())).await;
    for times in [1, 2] {
        again(run, times).await;
    }
}

async fn second(run: &mut Run, name: &str, reply: impl FnOnce(&str) -> Value) {
    run.row(&format!("second submit: {name}"), async |act| {
        let ours = act.opens(&bodies::worldpay_card("150.00", CHALLENGE, PLAIN)).await?;
        act.next(next_second(reply(act.id()))).await?;
        act.returns(&ours).await?;
        act.told(2).await
    })
    .await;
}

/// Once more the new page is shown, with what came with it; a third time it is over.
async fn again(run: &mut Run, times: u32) {
    run.row(&format!("second submit: asked for 3-D Secure again, {times}"), async |act| {
        let ours = act.opens(&bodies::worldpay_card("150.00", CHALLENGE, PLAIN)).await?;
        let details = "<threeDSVersion>2.1.0</threeDSVersion><transactionId3DS>again-1</transactionId3DS>\
                       <acsURL>https://acs.example/2</acsURL><payload>eyJhIjoxfQ</payload>";
        let again =
            format!("<challengeRequired><threeDSChallengeDetails>{details}</threeDSChallengeDetails></challengeRequired>");
        let mut reply = status(act.id(), &again);
        reply["times"] = json!(times);
        reply["headers"]["set-cookie"] = json!("machine=0ab20016; path=/");
        act.next(next_second(reply)).await?;
        act.returns(&ours).await?;
        act.challenge_page(&ours).await?;
        act.returns(&ours).await?;
        act.told(if times == 1 { 4 } else { 3 }).await?;
        act.challenge_page(&ours).await.map(drop)
    })
    .await;
}
