//! Answers of the Cashier API: what may be tried again, money in doubt, fields by name, which token is wrong.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Answer, Client, bodies};
use testkit::table::Table;
use testkit::world::World;

/// A body of each provider and direction, with these cents; `serial` keeps vouchers and references apart.
fn all_bodies(cents: u32, serial: u32) -> Vec<(&'static str, String)> {
    let amount = format!("{}.{cents:02}", 20 + serial % 50);
    // Chilean pesos have no cents: the last two digits of the amount decide.
    let pesos = amount.replace('.', "");
    let visa = "4200000000000000";
    vec![
        ("payone in", bodies::payone("PAYIN", &amount)),
        ("payone out", bodies::payone("PAYOUT", &amount)),
        ("forumpay in", bodies::forumpay_in(&amount)),
        ("forumpay out", bodies::forumpay_out(&amount)),
        ("gigadat in", bodies::gigadat_in(&amount)),
        ("gigadat out", bodies::gigadat_out("ETO", &amount)),
        ("trust", bodies::trust("EUR", &amount)),
        ("neosurf", bodies::neosurf("EUR", &amount)),
        ("emerchantpay", bodies::emerchantpay(&amount, visa)),
        ("worldpay", bodies::worldpay(&amount)),
        ("worldpay card", bodies::worldpay_card(&amount, "4444333322221111", "REFUSED5")),
        ("flexepin", bodies::flexepin(300 + serial, 2_000 + cents)),
        ("brite", from_example("BRITE", "PAYIN", &amount)),
        ("cleo in", from_example("CLEO", "PAYIN", &pesos)),
        ("cleo out", from_example("CLEO", "PAYOUT", &pesos)),
    ]
}

/// The published example of a provider's request, with that amount.
fn from_example(psp_type: &str, operation: &str, amount: &str) -> String {
    let provider = providers::by_psp_type(psp_type).expect("a provider");
    let operation = operation.parse().expect("an operation");
    let example = provider.descriptor().operation(operation).expect("it has it").example;
    let mut body: Value = serde_json::from_str(example).expect("an example");
    body["baseamount"] = amount.parse::<serde_json::Number>().map(Value::Number).expect("an amount");
    body.to_string()
}

/// What holds of every answer, whatever the provider, the amount and the key.
fn is_honest(what: &str, answer: &Answer, keyed: bool) -> Result<bool> {
    let body = &answer.body;
    let has = |name: &str| body.get(name).is_some();
    let shown = body["transaction"]["transaction_status"].as_str();
    ensure!(body["errors"].is_array() || answer.status == 200, "{what}: {body}");
    if !has("errorCode") {
        ensure!(!has("outcome") && !has("retryWith"), "{what}: {body}");
        return Ok(false);
    }
    let open = body["outcome"] == "open";
    ensure!(open == (shown == Some("Pending")), "{what}: an error beside {shown:?} must say whether it is open: {body}");
    let by_code = matches!(body["errorCode"].as_str(), Some("PSP_TIMEOUT" | "PSP_UNAVAILABLE" | "PSP_RATE_LIMITED"));
    // What was taken, or may have been, is not tried again.
    let again = by_code && matches!(shown, None | Some("Failed"));
    ensure!(body["retryable"] == json!(again && !keyed), "{what}: retryable {body}");
    let expected = if again && keyed { json!("new key") } else { Value::Null };
    ensure!(body["retryWith"] == expected, "{what}: retryWith {body}");
    let limited = body["errorCode"] == "PSP_RATE_LIMITED" && !open;
    ensure!(answer.header("retry-after").is_some() == limited, "{what}: Retry-After {:?}", answer.headers);
    if open && body["errorCode"] != "PSP_TIMEOUT" {
        let text = body["transaction"]["message"].as_str().unwrap_or_default();
        ensure!(text == "The outcome is open. Query the transaction before trying again.", "{what}: {body}");
    }
    Ok(open)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_tried_again_and_what_is_open_is_said_by_every_provider() {
    let set = |options: testkit::sandbox::Options| options.time_scale(200);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], set).await.expect("a sandbox");
    let mut table = Table::new("trying again");
    // 04 an error, 05 silence, 06 too many, 07 credentials, 11 cut off, 12 closed; and one that is well.
    for (n, cents) in [4, 5, 6, 7, 11, 12, 50].into_iter().enumerate() {
        for keyed in [false, true] {
            let serial = u32::try_from(n).unwrap_or_default() * 2 + u32::from(keyed);
            for (who, body) in all_bodies(cents, serial) {
                let client = world.client.clone();
                let what = format!("{who} .{cents:02} {}", if keyed { "with a key" } else { "without a key" });
                table.row(what.clone(), async move { one(&client, &what, &body, keyed).await });
            }
        }
    }
    table.end().await;
}

