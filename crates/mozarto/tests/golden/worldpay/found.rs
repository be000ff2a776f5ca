//! What an inquiry finds: every word of the status table from where it matters, and what records may say otherwise.

use super::act::Act;
use super::documents::{error, http, payment, reply, status, xml};
use super::{CHALLENGE, PLAIN, Run, VISA};
use anyhow::Result;
use serde_json::json;
use testkit::client::bodies;

/// Nobody has paid yet, or nobody knows.
const WAITING: [&str; 10] = [
    "SENT_FOR_AUTHORISATION",
    "WAITING_FOR_AUTHORISATION",
    "SHOPPER_REDIRECTED",
    "WAITING_FOR_SHOPPER",
    "OPEN",
    "SIGNED_FORM_RECEIVED",
    "null",
    "ERROR",
    "FAILURE",
    "QUERY_REQUIRED",
];
const PAID: [&str; 4] = ["AUTHORISED", "CAPTURED", "SETTLED", "SETTLED_BY_MERCHANT"];
const OVER: [&str; 8] =
    ["REFUSED", "CANCELLED", "SHOPPER_CANCELLED", "VOIDED", "EXPIRED", "REFUNDED", "REFUNDED_BY_MERCHANT", "CHARGED_BACK"];
/// They can only follow a payment.
const PROOFS: [&str; 15] = [
    "SENT_FOR_REFUND",
    "SENT_FOR_FAST_REFUND",
    "REFUND_REQUESTED",
    "REFUND_RECEIVED",
    "REFUND_WEBFORM_ISSUED",
    "INFORMATION_REQUESTED",
    "INFORMATION_SUPPLIED",
    "DISPUTED_FUNDS_HELD",
    "DISPUTED_FUNDS_RELEASED",
    "DISPUTE_EXPIRED",
    "DISPUTE_RESERVE_RELEASED",
    "REFUND_FAILED",
    "REFUND_EXPIRED",
    "REFUND_REVERSED",
    "CHARGEBACK_REVERSED",
];
/// They change nothing, and a person should see them.
const SEEN: [&str; 6] = ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED", "ODD_WORD"];
/// Words that may come after an ending that was none.
const LATE: [&str; 10] = [
    "AUTHORISED",
    "SETTLED",
    "REFUSED",
    "CANCELLED",
    "REFUNDED",
    "CHARGED_BACK",
    "SENT_FOR_REFUND",
    "REFUND_FAILED",
    "CHARGEBACK_REVERSED",
    "REVOKED",
];

/// How a payment of 150.00 stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Pending,
    Approved,
    Declined,
    Cancelled,
    Expired,
    Challenged,
}

impl Act<'_, '_> {
    pub(super) async fn standing(&mut self, standing: Standing) -> Result<()> {
        let body = bodies::worldpay("150.00");
        let (body, word) = match standing {
            Standing::Pending => (body, None),
            Standing::Approved => (bodies::worldpay_card("150.00", VISA, PLAIN), None),
            Standing::Declined => (bodies::worldpay_card("150.00", VISA, "REFUSED"), None),
            Standing::Challenged => (bodies::worldpay_card("150.00", CHALLENGE, PLAIN), None),
            Standing::Cancelled => (body, Some("cancel")),
            Standing::Expired => (body, Some("expire")),
        };
        self.pay(&body).await?;
        if let Some(word) = word {
            self.control(word).await?;
            self.asks().await?;
        }
        match standing {
            Standing::Pending | Standing::Challenged => Ok(()),
            standing => self.stands(&format!("{standing:?}")).await,
        }
    }

    /// Asks by hand, and finds these payments.
    pub(super) async fn finds_payments(&mut self, payments: &str) -> Result<()> {
        self.finds(status(self.id(), payments)).await
    }
}

