//! The receiver: what is believed, what is refused, and what a page is told live.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{BEARER, Hook, Script, World, now_s, success, told, transaction, with_page};

#[tokio::test]
async fn a_good_webhook_settles_and_a_second_is_counted() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", with_page(transaction("Pending", "100.00", "CAD"))).await;
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment pending") && page.contains("http-equiv=\"refresh\""));

    let hook = Hook::new("evt_good", 1, &told(&number, "Approved", "100.00", "CAD"));
    assert_eq!(world.hook(&hook).await, StatusCode::OK);
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment received") && page.contains("HS932097JV"));
    assert!(!page.contains("http-equiv=\"refresh\""), "a settled page rests");

    for _ in 0..3 {
        assert_eq!(world.hook(&hook).await, StatusCode::OK);
    }
    let list = world.get("/orders").await.1;
    assert_eq!(list.matches("title=\"evt_good\"").count(), 1, "one row");
    assert!(list.contains("<td data-th=\"Duplicates\" class=\"right\" role=\"cell\">3</td>"));
    assert!(list.contains("<td data-th=\"Sequence\" class=\"right\" role=\"cell\">1</td>"));
    assert!(list.contains("None was refused since the start."));
}

#[tokio::test]
async fn what_does_not_verify_is_refused_and_kept_nowhere() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let body = told(&number, "Approved", "100.00", "CAD");
    let good = || Hook::new("evt_bad", 1, &body);
    let mut hooks: Vec<(&str, Hook)> = Vec::new();
    hooks.push(("altered body", Hook { body: good().body.replace("100.00", "100.01"), ..good() }));
    hooks.push(("altered id", Hook { id: "evt_other".to_owned(), ..good() }));
    hooks.push(("altered time", Hook { at_s: good().at_s + 1, ..good() }));
    hooks.push(("no bearer", Hook { bearer: String::new(), ..good() }));
    hooks.push(("other bearer", Hook { bearer: format!("Bearer {BEARER}x"), ..good() }));
    hooks.push(("no signature", Hook { signature: String::new(), ..good() }));
    hooks.push(("stale", Hook::at("evt_bad", 1, &body, now_s() - 301)));
    hooks.push(("early", Hook::at("evt_bad", 1, &body, now_s() + 330)));
    let refused = hooks.len();
    for (what, hook) in hooks {
        assert_eq!(world.hook(&hook).await, StatusCode::UNAUTHORIZED, "{what}");
    }
    let list = world.get("/orders").await.1;
    assert!(!list.contains("evt_bad") && list.contains(&format!("<strong>{refused} refused</strong>")));
    assert!(world.get(&format!("/orders/{number}")).await.1.contains("Payment pending"));
    // The very same event, delivered well, still counts: the refusals left nothing behind.
    assert_eq!(world.hook(&good()).await, StatusCode::OK);
    assert!(world.get(&format!("/orders/{number}")).await.1.contains("Payment received"));
}

#[tokio::test]
async fn during_a_rotation_either_signature_is_enough() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let mut hook = Hook::new("evt_rotated", 1, &told(&number, "Declined", "100.00", "CAD"));
    hook.signature = format!("v1,{} {}", "A".repeat(43) + "=", hook.signature);
    assert_eq!(world.hook(&hook).await, StatusCode::OK);
    assert!(world.get(&format!("/orders/{number}")).await.1.contains("It is Declined"));
}

#[tokio::test]
async fn a_webhook_about_other_money_changes_nothing() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    for (id, amount, currency) in [("evt_a", "100.01", "CAD"), ("evt_b", "100.00", "EUR")] {
        let hook = Hook::new(id, 1, &told(&number, "Approved", amount, currency));
        assert_eq!(world.hook(&hook).await, StatusCode::OK, "it is acknowledged, and shown");
    }
    let mut other = told(&number, "Approved", "100.00", "CAD");
    other["transaction_id"] = json!("000000000000000000000001");
    assert_eq!(world.hook(&Hook::new("evt_c", 1, &other)).await, StatusCode::OK);
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment pending"));
    assert_eq!(page.matches("amount or currency differs").count(), 2);
    let list = world.get("/orders").await.1;
    assert!(list.contains("none here"), "an id of no order of ours");
}

#[tokio::test]
async fn a_status_moves_forward_only() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let steps = [
        ("evt_1", 1, "Declined", "It is Declined"),
        ("evt_2", 2, "Approved", "Payment received"),
        ("evt_0", 0, "Pending", "Payment received"),
        ("evt_4", 4, "Reversed", "It was approved, and has been taken back since."),
        ("evt_3", 3, "Approved", "It was approved, and has been taken back since."),
        ("evt_9", 9, "Bewildered", "It was approved, and has been taken back since."),
    ];
    for (id, sequence, status, page) in steps {
        let hook = Hook::new(id, sequence, &told(&number, status, "100.00", "CAD"));
        assert_eq!(world.hook(&hook).await, StatusCode::OK);
        assert!(world.get(&format!("/orders/{number}")).await.1.contains(page), "{id}");
    }
}

