//! Bodies and queries that are refused, each with every sentence at once.

use crate::world::World;
use domain::limits::BODY_MAX_BYTES;
use mozarto_http::admin::{Body, ROUTES};
use serde_json::json;

/// Method, path, body, and what is wrong with it.
const REFUSED: &[(&str, &str, &str, &[&str])] = &[
    ("POST", "/payment-methods", "{}", &["Missing required field: pspType", "Missing required field: config"]),
    ("POST", "/payment-methods", r#"{"pspType":"PAYONE"}"#, &["Missing required field: config"]),
    ("POST", "/payment-methods", r#"{"pspType":"NOPE","config":{}}"#, &["Unknown pspType: NOPE"]),
    (
        "POST",
        "/payment-methods",
        r#"{"pspType":1,"config":[],"enabled":"yes","brandId":"","id":"x"}"#,
        &[
            "id is not a field of a payment method",
            "pspType must be a string",
            "brandId must be 1 to 64 characters",
            "enabled must be a boolean",
            "config must be an object",
        ],
    ),
    (
        "POST",
        "/payment-methods",
        r#"{"pspType":"PAYONE","config":{"apikey":"x","isWebhookSecured":"yes","webhookUrl":"ftp://x","accountName":7}}"#,
        &[
            "isWebhookSecured must be a boolean",
            "webhookUrl must be an https URL",
            "accountName must be a string",
            "apikey is not a field of PAYONE",
        ],
    ),
    ("POST", "/rules", "{}", &["Missing required field: name"]),
    ("POST", "/rules", r#"{"name":null}"#, &["Missing required field: name"]),
    (
        "POST",
        "/rules",
        r#"{"name":5,"priority":1.5,"active":1,"match":{"types":["PAYIN",1],"amount":2},"action":{"hold":"x","cascade":[]},"weight":1}"#,
        &[
            "weight is not a field of a rule",
            "name must be a string",
            "priority must be a whole number from -1000000 to 1000000",
            "active must be a boolean",
            "match.amount is not a field of a match",
            "match.types must be a list of strings",
            "action.cascade is not a field of an action",
            "action.hold must be a boolean",
        ],
    ),
    (
        "POST",
        "/rules",
        r#"{"name":"r","match":{"pspTypes":["X"],"types":["payin"]}}"#,
        &["Unknown pspType: X", "match.types must be PAYIN or PAYOUT"],
    ),
    ("POST", "/rules", r#"{"name":"r","match":7,"action":"hold"}"#, &["match must be an object", "action must be an object"]),
    ("POST", "/brands", "{}", &["Missing required field: brandId", "Missing required field: name"]),
    (
        "POST",
        "/brands",
        r#"{"brandId":5,"name":"","colour":0}"#,
        &["Missing required field: name", "colour is not a field of a brand", "brandId must be a string"],
    ),
    ("POST", "/credentials", "{}", &["Missing required field: kind", "Missing required field: name"]),
    ("POST", "/credentials", r#"{"kind":"root","name":"x"}"#, &["kind must be one of company, management"]),
    ("POST", "/credentials", r#"{"kind":"management","name":"x"}"#, &["Missing required field: scopes"]),
    (
        "POST",
        "/credentials",
        r#"{"kind":"management","name":"x","scopes":["payin"]}"#,
        &["scopes must be a list of read, operate, configure, approve, own"],
    ),
    ("POST", "/credentials", r#"{"kind":"company","name":"x","scopes":[]}"#, &["scopes must be a list of payin, payout, read"]),
    (
        "POST",
        "/credentials",
        r#"{"kind":"company","name":"x","scopes":["own"],"secret":"s"}"#,
        &["secret is not a field of a credential", "scopes must be a list of payin, payout, read"],
    ),
    (
        "PATCH",
        "/company",
        r#"{"suspended":true,"userAuthUrl":7,"country":""}"#,
        &["Missing required field: country", "suspended is not a field of a company", "userAuthUrl must be a string"],
    ),
    (
        "PATCH",
        "/company",
        r#"{"userAuthUrl":"http://shop.example/","country":"xx","billingCurrency":"EURO"}"#,
        &[
            "billingCurrency must be an ISO 4217 code",
            "country must be an ISO 3166-1 alpha-2 code",
            "userAuthUrl must be an https URL",
        ],
    ),
    (
        "PATCH",
        "/company",
        r#"{"userTokenKey":{"algorithm":"none"}}"#,
        &["Missing required field: userTokenKey.key", "userTokenKey.algorithm must be one of HS256, RS256, ES256"],
    ),
    ("POST", "/deliveries/replay", "{}", &["Missing required field: since"]),
    (
        "POST",
        "/deliveries/replay",
        r#"{"since":"yesterday","status":"lost","all":true}"#,
        &[
            "all is not a field of a replay",
            "since must be an RFC 3339 time",
            "status must be one of waiting, delivered, failing, exhausted, stopped, disabled",
        ],
    ),
];

/// Query of a list, and what is wrong with it.
const QUERIES: &[(&str, &[&str])] = &[
    ("/rules?limit=0", &["limit must be a whole number from 1 to 200"]),
    ("/rules?limit=201", &["limit must be a whole number from 1 to 200"]),
    (
        "/rules?limit=ten&cursor=zz&active=true",
        &[
            "active is not a parameter of this list",
            "limit must be a whole number from 1 to 200",
            "cursor must be a nextCursor of this list",
        ],
    ),
    ("/approvals?status=open", &["status must be one of waiting, approved, rejected"]),
    ("/approvals?status=waiting&status=rejected", &["status must be given once"]),
    (
        "/transactions?attention=all&type=IN&pspType=X&transaction_status=Created",
        &[
            "pspType must be one of FORUMPAY, ",
            "type must be one of PAYIN, PAYOUT",
            "transaction_status must be one of Pending, OnHold, Approved, Declined, Cancelled, Expired, Rejected, Failed, Reversed",
            "attention must be one of stuck, anomaly, duplicate",
        ],
    ),
    ("/transactions?from=today&to=2026-05-17", &["from must be an RFC 3339 time", "to must be an RFC 3339 time"]),
    ("/deliveries?status=lost", &["status must be one of waiting, delivered, failing, exhausted, stopped, disabled"]),
    ("/audit?actor=me", &["actor is not a parameter of this list"]),
    ("/company?limit=1", &["limit is not a parameter of this call"]),
    ("/rules/000000000000000000000000?x=1", &["x is not a parameter of this call"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_body_is_told_at_once() {
    let world = World::start().await;
    for (method, path, body, sentences) in REFUSED {
        let answer = world.call(&world.one.all, method, path, Some(body)).await;
        assert_eq!(
            (answer.status, answer.sentences()),
            (400, sentences.iter().map(|s| (*s).to_owned()).collect()),
            "{path} {body}"
        );
        let one_missing = sentences.len() == 1 && sentences[0].starts_with("Missing required field: ");
        assert_eq!(answer.json["errors"].as_array().unwrap().is_empty(), one_missing, "{}", answer.text);
        let message = sentences.iter().find(|s| s.starts_with("Missing")).copied();
        // A sentence that is the whole message has no `errors`; the first missing field leads, else it is the usual word.
        assert_eq!(answer.at("/message"), message.unwrap_or("Validation failed"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_query_is_told_at_once() {
    let world = World::start().await;
    for (path, sentences) in QUERIES {
        let answer = world.call(&world.one.all, "GET", path, None).await;
        let told = answer.sentences();
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert_eq!(told.len(), sentences.len(), "{path}: {told:?}");
        assert!(told.iter().zip(*sentences).all(|(told, sentence)| told.starts_with(sentence)), "{path}: {told:?}");
    }
    // A cursor of one list is none of another.
    world.rule().await;
    world.rule().await;
    let cursor = world.done("GET", "/rules?limit=1", json!(null)).await.at("/data/nextCursor");
    assert_eq!(world.call(&world.one.all, "GET", &format!("/rules?cursor={cursor}"), None).await.status, 200);
    assert_eq!(world.call(&world.one.all, "GET", &format!("/brands?cursor={cursor}"), None).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_is_checked_before_the_handler() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.one.all);
    let id = "000000000000000000000000";
    for route in ROUTES.iter().filter(|route| route.body != Body::None) {
        let path = format!(
            "/v1/api/mozarto/admin{}",
            route.path.replace("{id}", id).replace("{transactionId}", id).replace("{brandId}", id)
        );
        let send = async |kind: Option<&str>, body: &[u8]| {
            let mut headers = vec![("authorization", &*token)];
            headers.extend(kind.map(|kind| ("content-type", kind)));
            let answer = world.send(route.method, &path, &headers, Some(body.to_vec())).await;
            (answer.status, answer.at("/message"))
        };
        let json = Some("application/json");
        let not_json = (400, "Request body is not valid JSON".to_owned());
        assert_eq!(send(json, b"{\"a\":").await, not_json, "{path}");
        assert_eq!(send(json, br#"{"reason":"a","reason":"b"}"#).await, not_json, "{path}: a key twice");
        assert_eq!(send(json, b"{\"reason\":\"\xff\"}").await, not_json, "{path}: no UTF-8");
        assert_eq!(send(json, format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes()).await, not_json, "{path}: deep");
        for other in ["[]", "null", "\"x\"", "7"] {
            assert_eq!(send(json, other.as_bytes()).await, (400, "Request body must be a JSON object".to_owned()), "{path}");
        }
        let media = (415, "Content-Type must be application/json".to_owned());
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            assert_eq!(send(kind, b"{}").await, media, "{path} {kind:?}");
        }
        let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(BODY_MAX_BYTES));
        assert_eq!(send(json, large.as_bytes()).await, (413, "Request body is too large".to_owned()), "{path}");
        if route.body == Body::Optional {
            assert_ne!(send(None, b"").await.0, 415, "{path}: no body is fine");
        } else {
            assert_eq!(send(json, b"").await, not_json, "{path}: a body is needed");
        }
    }
}
