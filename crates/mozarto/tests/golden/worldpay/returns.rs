//! Result redirects: what the browser comes back with, signed and not.

use super::act::Act;
use super::browser::{button, typed};
use super::{PLAIN, Run, VISA};
use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use serde_json::json;
use testkit::client::bodies;
use url::form_urlencoded;

const SECRET: &str = "wp-demo-mac-0001";

fn mac2(values: &[&str]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hex::encode(hmac::sign(&key, values.join(":").as_bytes()))
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An order that is paid, of which nobody was told; our address of that word in the link.
async fn paid(act: &mut Act<'_, '_>, word: &str) -> Result<String> {
    let page = act.opens(&bodies::worldpay("150.00")).await?;
    act.control("approve").await?;
    let query = page.split_once('?').context("no query")?.1;
    let back = form_urlencoded::parse(query.as_bytes()).into_owned().find(|(name, _)| name == &format!("{word}URL"));
    Ok(back.with_context(|| format!("no {word}URL"))?.1)
}

/// A redirect: name, word, order key behind the first part, amount, currency, status, and how the MAC is made of the right one.
type Case = (&'static str, &'static str, fn(&str) -> String, [&'static str; 3], fn(String) -> Option<String>);

fn cases() -> Vec<Case> {
    let ours: fn(&str) -> String = |id| format!("ADMIN^DEMOCOMPANY^{id}");
    let right: fn(String) -> Option<String> = Some;
    vec![
        ("good", "success", ours, ["15000", "EUR", "AUTHORISED"], right),
        ("in capitals", "success", ours, ["15000", "EUR", "AUTHORISED"], |mac| Some(mac.to_uppercase())),
        ("wrong", "success", ours, ["15000", "EUR", "AUTHORISED"], |mac| Some(format!("00{}", &mac[2..]))),
        ("short", "success", ours, ["15000", "EUR", "AUTHORISED"], |mac| Some(mac[..32].to_owned())),
        ("unsigned", "success", ours, ["15000", "EUR", "AUTHORISED"], |_| None),
        (
            "another order",
            "success",
            |_| "ADMIN^DEMOCOMPANY^64a1f2b3c4d5e6f7a8b9c0d1".to_owned(),
            ["15000", "EUR", "AUTHORISED"],
            right,
        ),
        ("another merchant", "success", |id| format!("ADMIN^OTHER^{id}"), ["15000", "EUR", "AUTHORISED"], right),
        ("another amount", "success", ours, ["1", "EUR", "AUTHORISED"], right),
        ("another currency", "success", ours, ["15000", "GBP", "AUTHORISED"], right),
        ("refused", "failure", ours, ["15000", "EUR", "REFUSED"], right),
        ("expired", "failure", ours, ["15000", "EUR", "EXPIRED"], right),
        ("on its way", "pending", ours, ["15000", "EUR", "SENT_FOR_AUTHORISATION"], right),
        ("an error", "error", ours, ["15000", "EUR", "ERROR"], right),
        ("no status", "pending", ours, ["15000", "EUR", ""], right),
    ]
}

pub(super) async fn rows(run: &mut Run) {
    for (name, word, key, [amount, currency, status], made) in cases() {
        run.row(&format!("redirected: {name}"), async |act| {
            let back = paid(act, word).await?;
            let key = key(act.id());
            let values: Vec<&str> =
                [key.as_str(), amount, currency, status].into_iter().filter(|value| !value.is_empty()).collect();
            let mac = made(mac2(&values));
            let mut pairs = vec![("orderKey", key.as_str()), ("paymentStatus", status), ("paymentAmount", amount)];
            pairs.push(("paymentCurrency", currency));
            pairs.extend(mac.as_deref().map(|mac| ("mac2", mac)));
            pairs.push(("source", "WP"));
            act.back(&format!("{back}?{}", query(&pairs))).await
        })
        .await;
    }
    run.row("redirected: cancelled", async |act| {
        let back = paid(act, "cancel").await?;
        let key = format!("ADMIN^DEMOCOMPANY^{}", act.id());
        let mac = mac2(&[&key, "15000", "EUR"]);
        let pairs = [("orderKey", &*key), ("orderAmount", "15000"), ("orderCurrency", "EUR"), ("mac2", &mac)];
        act.back(&format!("{back}?{}", query(&pairs))).await
    })
    .await;
    for word in ["success", "failure", "pending", "cancel", "error"] {
        run.row(&format!("redirected: without a query to {word}"), async |act| {
            let back = paid(act, word).await?;
            act.back(&back).await
        })
        .await;
    }
    run.row("redirected: elsewhere", async |act| {
        let back = paid(act, "success").await?;
        act.back(&back.replace("/success", "/elsewhere")).await?;
        act.back(&back.replace("/worldpay/", "/trust/")).await?;
        act.back(&format!("{}/return/worldpay/unknown/success", act.client().base)).await
    })
    .await;
    run.row("redirected: again and again", async |act| {
        let back = paid(act, "failure").await?;
        let forged = format!("{back}?{}", query(&[("orderKey", "x"), ("paymentAmount", "1"), ("paymentCurrency", "EUR")]));
        act.control("status/OPEN").await?;
        for _ in 0..3 {
            act.back(&forged).await?;
        }
        Ok(())
    })
    .await;
    older(run).await;
    run.configure(false, json!({"macSecret": null})).await;
    run.row("redirected: nothing to check it with", async |act| {
        let back = paid(act, "success").await?;
        act.back(&format!("{back}?orderKey=x&mac2=y")).await
    })
    .await;
    run.configure(false, json!({"macSecret": SECRET})).await;
}

/// The older MAC, as the simulator makes it.
async fn older(run: &mut Run) {
    run.simulator(false, json!({"macKind": "mac", "adminCode": "ADMIN"})).await;
    for (name, fields) in [("paid", typed(VISA, PLAIN)), ("cancelled", button("cancel"))] {
        run.row(&format!("redirected with the older MAC: {name}"), async |act| {
            let page = act.opens(&bodies::worldpay("150.00")).await?;
            let back = act.press(&page, fields).await?;
            act.back(&back.replace("mac=", "mac=0")).await?;
            act.back(&back).await
        })
        .await;
    }
    run.row("redirected with the older MAC under the newer's name", async |act| {
        let page = act.opens(&bodies::worldpay("150.00")).await?;
        let back = act.press(&page, typed(VISA, PLAIN)).await?;
        act.back(&back.replace("mac=", "mac2=")).await
    })
    .await;
    run.simulator(false, json!({})).await;
}
