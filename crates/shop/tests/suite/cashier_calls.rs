//! From the form to the Cashier call: the body byte by byte, who calls, and what is shown when it is refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::world::{Script, World, success, tags, transaction, values, with_page};

/// The one call's body for a form as the page offers it, the order number replaced.
async fn sent(query: &str, changes: &[(&str, &str)]) -> String {
    let world = World::start().await;
    world.script(Script::json(200, &success(transaction("Pending", "100.00", "CAD"))));
    let form = world.form(query, changes).await;
    let answer = world.submit(&form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.page);
    let calls = world.calls();
    assert_eq!(calls.len(), 1);
    let number = calls[0].number();
    assert_eq!(answer.location, Some(format!("/orders/{number}")));
    calls[0].body.replace(&number, "[order]")
}

#[tokio::test]
async fn forumpay_pay_in() {
    assert_snapshot!(sent("provider=FORUMPAY", &[]).await, @r#"{"pspType":"FORUMPAY","type":"PAYIN","baseamount":100.00,"currency":"EUR","userId":"demo-clara","email":"clara.lindner@example.com","country":"DE","merchantReference":"[order]"}"#);
}

#[tokio::test]
async fn forumpay_pay_out() {
    assert_snapshot!(sent("provider=FORUMPAY&direction=PAYOUT", &[("baseamount", "200.00")]).await, @r#"{"pspType":"FORUMPAY","type":"PAYOUT","baseamount":200.00,"currency":"EUR","userId":"demo-clara","email":"clara.lindner@example.com","country":"DE","preferredCrypto":"BTC","walletAddress":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh","merchantReference":"[order]"}"#);
}

#[tokio::test]
async fn payone_pay_in() {
    assert_snapshot!(sent("provider=PAYONE", &[]).await, @r#"{"pspType":"PAYONE","type":"PAYIN","baseamount":100.00,"currency":"CAD","currencyCode":"CAD","userId":"demo-noah","email":"noah.tremblay@example.com","firstName":"Noah","lastName":"Tremblay","phone":"14165550142","merchantReference":"[order]"}"#);
}

#[tokio::test]
async fn payone_pay_out() {
    assert_snapshot!(sent("provider=PAYONE&direction=PAYOUT&amount=100.04", &[]).await, @r#"{"pspType":"PAYONE","type":"PAYOUT","baseamount":100.04,"currency":"CAD","currencyCode":"CAD","userId":"demo-noah","email":"noah.tremblay@example.com","firstName":"Noah","lastName":"Tremblay","phone":"14165550142","merchantReference":"[order]"}"#);
}

#[tokio::test]
async fn flexepin_pay_in() {
    assert_snapshot!(sent("provider=FLEXEPIN", &[("voucherPin", "1000000100002500")]).await, @r#"{"pspType":"FLEXEPIN","type":"PAYIN","baseamount":25.00,"currency":"EUR","currencyCode":"EUR","userId":"demo-clara","email":"clara.lindner@example.com","voucherPin":"1000000100002500","merchantReference":"[order]"}"#);
}

#[tokio::test]
async fn an_amount_is_sent_as_it_was_typed() {
    let body = sent("provider=PAYONE", &[("baseamount", " 90071992547409.93 ")]).await;
    assert!(body.contains(r#""baseamount":90071992547409.93,"#), "{body}");
    let body = sent("provider=PAYONE", &[("baseamount", "12,50")]).await;
    assert!(body.contains(r#""baseamount":"12,50","#), "{body}");
}

#[tokio::test]
async fn a_call_says_who_calls_and_for_whom() {
    let world = World::start().await;
    world.script(Script::json(200, &success(transaction("Pending", "100.00", "CAD"))));
    let form = world.form("provider=PAYONE", &[("phone", "+1 416 555 0199"), ("email", "other@example.com")]).await;
    world.submit(&form).await;
    let call = &world.calls()[0];
    assert_eq!(call.header("authorization"), "Bearer company.token.canary");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("idempotency-key"), form["key"]);
    let token = call.header("x-user-token").strip_prefix("Bearer ").expect("a bearer");
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON"))
        .collect();
    assert_eq!(token.split('.').count(), 3);
    assert_eq!(parts[0], json!({"alg": "HS256", "typ": "JWT"}));
    let claims = &parts[1];
    assert_eq!(claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"), 600);
    // What the form shows is what the claims say: the platform lets claims win.
    let mut said: BTreeMap<String, Value> = serde_json::from_value(claims.clone()).expect("an object");
    said.retain(|name, _| name != "iat" && name != "exp");
    assert_snapshot!(serde_json::to_string(&said).expect("JSON"), @r#"{"countryCode":"CA","email":"other@example.com","emailVerified":"noah.tremblay@example.com","firstName":"Noah","lastName":"Tremblay","phone":"+1 416 555 0199","userId":"demo-noah"}"#);
}

#[tokio::test]
async fn the_payer_is_sent_to_the_hosted_page() {
    let world = World::start().await;
    world.script(Script::json(200, &success(with_page(transaction("Pending", "100.00", "CAD")))));
    let answer = world.submit(&world.form("provider=PAYONE", &[]).await).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location.as_deref(), Some("http://127.0.0.1:8081/payone/webflow-payment/HS932097JV/page-canary"));
}

#[tokio::test]
async fn a_page_that_is_no_web_address_is_not_followed() {
    let world = World::start().await;
    let mut hostile = transaction("Pending", "100.00", "CAD");
    hostile["redirectUrl"] = json!("javascript:alert(1)");
    world.script(Script::json(200, &success(hostile)));
    let answer = world.submit(&world.form("provider=PAYONE", &[]).await).await;
    assert_eq!(answer.location, Some(format!("/orders/{}", world.calls()[0].number())));
}

#[tokio::test]
async fn refusals_are_shown_by_field_with_the_values_kept() {
    let world = World::start().await;
    world.script(Script::json(
        400,
        &json!({"status":"error","message":"Missing required field: lastName","isSuccess":false,"errors":[
            "Missing required field: lastName", "baseamount must have at most 2 decimals for CAD",
            "phone must contain at least 6 digits", "brandId must be at most 64 characters"]}),
    ));
    let form = world.form("provider=PAYONE", &[("baseamount", "1.234"), ("lastName", ""), ("phone", "<12\">")]).await;
    let answer = world.submit(&form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (field, sentence) in [
        ("lastName", "Missing required field: lastName"),
        ("baseamount", "baseamount must have at most 2 decimals for CAD"),
        ("phone", "phone must contain at least 6 digits"),
    ] {
        let own = format!("id=\"{field}-error\"");
        let shown = answer.page.split(&own).nth(1).unwrap_or_else(|| panic!("{field} has its sentence"));
        assert!(shown.split("</p>").next().expect("a paragraph").ends_with(sentence), "{field}");
        let input =
            tags(&answer.page, "<input ").into_iter().find(|tag| tag.contains(&format!("id=\"{field}\""))).expect("the input");
        assert!(input.contains("aria-invalid=\"true\"") && input.contains(&format!("{field}-error")), "{input}");
    }
    assert!(answer.page.contains("<li>brandId must be at most 64 characters</li>"));
    let mut kept = values(&answer.page);
    let renewed = kept.remove("key").expect("a key");
    let mut before = form.clone();
    assert_ne!(before.remove("key"), Some(renewed), "the next attempt is another order");
    assert_eq!(kept, before);
    let (_, list) = world.get("/orders").await;
    assert!(list.contains("No orders yet"), "nothing was created, so nothing is listed");
}

#[tokio::test]
async fn a_refusal_without_fields_is_shown_too() {
    for (status, message) in [(400, "Rules action is not matched"), (401, "Unauthorized"), (429, "Too many requests")] {
        let world = World::start().await;
        world.script(Script::json(status, &json!({"status":"error","message":message,"isSuccess":false,"errors":[]})));
        let answer = world.submit(&world.form("provider=FORUMPAY", &[]).await).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.page.contains(&format!("<li>{message}</li>")), "{message}");
    }
}

#[tokio::test]
async fn a_platform_that_is_not_there_took_nothing() {
    let mut world = World::start().await;
    world.close().await;
    world.lose_platform().await;
    world.open().await;
    let answer = world.submit(&world.form("provider=PAYONE", &[]).await).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.page.contains("cannot be reached. Nothing was sent."));
    assert!(world.get("/orders").await.1.contains("No orders yet"));
}

#[tokio::test]
async fn a_form_sent_twice_is_one_order() {
    let world = World::start().await;
    let mut script = Script::json(200, &success(with_page(transaction("Pending", "100.00", "CAD"))));
    script.delay = std::time::Duration::from_millis(200);
    world.script(script);
    world.know(with_page(transaction("Pending", "100.00", "CAD")));
    let form = world.form("provider=PAYONE", &[]).await;
    let answers = futures::future::join_all((0..16).map(|_| world.submit(&form))).await;
    assert_eq!(world.calls().len(), 1);
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    // Later, the same form leads to where that order's payer goes on.
    let again = world.submit(&form).await;
    assert!(again.location.expect("a location").contains("page-canary"));
    assert_eq!(world.calls().len(), 1);
}

/// What a form of each way sends, as the page offers it.
#[tokio::test]
async fn every_other_way_as_it_is_offered() {
    let mut bodies = String::new();
    for query in [
        "provider=GIGADAT",
        "provider=GIGADAT&direction=PAYOUT",
        "provider=GIGADAT&direction=PAYOUT&way=ach",
        "provider=WORLDPAY_EU",
        "provider=WORLDPAY_EU&way=card",
        "provider=TRUST",
        "provider=CLEO",
        "provider=CLEO&direction=PAYOUT",
        "provider=CLEO&direction=PAYOUT&way=pe",
        "provider=CLEO&direction=PAYOUT&way=mx",
        "provider=NEOSURF",
        "provider=BRITE",
        "provider=EMERCHANTPAY&card=3",
    ] {
        bodies.push_str(&sent(query, &[]).await);
        bodies.push('\n');
    }
    assert_snapshot!(bodies);
}