#[tokio::test]
async fn a_webhook_may_overtake_the_answer() {
    let world = World::start().await;
    let mut script = Script::json(200, &success(transaction("Pending", "100.00", "CAD")));
    script.delay = Duration::from_millis(400);
    world.script(script);
    let form = world.form("provider=PAYONE", &[]).await;
    let early = async {
        while world.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let number = world.calls()[0].number();
        let hook = Hook::new("evt_early", 1, &told(&number, "Approved", "100", "CAD"));
        assert_eq!(world.hook(&hook).await, StatusCode::OK);
        number
    };
    let (answer, number) = tokio::join!(world.submit(&form), early);
    assert_eq!(answer.location, Some(format!("/orders/{number}")));
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment received"), "the slow answer took nothing back");
}

#[tokio::test]
async fn an_open_page_is_told_live() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let mut stream = world.client.get(format!("{}/orders/{number}/events", world.base)).send().await.expect("a stream");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = next_event(&mut stream).await;
    assert_eq!((&first["status"], &first["settled"]), (&json!("Pending"), &json!(false)));

    let hook = Hook::new("evt_live", 1, &told(&number, "Approved", "100.00", "CAD"));
    assert_eq!(world.hook(&hook).await, StatusCode::OK);
    let second = next_event(&mut stream).await;
    assert_eq!((&second["status"], &second["settled"]), (&json!("Approved"), &json!(true)));
    assert_eq!(second["say"], "Payment received. Pay-in 100.00 CAD.");
    let html = second["html"].as_str().expect("html");
    assert!(html.contains("Payment received") && html.contains("evt_live"));
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains(html), "what is told is what a reload shows");
}

async fn next_event(stream: &mut reqwest::Response) -> Value {
    let mut text = String::new();
    let reading = async {
        while let Some(piece) = stream.chunk().await.expect("a stream that goes on") {
            text.push_str(std::str::from_utf8(&piece).expect("UTF-8"));
            if text.ends_with("\n\n") && text.contains("data:") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("an event in time");
    assert!(text.starts_with("event: order\n"), "{text}");
    let data = text.split("data: ").nth(1).expect("data");
    serde_json::from_str(data.trim()).expect("JSON")
}

#[tokio::test]
async fn a_stop_ends_open_streams() {
    let mut world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let mut stream = world.client.get(format!("{}/orders/{number}/events", world.base)).send().await.expect("a stream");
    next_event(&mut stream).await;
    let begin = std::time::Instant::now();
    world.close().await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_restart_keeps_orders_and_knows_its_duplicates() {
    let mut world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    let hook = Hook::new("evt_kept", 1, &told(&number, "Approved", "100.00", "CAD"));
    assert_eq!(world.hook(&hook).await, StatusCode::OK);
    world.close().await;
    world.open().await;
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment received") && page.contains("evt_kept"));
    assert_eq!(world.hook(&hook).await, StatusCode::OK);
    let list = world.get("/orders").await.1;
    assert!(list.contains(&number));
    assert!(list.contains("<td data-th=\"Duplicates\" class=\"right\" role=\"cell\">1</td>"));
}

#[tokio::test]
async fn the_sample_event_and_strange_bodies() {
    let world = World::start().await;
    let mut sample = told("", "Pending", "1.00", "EUR");
    sample["transaction_id"] = json!("000000000000000000000000");
    assert_eq!(world.hook(&Hook::new("evt_sample", 1, &sample)).await, StatusCode::OK);
    assert!(world.get("/orders").await.1.contains("none here"));
    assert_eq!(world.hook(&Hook::new("evt_odd", 1, &json!([1]))).await, StatusCode::BAD_REQUEST);
    assert!(!world.get("/orders").await.1.contains("evt_odd"));
}

#[tokio::test]
async fn five_hundred_webhooks_at_once_are_all_kept() {
    let world = World::start().await;
    let body = told("", "Approved", "1.00", "EUR");
    let hooks: Vec<Hook> = (0..500).map(|n| Hook::new(&format!("evt_{}", n / 2), 1, &body)).collect();
    let answers = futures::future::join_all(hooks.iter().map(|hook| world.hook(hook))).await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    let connection = rusqlite::Connection::open(world.data()).expect("the store");
    let counted: (i64, i64) = connection
        .query_row("SELECT count(*), sum(duplicates) FROM webhooks", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("a count");
    assert_eq!(counted, (250, 250));
}
