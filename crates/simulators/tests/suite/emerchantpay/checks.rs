//! Logins, terminals, and what is sent.

use super::*;

#[tokio::test]
async fn logins_content_types_and_terminals_are_checked() {
    let world = world().await;
    let url = world.url(&format!("/emerchantpay/process/{TOKEN}/"));
    let xml = sale_xml(&world, "a", "10000", PLAIN);
    let request = |user: &str, password: &str, kind: &str, body: &str| {
        world.client.post(&url).basic_auth(user, Some(password)).header("content-type", kind).body(body.to_owned())
    };
    let answer = request(USER, "wrong", "text/xml", &xml).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"Web Password\"");
    let body = answer.text().await.unwrap();
    assert_eq!(told(&body), of("error", "110"));
    assert_eq!(tag(&body, "message").as_deref(), Some("401 Unauthorized: Invalid Authentication!"));
    assert_eq!(sent(world.client.post(&url).header("content-type", "text/xml").body(xml.clone())).await.0, 401);

    for (kind, body, code) in [
        ("application/xml", xml.as_str(), "360"),
        ("application/json", "{}", "360"),
        ("text/xml", "<payment_transaction>", "350"),
        ("text/xml", "<!DOCTYPE x><payment_transaction/>", "350"),
        ("text/xml", "<reconcile/>", "350"),
        ("text/xml; charset=utf-8", "<payment_transaction/>", "310"),
    ] {
        let (status, body) = sent(request(USER, PASSWORD, kind, body)).await;
        assert_eq!((status, told(&body)), (200, of("error", code)), "{kind}");
    }
    let elsewhere = world.url("/emerchantpay/process/0000000000000000");
    let stranger = world.client.post(&elsewhere).header("content-type", "text/xml");
    let (status, body) = sent(stranger.basic_auth(USER, Some(PASSWORD)).body(xml.clone())).await;
    assert_eq!((status, told(&body)), (200, of("error", "220")));
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("Invalid Terminal"));
    assert!(tag(&body, "unique_id").is_none());
    let stranger = world.client.post(&elsewhere).header("content-type", "text/xml");
    assert_eq!(sent(stranger.basic_auth("nobody", Some(PASSWORD)).body(xml.clone())).await.0, 401, "110 comes before 220");

    let without_slash = world.client.post(url.trim_end_matches('/')).basic_auth(USER, Some(PASSWORD));
    assert_eq!(sent(without_slash.header("content-type", "text/xml").body(xml)).await.0, 200);
    assert_eq!(sent(world.client.get(&url)).await.0, 405);
    assert_eq!(sent(world.client.get(world.url("/emerchantpay/wpf"))).await.0, 404);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_sent_is_checked_in_order() {
    let world = world().await;
    let whole = sale_xml(&world, "checked", "10000", PLAIN);
    let mut cases = vec![(">sale3d<".to_owned(), ">sale<".to_owned(), "310")];
    for name in [
        "transaction_id",
        "notification_url",
        "return_success_url",
        "return_failure_url",
        "amount",
        "currency",
        "card_holder",
        "card_number",
        "cvv",
        "expiration_month",
        "expiration_year",
        "callback_url",
        "device_type",
        "challenge_window_size",
        "accept_header",
        "java_enabled",
        "language",
        "color_depth",
        "screen_height",
        "screen_width",
        "time_zone_offset",
        "user_agent",
        "country",
    ] {
        let text = tag(&whole, name).unwrap();
        cases.push((format!("<{name}>{text}</{name}>"), format!("<{name}></{name}>"), "320"));
    }
    for (name, good, bad, code) in [
        ("amount", "10000", "0", "340"),
        ("amount", "10000", "100.00", "340"),
        ("amount", "10000", "-1", "340"),
        ("amount", "10000", "1e4", "340"),
        ("currency", "EUR", "USD", "340"),
        ("card_number", PLAIN, "4012888888881882", "510"),
        ("card_number", PLAIN, "4012 8888 8888 1881", "510"),
        ("card_number", PLAIN, "401288888880", "510"),
        ("card_holder", "John Doe", "Doe", "340"),
        ("language", "de-DE", "en-GB-oxendict", "340"),
        ("language", "de-DE", "de_DE", "340"),
        ("expiration_year", "2039", "2020", "520"),
        ("expiration_month", "12", "13", "340"),
        ("expiration_month", "12", "6", "340"),
        ("expiration_year", "2039", "39", "340"),
        ("cvv", CVV, "12", "340"),
        ("device_type", "browser", "phone", "340"),
        ("challenge_window_size", "full_screen", "huge", "340"),
        ("challenge_indicator", "no_preference", "never", "340"),
        ("category", "goods", "chips", "340"),
        ("java_enabled", "false", "no", "340"),
        ("color_depth", "24", "25", "340"),
        ("screen_height", "900", "0", "340"),
        ("screen_width", "1440", "100000", "340"),
        ("time_zone_offset", "-60", "841", "340"),
        ("remote_ip", "198.51.100.7", "localhost", "340"),
        ("return_success_url", "https://shop.example/ok", "/ok", "340"),
        ("country", "DE", "US", "320"),
    ] {
        cases.push((format!("<{name}>{good}</{name}>"), format!("<{name}>{bad}</{name}>"), code));
    }
    for (good, bad, code) in cases {
        let xml = whole.replace(&good, &bad);
        assert_ne!(xml, whole, "{good}");
        let (status, body) = sent(posting(&world, "process", xml)).await;
        assert_eq!((status, tag(&body, "code").as_deref()), (200, Some(code)), "{bad}: {body}");
        let expected = if matches!(code, "510" | "520") { "declined" } else { "error" };
        assert_eq!(tag(&body, "status").as_deref(), Some(expected), "{bad}");
        assert_eq!(tag(&body, "unique_id").unwrap().len(), 32, "{bad}");
    }
    let (_, body) = sent(posting(&world, "process", whole.replace(">EUR<", ">USD<"))).await;
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("'currency' not supported by this Terminal"));
    assert_eq!(tag(&body, "message").as_deref(), Some("Please check input data for errors!"));
    let (_, body) = sent(posting(&world, "process", whole.replace(PLAIN, "4012888888881882"))).await;
    assert_eq!(tag(&body, "message").as_deref(), Some("Transaction declined"));
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("Credit card number is invalid"));
    assert_eq!(told(&reconcile(&world, "checked").await), of("error", "460"), "nothing was taken");

    assert_eq!(told(&sale(&world, "checked", "10000", PLAIN).await), of("approved", ""));
    let again = sale(&world, "checked", "20000", "4200000000000000").await;
    assert_eq!(told(&again), of("error", "340"));
    assert_eq!(tag(&again, "technical_message").as_deref(), Some("'transaction_id' has already been used!"));
    assert_eq!(world.ledger_is("emerchantpay", "checked", "settled").await["times"], 1);
    let empty = sent(posting(&world, "reconcile", "<reconcile/>".to_owned())).await.1;
    assert_eq!(told(&empty), of("error", "320"));
    let unknown = "<reconcile><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id></reconcile>".to_owned();
    assert_eq!(told(&sent(posting(&world, "reconcile", unknown)).await.1), of("error", "460"));
}

