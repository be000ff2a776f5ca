//! Every row of the error table of the Cashier API (section 5) that is ours, not a provider's: answers to the byte of the
//! contract, in its order of checks.

mod rows;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rows::{FIELDS, GOOD_FIELDS, PAYONE, refused_bodies, with};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, Client};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::World;

const CASHIER: &str = "/v1/api/mozarto/cashier";
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_cashier_api() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options.time_scale(60)).await.expect("a sandbox");
    let mut table = Table::new("Cashier errors");
    // The profile comes from the body here: no claim but the user's id covers it.
    let mut bare = world.client.clone();
    bare.user_token = user_token(&json!({"userId": "user_123"}));
    for (name, body, message, errors) in refused_bodies() {
        table.row(format!("body: {name}"), refused(bare.clone(), body, message, errors));
    }
    for (base, field, value, sentence) in FIELDS {
        let name = format!("field: {} {field} {value}", if *base == PAYONE { "PAYONE" } else { "other" });
        table.row(
            name,
            refused(bare.clone(), with(base, field, value), "Validation failed".to_owned(), vec![(*sentence).to_owned()]),
        );
    }
    for (field, value) in GOOD_FIELDS {
        table.row(format!("accepted: {field} {value}"), accepted(bare.clone(), with(PAYONE, field, value)));
    }
    table.row("claims win", claims_win(world.client.clone()));
    table.row("company tokens", company_tokens(world.client.clone()));
    table.row("scopes", scopes(world.client.clone()));
    table.row("user tokens", user_tokens(world.client.clone()));
    table.row("routes and methods", routes(world.client.clone()));
    table.row("media type and size", media_and_size(world.client.clone()));
    table.row("idempotency forms", idempotency_forms(world.client.clone()));
    table.row("order of checks", order_of_checks(world.client.clone()));
    table.row("another company's transaction", other_company(world.client.clone()));
    table.row_alone("rules and brands", rules_and_brands(&world.client)).await;
    table.row_alone("no enabled payment method", no_method(&world.client)).await;
    table.row_alone("User Auth URL", user_auth_url(&world.client)).await;
    table.row_alone("ours", ours(&world)).await;
    table.row_alone("nothing of it was stored", nothing_created(&world.client)).await;
    table.end().await;
}

/// An unsigned-looking user token with these claims; the demo company checks no signature.
fn user_token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

/// Where fields are the reason, `fields` stands beside the published members; what is in it, `measured/answers.rs` says.
fn error(message: &str, errors: Vec<String>) -> Value {
    json!({"status": "error", "message": message, "isSuccess": false, "errors": errors, "fields?": "<any>"})
}

fn is_error(answer: &Answer, status: u16, expected: &Value) -> Result<()> {
    ensure!(answer.status == status, "HTTP {} instead of {status}: {}", answer.status, answer.body);
    same_shape(&answer.body, expected)?;
    ensure!(answer.header("content-type") == Some("application/json"), "Content-Type is {:?}", answer.header("content-type"));
    Ok(())
}

async fn refused(client: Client, body: String, message: String, errors: Vec<String>) -> Result<()> {
    let answer = client.cashier(&body).await?;
    is_error(&answer, 400, &error(&message, errors))
}

async fn accepted(client: Client, body: String) -> Result<()> {
    let answer = client.cashier(&body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(!answer.body.to_string().contains("unknownField"), "an unknown field is echoed: {}", answer.body);
    Ok(())
}

/// The claims replace the body's profile, under the same rules, reported under the body's names.
async fn claims_win(mut client: Client) -> Result<()> {
    client.user_token = user_token(&json!({"userId": "user_123", "email": "nobody", "phone": "1", "firstName": ""}));
    let expected =
        error("Validation failed", vec!["email must be a valid email".into(), "phone must contain at least 6 digits".into()]);
    is_error(&client.cashier(PAYONE).await?, 400, &expected)?;
    client.user_token = user_token(&json!({"userId": "user_123", "email": "claims@example.com", "firstName": "Jane"}));
    let body = with(&with(PAYONE, "type", "\"PAYOUT\""), "email", "\"not an address\"");
    let answer = client.cashier(&body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let withdraw = &answer.body["data"]["withdraw"];
    ensure!(
        withdraw["email"] == "claims@example.com" && withdraw["first_name"] == "Jane" && withdraw["last_name"] == "Doe",
        "{withdraw}"
    );
    // A body without a userId is refused even where the claims carry it.
    is_error(&client.cashier(&with(PAYONE, "userId", "absent")).await?, 400, &error("Missing required field: userId", vec![]))
}

async fn company_tokens(client: Client) -> Result<()> {
    let url = format!("{}{CASHIER}", client.base);
    let user = format!("Bearer {}", client.user_token);
    let good = client.company_token.clone();
    let mut parts: Vec<&str> = good.split('.').collect();
    let claims = parts[1].to_owned();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    parts[2] = "AAAA";
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        good.clone(),
        format!("Basic {good}"),
        "Bearer x.y.z".to_owned(),
        format!("Bearer {}", parts.join(".")),
        format!("Bearer {none}.{claims}."),
        format!("Bearer {}", client.management_token),
        format!("Bearer {}", client.user_token),
    ];
    for token in &bad {
        let mut headers = vec![("x-user-token", user.as_str()), ("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", token));
        }
        let answer = client.send("POST", &url, &headers, Some(PAYONE.into())).await?;
        is_error(&answer, 401, &error("Unauthorized", vec![]))?;
        let read = client.send("GET", &format!("{}/v1/api/mozarto/transactions", client.base), &headers, None).await?;
        is_error(&read, 401, &error("Unauthorized", vec![]))?;
    }
    Ok(())
}

