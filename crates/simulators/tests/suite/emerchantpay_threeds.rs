//! eMerchantPay: the device check, the challenge and its page, every trigger, the controls, restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::emerchantpay::{
    PASSWORD, PLAIN, TOKEN, USER, echo, form, is_signed, of, posting, ready, reconcile, sale, sale_xml, sent, sha512, tag, told,
    world,
};
use crate::world::{World, broken, eventually};

const CHALLENGE: &str = "4918190000000002";
const METHOD_CHALLENGE: &str = "4938730000000001";
const METHOD_FRICTIONLESS: &str = "4066330000000004";
const SUCCESS: &str = "https://shop.example/ok";
const FAILURE: &str = "https://other.example/failed";

/// The page's address of an answer that asks for a challenge.
fn page_of(xml: &str) -> String {
    assert_eq!(told(xml), of("pending_async", ""), "{xml}");
    tag(xml, "redirect_url").unwrap()
}

/// The merchant's signature of a payment, and the form that carries it.
fn signed_form(xml: &str) -> String {
    let field = |name: &str| tag(xml, name).unwrap();
    let unique_id = field("unique_id");
    let signature = sha512(&format!("{unique_id}{}{}{PASSWORD}", field("amount"), field("timestamp")));
    format!("unique_id={unique_id}&signature={signature}")
}

fn continuing(world: &World, url: &str, form: &str) -> reqwest::RequestBuilder {
    let request = world.client.put(url).basic_auth(USER, Some(PASSWORD));
    request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
}

/// Continues a payment after its device check.
async fn continued(world: &World, xml: &str) -> (u16, String) {
    sent(continuing(world, &tag(xml, "threeds_method_continue_url").unwrap(), &signed_form(xml))).await
}

