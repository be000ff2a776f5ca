use super::*;
use crate::api::{CashierAnswer, Doubt, Finding, Lost, Standing};
use crate::testing::{found, header};
use domain::ErrorCode;

fn sent(world: &mut World) -> (crate::Call, String) {
    let call = the_call(world.begin(Task::PayIn));
    let body = String::from_utf8(call.body.clone()).unwrap();
    (call, body)
}

/// The sheet's document, its white space between elements taken out.
const PUBLISHED: &str = r#"<?xml version="1.0" encoding="UTF-8"?><payment_transaction><transaction_type>sale3d</transaction_type><transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id><usage>Card deposit</usage><remote_ip>198.51.100.7</remote_ip><notification_url>https://gw.example/callbacks/emerchantpay/token</notification_url><return_success_url>https://gw.example/return/emerchantpay/t0k/success</return_success_url><return_failure_url>https://gw.example/return/emerchantpay/t0k/failure</return_failure_url><amount>10000</amount><currency>EUR</currency><card_holder>John Doe</card_holder><card_number>4918190000000002</card_number><cvv>123</cvv><expiration_month>12</expiration_month><expiration_year>2030</expiration_year><customer_email>player@example.com</customer_email><customer_phone>4915112345678</customer_phone><billing_address><first_name>John</first_name><last_name>Doe</last_name><address1>Hauptstr. 1</address1><zip_code>10115</zip_code><city>Berlin</city><country>DE</country></billing_address><threeds_v2_params><threeds_method><callback_url>https://gw.example/callbacks/emerchantpay/m3th0d/threeds</callback_url></threeds_method><control><device_type>browser</device_type><challenge_window_size>full_screen</challenge_window_size><challenge_indicator>no_preference</challenge_indicator></control><purchase><category>goods</category></purchase><browser><accept_header>text/html</accept_header><java_enabled>false</java_enabled><language>de-DE</language><color_depth>24</color_depth><screen_height>900</screen_height><screen_width>1440</screen_width><time_zone_offset>-60</time_zone_offset><user_agent>Mozilla/5.0</user_agent></browser></threeds_v2_params></payment_transaction>"#;

#[test]
fn the_published_request() {
    let (call, body) = sent(&mut world());
    assert_eq!(body, PUBLISHED);
    assert_eq!(call.url, "https://staging.gate.emerchantpay.net/process/394f2ebc3646d3c017fa1e1cbc4a1e20/");
    assert_eq!(call.shown, "staging.gate.emerchantpay.net/process/***/", "the terminal token is a secret");
    assert_eq!((call.method, call.doubt, call.answer_limit_ms), ("POST", Doubt::Money, Some(60_000)));
    assert_eq!(header(&call, "content-type"), Some("text/xml"));
    // base64 of genesis-user:secretpw
    assert_eq!(header(&call, "authorization"), Some("Basic Z2VuZXNpcy11c2VyOnNlY3JldHB3"));
    assert!(call.memo.is_none() && call.scratch == domain::Json::Null, "nothing of the card is kept");
    assert!(!format!("{call:?}").contains("4918190000000002"));
}

#[test]
fn amounts_are_whole_minor_units() {
    for (amount, currency, minor) in [
        ("100.00", "EUR", "10000"),
        ("0.01", "EUR", "1"),
        ("12.3", "EUR", "1230"),
        ("5000", "JPY", "5000"),
        ("1", "CLP", "1"),
        ("1.234", "KWD", "1234"),
        ("10", "BHD", "10000"),
        ("1.2345", "CLF", "12345"),
    ] {
        let mut world = ordering(&[("baseamount", amount), ("currency", &format!("{currency:?}"))]);
        let (_, body) = sent(&mut world);
        assert!(body.contains(&format!("<amount>{minor}</amount><currency>{currency}</currency>")), "{amount} {currency}");
    }
}

#[test]
fn what_is_not_there_is_left_out_or_has_its_default() {
    let mut world =
        ordering(&[("phone", "null"), ("usage", "null"), ("countryCode", "null"), ("browser", "null"), ("userIp", "null")]);
    let (_, body) = sent(&mut world);
    for absent in ["customer_phone", "billing_address", "remote_ip", "user_agent"] {
        assert!(!body.contains(absent), "{absent}");
    }
    assert!(body.contains("<usage>Card deposit</usage>"));
    assert!(body.contains(
        "<browser><accept_header>*/*</accept_header><java_enabled>false</java_enabled><language>en</language><color_depth>24</color_depth>\
         <screen_height>900</screen_height><screen_width>1440</screen_width><time_zone_offset>0</time_zone_offset></browser>"
    ));
}

