//! Worldpay: every trigger of both modes, the 3DS Flex challenge, the controls, restart.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::world::{World, broken, eventually};
use crate::worldpay::{
    CARD, JWT_KEY, PAY, SESSION, direct_xml, error, events, hosted_xml, inquire, notified, notified_is, page, ready, send,
    sending, world, wrapped,
};

const PLAIN: &str = "John Doe";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn scenarios_of_hosted_orders() {
    let world = world().await;
    let pay = async |code: &str, value: &str| {
        let page = page(&world, code, value).await;
        world.submit(&page, PAY).await.1
    };
    assert!(pay("s1", "6001").await.contains("/failure?"));
    assert!(inquire(&world, "s1").await.contains("<ISO8583ReturnCode code=\"5\" description=\"REFUSED\"/>"));
    notified_is(&world, "s1", &["REFUSED"]).await;
    assert!(pay("s2", "6002").await.contains("/cancel?"));
    notified_is(&world, "s2", &["CANCELLED"]).await;

    let dead = page(&world, "s3", "6003").await;
    let answer = world.client.get(&dead).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 303);
    assert!(answer.headers()["location"].to_str().unwrap().contains("/error?"));
    assert_eq!(world.post("/control/worldpay/s3/pay").await.0, 409);
    assert_eq!(error(&inquire(&world, "s3").await).0, "5");
    assert!(notified(&world, "s3").is_empty());

    assert_eq!(sending(&world, hosted_xml("s4", "6004")).send().await.unwrap().status().as_u16(), 500);
    assert!(!broken(sending(&world, hosted_xml("s5", "6005"))).await);
    let limited = sending(&world, hosted_xml("s6", "6006")).send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let unauthorised = sending(&world, hosted_xml("s7", "6007")).send().await.unwrap();
    assert_eq!(unauthorised.status().as_u16(), 401);
    assert!(unauthorised.text().await.unwrap().contains("Requires Authentication"));
    for code in ["s4", "s5", "s6", "s7"] {
        assert_eq!(world.get(&format!("/control/worldpay/{code}")).await.0, 404);
        assert_eq!(error(&inquire(&world, code).await).0, "5");
    }
    pay("s8", "6008").await;
    notified_is(&world, "s8", &["AUTHORISED"; 3]).await;
    assert!(pay("s9", "6009").await.contains("/failure?"));
    notified_is(&world, "s9", &["REFUSED", "AUTHORISED"]).await;
    assert_eq!(events(&inquire(&world, "s9").await), ["REFUSED", "AUTHORISED"]);
    world.ledger_is("worldpay", "s9", "settled").await;

    page(&world, "s10", "6010").await;
    assert_eq!(notified(&world, "s10"), ["AUTHORISED"], "it is here when the answer is");
    assert!(broken(sending(&world, hosted_xml("s11", "6011"))).await);
    assert!(!broken(sending(&world, hosted_xml("s12", "6012"))).await);
    for code in ["s11", "s12"] {
        assert_eq!(world.get(&format!("/control/worldpay/{code}")).await.1["state"], "OPEN");
        assert_eq!(error(&inquire(&world, code).await).0, "5");
    }
}

#[tokio::test]
async fn scenarios_of_direct_orders() {
    let world = world().await;
    let direct = async |code: &str, value: &str| send(&world, direct_xml(code, value, CARD, PLAIN)).await;
    let reply = direct("d1", "7001").await;
    assert!(events(&reply) == ["REFUSED"] && reply.contains("code=\"5\" description=\"REFUSED\""), "{reply}");
    assert_eq!(sending(&world, direct_xml("d4", "7004", CARD, "REFUSED")).send().await.unwrap().status().as_u16(), 500);
    assert!(!broken(sending(&world, direct_xml("d5", "7005", CARD, PLAIN))).await);
    assert_eq!(sending(&world, direct_xml("d6", "7006", CARD, PLAIN)).send().await.unwrap().status().as_u16(), 429);
    assert_eq!(sending(&world, direct_xml("d7", "7007", CARD, PLAIN)).send().await.unwrap().status().as_u16(), 401);
    for code in ["d4", "d5", "d6", "d7"] {
        assert_eq!(error(&inquire(&world, code).await).0, "5");
    }
    direct("d8", "7008").await;
    notified_is(&world, "d8", &["AUTHORISED"; 3]).await;
    assert_eq!(events(&direct("d9", "7009").await), ["REFUSED"]);
    notified_is(&world, "d9", &["REFUSED", "AUTHORISED"]).await;
    world.ledger_is("worldpay", "d9", "settled").await;
    assert_eq!(events(&direct("d10", "7010").await), ["AUTHORISED"]);
    assert_eq!(notified(&world, "d10"), ["AUTHORISED"], "it is here when the answer is");
    // The transport triggers come before a published value.
    assert!(broken(sending(&world, direct_xml("d11", "7011", CARD, "REFUSED"))).await);
    assert!(!broken(sending(&world, direct_xml("d12", "7012", CARD, PLAIN))).await);
    for code in ["d11", "d12"] {
        assert_eq!(events(&inquire(&world, code).await), ["AUTHORISED"]);
        assert_eq!(world.ledger_is("worldpay", code, "settled").await["times"], 1);
    }
}