pub(super) async fn words(run: &mut Run) {
    for (standing, name, words) in [
        (Standing::Pending, "nothing is paid yet", &WAITING[..]),
        (Standing::Pending, "a person should see it", &SEEN),
        (Standing::Approved, "nothing is paid yet", &WAITING),
        (Standing::Approved, "a person should see it", &SEEN),
        (Standing::Approved, "it is paid", &PAID),
        (Standing::Approved, "it follows a payment", &PROOFS),
    ] {
        let replies = words.iter().map(|word| payment(word, "")).collect();
        in_turn(run, standing, name, replies).await;
    }
    for word in PAID.into_iter().chain(OVER).chain(PROOFS) {
        found(run, Standing::Pending, word, payment(word, "")).await;
    }
    for word in OVER {
        found(run, Standing::Approved, word, payment(word, "")).await;
    }
    for word in LATE {
        found(run, Standing::Declined, word, payment(word, "")).await;
    }
    for (standing, word) in [
        (Standing::Cancelled, "AUTHORISED"),
        (Standing::Cancelled, "CHARGED_BACK"),
        (Standing::Expired, "SETTLED"),
        (Standing::Expired, "REFUNDED"),
        (Standing::Challenged, "OPEN"),
        (Standing::Challenged, "ERROR"),
        (Standing::Challenged, "AUTHORISED"),
        (Standing::Challenged, "REFUSED"),
        (Standing::Challenged, "EXPIRED"),
    ] {
        found(run, standing, word, payment(word, "")).await;
    }
}

/// Payments that are found one after the other, none of which ends anything.
async fn in_turn(run: &mut Run, standing: Standing, name: &str, all: Vec<String>) {
    run.row(&format!("{standing:?} found in turn: {name}"), async |act| {
        act.standing(standing).await?;
        for payments in &all {
            act.finds_payments(payments).await?;
        }
        Ok(())
    })
    .await;
}

async fn found(run: &mut Run, standing: Standing, name: &str, payments: String) {
    run.row(&format!("{standing:?} found: {name}"), async |act| {
        act.standing(standing).await?;
        act.finds_payments(&payments).await
    })
    .await;
}