async fn one(client: &Client, what: &str, body: &str, keyed: bool) -> Result<()> {
    if !keyed {
        let answer = client.cashier(body).await?;
        is_honest(what, &answer, false)?;
        return Ok(());
    }
    let key = format!("\"{}\"", what.replace([' ', '.'], "-"));
    let first = client.cashier_with_key(body, &key).await?;
    is_honest(what, &first, true)?;
    // The same key without its quotes is the same key.
    let again = client.cashier_with_key(body, key.trim_matches('"')).await?;
    ensure!(again.header("idempotent-replayed") == Some("true"), "{what}: {}", again.body);
    ensure!((again.status, &again.bytes) == (first.status, &first.bytes), "{what}: not the same bytes: {}", again.body);
    ensure!(again.header("retry-after").is_none(), "{what}: a replay must not ask for a retry: {:?}", again.headers);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_made_but_not_told_is_open() {
    let set = |options: testkit::sandbox::Options| options.time_scale(200);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], set).await.expect("a sandbox");
    let client = &world.client;
    let mut table = Table::new("open outcomes");
    let mut open = Vec::new();
    for (n, cents) in [11, 12].into_iter().enumerate() {
        for (who, body) in all_bodies(cents, 20 + u32::try_from(n).unwrap_or_default()) {
            let what = format!("{who} .{cents}");
            let answer = client.cashier(&body).await.expect("an answer");
            let is_open = is_honest(&what, &answer, false);
            if matches!(is_open, Ok(true)) {
                open.push(what.clone());
            }
            table.row_alone(what, async { is_open.map(|_| ()) }).await;
        }
    }
    table
        .row_alone("some are open", async {
            ensure!(open.len() >= 4, "only {open:?}");
            Ok(())
        })
        .await;
    table.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_named_and_slips_are_seen() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let client = &world.client;
    let mut table = Table::new("fields");
    let payone = bodies::payone("PAYIN", "10.00");
    let without = |names: &[&str]| {
        let mut body: Value = serde_json::from_str(&payone).expect("JSON");
        let object = body.as_object_mut().expect("an object");
        names.iter().for_each(|name| drop(object.remove(*name)));
        body.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut body: Value = serde_json::from_str(&payone).expect("JSON");
        body[name] = value;
        body.to_string()
    };
    for (what, body, errors, fields) in [
        ("one missing", without(&["email"]), 0, json!([["email", "missing"]])),
        ("two missing", without(&["email", "currency"]), 2, json!([["email", "missing"], ["currency", "missing"]])),
        ("no pspType", without(&["pspType"]), 0, json!([["pspType", "missing"]])),
        ("neither", without(&["pspType", "type"]), 2, json!([["pspType", "missing"], ["type", "missing"]])),
        ("one invalid", with("currency", json!("eur")), 1, json!([["currency", "invalid"]])),
        ("an amount", with("baseamount", json!(-1)), 1, json!([["baseamount", "invalid"]])),
        (
            "missing and invalid",
            without(&["email"]).replace(r#""baseamount":10.0"#, r#""baseamount":-1.0"#),
            2,
            json!([["email", "missing"], ["baseamount", "invalid"]]),
        ),
        ("unknown pspType", with("pspType", json!("WORLDPAY")), 0, json!([["pspType", "invalid"]])),
        ("type in lower case", with("type", json!("payin")), 0, json!([["type", "invalid"]])),
        ("no pay-outs there", with("pspType", json!("BRITE")).replace("PAYIN", "PAYOUT"), 0, json!([["type", "invalid"]])),
        ("another's user", with("userId", json!("somebody")), 1, json!([["userId", "invalid"]])),
    ] {
        table.row_alone(what, named(client, &body, errors, &fields)).await;
    }
    table
        .row_alone("no fields where none is the reason", async {
            for body in ["{", "[]", "{\"a\":1,\"a\":2}"] {
                let answer = client.cashier(body).await?;
                ensure!(answer.status == 400 && answer.body.get("fields").is_none(), "{}", answer.body);
            }
            Ok(())
        })
        .await;
    table
        .row_alone("did you mean", did_you_mean(client, &with("pspType", json!("WORLDPAY")), &with("type", json!("payin"))))
        .await;
    table.row_alone("strangers", strangers(client, &payone)).await;
    table
        .row_alone("in Management too", async {
            let answer = client.manage("POST", "/credentials", Some(json!({"kind": "company", "scopes": ["all"]}))).await?;
            let fields: Vec<&str> =
                answer.body["fields"].as_array().into_iter().flatten().filter_map(|one| one["field"].as_str()).collect();
            ensure!(fields == ["name", "scopes"], "{}", answer.body);
            Ok(())
        })
        .await;
    table.end().await;
}

