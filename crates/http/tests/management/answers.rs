//! What each call answers, as snapshots: one conversation per resource. Every route must be in one of them with a success.

use crate::transcript::Transcript;
use crate::world::World;
use domain::Scope;
use mozarto_http::admin::ROUTES;
use serde_json::json;
use store::repository::endpoints;

#[tokio::test(flavor = "multi_thread")]
async fn payment_methods() {
    let (world, mut t) = (World::start().await, Transcript::default());
    t.call(&world, "GET", "/payment-methods", &[], None).await;
    let bare =
        t.call(&world, "POST", "/payment-methods", &[], Some(r#"{"pspType":"FORUMPAY","config":{}}"#)).await.at("/data/id");
    let config = r#"{"enabled":false,"config":{"username":"fp-user","password":"fp-secret","forumpayUserId":"payer-1","webhookUrl":"https://shop.example/hook"}}"#;
    t.call(&world, "PATCH", "/payment-methods/{id}", &[&bare], Some(config)).await;
    t.call(&world, "PATCH", "/payment-methods/{id}", &[&bare], Some(r#"{"config":{"password":null}}"#)).await;
    t.call(&world, "GET", "/payment-methods/{id}", &[&bare], None).await;
    t.call(&world, "POST", "/payment-methods/{id}/test", &[&bare], None).await;
    let payone = world.payment_method().await;
    t.call(&world, "POST", "/payment-methods/{id}/test", &[&payone], Some("{}")).await;
    t.call(&world, "POST", "/payment-methods/{id}/test", &[&payone], Some(r#"{"amount":1}"#)).await;
    t.call(&world, "POST", "/payment-methods/{id}/secrets/signing", &[&payone], None).await;
    t.call(&world, "POST", "/payment-methods/{id}/secrets/bearer", &[&payone], None).await;
    let flexepin = r#"{"pspType":"FLEXEPIN","config":{"username":"u","password":"p","merchantId":"m","webhookUrl":"https://shop.example/hook"}}"#;
    t.call(&world, "POST", "/payment-methods", &[], Some(flexepin)).await;
    let page = t.call(&world, "GET", "/payment-methods?limit=2", &[], None).await;
    let next = format!("/payment-methods?limit=2&cursor={}", page.at("/data/nextCursor"));
    let rest = world.done("GET", &next, json!(null)).await;
    assert_eq!((rest.at("/data/items/0/pspType"), &rest.json["data"]["nextCursor"]), ("FLEXEPIN".to_owned(), &json!(null)));
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules() {
    let (world, mut t) = (World::start().await, Transcript::default());
    let method = world.payment_method().await;
    world.done("POST", "/brands", json!({"brandId": "b1", "name": "First"})).await;
    t.call(&world, "POST", "/rules", &[], Some(r#"{"name":"Everything"}"#)).await;
    let whole = json!({"name": "Canada", "priority": 10, "active": false,
        "match": {"pspTypes": ["PAYONE"], "brandIds": ["b1"], "types": ["PAYOUT"]},
        "action": {"route": [{"paymentMethodId": method}], "hold": true}});
    let id = t.call(&world, "POST", "/rules", &[], Some(&whole.to_string())).await.at("/data/id");
    t.call(&world, "PATCH", "/rules/{id}", &[&id], Some(r#"{"active":true,"match":{"types":null}}"#)).await;
    t.call(&world, "GET", "/rules/{id}", &[&id], None).await;
    t.call(&world, "GET", "/rules", &[], None).await;
    t.call(&world, "DELETE", "/rules/{id}", &[&id], None).await;
    t.call(&world, "GET", "/rules/{id}", &[&id], None).await;
    t.call(&world, "DELETE", "/rules/{id}", &[&id], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn brands() {
    let (world, mut t) = (World::start().await, Transcript::default());
    t.call(&world, "POST", "/brands", &[], Some(r#"{"brandId":"caf\u00e9","name":"Caf\u00e9"}"#)).await;
    t.call(&world, "POST", "/brands", &[], Some(r#"{"brandId":"b2","name":"Second","active":false}"#)).await;
    t.call(&world, "POST", "/brands", &[], Some(r#"{"brandId":"b2","name":"Again"}"#)).await;
    t.call(&world, "PATCH", "/brands/{brandId}", &["b2"], Some(r#"{"active":true}"#)).await;
    t.call(&world, "PATCH", "/brands/{brandId}", &["caf%C3%A9"], Some(r#"{"name":"Coffee"}"#)).await;
    t.call(&world, "PATCH", "/brands/{brandId}", &["b3"], Some(r#"{"name":"Nobody"}"#)).await;
    t.call(&world, "GET", "/brands", &[], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals() {
    let (world, mut t) = (World::start().await, Transcript::default());
    world.payment_method().await;
    world.rule().await;
    let (yes, no) = (world.held().await, world.held().await);
    t.call(&world, "GET", "/approvals?status=waiting", &[], None).await;
    let approver = world.token(&world.one, &[Scope::Approve]).await;
    t.call(&world, "POST", "/approvals/{transactionId}/reject", &[&no], None).await;
    t.call(&world, "POST", "/approvals/{transactionId}/approve", &[&yes], Some(r#"{"because":"x"}"#)).await;
    t.call_as(&world, &approver, "POST", "/approvals/{transactionId}/approve", &[&yes], Some(r#"{"reason":"known user"}"#)).await;
    let reason = Some(r#"{"reason":"unknown destination"}"#);
    t.call_as(&world, &approver, "POST", "/approvals/{transactionId}/reject", &[&no], reason).await;
    t.call(&world, "POST", "/approvals/{transactionId}/approve", &[&yes], None).await;
    t.call(&world, "POST", "/approvals/{transactionId}/approve", &[&no], None).await;
    t.call(&world, "POST", "/approvals/{transactionId}/reject", &[&yes], reason).await;
    t.call(&world, "GET", "/approvals?status=approved", &[], None).await;
    t.call(&world, "GET", "/approvals?status=rejected", &[], None).await;
    t.call(&world, "GET", "/approvals?status=waiting", &[], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries() {
    let (world, mut t) = (World::start().await, Transcript::default());
    let method = world.payment_method().await;
    world.rule().await;
    let id = t.call(&world, "POST", "/payment-methods/{id}/webhook-test", &[&method], None).await.at("/data/id");
    let stuck = world.stuck().await;
    let resolution = json!({"to": "Approved", "reason": "paid in the portal"});
    world.done("POST", &format!("/transactions/{stuck}/resolve"), resolution).await;
    t.call(&world, "GET", "/deliveries", &[], None).await;
    t.call(&world, "GET", "/deliveries/{id}", &[&id], None).await;
    t.call(&world, "POST", "/deliveries/{id}/replay", &[&id], None).await;
    t.call(&world, "POST", "/deliveries/replay", &[], Some(r#"{"since":"2026-05-17T00:00:00Z"}"#)).await;
    let none = r#"{"since":"2026-05-17T00:00:00Z","status":"exhausted"}"#;
    t.call(&world, "POST", "/deliveries/replay", &[], Some(none)).await;
    t.call(&world, "GET", "/deliveries?status=delivered", &[], None).await;
    let bare = world.done("POST", "/payment-methods", json!({"pspType": "FORUMPAY", "config": {}})).await.at("/data/id");
    t.call(&world, "POST", "/payment-methods/{id}/webhook-test", &[&bare], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials() {
    let (world, mut t) = (World::start().await, Transcript::default());
    let company = t.call(&world, "POST", "/credentials", &[], Some(r#"{"kind":"company","name":"Shop"}"#)).await.at("/data/id");
    let body = r#"{"kind":"management","name":"Approver","scopes":["read","approve"]}"#;
    let management = t.call(&world, "POST", "/credentials", &[], Some(body)).await;
    let (id, first) = (management.at("/data/id"), management.at("/data/token"));
    assert_eq!(world.call(&first, "GET", "/rules", None).await.status, 200);
    let second = t.call(&world, "POST", "/credentials/{id}/rotate", &[&id], None).await.at("/data/token");
    assert_eq!(world.call(&first, "GET", "/rules", None).await.status, 401, "rotated away");
    assert_eq!(world.call(&second, "GET", "/rules", None).await.status, 200);
    t.call(&world, "POST", "/credentials/{id}/rotate", &[&company], None).await;
    t.call(&world, "DELETE", "/credentials/{id}", &[&id], None).await;
    assert_eq!(world.call(&second, "GET", "/rules", None).await.status, 401, "revoked");
    t.call(&world, "POST", "/credentials/{id}/rotate", &[&id], None).await;
    t.call(&world, "GET", "/credentials", &[], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn company() {
    let (world, mut t) = (World::start().await, Transcript::default());
    t.call(&world, "GET", "/company", &[], None).await;
    let key = r#"{"userAuthUrl":"https://shop.example/auth","userTokenKey":{"algorithm":"HS256","key":"0123456789abcdef0123456789abcdef"}}"#;
    t.call(&world, "PATCH", "/company", &[], Some(key)).await;
    t.call(&world, "PATCH", "/company", &[], Some(r#"{"userAuthUrl":null,"userTokenKey":null,"name":"One Limited"}"#)).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions() {
    let (world, mut t) = (World::start().await, Transcript::default());
    world.payment_method().await;
    world.rule().await;
    let (held, stuck, other) = (world.held().await, world.stuck().await, world.stuck().await);
    t.call(&world, "GET", "/transactions", &[], None).await;
    let found = t.call(&world, "GET", "/transactions?attention=stuck&type=PAYIN&limit=1", &[], None).await;
    assert_eq!(found.at("/data/items/0/transactionId"), other);
    t.call(&world, "GET", "/transactions/{id}", &[&held], None).await;
    let session = found.at("/data/items/0/sessionId");
    let by_session = world.done("GET", &format!("/transactions/{session}"), json!(null)).await;
    assert_eq!(by_session.at("/data/transactionId"), other);
    t.call(&world, "POST", "/transactions/{id}/inquire", &[&stuck], None).await;
    t.call(&world, "POST", "/transactions/{id}/inquire", &[&held], None).await;
    t.call(&world, "POST", "/transactions/{id}/release", &[&stuck], Some(r#"{"reason":"not in the portal"}"#)).await;
    t.call(&world, "POST", "/transactions/{id}/resolve", &[&held], Some(r#"{"to":"Failed","reason":"x"}"#)).await;
    t.call(&world, "POST", "/transactions/{id}/resolve", &[&stuck], Some(r#"{"to":"Reversed"}"#)).await;
    t.call(&world, "POST", "/transactions/{id}/resolve", &[&stuck], Some(r#"{"to":"Approved","reason":"paid in the portal"}"#))
        .await;
    t.call(&world, "POST", "/transactions/{id}/resolve", &[&stuck], Some(r#"{"to":"Failed","reason":"again"}"#)).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn audit() {
    let (world, mut t) = (World::start().await, Transcript::default());
    let method = world.payment_method().await;
    let rule = world.rule().await;
    let held = world.held().await;
    world.done("PATCH", &format!("/payment-methods/{method}"), json!({"config": {"apiKey": "payone-canary-0002"}})).await;
    world.done("PATCH", &format!("/rules/{rule}"), json!({"priority": 5})).await;
    world.done("POST", &format!("/approvals/{held}/approve"), json!({"reason": "fine"})).await;
    world.done("DELETE", &format!("/rules/{rule}"), json!(null)).await;
    t.call(&world, "GET", "/audit?limit=6", &[], None).await;
    insta::assert_snapshot!(t.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_shows_deliveries() {
    let world = World::start().await;
    world.payment_method().await;
    world.rule().await;
    let id = world.stuck().await;
    let path = format!("/transactions/{id}");
    world.done("POST", &format!("{path}/resolve"), json!({"to": "Approved", "reason": "paid in the portal"})).await;
    let engine = world.engine.clone();
    let worker = tokio::spawn(async move { engine.run_deliveries().await });
    let mut events = Vec::new();
    for _ in 0..100 {
        let found = world.done("GET", &path, json!(null)).await;
        events = found.json["data"]["events"].as_array().unwrap().clone();
        if events.last().unwrap()["event"] == "webhook_delivered" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    worker.abort();
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["created", "accepted", "approved", "webhook_queued", "webhook_delivered"]);
    assert_eq!(events[4]["detail"]["httpStatus"], 200);
    let listed = world.done("GET", &format!("/deliveries?transactionId={id}&status=delivered"), json!(null)).await;
    assert_eq!(listed.at("/data/items/0/id"), events[4]["detail"]["deliveryId"]);
    assert_eq!(listed.at("/data/items/0/attempts/0/responseBody"), "thanks");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_switched_off_is_shown_until_it_is_switched_on() {
    let world = World::start().await;
    let (id, other) = (world.payment_method().await, world.payment_method().await);
    let path = format!("/payment-methods/{id}");
    let off = async |id: &str| {
        let (mut batch, now, method) = (store::Batch::new(), world.engine.clock().now(), id.parse().unwrap());
        endpoints::failed(&mut batch, world.one.id, method, now);
        endpoints::switch_off(&mut batch, world.one.id, method, now, now);
        world.engine.store().commit(batch).await.unwrap();
    };
    let warnings = async |id: &str| {
        let one = world.done("GET", &format!("/payment-methods/{id}"), json!(null)).await.json["data"]["warnings"].clone();
        let list = world.done("GET", "/payment-methods", json!(null)).await;
        let listed = list.json["data"]["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
        assert_eq!(listed["warnings"], one);
        one.as_array().unwrap().len()
    };
    let webhook_url = world.done("GET", &path, json!(null)).await.at("/data/config/webhookUrl");
    for (kept, body) in [
        (1, json!({"config": {"accountName": "Other"}})),
        (1, json!({"enabled": false})),
        (0, json!({"enabled": true})),
        (0, json!({"config": {"webhookUrl": webhook_url}})),
    ] {
        off(&id).await;
        assert_eq!((warnings(&id).await, warnings(&other).await), (1, 0));
        let changed = world.done("PATCH", &path, body.clone()).await;
        assert_eq!(changed.json["data"]["warnings"].as_array().unwrap().len(), kept, "{body}");
        assert_eq!(warnings(&id).await, kept, "{body}");
        world.done("PATCH", &path, json!({"enabled": true})).await;
    }
}

/// A page of a list that grows meanwhile neither repeats nor leaves out what was there.
#[tokio::test(flavor = "multi_thread")]
async fn pages_meet() {
    let world = World::start().await;
    world.payment_method().await;
    world.rule().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(world.held().await);
    }
    for (list, id, newest_first) in [("/transactions", "transactionId", true), ("/approvals", "transactionId", false)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.done("GET", &format!("{list}?limit=3{cursor}"), json!(null)).await;
            let items = page.json["data"]["items"].as_array().unwrap();
            assert!(items.len() <= 3);
            seen.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
            match page.json["data"]["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if newest_first {
            seen.reverse();
        }
        assert_eq!(seen, made, "{list}");
    }
}

#[test]
fn every_route_is_in_a_snapshot_with_a_success() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/management/snapshots");
    let mut snapshots = String::new();
    for file in std::fs::read_dir(folder).unwrap() {
        snapshots.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    for route in ROUTES {
        let title = format!("### {} {}", route.method, route.path);
        let mut calls = snapshots.split(&title).skip(1).filter(|rest| rest.starts_with(['\n', '?']));
        let succeeded = calls.any(|rest| rest.lines().find(|line| line.starts_with("< ")) == Some("< 200"));
        // A release needs a pay-out that a provider with "Release again" left unconfirmed: the flow's own tests have one.
        assert!(succeeded || route.path.ends_with("/release"), "no success of {title}");
    }
}