async fn scopes(client: Client) -> Result<()> {
    let forbidden = error("Forbidden", vec![]);
    let body = json!({"kind": "company", "name": "reader", "scopes": ["read"]});
    let made = client.manage("POST", "/credentials", Some(body)).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let mut reader = client.clone();
    reader.company_token = made.text("/data/token").to_owned();
    is_error(&reader.cashier(PAYONE).await?, 403, &forbidden)?;
    ensure!(reader.read("/v1/api/mozarto/transactions").await?.status == 200, "a reader may not read");
    let body = json!({"kind": "company", "name": "pays in", "scopes": ["payin"]});
    let made = client.manage("POST", "/credentials", Some(body)).await?;
    let mut payer = client.clone();
    payer.company_token = made.text("/data/token").to_owned();
    is_error(&payer.cashier(&with(PAYONE, "type", "\"PAYOUT\"")).await?, 403, &forbidden)?;
    is_error(&payer.read("/v1/api/mozarto/transactions").await?, 403, &forbidden)?;
    accepted(payer.clone(), PAYONE.to_owned()).await?;
    let id = made.text("/data/id");
    let revoked = client.manage("DELETE", &format!("/credentials/{id}"), None).await?;
    ensure!(revoked.status == 200, "{} {}", revoked.status, revoked.body);
    is_error(&payer.cashier(PAYONE).await?, 401, &error("Unauthorized", vec![]))
}

async fn user_tokens(client: Client) -> Result<()> {
    let unauthorized = error("Unauthorized", vec![]);
    let past = json!({"userId": "user_123", "email": "player@example.com", "exp": 1_000_000_000});
    let no_user = json!({"email": "player@example.com"});
    let array = format!("e30.{}.x", URL_SAFE_NO_PAD.encode("[]"));
    for token in ["", "x", "a.b.c", "..", &user_token(&past), &user_token(&no_user), &array] {
        let mut other = client.clone();
        other.user_token = token.to_owned();
        let answer = other.cashier(PAYONE).await?;
        is_error(&answer, 401, &unauthorized)?;
    }
    let company = format!("Bearer {}", client.company_token);
    let headers = [("authorization", company.as_str()), ("content-type", "application/json")];
    let url = format!("{}{CASHIER}", client.base);
    let answer = client.send("POST", &url, &headers, Some(PAYONE.into())).await?;
    is_error(&answer, 401, &unauthorized)?;
    // No User Auth URL is configured.
    let headers = [headers[0], headers[1], ("x-user-authorization", "session")];
    is_error(&client.send("POST", &url, &headers, Some(PAYONE.into())).await?, 401, &unauthorized)
}

async fn routes(client: Client) -> Result<()> {
    let company = format!("Bearer {}", client.company_token);
    let headers = [("authorization", company.as_str())];
    for path in [
        "/v1",
        "/v1/api/mozarto",
        "/v1/api/mozarto/cashier/",
        "/v2/api/mozarto/cashier",
        "/v1/api/mozarto/transactions/x",
        "/v1/api/mozarto/transactions/64a1f2b3c4d5e6f7a8b9c0d1",
        "/v1/api/mozarto/transactions/60a74038-5b94-427e-8cff-abc123abc123",
        "/callbacks/payone/unknown",
        "/callbacks/flexepin/x",
    ] {
        let method = if path.starts_with("/callbacks") { "POST" } else { "GET" };
        let answer = client.send(method, &format!("{}{path}", client.base), &headers, None).await?;
        ensure!(answer.status == 404, "{path}: {} {}", answer.status, answer.body);
        if !path.starts_with("/callbacks") {
            is_error(&answer, 404, &error("Not found", vec![]))?;
        }
    }
    for (method, path) in
        [("GET", CASHIER), ("PUT", CASHIER), ("DELETE", "/v1/api/mozarto/transactions"), ("POST", "/v1/api/mozarto/events")]
    {
        let answer = client.send(method, &format!("{}{path}", client.base), &headers, None).await?;
        is_error(&answer, 405, &error("Method not allowed", vec![]))?;
        ensure!(answer.header("allow").is_some(), "{method} {path}: no Allow");
    }
    Ok(())
}