pub(super) async fn inquiries(run: &mut Run) {
    records(run).await;
    let absent = error("5", "Could not find payment for order");
    let whole = reply(&format!("<orderStatus orderCode=\"x\">{}</orderStatus>", payment("AUTHORISED", "")));
    let replies = [
        ("500", json!({"http": 500})),
        ("401", json!({"http": 401})),
        ("404", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("302", json!({"http": 302, "headers": {"Location": "https://a.example/"}})),
        ("no XML", http(200, "<html>")),
        ("nothing", json!({"http": 200})),
        ("cut", http(200, &whole[..whole.len() - 40])),
        ("another order", http(200, &whole)),
        ("error 1", xml(&error("1", "Internal error"))),
        ("error 2", xml(&error("2", "no"))),
        ("error 4", xml(&error("4", "Security violation"))),
        ("error 5 under reply", xml(&absent)),
        ("error 5 with 404", http(404, &reply(&absent))),
        ("error 8", xml(&error("8", "Service unavailable"))),
    ];
    for standing in [Standing::Pending, Standing::Challenged] {
        run.row(&format!("{standing:?} found in turn: no record"), async |act| {
            act.standing(standing).await?;
            for (_, reply) in &replies {
                act.finds(reply.clone()).await?;
            }
            Ok(())
        })
        .await;
    }
    for standing in [Standing::Pending, Standing::Challenged, Standing::Approved, Standing::Declined] {
        in_turn(run, standing, "no payment", vec![absent.clone(), absent.clone(), String::new()]).await;
    }
}

async fn records(run: &mut Run) {
    let paid = |more: &str| payment("AUTHORISED", more);
    let money = "debitCreditIndicator=\"credit\"/>";
    let card = format!("{money}<paymentMethodDetail><card number=\"4444********1111\"/></paymentMethodDetail>");
    let code = |more: &str| payment("REFUSED", more);
    let cases = [
        ("another amount", paid("").replace("15000", "15001")),
        ("another currency", paid("").replace("EUR", "USD")),
        ("another exponent", paid("").replace("exponent=\"2\"", "exponent=\"3\"")),
        ("other digits", paid("").replace("15000", "15000.00").replace("exponent=\"2\"", "exponent=\"2.0\"")),
        ("no amount", "<payment><lastEvent>AUTHORISED</lastEvent></payment>".to_owned()),
        ("an empty event", payment("", "")),
        ("an event of blanks", payment(" ", "")),
        ("two successes", paid("") + &payment("CAPTURED", "")),
        ("a refusal, then a success", payment("REFUSED", "") + &paid("")),
        ("a success, then a refusal", payment("CAPTURED", "") + &payment("REFUSED", "")),
        ("in progress, then a refusal", payment("SENT_FOR_AUTHORISATION", "") + &payment("REFUSED", "")),
        ("cancelled, then a refusal", payment("CANCELLED", "") + &payment("REFUSED", "")),
        ("a refund on its way, then a refusal", payment("SENT_FOR_REFUND", "") + &payment("REFUSED", "")),
        ("held funds, then a refusal", payment("DISPUTED_FUNDS_HELD", "") + &payment("REFUSED", "")),
        ("a chargeback won, then a refusal", payment("CHARGEBACK_REVERSED", "") + &payment("REFUSED", "")),
        ("refunded, then open", payment("REFUNDED", "") + &payment("OPEN", "")),
        ("a refund on its way, then a success", payment("SENT_FOR_REFUND", "") + &paid("")),
        ("5", code("<ISO8583ReturnCode code=\"5\" description=\"REFUSED\"/>")),
        ("33", code("<ISO8583ReturnCode code=\"33\" description=\"CARD EXPIRED\"/>")),
        ("34", code("<ISO8583ReturnCode code=\"34\" description=\"FRAUD SUSPICION\"/>")),
        ("972", code("<ISO8583ReturnCode code=\"972\" description=\"STOP PAYMENT ORDER\"/>")),
        ("973", code("<ISO8583ReturnCode code=\"973\" description=\"REVOCATION OF AUTHORISATION\"/>")),
        ("975", code("<ISO8583ReturnCode code=\"975\" description=\"REVOCATION OF ALL\"/>")),
        ("the issuer's 54", code("<IssuerResponseCode code=\"54\" description=\"Expired card\"/>")),
        (
            "both codes",
            code(
                "<ISO8583ReturnCode code=\"33\" description=\"CARD EXPIRED\"/>\
                 <IssuerResponseCode code=\"54\" description=\"Expired card\"/>",
            ),
        ),
        ("FraudSight", paid("<FraudSight score=\"0.51\" id=\"f1\" message=\"low-risk\"/>")),
        ("a token that nobody asked for", paid("").replace(money, &card) + TOKEN),
        ("markup in a word", payment("<![CDATA[<b>AUTHORISED</b>]]>", "")),
    ];
    for (name, payments) in cases {
        found(run, Standing::Pending, name, payments).await;
    }
    run.configure(false, json!({"tokenizationEnabled": true})).await;
    found(run, Standing::Pending, "a token", paid("").replace(money, &card) + TOKEN).await;
    run.configure(false, json!({"tokenizationEnabled": false})).await;
    found(run, Standing::Approved, "two successes", paid("") + &payment("CAPTURED", "")).await;
    found(run, Standing::Approved, "another amount", paid("").replace("15000", "15001")).await;
}

pub(super) const TOKEN: &str = "<token><authenticatedShopperID>x</authenticatedShopperID>\
    <tokenEventReference>ours</tokenEventReference><tokenDetails tokenEvent=\"NEW\"><paymentTokenID>tok-99</paymentTokenID>\
    <paymentTokenExpiry><date dayOfMonth=\"02\" month=\"03\" year=\"2030\"/></paymentTokenExpiry></tokenDetails></token>";
