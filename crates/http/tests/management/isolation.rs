//! What bodies may point at, who may say where credentials go, and that secrets come out once.

use crate::world::{World, management_token};
use domain::Scope;
use domain::urls::Environment;
use mozarto_http::admin::ROUTES;
use serde_json::json;
use store::{Batch, Expect, Statement};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cannot_point_at_another_companys_objects() {
    let world = World::start().await;
    let method = world.payment_method().await;
    world.done("POST", "/brands", json!({"brandId": "b", "name": "B"})).await;
    let rule = json!({"name": "r", "match": {"brandIds": ["b"]}, "action": {"route": [{"paymentMethodId": method}]}}).to_string();
    let refused = world.call(&world.two.all, "POST", "/rules", Some(&rule)).await;
    let sentences =
        ["match.brandIds: there is no brand b".to_owned(), format!("action.route: there is no payment method {method}")];
    assert_eq!((refused.status, refused.sentences()), (400, sentences.to_vec()));
    let of_brand = r#"{"pspType":"PAYONE","brandId":"b","config":{}}"#;
    let refused = world.call(&world.two.all, "POST", "/payment-methods", Some(of_brand)).await;
    assert_eq!((refused.status, refused.sentences()), (400, vec!["brandId must be a brand of the company".to_owned()]));
    // The owner's own are taken: it was the company that made the difference.
    assert_eq!(world.call(&world.one.all, "POST", "/rules", Some(&rule)).await.status, 200);
    assert_eq!(world.call(&world.one.all, "POST", "/payment-methods", Some(of_brand)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_say_where_credentials_go() {
    let world = World::start().await;
    let id = world.payment_method().await;
    let path = format!("/payment-methods/{id}");
    let url = world.done("GET", &path, json!(null)).await.at("/data/config/baseUrl");
    let configure = world.token(&world.one, &[Scope::Read, Scope::Configure]).await;
    let elsewhere = r#"{"config":{"baseUrl":"https://elsewhere.example"}}"#;
    for body in [elsewhere, r#"{"config":{"baseUrl":null}}"#, r#"{"config":{"baseUrl":7}}"#] {
        assert_eq!(world.call(&configure, "PATCH", &path, Some(body)).await.status, 403, "{body}");
    }
    let new = r#"{"pspType":"PAYONE","config":{"baseUrl":"https://elsewhere.example"}}"#;
    assert_eq!(world.call(&configure, "POST", "/payment-methods", Some(new)).await.status, 403);
    // Sending back what was read is no change.
    let same = json!({"config": {"baseUrl": url, "accountName": "Other"}}).to_string();
    let answer = world.call(&configure, "PATCH", &path, Some(&same)).await;
    assert_eq!((answer.status, answer.at("/data/accountName")), (200, "Other".to_owned()), "{}", answer.text);
    let answer = world.call(&world.one.all, "PATCH", &path, Some(elsewhere)).await;
    assert_eq!(answer.at("/data/config/baseUrl"), "https://elsewhere.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_nobody_sets_base_addresses_over_the_api() {
    let world = World::start_in(Environment::Production).await;
    let new = r#"{"pspType":"FORUMPAY","config":{"baseUrl":"https://elsewhere.example"}}"#;
    let refused = world.call(&world.one.all, "POST", "/payment-methods", Some(new)).await;
    assert_eq!(
        (refused.status, refused.sentences()),
        (400, vec!["baseUrl may be set in the operator's configuration only".to_owned()])
    );
    let assumed = world.call(&world.one.all, "POST", "/payment-methods", Some(r#"{"pspType":"PAYONE","config":{}}"#)).await;
    let sentence = "PAYONE speaks an assumed protocol (payone-assumed-v0) that is not accepted in production";
    assert_eq!((assumed.status, assumed.sentences()), (400, vec![sentence.to_owned()]));
    let inside = r#"{"pspType":"FORUMPAY","config":{"webhookUrl":"https://169.254.169.254/x"}}"#;
    assert_eq!(world.call(&world.one.all, "POST", "/payment-methods", Some(inside)).await.status, 400);
}

/// Secrets are in the one answer that makes them, and in no other: not in any list, any object, or the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_out_once() {
    let world = World::start().await;
    let method = world.payment_method().await;
    world.rule().await;
    let stuck = world.stuck().await;
    let mut secrets = vec!["payone-canary-0001".to_owned(), world.one.all.clone(), world.one.cashier.clone()];
    for kind in ["signing", "bearer"] {
        let answer = world.done("POST", &format!("/payment-methods/{method}/secrets/{kind}"), json!(null)).await;
        secrets.push(answer.at("/data/secret"));
    }
    let made = world.done("POST", "/credentials", json!({"kind": "company", "name": "shop"})).await;
    secrets.extend([made.at("/data/apiSecret"), made.at("/data/token")]);
    let credential = made.at("/data/id");
    let rotated = world.done("POST", &format!("/credentials/{credential}/rotate"), json!({})).await;
    secrets.extend([rotated.at("/data/apiSecret"), rotated.at("/data/token")]);
    let key = "a-user-token-key-that-is-long-enough-0001";
    let company = world.done("PATCH", "/company", json!({"userTokenKey": {"algorithm": "HS256", "key": key}})).await;
    secrets.push(key.to_owned());
    let mut answers = vec![company.text];
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let path = match route.path {
            "/payment-methods/{id}" => format!("/payment-methods/{method}"),
            "/transactions/{id}" => format!("/transactions/{stuck}"),
            path if path.contains('{') => continue,
            path => path.to_owned(),
        };
        answers.push(world.done("GET", &path, json!(null)).await.text);
    }
    for secret in &secrets {
        assert!(secret.len() > 12);
        for answer in &answers {
            assert!(!answer.contains(secret.as_str()), "{secret} in {answer}");
        }
    }
    // What was rotated away is of no use any more.
    assert_ne!(made.at("/data/token"), rotated.at("/data/token"));
}

/// The maker of a pay-out, and whoever made the maker, decide nothing about it. That an approving credential made it, the store
/// is told here.
#[tokio::test(flavor = "multi_thread")]
async fn the_maker_is_not_the_checker() {
    let world = World::start().await;
    world.payment_method().await;
    world.rule().await;
    let (held, stuck) = (world.held().await, world.stuck().await);
    let approver = world.done("POST", "/credentials", json!({"kind": "management", "name": "a", "scopes": ["approve"]})).await;
    let mut batch = Batch::new();
    let sql = "UPDATE transactions SET maker = ?1 WHERE id IN (?2, ?3)";
    let values = vec![approver.at("/data/id").into(), (&*held).into(), (&*stuck).into()];
    batch.push(Statement::new(sql, values).expect(Expect::Rows(2)));
    world.engine.store().commit(batch).await.unwrap();
    let token = approver.at("/data/token");
    for (path, body) in [
        (format!("/approvals/{held}/approve"), r#"{"reason":"mine"}"#),
        (format!("/approvals/{held}/reject"), r#"{"reason":"mine"}"#),
        (format!("/transactions/{stuck}/release"), r#"{"reason":"mine"}"#),
        (format!("/transactions/{stuck}/resolve"), r#"{"to":"Failed","reason":"mine"}"#),
    ] {
        let refused = world.call(&token, "POST", &path, Some(body)).await;
        assert_eq!(
            (refused.status, refused.at("/message")),
            (403, "Whoever made a pay-out, or the credential that made it, may not decide about it".to_owned())
        );
    }
    assert_eq!(
        world.call(&world.one.all, "POST", &format!("/approvals/{held}/approve"), None).await.status,
        403,
        "it made the maker"
    );
    let other = management_token(&world.engine, world.one.id, &Scope::MANAGEMENT).await;
    assert_eq!(world.call(&other, "POST", &format!("/approvals/{held}/approve"), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_decide_at_once_one_does() {
    let world = World::start().await;
    world.payment_method().await;
    world.rule().await;
    let held = world.held().await;
    let decide = |n: usize| {
        let (world, held) = (&world, &held);
        async move {
            let (word, body) = if n.is_multiple_of(2) { ("approve", "{}") } else { ("reject", r#"{"reason":"no"}"#) };
            world.call(&world.one.all, "POST", &format!("/approvals/{held}/{word}"), Some(body)).await
        }
    };
    let answers = futures::future::join_all((0..32).map(decide)).await;
    let decided = answers.iter().filter(|answer| answer.status == 200).count();
    let late: Vec<_> = answers.iter().filter(|answer| answer.status == 409).map(|answer| answer.at("/message")).collect();
    assert_eq!((decided, late.len()), (1, 31));
    assert!(late.iter().all(|message| message.contains(" already by credential:")), "{late:?}");
}
