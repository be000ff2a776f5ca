//! What orders may be answered about themselves.

use super::act::Act;
use super::documents::{error, payment, reply};
use super::stub::{ORDER, Stub};
use super::{PLAIN, Run, VISA};
use crate::recorder;
use anyhow::Result;
use serde_json::json;
use testkit::client::bodies;

fn about(inner: &str) -> String {
    reply(&format!("<orderStatus orderCode=\"{ORDER}\">{inner}</orderStatus>"))
}

fn page(address: &str) -> String {
    about(&format!("<reference id=\"7457457457\"><![CDATA[{address}]]></reference>"))
}

fn cut(document: &str) -> String {
    document[..document.len() - 70].to_owned()
}

const HOSTED: &str = "https://payments-test.worldpay.com/app/hpp?OrderKey=A%5EB&Ticket=1";

fn hosted() -> Vec<(&'static str, String)> {
    let long = format!("https://x.example/{}", "a".repeat(4_096));
    let other = |code: &str| page(HOSTED).replace("version=\"1.4\"", &format!("version=\"1.4\" merchantCode=\"{code}\""));
    vec![
        ("an address", page(HOSTED)),
        ("an address without a query", page("https://x.example/p")),
        ("an address in entities", about(&format!("<reference id=\"1\"> {} </reference>", HOSTED.replace('&', "&amp;")))),
        ("an address without an id", about(&format!("<reference>{}</reference>", HOSTED.replace('&', "&amp;")))),
        ("a script for an address", page("javascript:alert(1)")),
        ("no address", page("")),
        ("an open address", page("http://evil.example/")),
        ("a long address", page(&long)),
        ("no reference", about("")),
        ("our merchant code", other("DEMOCOMPANY")),
        ("another merchant code", other("OTHER")),
        ("error 2", about(&error("2", "no good"))),
        ("error 7", about(&error("7", "no good"))),
        ("error 5 Duplicate Order", about(&error("5", "Duplicate Order"))),
        ("cut", cut(&page(HOSTED))),
    ]
}

fn direct() -> Vec<(&'static str, String)> {
    let paid = |more: &str| about(&payment("AUTHORISED", more));
    let challenge = |details: &str| {
        about(&format!("<challengeRequired><threeDSChallengeDetails>{details}</threeDSChallengeDetails></challengeRequired>"))
    };
    let details = "<threeDSVersion>2.1.0</threeDSVersion><transactionId3DS>rUT8</transactionId3DS>\
                   <acsURL><![CDATA[https://acs.example/auth]]></acsURL><payload> eyJhIjoxfQ </payload>";
    let code = "<ISO8583ReturnCode code=\"33\" description=\"CARD EXPIRED\"/>";
    let issuers = "<IssuerResponseCode code=\"54\" description=\"Expired card\"/>";
    let mut all: Vec<(&'static str, String)> = [
        "AUTHORISED",
        "CAPTURED",
        "SETTLED",
        "REFUSED",
        "CANCELLED",
        "EXPIRED",
        "SENT_FOR_AUTHORISATION",
        "OPEN",
        "null",
        "ERROR",
        "FAILURE",
        "QUERY_REQUIRED",
        "REFUNDED",
        "CHARGED_BACK",
        "SENT_FOR_REFUND",
        "CAPTURE_FAILED",
        "BRAND_NEW",
    ]
    .map(|word| (word, about(&payment(word, ""))))
    .into();
    all.extend([
        ("the example of the sheet", about(EXAMPLE)),
        ("REFUSED, a code", about(&payment("REFUSED", code))),
        ("REFUSED, the issuer's code", about(&payment("REFUSED", issuers))),
        ("REFUSED, both codes", about(&payment("REFUSED", &format!("{code}{issuers}")))),
        ("another amount", paid("").replace("15000", "14999")),
        ("the amount in other digits", paid("").replace("15000", "15000.00")),
        ("another exponent", paid("").replace("exponent=\"2\"", "exponent=\"3\"")),
        ("another currency", about(&payment("REFUSED", "")).replace("EUR", "USD")),
        ("no amount", about("<payment><lastEvent>AUTHORISED</lastEvent></payment>")),
        ("another merchant code", paid("").replace("version=\"1.4\"", "version=\"1.4\" merchantCode=\"DEMOCOMPANY\"")),
        ("nothing of it", about("")),
        ("an entity", about(&payment("&e;AUTHORISED", ""))),
        ("in CDATA, with a comment", about(&payment("<![CDATA[ AUTHORISED ]]><!-- so -->", ""))),
        ("two payments", about(&(payment("REFUSED", "") + &payment("AUTHORISED", "")))),
        ("FraudSight", paid("<FraudSight score=\"0.51\" id=\"f1\" message=\"low-risk\"/>")),
        ("a challenge", challenge(details)),
        ("a challenge without a payload", challenge(&details.replace("<payload> eyJhIjoxfQ </payload>", ""))),
        ("error 7", about(&error("7", "no good"))),
        ("error 4", about(&error("4", "no good"))),
        ("error 5 Duplicate Order", about(&error("5", "Duplicate Order"))),
        ("cut", cut(&paid(""))),
    ]);
    all
}

const EXAMPLE: &str = "<payment><paymentMethod>VISA-SSL</paymentMethod><paymentMethodDetail>\
    <card number=\"4444********1111\" type=\"creditcard\"/></paymentMethodDetail>\
    <amount value=\"15000\" currencyCode=\"EUR\" exponent=\"2\" debitCreditIndicator=\"credit\"/>\
    <lastEvent>AUTHORISED</lastEvent>\
    <AuthorisationId id=\"666\"/><CVCResultCode description=\"B\"/><AVSResultCode description=\"E\"/>\
    <balance accountType=\"IN_PROCESS_AUTHORISED\"><amount value=\"15000\" currencyCode=\"EUR\" exponent=\"2\" \
    debitCreditIndicator=\"credit\"/></balance><riskScore value=\"51\"/></payment>";

pub(super) async fn rows(run: &mut Run) {
    let stub = Stub::start().await.expect("a stub");
    let there = format!("{}/worldpay", stub.recorder.base);
    run.configure(false, json!({"baseUrl": there})).await;
    run.configure(true, json!({"baseUrl": there})).await;
    for (name, answer) in hosted() {
        let body = bodies::worldpay("150.00");
        run.row(&format!("hosted, about itself: {name}"), async |act| answered(act, &stub, &body, &answer).await).await;
    }
    for (name, answer) in direct() {
        let body = bodies::worldpay_card("150.00", VISA, PLAIN);
        run.row(&format!("direct, about itself: {name}"), async |act| answered(act, &stub, &body, &answer).await).await;
    }
    run.configure(false, json!({"baseUrl": run.base()})).await;
    run.configure(true, json!({"baseUrl": run.base()})).await;
}

async fn answered(act: &mut Act<'_, '_>, stub: &Stub, body: &str, answer: &str) -> Result<()> {
    act.know(&stub.recorder.base, "worldpay");
    stub.says(answer);
    let from = stub.recorder.count();
    act.pay(body).await?;
    let ours = |text: &str| text.contains(act.id());
    let all = stub.recorder.since(from).into_iter().map(|one| (recorder::shown(&one.request), recorder::shown(&one.reply)));
    let all: Vec<(String, String)> = all.filter(|(request, _)| ours(request)).collect();
    for (request, reply) in all {
        act.notes("asked", 200, format!("{request}\n--- reply\n{reply}"));
    }
    Ok(())
}
