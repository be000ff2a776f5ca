//! The status query, the list, the events, callbacks and health.

use crate::platform::{Call, EVENTS, PAY_IN, Platform, TRANSACTIONS};
use domain::{Json, Timestamp};

fn ids(items: &[Json]) -> Vec<&str> {
    items.iter().map(|item| item.str_at("transactionId").unwrap()).collect()
}

#[tokio::test]
async fn a_transaction_by_either_id_and_by_nobody_else() {
    let platform = Platform::start().await;
    let answer = platform.send(&platform.cashier(PAY_IN)).await;
    let created = answer.json().get("transaction").unwrap().clone();
    let (id, session) = (created.str_at("transactionId").unwrap(), created.str_at("sessionId").unwrap());
    for either in [id, session] {
        let answer = platform.send(&platform.get(&format!("{TRANSACTIONS}/{either}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let mut data = json.get("data").unwrap().clone();
        let events = data.remove("events").unwrap();
        assert_eq!(json.get("transaction"), Some(&data));
        // What was answered stands; only the time of the last change may be later.
        for (name, value) in created.as_object().unwrap().iter().filter(|(name, _)| name != "updatedAt") {
            assert_eq!(data.get(name), Some(value), "{name}");
        }
        let events = events.as_array().unwrap();
        assert!(!events.is_empty());
        for event in events {
            let names: Vec<&str> = event.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["at", "event", "from", "to", "detail"]);
        }
    }
    let not_found = r#"{"status":"error","message":"Not found","isSuccess":false,"errors":[]}"#;
    let unknown = ["0123456789abcdef01234567", "x", "%ff", "%00", "019a0000-0000-7000-8000-000000000000"];
    for path in unknown {
        let answer = platform.send(&platform.get(&format!("{TRANSACTIONS}/{path}"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, not_found), "{path}");
    }
    let stranger = format!("Bearer {}", platform.other.token);
    for either in [id, session] {
        let call = platform.get(&format!("{TRANSACTIONS}/{either}")).with("authorization", &stranger);
        let answer = platform.send(&call).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, not_found), "another company's");
    }
    let (items, _) = platform.send(&platform.get(TRANSACTIONS).with("authorization", &stranger)).await.page();
    assert!(items.is_empty());
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let platform = Platform::start().await;
    let before = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
    let mut made = Vec::new();
    for n in 0..7 {
        let reference = PAY_IN.replacen('{', &format!(r#"{{"merchantReference":"ref {n}&","#), 1);
        made.push(platform.paid(&reference).await);
        // Ids sort by their millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    made.reverse();
    let list = async |query: &str| platform.send(&platform.get(&format!("{TRANSACTIONS}{query}"))).await;
    let (items, next) = list("").await.page();
    assert_eq!((ids(&items), next), (made.iter().map(String::as_str).collect(), None), "newest first");
    assert!(items.iter().all(|item| item.get("events").is_none()));

    let mut walked = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let (items, next) = list(&query).await.page();
        assert!(items.len() <= 3);
        walked.extend(ids(&items).into_iter().map(str::to_owned));
        let Some(next) = next else { break };
        query = format!("?limit=3&cursor={next}");
    }
    assert_eq!(walked, made);

    let after = "2999-01-01T00:00:00%2B01:00";
    let rows = [
        ("?merchantReference=ref+3%26".to_owned(), 1),
        ("?merchantReference=ref+3".to_owned(), 0),
        ("?userId=user_123&pspType=PAYONE&type=PAYIN&transaction_status=Pending".to_owned(), 7),
        ("?userId=user_12".to_owned(), 0),
        ("?type=PAYOUT".to_owned(), 0),
        ("?pspType=FORUMPAY".to_owned(), 0),
        ("?transaction_status=Approved".to_owned(), 0),
        (format!("?from={before}&to={after}"), 7),
        (format!("?from={after}"), 0),
        (format!("?to={before}"), 0),
        ("?limit=200".to_owned(), 7),
        // Beyond what can be: all or nothing, and no error.
        ("?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z".to_owned(), 7),
        ("?from=9999-12-31T23:59:59Z".to_owned(), 0),
        ("?to=-009999-01-02T00:00:00Z".to_owned(), 0),
    ];
    for (query, expected) in rows {
        let (items, _) = list(&query).await.page();
        assert_eq!(items.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn bad_filters_are_told_all_at_once() {
    let platform = Platform::start().await;
    let bad = [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1.5",
        "limit=-1",
        "limit=",
        "limit=5&limit=5",
        "type=payin",
        "pspType=NOPE",
        "transaction_status=pending",
        "transaction_status=Created",
        "from=yesterday",
        "to=1",
        "cursor=zz",
        "userId=%00",
        "nonsense=1",
    ];
    for query in bad {
        let answer = platform.send(&platform.get(&format!("{TRANSACTIONS}?{query}"))).await;
        assert_eq!((answer.status, answer.message().as_str()), (400, "Validation failed"), "{query}: {answer:?}");
        assert_eq!(answer.errors().len(), 1, "{query}: {answer:?}");
    }
    let answer = platform.send(&platform.get(&format!("{TRANSACTIONS}?type=x&limit=0&from=y"))).await;
    assert_eq!(answer.errors().len(), 3, "{answer:?}");
}

#[tokio::test]
async fn the_pull_twin_begins_empty_and_knows_its_own_ids_only() {
    let platform = Platform::start().await;
    let answer = platform.send(&platform.get(EVENTS)).await;
    let json = answer.json();
    let data = json.get("data").unwrap();
    assert_eq!((data.get("items").and_then(Json::as_array).map(<[Json]>::len), data.get("next")), (Some(0), Some(&Json::Null)));
    for after in ["evt_0123456789abcdef01234567", "x", "%00", "0123456789abcdef01234567"] {
        let answer = platform.send(&platform.get(&format!("{EVENTS}?after={after}"))).await;
        let expected = if after == "%00" { 400 } else { 404 };
        assert_eq!(answer.status, expected, "{after}");
    }
    for query in ["limit=0", "limit=201", "cursor=x"] {
        assert_eq!(platform.send(&platform.get(&format!("{EVENTS}?{query}"))).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn callbacks_of_nobody() {
    let platform = Platform::start().await;
    let long = "x".repeat(300);
    for path in ["payone/nobody", "nobody/token", "payone/%00", "payone/%ff", &format!("payone/{long}")] {
        for method in ["POST", "GET"] {
            let answer = platform.send(&Call::new(method, &format!("/callbacks/{path}")).body("{}")).await;
            assert_eq!((answer.status, answer.message().as_str()), (404, "Not found"), "{method} {path}");
        }
    }
    let large = Call::new("POST", "/callbacks/payone/nobody").body(&"x".repeat(64 * 1024 + 1));
    assert_eq!(platform.send(&large).await.status, 413);
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let answer = platform.send(&Call::new(method, "/callbacks/payone/nobody")).await;
        assert_eq!(answer.status, 405, "{method}");
    }
    let mut peer = platform.server.connect().await;
    peer.send(Call::new("HEAD", "/callbacks/payone/nobody").text().as_bytes()).await;
    let mut raw = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut peer.0, &mut raw).await.unwrap();
    let text = String::from_utf8(raw).unwrap();
    assert!(text.starts_with("HTTP/1.1 405") && text.contains("allow: POST\r\n"), "{text}");
}

#[tokio::test]
async fn alive_at_once_and_ready_with_its_workers() {
    let platform = Platform::start().await;
    assert_eq!(platform.send(&Call::new("GET", "/healthz")).await.status, 200);
    let answer = platform.send(&Call::new("GET", "/readyz")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    platform.engine.run_workers().await.unwrap();
    assert_eq!(platform.send(&Call::new("GET", "/readyz")).await.status, 200);
    platform.engine.stop().await;
    assert_eq!(platform.send(&Call::new("GET", "/readyz")).await.status, 503);
}

#[tokio::test]
async fn the_pull_twin_is_walked_in_commit_order_and_by_its_own_company() {
    let platform = Platform::start().await;
    // Endings with their events: the provider refuses the credentials.
    platform.provider.refuse_all();
    let mut made = Vec::new();
    for _ in 0..5 {
        let answer = platform.send(&platform.cashier(PAY_IN)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        made.push(answer.json().str_at("transactionId").unwrap().to_owned());
    }
    let mut walked = Vec::new();
    let mut query = "?limit=2".to_owned();
    for _ in 0..4 {
        let answer = platform.send(&platform.get(&format!("{EVENTS}{query}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let data = json.get("data").unwrap();
        for item in data.get("items").and_then(Json::as_array).unwrap() {
            let names: Vec<&str> = item.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["id", "sequence", "createdAt", "body"]);
            let body = item.get("body").unwrap();
            assert_eq!(body.str_at("transaction_status"), Some("Failed"), "{answer:?}");
            walked.push(body.str_at("transaction_id").unwrap().to_owned());
        }
        let Some(next) = data.str_at("next") else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!(walked, made);
    let stranger = platform.get(&format!("{EVENTS}{query}")).with("authorization", &format!("Bearer {}", platform.other.token));
    assert_eq!(platform.send(&stranger).await.status, 404, "another company's event is an unknown one");
}