#[tokio::test]
async fn a_challenge_is_authenticated_on_its_page() {
    let world = world().await;
    let xml = sale(&world, "ch", "10000", CHALLENGE).await;
    let unique_id = tag(&xml, "unique_id").unwrap();
    let page = page_of(&xml);
    assert_eq!(page, world.url(&format!("/emerchantpay/threeds/authentication/{unique_id}")));
    assert_eq!(tag(&xml, "redirect_url_type").as_deref(), Some("3ds_v2_challenge"));
    assert!(tag(&xml, "authorization_code").is_none() && tag(&xml, "threeds_method_url").is_none());
    assert!(world.ledger("emerchantpay", "ch").await.is_empty());

    let shown = world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    // The return address leads on to a page of the merchant's that the gateway cannot know.
    assert!(policy.contains("form-action 'self' https: http:;"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in ["TEST PAGE", "Cards", "deposits", "100.00", "EUR", "491819...0002", "Authenticate", "Fail", "Cancel"] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains(CHALLENGE) && !html.contains("<script") && !html.contains("style="));
    assert_eq!(world.submit(&page, "action=other").await.0, 200, "nothing was pressed");

    assert_eq!(world.submit(&page, "action=pay").await, (303, SUCCESS.to_owned()));
    let got = world.receiver.exactly("ch", 1).await;
    assert!(is_signed(&got[0]) && got[0].headers["content-type"] == "application/x-www-form-urlencoded");
    for (name, text) in [
        ("transaction_id", "ch"),
        ("unique_id", unique_id.as_str()),
        ("transaction_type", "sale3d"),
        ("terminal_token", TOKEN),
        ("status", "approved"),
        ("amount", "10000"),
        ("eci", "05"),
        ("threeds_authentication_flow", "challenge"),
        ("threeds_target_protocol_version", "2"),
        ("event", ""),
    ] {
        assert_eq!(form(&got[0], name), text, "{name}");
    }
    let now = reconcile(&world, "ch").await;
    assert_eq!((told(&now), tag(&now, "amount")), (of("approved", ""), tag(&xml, "amount")));
    assert_eq!(tag(&now, "timestamp"), tag(&xml, "timestamp"));
    assert!(tag(&now, "redirect_url").is_none());
    world.ledger_is("emerchantpay", "ch", "settled").await;
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("has ended") && !html.contains("<form"));
    assert_eq!(world.submit(&page, "action=cancel").await, (303, SUCCESS.to_owned()), "it is over");
    assert_eq!(world.client.get(format!("{page}0")).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn the_page_can_fail_and_be_left() {
    let world = world().await;
    for (action, state, code) in [("decline", "declined", "500"), ("cancel", "cancelled", "")] {
        let page = page_of(&sale(&world, action, "10000", CHALLENGE).await);
        assert_eq!(world.submit(&page, &format!("action={action}")).await, (303, FAILURE.to_owned()));
        let got = world.receiver.exactly(action, 1).await;
        assert_eq!(form(&got[0], "status"), "declined");
        assert!(is_signed(&got[0]) && form(&got[0], "authorization_code").is_empty());
        assert_eq!(told(&reconcile(&world, action).await), of(state, code));
        assert!(world.ledger("emerchantpay", action).await.is_empty());
    }
}

#[tokio::test]
async fn the_device_check_comes_first_and_is_continued_once() {
    let world = world().await;
    let xml = sale(&world, "m", "10000", METHOD_FRICTIONLESS).await;
    assert_eq!(told(&xml), of("pending_async", ""));
    assert!(tag(&xml, "redirect_url").is_none());
    let unique_id = tag(&xml, "unique_id").unwrap();
    let url = tag(&xml, "threeds_method_url").unwrap();
    let next = tag(&xml, "threeds_method_continue_url").unwrap();
    assert_eq!(url, world.url("/emerchantpay/threeds/threeds_method"));
    assert_eq!(next, format!("{url}/{unique_id}"));
    let signed = signed_form(&xml);

    assert_eq!(world.submit(&url, &format!("unique_id={unique_id}&signature={}", sha512("x"))).await.0, 400);
    assert_eq!(world.submit(&url, &format!("unique_id={unique_id}")).await.0, 400);
    assert_eq!(world.submit(&url, "unique_id=44177a21403427eb96664a6d7e5d5d48&signature=0").await.0, 404);
    assert_eq!(world.submit(&url, &signed).await.0, 200);
    assert_eq!(world.submit(&url, &signed).await.0, 422, "it is not wanted any more");
    let got = world.receiver.exactly("m-method", 1).await;
    assert_eq!((form(&got[0], "unique_id"), form(&got[0], "threeds_method_status")), (unique_id.clone(), "completed".into()));
    assert_eq!(form(&got[0], "signature"), sha512(&format!("{unique_id}completed{PASSWORD}")));

    let unsigned = continuing(&world, &next, &format!("unique_id={unique_id}&signature={}", sha512("x")));
    let (status, body) = sent(unsigned).await;
    assert_eq!((status, told(&body)), (400, of("in_progress", "")));
    assert_eq!(tag(&body, "message").as_deref(), Some("Please check signature!"));
    let (status, body) = sent(world.client.put(&next).body(signed.clone())).await;
    assert_eq!((status, told(&body)), (401, of("error", "110")));
    let unknown = format!("{url}/44177a21403427eb96664a6d7e5d5d48");
    let answer = continuing(&world, &unknown, &signed).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(world.client.get(&next).send().await.unwrap().status().as_u16(), 405);
    assert_eq!(told(&reconcile(&world, "m").await), of("pending_async", ""));

    let (status, body) = continued(&world, &xml).await;
    assert_eq!((status, told(&body)), (200, of("approved", "")));
    assert_eq!(tag(&body, "unique_id").as_deref(), Some(unique_id.as_str()));
    let got = world.receiver.exactly("m", 1).await;
    assert_eq!(form(&got[0], "threeds_authentication_flow"), "frictionless");
    assert_eq!(world.ledger_is("emerchantpay", "m", "settled").await["times"], 1);
    let (status, body) = continued(&world, &xml).await;
    assert_eq!((status, told(&body)), (409, of("error", "")));
    assert!(body.contains("reconcile"), "{body}");
    world.receiver.exactly("m", 1).await;
}

#[tokio::test]
async fn other_ways_of_published_cards() {
    let world = world().await;
    let xml = sale(&world, "mc", "10000", METHOD_CHALLENGE).await;
    let (status, body) = continued(&world, &xml).await;
    assert_eq!(status, 200, "without the device check too, when its time is over");
    let page = page_of(&body);
    let (status, body) = continued(&world, &xml).await;
    assert_eq!((status, told(&body)), (409, of("pending_async", "")), "of the call, not of the payment");
    assert_eq!(world.submit(&page, "action=pay").await.1, SUCCESS);
    world.ledger_is("emerchantpay", "mc", "settled").await;
    let unwanted = sale(&world, "no-method", "10000", CHALLENGE).await;
    assert_eq!(world.submit(&world.url("/emerchantpay/threeds/threeds_method"), &signed_form(&unwanted)).await.0, 422);
    assert!(world.receiver.at("mc-method").is_empty());

    for card in ["4901170000000003", "4711100000000000"] {
        let xml = sale(&world, card, "10000", card).await;
        assert_eq!(tag(&xml, "redirect_url_type").as_deref(), Some("3ds_v1_payer_authentication"));
        assert_eq!(world.submit(&page_of(&xml), "action=pay").await.1, SUCCESS);
        assert_eq!(form(&world.receiver.exactly(card, 1).await[0], "threeds_target_protocol_version"), "1");
        world.ledger_is("emerchantpay", card, "settled").await;
    }
    let xml = sale(&world, "mf", "10000", "4901164281364345").await;
    let page = page_of(&continued(&world, &xml).await.1);
    assert_eq!(world.submit(&page, "action=cancel").await.1, FAILURE);
    world.state_is("emerchantpay", "mf", "cancelled").await;
}

#[tokio::test]
async fn what_nobody_finishes_runs_out() {
    // Two hours last 720 ms.
    let world = ready(World::with(10_000, None).await).await;
    let page = page_of(&sale(&world, "left", "10000", CHALLENGE).await);
    let xml = sale(&world, "unopened", "10000", METHOD_FRICTIONLESS).await;
    for id in ["left", "unopened"] {
        world.state_is("emerchantpay", id, "timeout").await;
        let got = world.receiver.exactly(id, 1).await;
        assert_eq!((form(&got[0], "status"), is_signed(&got[0])), ("error".to_owned(), true));
        assert_eq!(told(&reconcile(&world, id).await), of("timeout", ""));
    }
    assert_eq!(continued(&world, &xml).await.0, 409);
    assert!(world.client.get(page).send().await.unwrap().text().await.unwrap().contains("expired"));
}

#[tokio::test]
async fn scenarios_of_endings() {
    let world = world().await;
    let xml = sale(&world, "s1", "10001", PLAIN).await;
    assert_eq!((told(&xml), tag(&xml, "response_code").as_deref()), (of("declined", "500"), Some("05")));
    let page = page_of(&sale(&world, "s1-ch", "10001", CHALLENGE).await);
    assert_eq!(world.submit(&page, "action=pay").await.1, FAILURE);
    assert_eq!(told(&reconcile(&world, "s1-ch").await), of("declined", "500"));
    let xml = sale(&world, "s1-m", "10001", METHOD_FRICTIONLESS).await;
    assert_eq!(told(&continued(&world, &xml).await.1), of("declined", "500"));

    let page = page_of(&sale(&world, "s2", "10002", PLAIN).await);
    assert_eq!(world.submit(&page, "action=pay").await.1, FAILURE);
    assert_eq!(form(&world.receiver.exactly("s2", 1).await[0], "status"), "declined");
    assert_eq!(told(&reconcile(&world, "s2").await), of("cancelled", ""));
    let page = page_of(&sale(&world, "s2-fail", "10002", CHALLENGE).await);
    world.submit(&page, "action=decline").await;
    world.state_is("emerchantpay", "s2-fail", "cancelled").await;
    let xml = sale(&world, "s2-m", "10002", METHOD_FRICTIONLESS).await;
    world.submit(&page_of(&continued(&world, &xml).await.1), "action=pay").await;
    world.state_is("emerchantpay", "s2-m", "cancelled").await;

    let page = page_of(&sale(&world, "s3", "10003", PLAIN).await);
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("expired") && html.contains(FAILURE) && !html.contains("<form"), "{html}");
    assert_eq!(form(&world.receiver.exactly("s3", 1).await[0], "status"), "error");
    assert_eq!(told(&reconcile(&world, "s3").await), of("timeout", ""));
    sale(&world, "s3-pay", "10003", CHALLENGE).await;
    assert_eq!(world.press("emerchantpay", "s3-pay", "pay").await["state"], "timeout");

    assert_eq!(told(&sale(&world, "s9", "10009", PLAIN).await), of("declined", "500"));
    world.state_is("emerchantpay", "s9", "approved").await;
    let got = world.receiver.exactly("s9", 2).await;
    assert_eq!((form(&got[0], "status"), form(&got[1], "status")), ("declined".to_owned(), "approved".to_owned()));
    world.ledger_is("emerchantpay", "s9", "settled").await;
    let page = page_of(&sale(&world, "s9-ch", "10009", CHALLENGE).await);
    assert_eq!(world.submit(&page, "action=pay").await.1, FAILURE);
    let got = world.receiver.exactly("s9-ch", 2).await;
    assert_eq!((form(&got[0], "status"), form(&got[1], "status")), ("declined".to_owned(), "approved".to_owned()));
    world.ledger_is("emerchantpay", "s9-ch", "settled").await;

    for (id, amount) in [("p1", "10001"), ("p2", "10002"), ("p3", "10003"), ("p9", "10009")] {
        let xml = sale(&world, id, amount, "4111111111111111").await;
        assert_eq!(told(&xml), of("declined", "500"), "the card comes before the digits");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(told(&reconcile(&world, "p9").await), of("declined", "500"));
}

#[tokio::test]
async fn scenarios_of_notifications() {
    let world = world().await;
    assert_eq!(told(&sale(&world, "s8", "10008", PLAIN).await), of("approved", ""));
    let got = world.receiver.exactly("s8", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body && is_signed(one)));
    world.submit(&page_of(&sale(&world, "s8-ch", "10008", CHALLENGE).await), "action=pay").await;
    world.receiver.exactly("s8-ch", 3).await;

    assert_eq!(told(&sale(&world, "s10", "10010", PLAIN).await), of("approved", ""));
    let got = world.receiver.at("s10");
    assert_eq!((got.len(), form(&got[0], "status").as_str()), (1, "approved"), "it is here when the answer is");
    let xml = sale(&world, "s10-m", "10010", METHOD_FRICTIONLESS).await;
    assert_eq!(told(&continued(&world, &xml).await.1), of("approved", ""));
    assert_eq!(world.receiver.at("s10-m").len(), 1);
    let page = page_of(&sale(&world, "s10-ch", "10010", CHALLENGE).await);
    assert_eq!(world.submit(&page, "action=pay").await.1, SUCCESS);
    assert_eq!(world.receiver.at("s10-ch").len(), 1);
}

#[tokio::test]
async fn transport_scenarios() {
    let world = world().await;
    // Transport triggers come before the card.
    for card in [PLAIN, "4111111111111111", CHALLENGE] {
        let id = |digits: &str| format!("t{digits}-{}", &card[..6]);
        let trying = |digits: &str| posting(&world, "process", sale_xml(&world, &id(digits), &format!("100{digits}"), card));
        let answer = trying("04").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 500);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        let begun = Instant::now();
        assert!(!broken(trying("05")).await);
        assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
        let answer = trying("06").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
        let (status, body) = sent(trying("07")).await;
        assert_eq!((status, told(&body)), (401, of("error", "110")));
        for digits in ["04", "05", "06", "07"] {
            assert_eq!(told(&reconcile(&world, &id(digits)).await), of("error", "460"), "nothing was taken");
            assert!(world.ledger("emerchantpay", &id(digits)).await.is_empty());
        }
        for (digits, head) in [("11", true), ("12", false)] {
            assert_eq!(broken(trying(digits)).await, head);
            assert_eq!(told(&reconcile(&world, &id(digits)).await), of("approved", ""));
            assert_eq!(world.ledger_is("emerchantpay", &id(digits), "settled").await["times"], 1);
        }
    }
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state) in [
        ("approve", "approved"),
        ("success", "approved"),
        ("declined", "declined"),
        ("cancel", "cancelled"),
        ("expire", "timeout"),
    ] {
        let xml = sale(&world, outcome, "10000", CHALLENGE).await;
        assert_eq!(world.post(&format!("/control/emerchantpay/{outcome}/refund")).await.0, 409, "nothing was approved");
        let reference = tag(&xml, "unique_id").unwrap();
        let pressed = world.press("emerchantpay", &reference, outcome).await;
        assert_eq!(pressed, json!({"provider": "emerchantpay", "reference": reference, "state": state}));
        assert_eq!(world.post(&format!("/control/emerchantpay/{outcome}/approve")).await.0, 409);
        world.receiver.exactly(outcome, 1).await;
    }
    for (outcome, state, event) in
        [("refund", "refunded", ""), ("chargeback", "chargebacked", "chargeback"), ("reverse", "voided", "")]
    {
        sale(&world, outcome, "10000", PLAIN).await;
        world.receiver.exactly(outcome, 1).await;
        assert_eq!(world.press("emerchantpay", outcome, outcome).await["state"], state);
        let got = world.receiver.exactly(outcome, 2).await;
        let notified = (form(&got[1], "status"), form(&got[1], "event"), is_signed(&got[1]));
        assert_eq!(notified, (state.to_owned(), event.to_owned(), true));
        world.ledger_is("emerchantpay", outcome, "returned").await;
        assert_eq!(told(&reconcile(&world, outcome).await), of(state, ""));
    }
    sale(&world, "method", "10000", METHOD_CHALLENGE).await;
    assert_eq!(world.post("/control/emerchantpay/method/pay").await.0, 409, "nobody is on the page yet");
    assert_eq!(world.post("/control/emerchantpay/method/explode").await.0, 400);
    assert_eq!(world.post("/control/emerchantpay/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/emerchantpay/method/status/pending_hold").await.1["state"], "pending_hold");
    assert_eq!(told(&reconcile(&world, "method").await), of("pending_hold", ""));
    assert_eq!(world.post("/control/emerchantpay/method/status/second_chargebacked").await.0, 200);
    let got = world.receiver.exactly("method", 2).await;
    assert_eq!(form(&got[1], "event"), "second_chargeback");
    assert!(world.ledger("emerchantpay", "method").await.is_empty(), "what was never paid does not come back");
}