#[test]
fn headers_of_the_cashier_call_stand_in() {
    let mut world = ordering(&[("browser", r#"{"javaEnabled":true,"colorDepth":32}"#)]);
    for (name, value) in [("http.userAgent", "Curl/8"), ("http.accept", "text/*"), ("http.acceptLanguage", "pt-BR,pt;q=0.9")] {
        world.order.fields.plain.insert(name.to_owned(), domain::Json::text(value));
    }
    let (_, body) = sent(&mut world);
    for part in [
        "<accept_header>text/*</accept_header>",
        "<java_enabled>true</java_enabled>",
        "<language>pt-BR</language>",
        "<color_depth>32</color_depth>",
        "<user_agent>Curl/8</user_agent>",
    ] {
        assert!(body.contains(part), "{part}");
    }
    for (accepted, language) in [("*;q=0.5", "en"), ("*, sr-Latn-RS;q=0.5", "sr-Latn"), ("en-GB-oxendict", "en-GB")] {
        world.order.fields.plain.insert("http.acceptLanguage".to_owned(), domain::Json::text(accepted));
        assert!(sent(&mut world).1.contains(&format!("<language>{language}</language>")), "{accepted}");
    }
}

/// What real browsers say of themselves refuses no payment.
#[test]
fn browsers_as_they_are() {
    for (browser, sent_as) in [
        (r#"{"language":"en-GB-oxendict","colorDepth":30}"#, ["<language>en-GB</language>", "<color_depth>24</color_depth>"]),
        (r#"{"language":"zh-Hant-TW","colorDepth":64}"#, ["<language>zh-Hant</language>", "<color_depth>48</color_depth>"]),
        (r#"{"language":"en-US@posix","colorDepth":2}"#, ["<language>en-US</language>", "<color_depth>1</color_depth>"]),
        (r#"{"language":"i-klingon","colorDepth":12}"#, ["<language>en</language>", "<color_depth>8</color_depth>"]),
        (
            r#"{"screenHeight":0,"screenWidth":411.4285}"#,
            ["<screen_height>900</screen_height>", "<screen_width>411</screen_width>"],
        ),
        (
            r#"{"screenHeight":99999,"timeZoneOffset":-839.5}"#,
            ["<screen_height>99999</", "<time_zone_offset>-839</time_zone_offset>"],
        ),
        (
            r#"{"timeZoneOffset":-840,"screenWidth":0.0}"#,
            ["<screen_width>1440</screen_width>", "<time_zone_offset>-840</time_zone_offset>"],
        ),
    ] {
        let (_, body) = sent(&mut ordering(&[("browser", browser)]));
        assert!(sent_as.iter().all(|part| body.contains(part)), "{browser}: {body}");
    }
}

#[test]
fn texts_are_escaped_and_the_buffer_never_moves() {
    let address = r#"{"line1":"A&B <x>","line2":"2nd","state":"NY","city":"New York","postalCode":"10001"}"#;
    let mut world = ordering(&[("usage", "\"<b>&amp;\""), ("countryCode", "\"US\""), ("address", address)]);
    let (call, body) = sent(&mut world);
    assert!(body.contains("<usage>&lt;b&gt;&amp;amp;</usage>"));
    assert!(body.contains("<address1>A&amp;B &lt;x&gt;</address1><address2>2nd</address2><zip_code>10001</zip_code><city>New York</city><state>NY</state><country>US</country>"));
    assert!(call.body.capacity() >= call.body.len());
}

#[test]
fn without_its_card_nothing_is_sent() {
    let mut world = world();
    world.card = None;
    assert!(matches!(world.begin(Task::PayIn), Step::Refused(_)));
}

// --- answers ----------------------------------------------------------------------------------

fn success(finding: &Finding) -> (&str, String, Option<&str>) {
    match &finding.answer {
        Some(CashierAnswer::Success { message, data, redirect_url }) => (message, data.to_text(), redirect_url.as_deref()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn approved_at_once() {
    for root in ["payment_response", "payment_transaction"] {
        let body =
            about("approved", "<response_code>00</response_code><message>TESTMODE</message>").replace("payment_response", root);
        let finding = found(sell(&answer(200, body)));
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Approved, "approved"));
        assert_eq!(finding.psp_transaction_id.as_deref(), Some(UNIQUE_ID));
        let (message, data, url) = success(&finding);
        assert_eq!((message, url), ("Transaction approved", None));
        assert_eq!(
            data,
            r#"{"status":"approved","transaction_status":"Approved","transactionId":"64a1f2b3c4d5e6f7a8b9c0d1","sessionId":"60a74038-5b94-427e-8cff-abc123000000","uniqueId":"44177a21403427eb96664a6d7e5d5d48","amount":100,"merchantReference":"ORDER-REF-001","card":{"brand":"VISA","first6":"491819","last4":"0002","expMonth":"12","expYear":"2030"}}"#
        );
    }
}

#[test]
fn the_brand_is_the_schemes_else_the_gateways() {
    let card =
        |pan: &str| format!(r#"{{"pan":"{pan}","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"}}"#);
    for (pan, word, brand) in [
        ("6250941006528599", "maestro", "UNIONPAY"),
        ("9792000000000003", "troy", "TROY"),
        ("9792000000000003", "<x/>", "UNKNOWN"),
    ] {
        let mut world = ordering(&[("card", &card(pan))]);
        let call = the_call(world.begin(Task::PayIn));
        let reply = answer(200, about("approved", &format!("<card_brand>{word}</card_brand>")));
        let finding = found(world.resume(Task::PayIn, &call, &reply));
        assert!(success(&finding).1.contains(&format!(r#""brand":"{brand}""#)), "{pan} {word}");
    }
}

#[test]
fn a_challenge_sends_the_payer_on() {
    let url = "https://staging.gate.emerchantpay.net/threeds/authentication/44177a";
    let finding = found(sell(&answer(200, about("pending_async", &format!("<redirect_url>{url}</redirect_url>")))));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "pending_async"));
    assert!(finding.memo.is_none());
    let (message, data, redirect) = success(&finding);
    assert_eq!((message, redirect), ("3-D Secure authentication required", Some(url)));
    assert!(data.starts_with(r#"{"status":"pending_async","transaction_status":"Pending","transactionId":"#));
    assert!(data.ends_with(&format!(r#""url":"{url}"}}"#)));
}

#[test]
fn a_device_check_goes_over_our_page() {
    let mut world = world();
    let (_, end) = world.run(Task::PayIn);
    let finding = found(end);
    assert_eq!(success(&finding).2, Some("https://gw.example/3ds/t0k"));
    assert_eq!(
        finding.memo.unwrap().to_text(),
        r#"{"uniqueId":"44177a21403427eb96664a6d7e5d5d48","amount":"10000","timestamp":"2026-01-02T03:04:05Z","methodUrl":"https://staging.gate.emerchantpay.net/threeds/threeds_method","continueUrl":"https://staging.gate.emerchantpay.net/threeds/threeds_method/44177a21403427eb96664a6d7e5d5d48"}"#
    );
}

fn silence(step: Step) -> Option<String> {
    match step {
        Step::Silence(refusal) => refusal.anomaly,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_that_are_not_the_gateways_are_not_believed() {
    let method = |url: &str, go_on: &str, timestamp: &str| {
        let rest = format!(
            "<threeds_method_url>{url}</threeds_method_url><threeds_method_continue_url>{go_on}</threeds_method_continue_url><timestamp>{timestamp}</timestamp>"
        );
        sell(&answer(200, about("pending_async", &rest)))
    };
    let (gate, at) = ("https://staging.gate.emerchantpay.net/threeds/threeds_method", "2026-01-02T03:04:05Z");
    assert!(matches!(method(gate, gate, at), Step::Found(_)));
    for other in [
        "https://gate.emerchantpay.net/x",
        "https://staging.gate.emerchantpay.net:444/x",
        "http://staging.gate.emerchantpay.net/x",
        "https://staging.gate.emerchantpay.net.evil.example/x",
        "https://u@staging.gate.emerchantpay.net/x",
        "javascript:alert(1)",
        "",
    ] {
        if !other.is_empty() {
            assert!(silence(method(other, gate, at)).is_some(), "{other}");
        }
        assert!(silence(method(gate, other, at)).is_some(), "{other}");
    }
    for time in ["2026-01-02T03:04:05.000Z", "2026-01-02T04:04:05+01:00"] {
        let memo = found(method(gate, gate, time)).memo.unwrap();
        assert_eq!(memo.str_at("timestamp"), Some("2026-01-02T03:04:05Z"), "as signatures have it: {time}");
    }
    for time in ["", "2026-01-02", "2026-13-02T03:04:05Z", "yesterday"] {
        assert!(silence(method(gate, gate, time)).is_some(), "{time}");
    }
    for url in ["http://acs.example/x", "javascript:alert(1)", "/x"] {
        assert!(silence(sell(&answer(200, about("pending_async", &format!("<redirect_url>{url}</redirect_url>"))))).is_some());
    }
    // Nothing for the payer to do at all.
    assert_eq!(silence(sell(&answer(200, about("pending_async", "")))), None);
}

#[test]
fn an_answer_about_something_else_is_not_believed() {
    for (from, to) in [
        ("64a1f2b3c4d5e6f7a8b9c0d1", "64a1f2b3c4d5e6f7a8b9c0d2"),
        ("<unique_id>44177a", "<unique_id>zz177a"),
        ("<amount>10000", "<amount>1000"),
        ("<amount>10000", "<amount>100.00"),
        ("<currency>EUR", "<currency>USD"),
    ] {
        for status in ["approved", "declined", "pending_async", "error"] {
            let body = about(status, "<code>500</code>").replace(from, to);
            assert!(silence(sell(&answer(200, body))).is_some(), "{status}: {to}");
        }
    }
}

#[test]
fn open_words_are_pending() {
    for word in ["pending", "in_progress", "pending_hold", "pending_review"] {
        let finding = found(sell(&answer(200, about(word, ""))));
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, word));
        assert!(finding.answer.is_none(), "the engine's own answer: being processed");
    }
}

fn declined(finding: &Finding) -> (&str, String) {
    match &finding.answer {
        Some(CashierAnswer::Declined { message, data }) => (message, data.as_ref().unwrap().to_text()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn declined_at_once() {
    let rest = "<code>500</code><response_code>05</response_code><message>Transaction declined</message><technical_message>Do not honour 4918190000000002</technical_message>";
    let finding = found(sell(&answer(200, about("declined", rest))));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Declined, "declined"));
    assert_eq!(finding.notes, ["eMerchantPay: Do not honour ****************"]);
    let (message, data) = declined(&finding);
    assert_eq!(message, "Transaction declined");
    assert_eq!(
        data,
        r#"{"status":"declined","transaction_status":"Declined","uniqueId":"44177a21403427eb96664a6d7e5d5d48","code":"500","responseCode":"05","merchantReference":"ORDER-REF-001"}"#
    );
    let finding = found(sell(&answer(200, about("unsuccessful", ""))));
    assert_eq!(declined(&finding).0, "Transaction declined", "the gateway has no words");
    assert_eq!(finding.status, "unsuccessful");
}

/// Every code, with the row that it belongs to when the status is `error`.
fn row(code: u16) -> u8 {
    match code {
        110 | 220 => 3,
        101 => 4,
        530 | 630 => 8,
        500..=550 | 600..=697 => 5,
        300..=340 | 400..=490 | 700..=740 => 6,
        120 | 350 | 360 => 7,
        _ => 8,
    }
}

#[test]
fn every_code_is_in_its_row() {
    for code in 0..1_000 {
        let body = bare(&format!("<code>{code}</code><message>said</message>"));
        let shown = format!("code {code}");
        match (row(code), sell(&answer(200, body))) {
            (3, Step::Refused(refusal)) => assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials, "{shown}"),
            (4, Step::Refused(refusal)) => assert_eq!(refusal.code, ErrorCode::PspUnavailable, "{shown}"),
            (5, Step::Found(finding)) => {
                assert_eq!((finding.standing, &*finding.status), (Standing::Declined, "error"), "{shown}")
            }
            (6, Step::Found(finding)) => {
                assert_eq!((finding.standing, &*finding.status), (Standing::Failed, "error"), "{shown}");
                let (message, data) = declined(&finding);
                assert_eq!(message, "said");
                assert_eq!(
                    data,
                    format!(
                        r#"{{"status":"error","transaction_status":"Failed","code":"{code}","merchantReference":"ORDER-REF-001"}}"#
                    )
                );
            }
            (7, Step::Refused(refusal)) => {
                assert_eq!(refusal.code, ErrorCode::UnknownPspError, "{shown}");
                assert!(refusal.data.is_some());
            }
            (8, Step::Silence(_)) => {}
            (_, other) => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn the_code_decides_beside_a_declined() {
    for (code, expected) in [
        ("500", Some(Standing::Declined)),
        ("300", Some(Standing::Declined)),
        ("120", Some(Standing::Declined)),
        ("200", None),
        ("230", None),
        ("530", None),
        ("630", None),
        ("900", None),
        ("777", None),
        ("x", None),
    ] {
        match sell(&answer(200, about("declined", &format!("<code>{code}</code>")))) {
            Step::Found(finding) => assert_eq!(Some(finding.standing), expected, "{code}"),
            Step::Silence(_) => assert_eq!(expected, None, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
    for code in ["110", "220", "101"] {
        assert!(matches!(sell(&answer(200, about("declined", &format!("<code>{code}</code>")))), Step::Refused(_)));
    }
    // The word does not decide.
    let spoilt = about("declined", "<code>510</code><technical_message>Gateway timeout</technical_message>");
    assert_eq!(found(sell(&answer(200, spoilt))).standing, Standing::Declined);
}

#[test]
fn a_payment_that_was_sent_before_is_in_doubt() {
    let body = |text: &str| bare(&format!("<code>340</code><technical_message>{text}</technical_message>"));
    assert!(matches!(sell(&answer(200, body("'transaction_id' HAS ALREADY been used!"))), Step::Silence(_)));
    assert_eq!(found(sell(&answer(200, body("'currency' not supported by this Terminal")))).standing, Standing::Failed);
}

#[test]
fn http_decides_where_it_must() {
    let decline = about("declined", "<code>500</code>");
    for status in [500, 502, 503, 504, 408, 301, 302, 100] {
        for body in ["", "<html>", &decline, &bare("<code>110</code>"), &about("approved", "")] {
            silence(sell(&answer(status, body)));
        }
    }
    let cases = [
        (401, "", ErrorCode::InvalidPspCredentials),
        (401, "timeout", ErrorCode::InvalidPspCredentials),
        (403, &*decline, ErrorCode::InvalidPspCredentials),
        (404, "<html><body>no</body></html>", ErrorCode::InvalidPspCredentials),
        (404, "", ErrorCode::InvalidPspCredentials),
        (429, "", ErrorCode::PspRateLimited),
        (429, &*decline, ErrorCode::PspRateLimited),
    ];
    for (status, body, code) in cases {
        match sell(&answer(status, body)) {
            Step::Refused(refusal) => assert_eq!(refusal.code, code, "{status} {body}"),
            other => panic!("{status} {body}: {other:?}"),
        }
    }
    // With a document it is the document that speaks.
    assert_eq!(found(sell(&answer(404, decline.clone()))).standing, Standing::Declined);
    for body in ["", "{}", "approved", "<payment_response>", "<other/>", &decline[..decline.len() - 3], &bare("")] {
        silence(sell(&answer(200, body)));
    }
    assert!(silence(sell(&answer(200, about("brand_new", "")))).unwrap().contains("brand_new"));
    for word in ["timeout", "cancelled", "voided", "refunded", "chargebacked", "represented"] {
        silence(sell(&answer(200, about(word, ""))));
    }
    silence(sell(&answer(200, about("approved", "<code>340</code>"))));
    silence(sell(&answer(200, about("approved", "").replace(IDS, ""))));
}

#[test]
fn connections() {
    for (lost, code) in [(Lost::NotConnected, ErrorCode::PspUnavailable), (Lost::ConnectTimeout, ErrorCode::PspTimeout)] {
        match sell(&Reply::Lost(lost)) {
            Step::Refused(refusal) => assert_eq!(refusal.code, code),
            other => panic!("{other:?}"),
        }
    }
    for lost in [Lost::Broken, Lost::TimedOut, Lost::TooLarge] {
        silence(sell(&Reply::Lost(lost)));
    }
}

#[test]
fn nothing_of_a_card_is_in_what_is_shown() {
    let body = bare(
        "<code>120</code><card_number>4918190000000002</card_number><cvv>123</cvv><technical_message>4918 1900 0000 0002 is odd</technical_message>",
    );
    let Step::Refused(refusal) = sell(&answer(200, body)) else { panic!() };
    let shown = refusal.data.unwrap().to_text();
    assert!(shown.contains("<card_number></card_number><cvv></cvv><technical_message>**** **** **** **** is odd<"), "{shown}");
    let message = "<message>Card 4918-1900-0000-0002 refused</message>";
    let finding = found(sell(&answer(200, about("declined", message))));
    assert_eq!(declined(&finding).0, "Card ****-****-****-**** refused");
}