async fn media_and_size(client: Client) -> Result<()> {
    let url = format!("{}{CASHIER}", client.base);
    let (company, user) = (format!("Bearer {}", client.company_token), format!("Bearer {}", client.user_token));
    for media in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let mut headers = vec![("authorization", company.as_str()), ("x-user-token", user.as_str())];
        if !media.is_empty() {
            headers.push(("content-type", media));
        }
        let answer = client.send("POST", &url, &headers, Some(PAYONE.into())).await?;
        is_error(&answer, 415, &error("Content-Type must be application/json", vec![]))?;
    }
    let big = with(PAYONE, "x", &format!("\"{}\"", "x".repeat(64 * 1024)));
    is_error(&client.cashier(&big).await?, 413, &error("Request body is too large", vec![]))?;
    let just = with(PAYONE, "x", &format!("\"{}\"", "x".repeat(64 * 1024 - PAYONE.len() - 7)));
    ensure!(just.len() == 64 * 1024, "{}", just.len());
    accepted(client, just).await
}

async fn idempotency_forms(client: Client) -> Result<()> {
    let bad = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    for key in ["", "a b", &"k".repeat(256), "ключ"] {
        is_error(&client.cashier_with_key(PAYONE, key).await?, 400, &error(bad, vec![]))?;
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    is_error(&client.cashier_raw(PAYONE.into(), &twice).await?, 400, &error(bad, vec![]))?;
    let first = client.cashier_with_key(PAYONE, "errors-1").await?;
    ensure!(first.status == 200, "{} {}", first.status, first.body);
    let other = client.cashier_with_key(&with(PAYONE, "baseamount", "101.00"), "errors-1").await?;
    is_error(&other, 422, &error("Idempotency-Key was used with another body", vec![]))
}

/// Section 3: what is wrong first is told first.
async fn order_of_checks(client: Client) -> Result<()> {
    let url = format!("{}{CASHIER}", client.base);
    let (company, user) = (format!("Bearer {}", client.company_token), format!("Bearer {}", client.user_token));
    let json_type = ("content-type", "application/json");
    let big = "x".repeat(64 * 1024 + 1);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16);
    let cases: [Case<'_>; 8] = [
        ("method before token", &[], "", 405),
        ("size before token", &[json_type], &big, 413),
        ("token before media type", &[], "{}", 401),
        ("media type before key", &[("authorization", &company), ("idempotency-key", "")], "{}", 415),
        ("key before JSON", &[("authorization", &company), json_type, ("idempotency-key", "")], "{", 400),
        ("JSON before user", &[("authorization", &company), json_type], "{", 400),
        ("pspType before user", &[("authorization", &company), json_type], r#"{"pspType":"X","type":"PAYIN"}"#, 400),
        (
            "user before fields",
            &[("authorization", &company), json_type, ("x-user-token", "Bearer x")],
            r#"{"pspType":"PAYONE","type":"PAYIN"}"#,
            401,
        ),
    ];
    for (name, headers, body, status) in cases {
        let method = if status == 405 { "GET" } else { "POST" };
        let answer = client.send(method, &url, headers, Some(body.into())).await?;
        ensure!(answer.status == status, "{name}: {} {}", answer.status, answer.body);
    }
    // Fields before the rule: an unknown brand beside an invalid field.
    let headers = [("authorization", company.as_str()), ("x-user-token", user.as_str()), json_type];
    let body = with(&with(PAYONE, "brandId", "\"unknown\""), "currency", "\"EUR\"");
    let answer = client.send("POST", &url, &headers, Some(body.into())).await?;
    is_error(&answer, 400, &error("Validation failed", vec!["currency must be CAD".into()]))
}

async fn other_company(client: Client) -> Result<()> {
    let made = client.cashier(PAYONE).await?;
    let id = made.text("/transaction/transactionId").to_owned();
    let unknown = client.status("64a1f2b3c4d5e6f7a8b9c0d1").await?;
    is_error(&unknown, 404, &error("Not found", vec![]))?;
    let own = client.status(&id).await?;
    ensure!(own.status == 200, "{}", own.body);
    let changed = format!("{}{}", &id[..23], if id.ends_with('0') { '1' } else { '0' });
    is_error(&client.status(&changed).await?, 404, &error("Not found", vec![]))
}

async fn rules_and_brands(client: &Client) -> Result<()> {
    let unmatched = error("Rules action is not matched", vec![]);
    is_error(&client.cashier(&with(PAYONE, "brandId", "\"nobody\"")).await?, 400, &unmatched)?;
    let made = client.manage("POST", "/brands", Some(json!({"brandId": "b1", "name": "Brand one", "active": true}))).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    accepted(client.clone(), with(PAYONE, "brandId", "\"b1\"")).await?;
    client.manage("PATCH", "/brands/b1", Some(json!({"active": false}))).await?;
    is_error(&client.cashier(&with(PAYONE, "brandId", "\"b1\"")).await?, 400, &unmatched)?;
    let rules = client.manage("GET", "/rules?limit=200", None).await?;
    let rules = rules.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let of_payone = rules.iter().find(|rule| rule["match"]["pspTypes"] == json!(["PAYONE"]));
    let id = of_payone.and_then(|rule| rule["id"].as_str()).unwrap_or_default();
    let off = client.manage("PATCH", &format!("/rules/{id}"), Some(json!({"active": false}))).await?;
    ensure!(off.status == 200 && off.body["data"]["active"] == false, "{} {}", off.status, off.body);
    is_error(&client.cashier(PAYONE).await?, 400, &unmatched)?;
    client.manage("PATCH", &format!("/rules/{id}"), Some(json!({"active": true}))).await?;
    accepted(client.clone(), PAYONE.to_owned()).await
}

async fn no_method(client: &Client) -> Result<()> {
    let id = client.method_of("PAYONE").await?;
    let off = client.manage("PATCH", &format!("/payment-methods/{id}"), Some(json!({"enabled": false}))).await?;
    ensure!(off.status == 200, "{} {}", off.status, off.body);
    let mut expected = error("Something went wrong", vec![]);
    expected["data"] = json!("PSP Configuration not found. Please check you psp Configuration");
    is_error(&client.cashier(PAYONE).await?, 400, &expected)?;
    client.manage("PATCH", &format!("/payment-methods/{id}"), Some(json!({"enabled": true}))).await?;
    // An account that lacks a required field is saved, named in the warnings, and not called.
    client.manage("PATCH", "/brands/b1", Some(json!({"active": true}))).await?;
    let body =
        json!({"pspType": "PAYONE", "brandId": "b1", "config": {"accountName": "No key", "siteUrl": "https://shop.example/"}});
    let made = client.manage("POST", "/payment-methods", Some(body)).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let warnings = json!(["Missing required field: apiKey", "Missing required field: webhookUrl"]);
    ensure!(made.body["data"]["warnings"] == warnings, "warnings: {}", made.body["data"]["warnings"]);
    let answer = client.cashier(&with(PAYONE, "brandId", "\"b1\"")).await?;
    let expected = json!({
        "status": "error", "message": "Payment provider is not configured.", "isSuccess": false, "errorCode": "PSP_NOT_CONFIGURED",
        "retryable": false, "errors": [],
    });
    is_error(&answer, 400, &expected)
}

/// A merchant's User Auth URL: `Authorization` says what it answers.
async fn auth_url() -> Result<String> {
    use axum::http::{HeaderMap, StatusCode};
    let answer = |headers: HeaderMap, body: axum::body::Bytes| async move {
        let session = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if body != r#"{"userId":"user_123"}"# {
            return (StatusCode::IM_A_TEAPOT, String::new());
        }
        match session.as_str() {
            "good" => (StatusCode::OK, json!({"userId": "user_123", "email": "asked@example.com"}).to_string()),
            "other" => (StatusCode::OK, json!({"userId": "user_124"}).to_string()),
            "nobody" => (StatusCode::OK, "{}".to_owned()),
            "slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                (StatusCode::OK, String::new())
            }
            status => (StatusCode::from_u16(status.parse().unwrap_or(500)).unwrap_or_default(), String::new()),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/auth", listener.local_addr()?);
    let router = axum::Router::new().route("/auth", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn user_auth_url(client: &Client) -> Result<()> {
    let set = client.manage("PATCH", "/company", Some(json!({"userAuthUrl": auth_url().await?}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    let url = format!("{}{CASHIER}", client.base);
    let company = format!("Bearer {}", client.company_token);
    let ask = async |session: &str, body: String, token: Option<String>| {
        let mut headers =
            vec![("authorization", company.as_str()), ("content-type", "application/json"), ("x-user-authorization", session)];
        if let Some(token) = &token {
            headers.push(("x-user-token", token));
        }
        client.send("POST", &url, &headers, Some(body.into_bytes())).await
    };
    let out = with(PAYONE, "type", "\"PAYOUT\"");
    let good = ask("good", out.clone(), None).await?;
    ensure!(good.status == 200, "{} {}", good.status, good.body);
    ensure!(good.body["data"]["withdraw"]["email"] == "asked@example.com", "{}", good.body);
    for session in ["401", "403", "404"] {
        is_error(&ask(session, out.clone(), None).await?, 401, &error("Unauthorized", vec![]))?;
    }
    for session in ["500", "302", "204", "nobody", "slow"] {
        is_error(&ask(session, out.clone(), None).await?, 502, &error("User verification is unavailable", vec![]))?;
    }
    let wrong = error("Validation failed", vec!["userId must match the authenticated user".into()]);
    is_error(&ask("other", out.clone(), None).await?, 400, &wrong)?;
    is_error(&ask("good", with(&out, "userId", "absent"), None).await?, 400, &error("Missing required field: userId", vec![]))?;
    // Both: the token must decode, and its user is compared before any URL is called; then the URL's answer replaces it.
    is_error(&ask("good", out.clone(), Some("Bearer x".into())).await?, 401, &error("Unauthorized", vec![]))?;
    let other = format!("Bearer {}", user_token(&json!({"userId": "user_124"})));
    is_error(&ask("500", out.clone(), Some(other)).await?, 400, &wrong)?;
    let token = format!("Bearer {}", user_token(&json!({"userId": "user_123", "email": "token@example.com"})));
    let both = ask("good", out, Some(token)).await?;
    ensure!(both.body["data"]["withdraw"]["email"] == "asked@example.com", "{}", both.body);
    let unset = client.manage("PATCH", "/company", Some(json!({"userAuthUrl": null}))).await?;
    ensure!(unset.status == 200, "{} {}", unset.status, unset.body);
    Ok(())
}

/// How many pay-ins PayOne was asked for.
async fn deposits(client: &Client) -> Result<usize> {
    let answer = client.control("GET", "/payone/calls", None).await?;
    let calls = answer.body["calls"].as_array().cloned().unwrap_or_default();
    Ok(calls.iter().filter(|call| call["path"] == "/api/deposit").count())
}

/// A store that takes no transaction: the published 500, with nothing of the store in it; the provider is not called, and the key
/// is not used up.
async fn ours(world: &World) -> Result<()> {
    let client = &world.client;
    let deposits = deposits(client).await?;
    let db = rusqlite::Connection::open(world.data().join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch(
        "CREATE TRIGGER broken BEFORE INSERT ON transactions BEGIN SELECT RAISE(ABORT, 'canary of the store'); END",
    )?;
    for key in ["ours-1", "ours-2"] {
        let answer = client.cashier_with_key(PAYONE, key).await?;
        let mut expected = error("Internal server error", vec![]);
        expected["data"] = json!("Something went wrong");
        is_error(&answer, 500, &expected)?;
    }
    db.execute_batch("DROP TRIGGER broken")?;
    let after = self::deposits(client).await?;
    ensure!(after == deposits, "the provider was called {} times", after - deposits);
    let answer = client.cashier_with_key(PAYONE, "ours-1").await?;
    ensure!(answer.status == 200 && answer.header("idempotent-replayed").is_none(), "{} {}", answer.status, answer.body);
    Ok(())
}

/// Nothing is stored before `create`: what is listed are the calls that were answered 200, and none with a provider error.
async fn nothing_created(client: &Client) -> Result<()> {
    let list = client.read("/v1/api/mozarto/transactions?limit=200").await?;
    let items = list.body["data"]["items"].as_array().cloned().unwrap_or_default();
    ensure!(!items.is_empty(), "the list is empty: {}", list.body);
    let odd: Vec<&Value> =
        items.iter().filter(|item| item["transaction_status"] == "Failed" || item["pspType"] != "PAYONE").collect();
    ensure!(odd.is_empty(), "refused requests left transactions: {odd:?}");
    let calls = client.control("GET", "/forumpay/calls", None).await?;
    ensure!(calls.body["total"] == 0, "ForumPay was called for refused requests: {}", calls.body);
    Ok(())
}
