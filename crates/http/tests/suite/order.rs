//! The order of checks (Cashier API, section 3): of any two faults, the earlier one is told.

use crate::platform::{Call, PAY_IN, Platform};
use domain::Scope;
use mozarto_http::Limits;
use std::num::NonZeroU32;

/// A fault: its name, how it is put into a good call, and what tells it.
struct Fault {
    name: &'static str,
    status: u16,
    message: &'static str,
    put: Box<dyn Fn(Call) -> Call>,
}

fn fault(name: &'static str, status: u16, message: &'static str, put: impl Fn(Call) -> Call + 'static) -> Fault {
    Fault { name, status, message, put: Box::new(put) }
}

/// Every fault that one call can have, in the order of the section; those of one place in the order stand in for each other.
fn faults(used_key: &'static str, reader: String, payer_out: String) -> Vec<Vec<Fault>> {
    let body = |from: &'static str, to: &'static str| {
        move |mut call: Call| {
            // An earlier fault may have taken the place away; then it is there already.
            call.body = call.body.map(|body| body.replacen(from, to, 1));
            call
        }
    };
    vec![
        vec![
            fault("no such path", 404, "Not found", |call| Call { path: "/v1/api/mozarto/cashiers".into(), ..call }),
            fault("wrong method", 405, "Method not allowed", |call| Call { method: "PUT".into(), ..call }),
        ],
        vec![fault("too large", 413, "Request body is too large", |mut call| {
            call.body = call.body.map(|body| body + &" ".repeat(64 * 1024));
            call
        })],
        vec![
            fault("no token", 401, "Unauthorized", |call| call.without("authorization")),
            fault("another's token", 401, "Unauthorized", |call| call.with("authorization", "Bearer x.y.z")),
        ],
        vec![fault("no scope that pays", 403, "Forbidden", move |call| scoped(call, &reader))],
        vec![fault("not JSON by its type", 415, "Content-Type must be application/json", |call| {
            call.with("content-type", "text/json")
        })],
        vec![
            fault("key of another body", 422, "Idempotency-Key was used with another body", move |call| {
                call.with("idempotency-key", used_key)
            }),
            fault("bad key", 400, "Idempotency-Key must be 1 to 255 visible ASCII characters", |call| {
                call.with("idempotency-key", "a b")
            }),
        ],
        vec![fault("malformed", 400, "Request body is not valid JSON", body(r#""userId""#, r#"userId"#))],
        vec![fault("no scope for it", 403, "Forbidden", move |call| scoped(call, &payer_out))],
        vec![
            fault("unknown provider", 400, "Unknown pspType: NOPE", body("PAYONE", "NOPE")),
            fault("no type", 400, "Missing required field: type", body(r#""type":"PAYIN","#, "")),
        ],
        vec![fault("no user", 401, "Unauthorized", |call| call.without("x-user-token"))],
        vec![
            fault("a field missing", 400, "Missing required field: phone", body(r#","phone":"4915112345678""#, "")),
            fault("a field invalid", 400, "Validation failed", body("player@example.com", "player")),
        ],
        vec![fault("no rule", 400, "Rules action is not matched", body("{", r#"{"brandId":"nobody","#))],
    ]
}

/// With another token; one that is not there or not good is told before what it may do.
fn scoped(call: Call, token: &str) -> Call {
    let good = call.headers.iter().any(|(name, value)| name == "authorization" && !value.ends_with(".z"));
    if good { call.with("authorization", &format!("Bearer {token}")) } else { call }
}

#[tokio::test]
async fn of_two_faults_the_earlier_one_is_told() {
    let platform = Platform::start().await;
    let first = platform.send(&platform.cashier(&format!("{PAY_IN} ")).header("idempotency-key", "used")).await;
    assert_eq!(first.status, 200, "{first:?}");
    let reader = platform.token(&[Scope::Read]).await;
    let payer_out = platform.token(&[Scope::Payout]).await;
    let ranks = faults("used", reader, payer_out);
    let mut pairs = 0;
    for (rank, group) in ranks.iter().enumerate() {
        for earlier in group {
            let alone = platform.send(&(earlier.put)(platform.cashier(PAY_IN))).await;
            assert_eq!((alone.status, alone.message().as_str()), (earlier.status, earlier.message), "{} alone", earlier.name);
            for later in ranks[rank + 1..].iter().flatten() {
                // Without a type nobody can say which scope is needed.
                if (earlier.name, later.name) == ("no scope for it", "no type") {
                    continue;
                }
                let call = (later.put)((earlier.put)(platform.cashier(PAY_IN)));
                let answer = platform.send(&call).await;
                let told = (answer.status, answer.message());
                assert_eq!(told, (earlier.status, earlier.message.to_owned()), "{} and {}", earlier.name, later.name);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 80, "{pairs} pairs");
    assert_eq!(platform.provider.taken(), 1, "no faulty call reached the provider");
}

#[tokio::test]
async fn the_rate_counts_after_the_token_and_before_the_rest() {
    let limits = Limits { requests_per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN, ..Limits::default() };
    let platform = Platform::start_with(limits).await;
    let reader = platform.token(&[Scope::Read]).await;
    let payer_out = platform.token(&[Scope::Payout]).await;
    for (rank, group) in faults("unused", reader, payer_out).into_iter().enumerate() {
        for fault in group {
            // Two of Acme's calls at once use up what this second allows.
            for _ in 0..2 {
                platform.send(&platform.get("/v1/api/mozarto/events")).await;
            }
            if fault.name.starts_with("no scope") {
                // Another credential, with a rate of its own.
                continue;
            }
            let answer = platform.send(&(fault.put)(platform.cashier(PAY_IN))).await;
            if rank < 3 {
                assert_eq!(answer.status, fault.status, "{}", fault.name);
            } else {
                assert_eq!((answer.status, answer.message().as_str()), (429, "Too many requests"), "{}", fault.name);
                assert_eq!(answer.header("retry-after"), Some("1"), "{}", fault.name);
            }
        }
    }
}

#[tokio::test]
async fn what_a_token_may_read_is_told_before_its_rate() {
    let limits = Limits { requests_per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN, ..Limits::default() };
    let platform = Platform::start_with(limits).await;
    let payer = platform.token(&[Scope::Payin]).await;
    for _ in 0..3 {
        let call = platform.get("/v1/api/mozarto/events").with("authorization", &format!("Bearer {payer}"));
        let answer = platform.send(&call).await;
        assert_eq!((answer.status, answer.message().as_str()), (403, "Forbidden"));
    }
}

#[tokio::test]
async fn more_than_can_be_done_at_once_is_refused_quickly() {
    let platform = Platform::start_with(Limits { in_flight_max: 1, ..Limits::default() }).await;
    platform.provider.hold_next();
    let mut first = platform.server.connect().await;
    first.send(platform.cashier(PAY_IN).text().as_bytes()).await;
    platform.provider.reached(1).await;
    let refused = platform.send(&platform.get("/v1/api/mozarto/transactions")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    // Who may not come in at all is told that, and takes no place.
    let stranger = platform.send(&platform.get("/v1/api/mozarto/transactions").without("authorization")).await;
    assert_eq!(stranger.status, 401);
    platform.provider.go_on();
    assert_eq!(first.answer().await.unwrap().status, 200);
    assert_eq!(platform.send(&platform.get("/v1/api/mozarto/transactions")).await.status, 200);
}