async fn named(client: &Client, body: &str, errors: usize, expected: &Value) -> Result<()> {
    let answer = client.cashier(body).await?;
    ensure!(answer.status == 400, "{}: {}", answer.status, answer.body);
    ensure!(answer.body["errors"].as_array().map(Vec::len) == Some(errors), "{}", answer.body);
    let fields = answer.body["fields"].as_array().cloned().unwrap_or_default();
    let said: Vec<Value> = fields.iter().map(|one| json!([one["field"], one["code"]])).collect();
    ensure!(json!(said) == *expected, "{}", answer.body);
    ensure!(fields.iter().all(|one| one["message"].as_str().is_some_and(|text| !text.is_empty())), "{}", answer.body);
    Ok(())
}

async fn did_you_mean(client: &Client, psp_type: &str, operation: &str) -> Result<()> {
    let answer = client.cashier(psp_type).await?;
    ensure!(answer.text("/message") == "Unknown pspType: WORLDPAY", "{}", answer.body);
    let told = answer.text("/fields/0/message");
    ensure!(told.contains("did you mean WORLDPAY_EU?") && told.contains("FORUMPAY, GIGADAT"), "{told}");
    let answer = client.cashier(operation).await?;
    ensure!(answer.text("/message") == "type must be PAYIN or PAYOUT", "{}", answer.body);
    ensure!(answer.text("/fields/0/message").contains("did you mean PAYIN?"), "{}", answer.body);
    let method = client.manage("POST", "/payment-methods", Some(json!({"pspType": "forumpay", "config": {}}))).await?;
    ensure!(method.text("/fields/0/message").contains("did you mean FORUMPAY?"), "{}", method.body);
    Ok(())
}

async fn strangers(client: &Client, payone: &str) -> Result<()> {
    let clean = client.cashier(payone).await?;
    ensure!(clean.header("x-mozarto-warning").is_none(), "{:?}", clean.headers);
    let slip = payone.replace("{\"pspType\"", "{\"merchantRef\":\"A-1\",\"pspType\"");
    let answer = client.cashier(&slip).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    let told = answer.header("x-mozarto-warning").unwrap_or_default();
    ensure!(told == "unknown fields were ignored: merchantRef (did you mean merchantReference?)", "{told}");
    ensure!(!answer.body.to_string().contains("merchantRef\""), "never echoed in the body: {}", answer.body);
    let spoilt = slip.replace("10.00", "-1");
    let refused = client.cashier(&spoilt).await?;
    ensure!(refused.status == 400 && refused.header("x-mozarto-warning").is_some(), "beside an error too: {:?}", refused.headers);
    let hostile = payone.replace("{\"pspType\"", "{\"4111111111111111\":1,\"\\r\\nx-evil: 1\":1,\"pspType\"");
    let answer = client.cashier(&hostile).await?;
    let told = answer.header("x-mozarto-warning").unwrap_or_default();
    ensure!(answer.status == 200 && !told.contains("4111") && answer.header("x-evil").is_none(), "{:?}", answer.headers);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_says_which_token_it_is_about_and_no_more() -> Result<()> {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await?;
    let client = &world.client;
    let body = bodies::payone("PAYIN", "10.00").into_bytes();
    let (company, user) = (client.company_token.clone(), client.user_token.clone());
    let management = client.management_token.clone();
    let cashier = format!("{}/v1/api/mozarto/cashier", client.base);
    let spoilt = format!("{}A", &company[..company.len() - 1]);
    for (authorization, x_user_token, words) in [
        (None, None, "Authorization is missing"),
        (Some(format!("Token {company}")), None, "Authorization must be Bearer"),
        (Some(format!("Bearer {management}")), None, "carries a management token, where a company token is needed"),
        (Some(format!("Bearer {user}")), None, "carries a user token, where a company token is needed"),
        (Some(format!("Bearer {spoilt}")), None, "the company token in Authorization was not accepted"),
        (Some(format!("Bearer {company}")), None, "x-user-token is missing"),
        (Some(format!("Bearer  {company}")), Some("Bearer x".to_owned()), "the user token in x-user-token was not accepted"),
        (Some(format!("Bearer {company}")), Some(format!("Bearer {company}")), "x-user-token carries a company token"),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(x_user_token.as_deref().map(|value| ("x-user-token", value)));
        let answer = client.send("POST", &cashier, &headers, Some(body.clone())).await?;
        let told = answer.header("www-authenticate").unwrap_or_default();
        ensure!(answer.status == 401 && told.contains(words), "{words}: {} {told}", answer.status);
        ensure!(
            answer.body == json!({"status": "error", "message": "Unauthorized", "isSuccess": false, "errors": []}),
            "{}",
            answer.body
        );
        ensure!(!told.contains(&company) && !told.contains("signature"), "{told}");
    }
    let admin = format!("{}/v1/api/mozarto/admin/rules", client.base);
    let answer = client.send("GET", &admin, &[("authorization", &format!("Bearer {company}"))], None).await?;
    let told = answer.header("www-authenticate").unwrap_or_default();
    ensure!(answer.status == 401 && told.contains("carries a company token, where a management token is needed"), "{told}");
    Ok(())
}