#[tokio::test]
async fn a_kill_loses_neither_time_nor_notification() {
    let mut world = ready(World::with(10_000, None).await).await;
    sale(&world, "slow", "10000", CHALLENGE).await;
    sale(&world, "unheard", "10000", CHALLENGE).await;
    world.receiver.answer_with(503);
    world.press("emerchantpay", "unheard", "pay").await;
    eventually(|| async { (!world.receiver.at("unheard").is_empty()).then_some(()) }).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    let before = world.receiver.at("unheard").len();
    let begun = Instant::now();
    eventually(|| async { (world.receiver.at("unheard").len() > before).then_some(()) }).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    let got = world.receiver.at("unheard");
    assert!(got.iter().all(|one| one.body == got[0].body) && form(&got[0], "terminal_token") == TOKEN);
    assert_eq!(told(&reconcile(&world, "unheard").await), of("approved", ""));
    world.state_is("emerchantpay", "slow", "timeout").await;
}

#[tokio::test]
async fn the_page_can_press_itself() {
    let world = ready(World::with(60, Some(300)).await).await;
    sale(&world, "alone", "10000", CHALLENGE).await;
    world.ledger_is("emerchantpay", "alone", "settled").await;
    world.receiver.exactly("alone", 1).await;
    sale(&world, "alone-02", "10002", PLAIN).await;
    world.state_is("emerchantpay", "alone-02", "cancelled").await;
    sale(&world, "alone-03", "10003", CHALLENGE).await;
    world.state_is("emerchantpay", "alone-03", "timeout").await;
    let xml = sale(&world, "alone-m", "10000", METHOD_CHALLENGE).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.get("/control/emerchantpay/alone-m").await.1["state"], "pending_async", "the device check waits");
    continued(&world, &xml).await;
    world.ledger_is("emerchantpay", "alone-m", "settled").await;
}

#[tokio::test]
async fn notifications_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("emerchantpay", json!({"dropCallbacks": true})).await;
    sale(&world, "lost", "10009", CHALLENGE).await;
    world.press("emerchantpay", "lost", "pay").await;
    world.ledger_is("emerchantpay", "lost", "settled").await;
    world.settings("emerchantpay", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    sale(&world, "forged", "10000", CHALLENGE).await;
    let got = world.receiver.exactly("forged", 1).await;
    assert_eq!((form(&got[0], "status"), form(&got[0], "signature").len()), ("approved".to_owned(), 40));
    assert!(!is_signed(&got[0]) && world.ledger("emerchantpay", "forged").await.is_empty());
    assert_eq!(told(&reconcile(&world, "forged").await), of("pending_async", ""));
    assert!(world.receiver.at("lost").is_empty());
    assert_eq!(echo(&got[0]).0, "text/xml");
}