/// A challenge as a merchant and a browser see it.
struct Challenged {
    transaction_id: String,
    acs_url: String,
    payload: String,
    machine: String,
}

async fn challenged(world: &World, code: &str, value: &str, number: &str, holder: &str) -> Challenged {
    let answer = sending(world, direct_xml(code, value, number, holder)).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let machine = cookie.split(';').next().unwrap().to_owned();
    assert!(machine.starts_with("machine="));
    let reply = answer.text().await.unwrap();
    let part = |name: &str| {
        let inside = reply.split(&format!("<{name}>")).nth(1).unwrap_or_else(|| panic!("{reply}"));
        inside.split(&format!("</{name}>")).next().unwrap().replace("<![CDATA[", "").replace("]]>", "")
    };
    assert_eq!(part("threeDSVersion"), "2.1.0");
    Challenged { transaction_id: part("transactionId3DS"), acs_url: part("acsURL"), payload: part("payload"), machine }
}

impl Challenged {
    fn jwt(&self, return_url: &str, change: impl Fn(&mut serde_json::Value)) -> String {
        let mut claims = json!({"jti": "11111111-1111-4111-8111-111111111111", "iat": 1_767_323_045, "iss": "issuer-0001",
            "OrgUnitId": "orgunit-0001", "ReturnUrl": return_url, "ObjectifyPayload": true,
            "Payload": {"ACSUrl": self.acs_url, "Payload": self.payload, "TransactionId": self.transaction_id}});
        change(&mut claims);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, JWT_KEY.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn open(&self, world: &World, jwt: &str) -> (u16, String) {
        post(world, "/worldpay/V2/Cruise/StepUp", &format!("JWT={jwt}&MD=md-77")).await
    }

    async fn press(&self, world: &World, button: &str) -> String {
        let form = format!("challenge={}&action={button}", self.transaction_id);
        let (status, page) = post(world, "/worldpay/V2/Cruise/StepUp/answer", &form).await;
        assert_eq!(status, 200, "{page}");
        page
    }
}

async fn post(world: &World, path: &str, form: &str) -> (u16, String) {
    let request = world.client.post(world.url(path)).header("content-type", FORM).body(form.to_owned());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn second_xml(code: &str, session: &str) -> String {
    wrapped(&format!(
        "<submit><order orderCode=\"{code}\"><info3DSecure><completedAuthentication/></info3DSecure><session id=\"{session}\"/></order></submit>"
    ))
}

async fn second(world: &World, code: &str, session: &str, cookie: Option<&str>) -> String {
    let mut request = sending(world, second_xml(code, session));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.send().await.unwrap().text().await.unwrap()
}

const RETURN: &str = "https://pay.example/3ds/t0k/return";

#[tokio::test]
async fn a_challenge_is_passed_failed_or_cancelled() {
    let world = world().await;
    for (code, button, word) in [("p1", "authenticate", "AUTHORISED"), ("p2", "fail", "REFUSED"), ("p3", "cancel", "CANCELLED")] {
        let (number, holder) = if code == "p1" { ("4000000000001091", PLAIN) } else { (CARD, "3DS_V2_CHALLENGE_IDENTIFIED") };
        let one = challenged(&world, code, "8000", number, holder).await;
        assert_eq!(error(&inquire(&world, code).await).0, "5", "it says nothing while the challenge is open");
        let (status, shown) = one.open(&world, &one.jwt(RETURN, |_| {})).await;
        assert_eq!(status, 200, "{shown}");
        let masked = if code == "p1" { "4000********1091" } else { "4444********1111" };
        for part in ["80.00", "EUR", masked, "Authenticate", "Fail", "Cancel", "TEST PAGE"] {
            assert!(shown.contains(part), "{part}");
        }
        let back = one.press(&world, button).await;
        for part in [RETURN, "name=\"TransactionId\"", "name=\"Response\"", "name=\"MD\" value=\"md-77\"", "submit.js"] {
            assert!(back.contains(part), "{part} {back}");
        }
        assert!(back.contains(&one.transaction_id));
        assert_eq!(error(&second(&world, code, "other", Some(&one.machine)).await).0, "5");
        assert_eq!(error(&second(&world, code, SESSION, None).await).0, "5");
        assert_eq!(error(&second(&world, code, SESSION, Some("machine=0")).await).0, "5");
        let reply = second(&world, code, SESSION, Some(&format!("a=b; {}", one.machine))).await;
        assert_eq!(events(&reply), [word], "{reply}");
        assert_eq!(error(&second(&world, code, SESSION, Some(&one.machine)).await).0, "5", "only once");
        notified_is(&world, code, &[word]).await;
        assert_eq!(one.open(&world, &one.jwt(RETURN, |_| {})).await.0, 410);
    }
    world.ledger_is("worldpay", "p1", "settled").await;
    send(&world, direct_xml("p4", "8000", CARD, PLAIN)).await;
    assert_eq!(error(&second(&world, "p4", SESSION, Some("machine=1")).await).0, "5", "no challenge");
    assert_eq!(error(&second(&world, "p5", SESSION, Some("machine=1")).await).0, "5", "no order");
    // Nobody pressed anything.
    let one = challenged(&world, "p6", "8000", "4000000000001091", PLAIN).await;
    assert_eq!(events(&second(&world, "p6", SESSION, Some(&one.machine)).await), ["REFUSED"]);
}

#[tokio::test]
async fn scenarios_02_and_03_are_challenges() {
    let world = world().await;
    let one = challenged(&world, "c2", "7002", CARD, PLAIN).await;
    one.open(&world, &one.jwt(RETURN, |_| {})).await;
    one.press(&world, "authenticate").await;
    assert_eq!(events(&second(&world, "c2", SESSION, Some(&one.machine)).await), ["CANCELLED"]);
    let one = challenged(&world, "c3", "7003", CARD, PLAIN).await;
    assert_eq!(one.open(&world, &one.jwt(RETURN, |_| {})).await.0, 200);
    let page = one.press(&world, "authenticate").await;
    assert!(!page.contains(RETURN) && page.contains("does not answer"));
    assert_eq!(world.post("/control/worldpay/c3/pay").await.0, 409);
    assert_eq!(error(&inquire(&world, "c3").await).0, "5");
    // A published value comes before the digits: this challenge can be passed.
    let one = challenged(&world, "c4", "7002", "4000000000001091", PLAIN).await;
    one.open(&world, &one.jwt(RETURN, |_| {})).await;
    one.press(&world, "authenticate").await;
    assert_eq!(events(&second(&world, "c4", SESSION, Some(&one.machine)).await), ["AUTHORISED"]);
}

#[tokio::test]
async fn a_jwt_that_is_not_exact_is_refused() {
    let world = world().await;
    let one = challenged(&world, "j1", "8000", "4000000000001091", PLAIN).await;
    let changes: [fn(&mut serde_json::Value); 8] = [
        |claims| claims["iss"] = json!("other"),
        |claims| claims["OrgUnitId"] = json!("other"),
        |claims| claims["sub"] = json!("x"),
        |claims| claims["ObjectifyPayload"] = json!(false),
        |claims| claims["Payload"]["ACSUrl"] = json!("https://acs.example/"),
        |claims| claims["Payload"]["TransactionId"] = json!("other"),
        |claims| claims["Payload"]["x"] = json!(1),
        |claims| claims["exp"] = json!(1_767_323_046),
    ];
    for change in changes {
        assert_eq!(one.open(&world, &one.jwt(RETURN, change)).await.0, 400);
    }
    let jwt = one.jwt(RETURN, |_| {});
    let (signed, _) = jwt.rsplit_once('.').unwrap();
    assert_eq!(one.open(&world, &format!("{signed}.AAAA")).await.0, 400);
    assert_eq!(post(&world, "/worldpay/V2/Cruise/StepUp", "MD=1").await.0, 400);
    assert_eq!(post(&world, "/worldpay/V2/Cruise/StepUp/answer", "challenge=x&action=authenticate").await.0, 404);
    assert_eq!(one.open(&world, &jwt).await.0, 200);
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, word) in [
        ("pay", "AUTHORISED"),
        ("success", "AUTHORISED"),
        ("declined", "REFUSED"),
        ("cancel", "CANCELLED"),
        ("expire", "EXPIRED"),
    ] {
        page(&world, outcome, "1000").await;
        let pressed = world.press("worldpay", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "worldpay", "reference": outcome, "state": word}));
        notified_is(&world, outcome, &[word]).await;
    }
    assert_eq!(world.post("/control/worldpay/pay/approve").await.0, 409);
    assert_eq!(world.post("/control/worldpay/cancel/pay").await.0, 409);
    for (outcome, word) in
        [("reverse", "CANCELLED"), ("refunded", "REFUNDED"), ("charged_back", "CHARGED_BACK"), ("expire", "EXPIRED")]
    {
        let code = format!("back-{outcome}");
        send(&world, direct_xml(&code, "1000", CARD, PLAIN)).await;
        assert_eq!(world.press("worldpay", &code, outcome).await["state"], word);
        assert_eq!(events(&inquire(&world, &code).await), [word]);
        world.ledger_is("worldpay", &code, "returned").await;
        notified_is(&world, &code, &["AUTHORISED", word]).await;
    }
    page(&world, "open", "1000").await;
    assert_eq!(world.post("/control/worldpay/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/worldpay/open/vanish").await.0, 400);
    assert_eq!(world.post("/control/worldpay/nothing/approve").await.0, 404);
    let pressed = world.post("/control/worldpay/open/status/SENT_FOR_AUTHORISATION").await.1;
    assert_eq!(pressed["state"], "SENT_FOR_AUTHORISATION");
    notified_is(&world, "open", &["SENT_FOR_AUTHORISATION"]).await;
    assert_eq!(world.post("/control/worldpay/open/status/null").await.1["state"], "null");
    assert_eq!(events(&inquire(&world, "open").await), ["null"]);
    // Late success after a refusal.
    world.press("worldpay", "declined", "approve").await;
    world.ledger_is("worldpay", "declined", "settled").await;
    let one = challenged(&world, "ch", "8000", "4000000000001091", PLAIN).await;
    assert_eq!(world.post("/control/worldpay/ch/pay").await.0, 409, "nobody opened the challenge");
    let return_url = world.receiver.url("3ds-return");
    one.open(&world, &one.jwt(&return_url, |_| {})).await;
    world.press("worldpay", "ch", "pay").await;
    let got = world.receiver.exactly("3ds-return", 1).await;
    assert!(got[0].body.contains("TransactionId=") && got[0].body.contains("MD=md-77"), "{got:?}");
    assert_eq!(events(&second(&world, "ch", SESSION, Some(&one.machine)).await), ["AUTHORISED"]);
}

