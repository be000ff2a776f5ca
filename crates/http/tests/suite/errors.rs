//! The rows of the Cashier API, section 5, that need no provider, to the byte.

use crate::platform::{CASHIER, Call, PAY_IN, Platform, jwt, user_token};
use crate::wire::Answer;
use domain::Scope;

fn envelope(message: &str, errors: &[&str]) -> String {
    let errors: Vec<String> = errors.iter().map(|sentence| format!("\"{sentence}\"")).collect();
    format!(r#"{{"status":"error","message":"{message}","isSuccess":false,"errors":[{}]}}"#, errors.join(","))
}

fn assert_is(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}

#[tokio::test]
async fn refusals_of_a_body() {
    let platform = Platform::start().await;
    let with = |from: &str, to: &str| PAY_IN.replacen(from, to, 1);
    let missing = |field: &str| envelope(&format!("Missing required field: {field}"), &[]);
    let failed = |sentences: &[&str]| envelope("Validation failed", sentences);
    let rows: Vec<(&str, String, String)> = vec![
        ("pspType absent", with(r#""pspType":"PAYONE","#, ""), missing("pspType")),
        ("pspType null", with(r#""PAYONE""#, "null"), missing("pspType")),
        ("type empty", with(r#""PAYIN""#, r#""""#), missing("type")),
        ("email absent", with(r#""email":"player@example.com","#, ""), missing("email")),
        (
            "two absent and one invalid",
            with(r#""firstName":"John","lastName":"Doe","#, "").replace("100.00", "-1"),
            envelope(
                "Missing required field: firstName",
                &[
                    "Missing required field: firstName",
                    "Missing required field: lastName",
                    "baseamount must be a number greater than 0",
                ],
            ),
        ),
        ("email invalid", with("player@example.com", "x"), failed(&["email must be a valid email"])),
        (
            "all problems at once, in table order",
            with("100.00", "1.001").replace(r#""phone":"4915112345678""#, r#""phone":"12""#),
            failed(&["baseamount must have at most 2 decimals for CAD", "phone must contain at least 6 digits"]),
        ),
        ("another user's id", with("user_123", "user_9"), failed(&["userId must match the authenticated user"])),
        ("empty", String::new(), envelope("Request body is not valid JSON", &[])),
        ("cut", PAY_IN[..PAY_IN.len() - 1].to_owned(), envelope("Request body is not valid JSON", &[])),
        ("a key twice", with("{", r#"{"type":"PAYOUT","#), envelope("Request body is not valid JSON", &[])),
        ("a key twice far inside", with("{", r#"{"x":[{"a":1,"a":1}],"#), envelope("Request body is not valid JSON", &[])),
        ("too deep", format!("{}1{}", "[".repeat(200), "]".repeat(200)), envelope("Request body is not valid JSON", &[])),
        ("an array", format!("[{PAY_IN}]"), envelope("Request body must be a JSON object", &[])),
        ("a text", r#""PAYIN""#.to_owned(), envelope("Request body must be a JSON object", &[])),
        ("unknown provider", with("PAYONE", "PAYTWO"), envelope("Unknown pspType: PAYTWO", &[])),
        ("provider in small letters", with("PAYONE", "payone"), envelope("Unknown pspType: payone", &[])),
        ("unknown type", with("PAYIN", "PAY"), envelope("type must be PAYIN or PAYOUT", &[])),
        (
            "an operation that the provider lacks",
            with(r#""PAYONE","type":"PAYIN""#, r#""FLEXEPIN","type":"PAYOUT""#),
            envelope("FLEXEPIN does not support PAYOUT", &[]),
        ),
        ("no active rule", with("{", r#"{"brandId":"nobody","#), envelope("Rules action is not matched", &[])),
        ("an inactive brand", with("{", r#"{"brandId":"gone","#), envelope("Rules action is not matched", &[])),
    ];
    for (name, body, expected) in rows {
        let answer = platform.send(&platform.cashier(&body)).await;
        assert_eq!((answer.status, without_fields(&answer.body).as_str()), (400, expected.as_str()), "{name}");
    }
    platform.switch_method(false).await;
    let answer = platform.send(&platform.cashier(PAY_IN)).await;
    let expected = r#"{"status":"error","message":"Something went wrong","isSuccess":false,"errors":[],"data":"PSP Configuration not found. Please check you psp Configuration"}"#;
    assert_is(&answer, 400, expected);
    assert_eq!(platform.provider.taken(), 0, "nobody was called");
    let (items, _) = platform.send(&platform.get("/v1/api/mozarto/transactions")).await.page();
    assert!(items.is_empty(), "nothing was stored: {items:?}");
}

#[tokio::test]
async fn who_may_not() {
    let platform = Platform::start().await;
    let good = platform.cashier(PAY_IN);
    let bearer = format!("Bearer {}", platform.acme.token);
    let unauthorized = envelope("Unauthorized", &[]);
    let rows: Vec<(&str, Call)> = vec![
        ("no token", good.clone().without("authorization")),
        ("no scheme", good.clone().with("authorization", &platform.acme.token)),
        ("another scheme", good.clone().with("authorization", &format!("Basic {}", platform.acme.token))),
        ("not a token", good.clone().with("authorization", "Bearer nonsense")),
        ("two tokens", good.clone().header("authorization", &bearer)),
        ("no user", good.clone().without("x-user-token")),
        ("a user token that is no JWT", good.clone().with("x-user-token", "Bearer plain")),
        (
            "a user without an id",
            good.clone().with("x-user-token", &format!("Bearer {}", jwt(r#"{"alg":"none"}"#, r#"{"a":1}"#))),
        ),
        ("two user tokens", good.clone().header("x-user-token", &format!("Bearer {}", user_token("user_123")))),
        ("two sessions", good.clone().header("x-user-authorization", "s").header("x-user-authorization", "s")),
        (
            "a session where no User Auth URL is configured",
            good.clone().without("x-user-token").header("x-user-authorization", "s"),
        ),
    ];
    for (name, call) in rows {
        let answer = platform.send(&call).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, unauthorized.as_str()), "{name}");
        let told = answer.header("www-authenticate").unwrap_or_default();
        assert!(told.starts_with("Bearer realm=\"Mozarto\", error=\"invalid_") || told == "Bearer", "{name}: {told}");
    }
    let forbidden = envelope("Forbidden", &[]);
    let reader = format!("Bearer {}", platform.token(&[Scope::Read]).await);
    let payer = format!("Bearer {}", platform.token(&[Scope::Payin]).await);
    let rows = [
        ("a pay-in with a reader's token", good.clone().with("authorization", &reader)),
        ("a pay-out with a pay-in token", good.clone().with("authorization", &payer).replace("PAYIN", "PAYOUT")),
        ("reading with a pay-in token", platform.get("/v1/api/mozarto/transactions").with("authorization", &payer)),
        ("reading one with a pay-in token", platform.get("/v1/api/mozarto/transactions/x").with("authorization", &payer)),
        ("reading events with a pay-in token", platform.get("/v1/api/mozarto/events").with("authorization", &payer)),
    ];
    for (name, call) in rows {
        let answer = platform.send(&call).await;
        assert_eq!((answer.status, answer.body.as_str()), (403, forbidden.as_str()), "{name}");
    }
    assert_eq!(platform.send(&good.clone().with("authorization", &payer)).await.status, 200);
    platform.suspend(platform.acme.id).await;
    assert_is(&platform.send(&good).await, 403, &forbidden);
}

#[tokio::test]
async fn what_is_wrong_before_the_body_counts() {
    let platform = Platform::start().await;
    let good = platform.cashier(PAY_IN);
    let at = |path: &str| Call { path: path.to_owned(), ..good.clone() };
    let by = |method: &str| Call { method: method.to_owned(), ..good.clone() };
    for path in
        ["/", "/v1/api/mozarto", "/v1/api/mozarto/cashier/", "/v2/api/mozarto/cashier", "/v1/api/mozarto/transactions/a/b"]
    {
        assert_is(&platform.send(&at(path)).await, 404, &envelope("Not found", &[]));
    }
    for (method, path, allow) in [("GET", CASHIER, "POST"), ("PUT", CASHIER, "POST"), ("POST", "/healthz", "GET,HEAD")] {
        let answer = platform.send(&Call { path: path.to_owned(), ..by(method) }).await;
        assert_is(&answer, 405, &envelope("Method not allowed", &[]));
        assert_eq!(answer.header("allow"), Some(allow));
    }
    let long = format!("{PAY_IN}{}", " ".repeat(64 * 1024));
    assert_is(&platform.send(&good.clone().body(&long)).await, 413, &envelope("Request body is too large", &[]));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
        let answer = platform.send(&good.clone().with("content-type", kind)).await;
        assert_is(&answer, 415, &envelope("Content-Type must be application/json", &[]));
    }
    let answer = platform.send(&good.clone().without("content-type")).await;
    assert_is(&answer, 415, &envelope("Content-Type must be application/json", &[]));
}

#[tokio::test]
async fn whitespace_up_to_the_limit_and_unknown_fields_are_fine() {
    let platform = Platform::start().await;
    let padded = format!("{PAY_IN}{}", " ".repeat(64 * 1024 - PAY_IN.len()));
    assert_eq!(platform.send(&platform.cashier(&padded)).await.status, 200);
    let more = PAY_IN.replacen('{', r#"{"password":"hunter2","nested":{"card":"4111111111111111"},"#, 1);
    let answer = platform.send(&platform.cashier(&more)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains("hunter2") && !answer.body.contains("4111111111111111"), "{answer:?}");
}

/// An answer without its `fields`, which stand beside the published members and after them.
fn without_fields(body: &str) -> String {
    match body.find(r#","fields":["#) {
        Some(at) => format!("{}}}", &body[..at]),
        None => body.to_owned(),
    }
}
