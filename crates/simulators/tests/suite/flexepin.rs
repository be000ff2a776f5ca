//! Flexepin: signatures, vouchers, redeem, inquiry, every trigger, control.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::world::{World, answer, broken, eventually};

const KEY: &str = "testkey0001";
const SECRET: &str = "secretkey0001";
const TERMINAL: &str = "TERM01";
const BODY: &str = "{\"customer_ip\":\"203.0.113.42\"}";

static NONCE: AtomicU64 = AtomicU64::new(1);

async fn ready(world: World) -> World {
    let account = json!({"secret": SECRET, "terminalId": TERMINAL});
    assert_eq!(world.put(&format!("/control/flexepin/accounts/{KEY}"), account).await.0, 200);
    world
}

async fn world() -> World {
    ready(World::start().await).await
}

fn header(method: &str, path: &str, nonce: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("{method}\n{path}\n{nonce}\n{body}").as_bytes());
    format!("HMAC {KEY}:{}:{nonce}", hex::encode(signature))
}

fn signed(world: &World, method: &str, path: &str, body: &str) -> reqwest::RequestBuilder {
    let nonce = format!("n{}", NONCE.fetch_add(1, Ordering::SeqCst));
    let request = if method == "PUT" {
        world.client.put(world.url(&format!("/flexepin{path}"))).body(body.to_owned())
    } else {
        world.client.get(world.url(&format!("/flexepin{path}")))
    };
    request.header("AUTHENTICATION", header(method, path, &nonce, body))
}

fn validating(world: &World, pin: &str, trans_id: &str) -> reqwest::RequestBuilder {
    signed(world, "GET", &format!("/voucher/validate/{pin}/{TERMINAL}/{trans_id}"), "")
}

fn redeeming(world: &World, pin: &str, trans_id: &str) -> reqwest::RequestBuilder {
    signed(world, "PUT", &format!("/voucher/redeem/{pin}/{TERMINAL}/{trans_id}"), BODY)
}

async fn validate(world: &World, pin: &str, trans_id: &str) -> (u16, Value) {
    answer(validating(world, pin, trans_id)).await
}

async fn redeem(world: &World, pin: &str, trans_id: &str) -> (u16, Value) {
    answer(redeeming(world, pin, trans_id)).await
}

async fn inquire(world: &World, trans_id: &str) -> (u16, Value) {
    answer(signed(world, "GET", &format!("/trans/trans_id/{trans_id}/{TERMINAL}/{trans_id}q01"), "")).await
}