#[tokio::test]
async fn a_terminal_may_want_the_payers_address() {
    let world = world().await;
    let whole = sale_xml(&world, "wanted", "10000", PLAIN);
    let without = |xml: &str, name: &str| xml.replace(&format!("<{name}>{}</{name}>", tag(xml, name).unwrap()), "");
    let all = ["customer_email", "remote_ip", "first_name", "last_name", "address1", "city", "zip_code", "country"];
    let mut bare = whole.replace("wanted", "bare");
    let (before, rest) = bare.split_once("<billing_address>").unwrap();
    bare = format!("{before}{}", rest.split_once("</billing_address>").unwrap().1);
    bare = ["customer_email", "remote_ip"].iter().fold(bare, |xml, name| without(&xml, name));
    assert_eq!(told(&sent(posting(&world, "process", bare.clone())).await.1), of("approved", ""), "by default it does not");

    set_account(&world, json!({"username": USER, "password": PASSWORD, "currency": "EUR", "wantsBilling": true})).await;
    for name in all {
        let (_, body) = sent(posting(&world, "process", without(&whole, name))).await;
        let technical = format!("'{name}' is missing");
        assert_eq!((told(&body), tag(&body, "technical_message")), (of("error", "320"), Some(technical)), "{name}");
    }
    let (_, body) = sent(posting(&world, "process", bare.replace("bare", "bare-2"))).await;
    assert_eq!(told(&body), of("error", "320"));
    for (country, code) in [("US", "320"), ("CA", "320"), ("AU", "")] {
        let xml = whole.replace(">DE<", &format!(">{country}<")).replace("wanted", country);
        assert_eq!(tag(&sent(posting(&world, "process", xml.clone())).await.1, "code").unwrap_or_default(), code, "{country}");
        let with_state = xml.replace("</billing_address>", "<state>NY</state></billing_address>");
        let with_state = with_state.replace(&format!("<transaction_id>{country}<"), &format!("<transaction_id>{country}-2<"));
        assert_eq!(told(&sent(posting(&world, "process", with_state)).await.1), of("approved", ""), "{country}");
    }
}
