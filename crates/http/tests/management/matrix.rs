//! Route x token x scope x company, over the list that the router itself is made from: a route that is not covered here fails
//! these tests.

use crate::transcript::filled;
use crate::world::{Answer, World};
use domain::Scope;
use mozarto_http::admin::{Body, ROUTES, Route};
use serde_json::json;

/// No object has this id.
const NOBODY: &str = "000000000000000000000000";

/// A body that the call accepts.
fn body(route: &Route) -> Option<&'static str> {
    let body = match (route.method, route.path) {
        _ if route.body == Body::None => return None,
        ("POST", "/payment-methods") => r#"{"pspType":"PAYONE","config":{}}"#,
        ("PATCH", "/payment-methods/{id}") => r#"{"enabled":true}"#,
        ("POST", "/rules") => r#"{"name":"A rule"}"#,
        ("PATCH", "/rules/{id}") => r#"{"priority":3}"#,
        ("POST", "/brands") => r#"{"brandId":"matrix","name":"A brand"}"#,
        ("PATCH", "/brands/{brandId}") => r#"{"active":false}"#,
        ("POST", "/approvals/{transactionId}/reject") => r#"{"reason":"unknown destination"}"#,
        ("POST", "/deliveries/replay") => r#"{"since":"2026-05-17T00:00:00Z"}"#,
        ("POST", "/credentials") => r#"{"kind":"company","name":"A shop"}"#,
        ("PATCH", "/company") => r#"{"userAuthUrl":null}"#,
        ("POST", "/transactions/{id}/resolve") => r#"{"to":"Failed","reason":"seen in the portal"}"#,
        _ if route.body == Body::Optional => return None,
        other => panic!("no body for {other:?}"),
    };
    Some(body)
}

/// An object of the first company that the route can be called with.
async fn fixture(world: &World, route: &Route, n: usize) -> String {
    let kind = route.path.split('/').nth(1).unwrap_or_default();
    match kind {
        "payment-methods" => world.payment_method().await,
        "rules" => world.rule().await,
        "brands" => {
            let body = json!({"brandId": format!("brand-{n}"), "name": "A brand"});
            world.done("POST", "/brands", body).await.at("/data/brandId")
        }
        "approvals" => world.held().await,
        "transactions" => world.stuck().await,
        "credentials" => {
            let body = json!({"kind": "company", "name": "A shop"});
            world.done("POST", "/credentials", body).await.at("/data/id")
        }
        "deliveries" => {
            let method = world.payment_method().await;
            world.done("POST", &format!("/payment-methods/{method}/webhook-test"), json!({})).await.at("/data/id")
        }
        other => panic!("no fixture for {other}"),
    }
}