#[tokio::test]
async fn pages_can_press_themselves_and_tickets_die() {
    let world = ready(World::with(60_000, Some(300)).await, "mac2").await;
    let reply = send(&world, hosted_xml("alone", "1000")).await;
    assert!(reply.contains("<reference id="));
    notified_is(&world, "alone", &["AUTHORISED"]).await;
    let return_url = world.receiver.url("3ds-return");
    let one = challenged(&world, "ch", "8000", "4000000000001091", PLAIN).await;
    one.open(&world, &one.jwt(&return_url, |_| {})).await;
    world.receiver.exactly("3ds-return", 1).await;
    assert_eq!(events(&second(&world, "ch", SESSION, Some(&one.machine)).await), ["AUTHORISED"]);

    let world = ready(World::with(60_000, None).await, "mac2").await;
    let page = page(&world, "slow", "1000").await;
    // Two hours at 60,000-fold speed.
    eventually(|| async { (world.client.get(&page).send().await.unwrap().status().as_u16() == 303).then_some(()) }).await;
    assert!(world.submit(&page, PAY).await.1.contains("/error?"));
    assert_eq!(error(&inquire(&world, "slow").await).0, "5");
}

#[tokio::test]
async fn a_kill_loses_neither_capture_nor_notification() {
    let mut world = world().await;
    world.settings("worldpay", json!({"settleDelayMs": 60_000})).await;
    world.receiver.answer_with(503);
    send(&world, direct_xml("k1", "1500", CARD, PLAIN).replace("\"OFF\"", "\"DEFAULT\"")).await;
    notified_is(&world, "k1", &["AUTHORISED"]).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    eventually(|| async { (events(&inquire(&world, "k1").await) == ["CAPTURED"]).then_some(()) }).await;
    eventually(|| async { notified(&world, "k1").contains(&"CAPTURED".to_owned()).then_some(()) }).await;
    let told = notified(&world, "k1");
    assert!(told.len() >= 3 && told[..told.len() - 1].iter().all(|word| word == "AUTHORISED"), "{told:?}");
    assert_eq!(world.ledger_is("worldpay", "k1", "settled").await["times"], 1);
}
