//! What all simulators have in common.

use std::time::Duration;

use mozarto_simulators::{Error, Settings};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn only_loopback_is_served() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings { data: data.path().to_owned(), auto_settle_ms: None, time_scale: 1 };
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = mozarto_simulators::serve(listener, settings, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotLoopback(_)), "{error}");
}

#[tokio::test]
async fn pages_of_other_sites_cannot_drive_the_controls() {
    let world = World::start().await;
    let url = world.url("/control/payone/ledger");
    let rebound = world.client.get(&url).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status().as_u16(), 403);
    let foreign = world.client.get(&url).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(foreign.status().as_u16(), 403);
    let own = world.client.get(&url).header("origin", world.url("")).send().await.unwrap();
    assert_eq!(own.status().as_u16(), 200);
}

/// What a client gets that sends these bytes and reads to the end.
async fn raw(world: &World, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_without_a_path_are_answered() {
    let world = World::start().await;
    for line in ["CONNECT localhost:80", "OPTIONS *", "GET http://localhost"] {
        let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw(&world, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 200"), "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn settings_are_merged_and_checked() {
    let world = World::start().await;
    let path = "/control/payone/settings";
    let whole = world.put(path, json!({"dropCallbacks": true})).await;
    assert_eq!(whole, (200, json!({"settleDelayMs": 500, "dropCallbacks": true, "forgeCallbacks": false})));
    let whole = world.put(path, json!({"settleDelayMs": 10})).await;
    assert_eq!(whole, (200, json!({"settleDelayMs": 10, "dropCallbacks": true, "forgeCallbacks": false})));
    assert_eq!(world.put(path, json!({"settleDelayMs": -1})).await.0, 400);
    assert_eq!(world.put(path, json!({"unknown": 1})).await.0, 400);
    assert_eq!(world.put(path, json!([])).await.0, 400);
    assert_eq!(world.put("/control/nobody/settings", json!({})).await.0, 404);
    assert_eq!(world.get(path).await.1["settleDelayMs"], 10);
}

#[tokio::test]
async fn the_next_answers_can_be_chosen() {
    let mut world = World::start().await;
    let path = "/control/payone/next";
    let next = json!({"path": "/api/withdraw", "http": 502, "headers": {"x-test": "yes"}, "body": "<html>", "times": 2});
    assert_eq!(world.put(path, next).await.0, 200);
    assert_eq!(world.put(path, json!({"http": 418, "body": {"odd": true}})).await.0, 200);
    let (status, body) = world.post("/payone/api/deposit").await;
    assert_eq!((status, body), (418, json!({"odd": true})), "the one without a path strikes any call");
    world.kill_and_restart().await;
    for _ in 0..2 {
        let answer = world.client.post(world.url("/payone/api/withdraw")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["x-test"].to_str().unwrap()), (502, "yes"));
        assert_eq!(answer.text().await.unwrap(), "<html>");
    }
    assert_eq!(world.post("/payone/api/withdraw").await.0, 404, "they are used up");
    world.put(path, json!({"http": 500})).await;
    assert_eq!(world.put(path, json!({"http": 500, "times": 0})).await.0, 200);
    assert_eq!(world.post("/payone/api/withdraw").await.0, 404, "they were taken back");
    assert_eq!(world.put(path, json!({"http": 99})).await.0, 400);
    assert_eq!(world.put(path, json!({"body": "x"})).await.0, 400);
}

#[tokio::test]
async fn calls_are_shown_without_credentials() {
    let world = World::start().await;
    let request = world.client.post(world.url("/payone/api/deposit")).header("x-api-key", "a-secret-key-1").body("{}");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 400);
    let (status, body) = world.get("/control/payone/calls").await;
    assert_eq!((status, &body["total"]), (200, &json!(1)));
    let call = &body["calls"][0];
    assert_eq!((&call["method"], &call["path"], &call["http"]), (&json!("POST"), &json!("/api/deposit"), &json!(400)));
    assert_eq!(call["headers"]["x-api-key"], "***");
    assert_eq!((&call["body"], &call["fault"]), (&json!("{}"), &json!(null)));
    assert!(call["answer"].as_str().unwrap().contains("Invalid API key"));
    assert!(!body.to_string().contains("a-secret-key-1"));
    assert_eq!(world.get("/control/nobody/calls").await.0, 404);
}

#[tokio::test]
async fn account_secrets_are_not_in_the_files() {
    let world = World::start().await;
    let name = "canary-key-1234567890";
    assert_eq!(world.put(&format!("/control/payone/accounts/{name}"), json!({"client": "canary-client-77"})).await.0, 200);
    assert_eq!(world.put("/control/payone/accounts/x", json!({"client": 1})).await.0, 400);
    let kept = world.kept_bytes();
    for canary in [name, "canary-client-77"] {
        assert!(!kept.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }
}

#[tokio::test]
async fn a_stop_is_prompt_even_while_a_call_hangs() {
    let world = World::with(1, None).await;
    world.put("/control/payone/accounts/payone-key-0001", json!({"client": "Demo"})).await;
    let body = json!({"client": "Demo", "brand": "Demo", "userId": "u", "first_name": "J", "last_name": "D", "email": "e@x.io",
        "phone": "491511", "userIp": "203.0.113.42", "currency": "CAD", "amount": "1.05", "siteUrl": "https://s.example/",
        "referenceId": "r", "callbackUrl": "http://127.0.0.1:9/x"});
    let hanging =
        world.client.post(world.url("/payone/api/deposit")).header("x-api-key", "payone-key-0001").body(body.to_string());
    let hanging = tokio::spawn(hanging.send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(3), world.stop()).await;
    assert!(stopped.unwrap().is_ok());
    assert!(hanging.await.unwrap().is_err());
}