#[tokio::test]
async fn a_voucher_is_redeemed_once() {
    let world = world().await;
    let pin = "1000000100002500";
    let (status, checked) = validate(&world, pin, "t1").await;
    assert_eq!((status, &checked["result"], &checked["status"]), (200, &json!("0"), &json!("ACTIVE")));
    assert_eq!((&checked["value"], &checked["currency"]), (&json!(25), &json!("EUR")));
    assert_eq!(validate(&world, pin, "t1").await.1["status"], "ACTIVE", "validate changes nothing");
    assert_eq!(inquire(&world, "t1").await.1["transaction"]["status"], "ACTIVE");
    assert!(world.ledger("flexepin", "t1").await.is_empty());

    let (status, taken) = redeem(&world, pin, "t1").await;
    assert_eq!((status, &taken["result"], &taken["status"]), (200, &json!("0"), &json!("USED")));
    assert_eq!((&taken["residual_value"], &taken["transaction_id"]), (&json!(0), &json!("t1")));
    assert_eq!(taken["serial"], "A1000001");
    let entry = &world.ledger("flexepin", "t1").await[0];
    assert_eq!((&entry["state"], &entry["direction"]), (&json!("settled"), &json!("in")));
    assert_eq!((&entry["amount"], &entry["providerReference"]), (&json!("25.00"), &taken["trans_no"]));
    assert_eq!(inquire(&world, "t1").await.1["transaction"]["status"], "USED");

    assert_eq!(redeem(&world, pin, "t1").await.1["result"], "4005");
    let (status, refused) = redeem(&world, pin, "t2").await;
    assert_eq!((status, &refused["result"], &refused["status"]), (200, &json!("4002"), &json!("USED")));
    assert_eq!(refused["result_description"], "Voucher already used");
    let record = inquire(&world, "t2").await.1;
    assert_eq!((&record["result"], &record["transaction"]["result"]), (&json!("0"), &json!("4002")), "a result of its own");
    assert_eq!(record["transaction"]["status"], "USED");
    let mut names: Vec<&str> = record["transaction"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = ["cost", "currency", "description", "result", "result_description", "serial", "status", "timestamp", "trans_no"];
    assert_eq!(names, [&wanted[..], &["transaction_id", "value"]].concat());
    assert_eq!(validate(&world, pin, "t3").await.1["result"], "4002");
    assert_eq!(inquire(&world, "t3").await.1["transaction"]["status"], "ACTIVE", "not used by this trans_id");
    assert_eq!(world.ledger("flexepin", "t1").await[0]["times"], 1);
    for trans_id in ["f1", "f2"] {
        assert_eq!(redeem(&world, "1234567890123456", trans_id).await.1["status"], "USED", "always fresh");
    }
    assert_eq!(inquire(&world, "unheard-of").await.1["result"], "4040");
}

#[tokio::test]
async fn it_is_strict_about_headers_keys_signatures_and_nonces() {
    let world = world().await;
    let url = world.url("/flexepin/status");
    let asked = |header: String| world.client.get(&url).header("AUTHENTICATION", header);
    let good = header("GET", "/status", "fresh", "");
    assert_eq!(answer(asked(good.clone())).await, (200, json!({"status": "alive"})));
    let unauthorized = (401, json!({"result": "401", "result_description": "Unauthorized"}));
    assert_eq!(answer(asked(good.clone())).await, unauthorized, "the nonce was used");
    assert_eq!(answer(world.client.get(&url)).await, unauthorized);
    for wrong in [
        good.replace("HMAC ", "hmac "),
        good.replace(KEY, "other"),
        good.replace("fresh", "other"),
        header("PUT", "/status", "a", ""),
        header("GET", "/flexepin/status", "b", ""),
        header("GET", "/status", "c", "x"),
        header("GET", "/status", "", ""),
        "HMAC a:b".to_owned(),
    ] {
        assert_eq!(answer(asked(wrong.clone())).await, unauthorized, "{wrong}");
    }
    let path = "/voucher/validate/1000000100002500/OTHER/t1";
    assert_eq!(answer(signed(&world, "GET", path, "")).await.0, 404, "another terminal");
    let path = format!("/voucher/redeem/1000000100002500/{TERMINAL}/t1");
    assert_eq!(answer(signed(&world, "PUT", &path, "{}")).await.0, 400);
    let tampered = signed(&world, "PUT", &path, BODY).body("{\"customer_ip\":\"203.0.113.43\"}");
    assert_eq!(answer(tampered).await.0, 401);
    assert_eq!(validate(&world, "9900000100002500", "t1").await.1["result"], "4001");
    assert_eq!(answer(signed(&world, "GET", "/voucher/list", "")).await.0, 404);
}

#[tokio::test]
async fn nonces_and_vouchers_outlive_a_kill() {
    let mut world = world().await;
    let used = header("GET", "/status", "once", "");
    let ask = |world: &World| world.client.get(world.url("/flexepin/status")).header("AUTHENTICATION", used.clone());
    assert_eq!(answer(ask(&world)).await.0, 200);
    assert_eq!(redeem(&world, "2000000100002500", "k1").await.1["status"], "USED");
    world.kill_and_restart().await;
    assert_eq!(answer(ask(&world)).await.0, 401);
    assert_eq!(redeem(&world, "2000000100002500", "k2").await.1["result"], "4002");
    assert_eq!(inquire(&world, "k1").await.1["transaction"]["status"], "USED");
    assert_eq!(world.ledger("flexepin", "k1").await.len(), 1);
    let pin = b"2000000100002500";
    assert!(!world.kept_bytes().windows(pin.len()).any(|window| window == pin), "a PIN is money");
    let calls = world.get("/control/flexepin/calls").await.1.to_string();
    assert!(!calls.contains("2000000100002500") && calls.contains("************2500"));
}

#[tokio::test]
async fn triggers_of_the_face_value() {
    let world = world().await;
    assert_eq!(validate(&world, "1000000100002501", "s01").await.1["value"].to_string(), "25.01");
    assert_eq!(redeem(&world, "1000000100002501", "s01").await.1["result"], "4003");
    assert_eq!(validate(&world, "1000000100002503", "s03").await.1["result"], "4004");

    assert_eq!(validate(&world, "1000000100002504", "s04").await.1["result"], "0");
    assert_eq!(redeem(&world, "1000000100002504", "s04").await.0, 500);
    assert_eq!(inquire(&world, "s04").await.1["result"], "4040");

    assert!(!broken(validating(&world, "1000000100002505", "s05")).await);
    let limited = validating(&world, "1000000100002506", "s06").send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(validate(&world, "1000000100002507", "s07").await.0, 401);

    for (digits, head) in [("11", true), ("12", false)] {
        let (pin, trans_id) = (format!("10000001000025{digits}"), format!("s{digits}"));
        assert_eq!(broken(redeeming(&world, &pin, &trans_id)).await, head);
        assert_eq!(inquire(&world, &trans_id).await.1["transaction"]["status"], "USED");
    }
    for digits in ["02", "08", "10"] {
        let (pin, trans_id) = (format!("10000001000025{digits}"), format!("s{digits}"));
        assert_eq!(redeem(&world, &pin, &trans_id).await.1["status"], "USED");
    }
    let (_, whole) = world.get("/control/flexepin/ledger").await;
    let mut taken: Vec<_> = whole["transfers"].as_array().unwrap().iter().map(|one| one["reference"].as_str().unwrap()).collect();
    taken.sort_unstable();
    assert_eq!(taken, ["s02", "s08", "s10", "s11", "s12"], "and nothing else was taken");
}

#[tokio::test]
async fn a_redeem_can_be_hidden_from_the_inquiry_for_a_while() {
    let world = ready(World::with(3_000, None).await).await;
    assert!(!broken(redeeming(&world, "1000000100002509", "h1")).await);
    assert_eq!(world.ledger("flexepin", "h1").await.len(), 1);
    assert_eq!(inquire(&world, "h1").await.1["result"], "4040");
    // 45 minutes at 3,000-fold speed.
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_eq!(inquire(&world, "h1").await.1["transaction"]["status"], "USED");
}

#[tokio::test]
async fn control_changes_the_voucher() {
    let world = world().await;
    for (serial, outcome, result, state) in
        [("000011", "decline", "4003", "BLOCKED"), ("000012", "expired", "4004", "EXPIRED"), ("000013", "used", "4002", "USED")]
    {
        let pin = format!("10{serial}00002500");
        assert_eq!(world.press("flexepin", &pin, outcome).await["state"], state);
        assert_eq!(validate(&world, &pin, serial).await.1["result"], result);
        assert_eq!(redeem(&world, &pin, serial).await.1["result"], result);
    }
    let pin = "1000002000002500";
    validate(&world, pin, "c1").await;
    assert_eq!(world.get("/control/flexepin/c1").await.1, json!({"provider": "flexepin", "reference": "c1", "state": "ACTIVE"}));
    assert_eq!(world.post("/control/flexepin/c1/approve").await.0, 409);
    assert_eq!(world.post("/control/flexepin/c1/pay").await.0, 409);
    assert_eq!(world.post("/control/flexepin/unknown/decline").await.0, 404);
    assert_eq!(world.post("/control/flexepin/9900000100002500/decline").await.0, 404);
    assert_eq!(world.post("/control/flexepin/c1/vanish").await.0, 400);
    assert_eq!(world.post("/control/flexepin/c1/status/PUZZLED").await.0, 200);
    assert_eq!(validate(&world, pin, "c2").await.1["status"], "PUZZLED");
    assert_eq!(world.post("/control/flexepin/c1/status/ACTIVE").await.0, 200);
    assert_eq!(world.post("/control/flexepin/c1/status/4019").await.0, 200);
    assert_eq!(redeem(&world, pin, "c3").await.1["result"], "4019");
    assert_eq!(redeem(&world, pin, "c4").await.1["result"], "0");
    assert_eq!(world.post("/control/flexepin/c1/decline").await.0, 409, "used already");
}

#[tokio::test]
async fn a_lost_redeem_has_no_effect() {
    let world = world().await;
    let pin = "1000002100002500";
    validate(&world, pin, "l1").await;
    world.press("flexepin", pin, "lost").await;
    assert!(!broken(redeeming(&world, pin, "l1")).await);
    // The inquiries fail for a minute (a second here) from the redeem on, which itself hung for two.
    eventually(|| async { (inquire(&world, "l1").await.1["transaction"]["status"] == "ACTIVE").then_some(()) }).await;
    assert!(world.ledger("flexepin", "l1").await.is_empty());
    world.press("flexepin", pin, "lost").await;
    let hanging = tokio::spawn(redeeming(&world, pin, "l2").send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(inquire(&world, "l2").await.0, 500);
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(redeem(&world, pin, "l3").await.1["status"], "USED", "only the next one is lost");
}