async fn call(world: &World, token: &str, route: &Route, id: &str) -> Answer {
    let ids = if route.path.contains('{') { vec![id] } else { vec![] };
    world.call(token, route.method, &filled(route.path, &ids), body(route)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_management_token_every_route_is_401() {
    let world = World::start().await;
    let other_scheme = format!("x{}", world.one.all);
    let altered = format!("{}x", world.one.all);
    for route in ROUTES {
        for token in ["", "x", "mm_", "mm_000000000000000000000000_", &world.one.cashier, &other_scheme, &altered] {
            let answer = call(&world, token, route, NOBODY).await;
            assert_eq!(answer.status, 401, "{} {} with {token:?}: {}", route.method, route.path, answer.text);
            assert_eq!(answer.text, r#"{"status":"error","message":"Unauthorized","isSuccess":false,"errors":[]}"#);
        }
        let path = format!("/v1/api/mozarto/admin{}", route.path.replace(['{', '}'], ""));
        let twice = format!("Bearer {}", world.one.all);
        let headers = [("authorization", &*twice), ("authorization", &*twice)];
        assert_eq!(world.send(route.method, &path, &headers, None).await.status, 401, "{path} with two tokens");
        let basic = format!("Basic {}", world.one.all);
        assert_eq!(world.send(route.method, &path, &[("authorization", &*basic)], None).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_needs_its_scope_and_no_other() {
    let world = World::start().await;
    let mut alone = Vec::new();
    for scope in Scope::MANAGEMENT {
        let others: Vec<Scope> = Scope::MANAGEMENT.into_iter().filter(|other| *other != scope).collect();
        alone.push((scope, world.token(&world.one, &[scope]).await, world.token(&world.one, &others).await));
    }
    for route in ROUTES {
        for (scope, only, all_but) in &alone {
            let answer = call(&world, only, route, NOBODY).await;
            let label = format!("{} {} with {} alone: {}", route.method, route.path, scope.as_str(), answer.text);
            if *scope == route.scope {
                assert_eq!(answer.status, if route.path.contains('{') { 404 } else { 200 }, "{label}");
                assert_eq!(call(&world, all_but, route, NOBODY).await.status, 403, "without {label}");
            } else {
                assert_eq!(answer.status, 403, "{label}");
                assert_eq!(answer.text, r#"{"status":"error","message":"Forbidden","isSuccess":false,"errors":[]}"#);
            }
        }
        // The brand of the call before is there already.
        if route.path == "/brands" && route.method == "POST" {
            let answer = call(&world, &world.one.all, route, NOBODY).await;
            assert_eq!(answer.sentences(), ["brandId is in use already"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_company_is_not_found_and_stays_as_it_is() {
    let world = World::start().await;
    world.payment_method().await;
    world.rule().await;
    for (n, route) in ROUTES.iter().enumerate().filter(|(_, route)| route.path.contains('{')) {
        let id = fixture(&world, route, n).await;
        let label = format!("{} {}", route.method, route.path);
        let before = audit_length(&world).await;
        let refused = call(&world, &world.two.all, route, &id).await;
        assert_eq!(refused.status, 404, "{label}: {}", refused.text);
        for unknown in [NOBODY, "x", "%2e%2e", "%ff"] {
            let answer = call(&world, &world.two.all, route, unknown).await;
            assert_eq!((answer.status, answer.text), (404, refused.text.clone()), "{label} with {unknown}");
        }
        assert_eq!(audit_length(&world).await, before, "{label} changed something");

        // The same call of the owner gets through: it was the company that made the difference.
        let own = call(&world, &world.one.all, route, &id).await;
        let expected = if route.path.ends_with("/release") { 409 } else { 200 };
        assert_eq!(own.status, expected, "{label} of the owner: {}", own.text);
    }
}

/// Both stores refuse U+0000 in a text: an id that has it names nothing, and is never an error of ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_with_a_nul_is_not_found() {
    let world = World::start().await;
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let (before, after) = (route.path.split_once('{').unwrap().0, route.path.split_once('}').unwrap().1);
        for id in ["%00", "b%00", "evt_%00"] {
            let path = format!("{before}{id}{after}");
            let answer = world.call(&world.one.all, route.method, &path, body(route)).await;
            assert_eq!(answer.status, 404, "{} {path}: {}", route.method, answer.text);
        }
    }
}

async fn audit_length(world: &World) -> usize {
    let page = world.call(&world.one.all, "GET", "/audit?limit=200", None).await;
    page.json["data"]["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_single_answers_of_one_company_hold_nothing_of_another() {
    let world = World::start().await;
    let method = world.payment_method().await;
    let rule = world.rule().await;
    let (held, stuck) = (world.held().await, world.stuck().await);
    world.done("POST", "/brands", json!({"brandId": "canary-brand", "name": "Canary brand"})).await;
    let delivery = world.done("POST", &format!("/payment-methods/{method}/webhook-test"), json!({})).await.at("/data/id");
    let canaries =
        [&*method, &*rule, &*held, &*stuck, &*delivery, "canary", "One Ltd", &world.one.id.to_string()].map(str::to_owned);
    let mut seen = Vec::new();
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let answer = call(&world, &world.two.all, route, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        for canary in &canaries {
            assert!(!answer.text.contains(canary.as_str()), "{} of the other company: {}", route.path, answer.text);
        }
        seen.push(call(&world, &world.one.all, route, "").await.text);
    }
    let seen = seen.concat();
    for canary in canaries.iter().filter(|canary| *canary != "canary") {
        assert!(seen.contains(canary.as_str()), "the owner does not see {canary}: the test looks in the wrong place");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_refused_in_the_envelope() {
    let world = World::start().await;
    for path in ["", "/", "/nothing", "/rules/", "/rules/a/b", "/payment-methods/x/secrets/other"] {
        let answer = world.call(&world.one.all, "GET", path, None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text, r#"{"status":"error","message":"Not found","isSuccess":false,"errors":[]}"#);
    }
    for route in ROUTES {
        let path = filled(route.path, if route.path.contains('{') { &[NOBODY] } else { &[] });
        let answer = world.call(&world.one.all, "PUT", &path, Some("{}")).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.headers["allow"].to_str().unwrap().contains(route.method), "{path}");
        assert_eq!(answer.text, r#"{"status":"error","message":"Method not allowed","isSuccess":false,"errors":[]}"#);
    }
}

#[test]
fn every_call_of_the_contract_has_a_route() {
    let mut routes: Vec<String> =
        ROUTES.iter().map(|route| format!("{} {} {}", route.method, route.path, route.scope.as_str())).collect();
    routes.sort();
    insta::assert_snapshot!(routes.join("\n"));
}
