//! What is sent.

use super::*;
use crate::api::Doubt;
use crate::testing::header;
use crate::worldpay::order::shopper_id;

const OPENING: &str = r#"<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE paymentService PUBLIC "-//Worldpay//DTD Worldpay PaymentService v1//EN" "http://dtd.worldpay.com/paymentService_v1.dtd"><paymentService version="1.4" merchantCode="MYMERCHANT"><submit>"#;
const ADDRESS: &str = "<address><firstName>John</firstName><lastName>Doe</lastName><address1>Hauptstr. 1</address1><postalCode>10115</postalCode><city>Berlin</city><countryCode>DE</countryCode><telephoneNumber>4915112345678</telephoneNumber></address>";

fn body(call: &crate::Call) -> String {
    String::from_utf8(call.body.clone()).unwrap()
}

fn sent(world: &mut World) -> String {
    body(&the_call(world.begin(Task::PayIn)))
}

#[test]
fn the_hosted_order_of_the_sheet() {
    let call = the_call(hosted(&[]).begin(Task::PayIn));
    assert_eq!((call.method, call.doubt, call.answer_limit_ms), ("POST", Doubt::Page, Some(20_000)));
    assert_eq!(call.url, "https://secure-test.worldpay.com/jsp/merchant/xml/paymentService.jsp");
    assert_eq!(header(&call, "authorization"), Some("Basic eG1sdXNlcjp4bWxwYXNz"));
    assert_eq!(header(&call, "content-type"), Some("text/xml; charset=utf-8"));
    assert_eq!(
        body(&call),
        format!(
            r#"{OPENING}<order orderCode="{ORDER}" installationId="123456" captureDelay="DEFAULT" shopperLanguageCode="en"><description>Payment {ORDER}</description><amount value="15000" currencyCode="EUR" exponent="2"/><orderContent><![CDATA[]]></orderContent><paymentMethodMask><include code="ALL"/></paymentMethodMask><shopper><shopperEmailAddress>player@example.com</shopperEmailAddress></shopper><billingAddress>{ADDRESS}</billingAddress></order></submit></paymentService>"#
        )
    );
}

#[test]
fn what_a_hosted_order_takes_from_the_account() {
    let mut world = hosted(&[]);
    configured(&mut world, r#"{"captureDelay":"14","hppLanguage":"de-DE","hppPaymentMethodMask":"ONLINE,VISA-SSL,!AMEX-SSL"}"#);
    let xml = sent(&mut world);
    assert!(xml.contains(r#"captureDelay="14" shopperLanguageCode="de-DE""#));
    assert!(xml.contains(r#"<include code="ONLINE"/><include code="VISA-SSL"/><exclude code="AMEX-SSL"/>"#));
    for (word, codes) in [
        ("CARD", vec!["VISA-SSL", "ECMC-SSL", "MAESTRO-SSL", "AMEX-SSL"]),
        ("APPLEPAY", vec!["APPLEPAY-SSL"]),
        ("GOOGLEPAY", vec!["PAYWITHGOOGLE-SSL"]),
    ] {
        let mut world = hosted(&[("paymentMethod", &format!("{word:?}"))]);
        configured(&mut world, r#"{"hppPaymentMethodMask":"ONLINE"}"#);
        let includes: String = codes.iter().map(|code| format!(r#"<include code="{code}"/>"#)).collect();
        assert!(sent(&mut world).contains(&format!("<paymentMethodMask>{includes}</paymentMethodMask>")), "{word}");
    }
}

#[test]
fn amounts_are_minor_units_with_their_exponent() {
    for (amount, currency, value, exponent) in [
        ("150.00", "EUR", "15000", "2"),
        ("0.01", "GBP", "1", "2"),
        ("1500", "JPY", "1500", "0"),
        ("12.345", "KWD", "12345", "3"),
        ("12.3", "BHD", "12300", "3"),
        ("9999999999999.99", "USD", "999999999999999", "2"),
    ] {
        for direct in [false, true] {
            let changes = [("baseamount", amount), ("currency", &*format!("{currency:?}"))];
            let xml = sent(&mut if direct { direct_with(&changes) } else { hosted(&changes) });
            let expected = format!(r#"<amount value="{value}" currencyCode="{currency}" exponent="{exponent}"/>"#);
            assert!(xml.contains(&expected), "{xml}");
        }
    }
}

#[test]
fn the_direct_order_of_the_sheet() {
    let browser = r#"{"userAgent":"UA","acceptHeader":"text/html","language":"de-DE"}"#;
    let mut world = direct_with(&[("userIp", r#""198.51.100.7""#), ("browser", browser)]);
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.doubt, call.answer_limit_ms, call.memo.is_none()), (Doubt::Money, Some(60_000), true));
    assert!(call.body.len() <= call.body.capacity());
    assert!(!format!("{call:?}{}", call.scratch.to_text()).contains("4444"));
    assert_eq!(
        body(&call),
        format!(
            r#"{OPENING}<order orderCode="{ORDER}" captureDelay="DEFAULT" shopperLanguageCode="en"><description>Payment {ORDER}</description><amount value="15000" currencyCode="EUR" exponent="2"/><paymentDetails action="AUTHORISE"><CARD-SSL><cardNumber>4444333322221111</cardNumber><expiryDate><date month="11" year="2035"/></expiryDate><cardHolderName>John Doe</cardHolderName><cvc>123</cvc><cardAddress>{ADDRESS}</cardAddress></CARD-SSL><session shopperIPAddress="198.51.100.7" id="60a740385b94427e8cffabc123000000"/></paymentDetails><shopper><shopperEmailAddress>player@example.com</shopperEmailAddress><browser><acceptHeader>text/html</acceptHeader><userAgentHeader>UA</userAgentHeader><browserLanguage>de-DE</browserLanguage></browser></shopper><additional3DSData dfReferenceId="" challengeWindowSize="fullPage"/></order></submit></paymentService>"#
        )
    );
}

#[test]
fn the_whole_browser_in_the_order_of_the_dtd() {
    let browser = r#"{"screenWidth":1440,"screenHeight":900,"colorDepth":24,"javaScriptEnabled":false,"javaEnabled":true,"language":"de","timeZoneOffset":-60}"#;
    let mut world = direct_with(&[("browser", browser), ("dfReferenceId", r#""SESSION \"1\"""#)]);
    world.order.fields.plain.insert("http.userAgent".to_owned(), domain::Json::text("Agent"));
    world.order.fields.plain.insert("http.accept".to_owned(), domain::Json::text("*/*"));
    let xml = sent(&mut world);
    assert!(xml.contains("<browser><acceptHeader>*/*</acceptHeader><userAgentHeader>Agent</userAgentHeader><timeZone>-60</timeZone><browserLanguage>de</browserLanguage><browserJavaEnabled>true</browserJavaEnabled><browserJavaScriptEnabled>false</browserJavaScriptEnabled><browserColourDepth>24</browserColourDepth><browserScreenHeight>900</browserScreenHeight><browserScreenWidth>1440</browserScreenWidth></browser>"), "{xml}");
    assert!(xml.contains(
        r#"<additional3DSData dfReferenceId="SESSION &quot;1&quot;" challengeWindowSize="fullPage" javaScriptEnabled="false"/>"#
    ));
    assert!(!xml.contains("shopperIPAddress"), "never the connection's address");
    assert!(!sent(&mut direct()).contains("<browser>"));
}

#[test]
fn the_shopper_id_vector() {
    assert_eq!(shopper_id("company1", "user_123"), "9494ecf32d4a4e345bbf24e14f6a337a37366ce0d5e625e1f99c8995ae4a8dad");
}

#[test]
fn tokens_are_asked_for_where_they_are_wanted() {
    let id = shopper_id(crate::testing::COMPANY, "user_123");
    for mut world in [hosted(&[]), direct()] {
        assert!(!sent(&mut world).contains("createToken"));
        configured(&mut world, r#"{"tokenizationEnabled":true}"#);
        let xml = sent(&mut world);
        assert!(xml.contains(&format!("</shopperEmailAddress><authenticatedShopperID>{id}</authenticatedShopperID>")), "{xml}");
        let token =
            format!(r#"<createToken tokenScope="shopper"><tokenEventReference>{ORDER}</tokenEventReference></createToken>"#);
        let place = xml.find(&token).unwrap();
        assert!(xml.find("</shopper>").unwrap() < place);
        assert!(xml.find("<billingAddress>").is_none_or(|at| at < place));
        assert!(xml.find("<additional3DSData").is_none_or(|at| place < at));
    }
}

#[test]
fn fraud_sight_of_the_sheet() {
    let id = shopper_id(crate::testing::COMPANY, "user_123");
    let expected = format!(
        r#"<FraudSightData><customStringFields><customStringField1>M</customStringField1><customStringField2>true</customStringField2><customStringField3>false</customStringField3><customStringField4>false</customStringField4><customStringField5>brand-one</customStringField5><customStringField6>player@example.com</customStringField6><customStringField7>2026-01-10</customStringField7></customStringFields><customNumericFields><customNumericField1>3</customNumericField1><customNumericField2>20</customNumericField2></customNumericFields><shopperFields><shopperName>John Doe</shopperName><shopperId>{id}</shopperId><birthDate><date dayOfMonth="15" month="01" year="1990"/></birthDate><shopperAddress><address><address1>Hauptstr. 1</address1><postalCode>10115</postalCode><city>Berlin</city><countryCode>DE</countryCode></address></shopperAddress></shopperFields></FraudSightData></order>"#
    );
    for mut world in [hosted(&[]), direct()] {
        configured(&mut world, r#"{"fraudSightEnabled":true}"#);
        assert!(sent(&mut world).contains(&expected));
    }
    for (balance, whole) in [("-0.5", Some("0")), ("-3.9", Some("-3")), ("7", Some("7")), ("1e3", None)] {
        let mut world = hosted(&[("userBalance", balance)]);
        configured(&mut world, r#"{"fraudSightEnabled":true}"#);
        let xml = sent(&mut world);
        let element = whole.map(|whole| format!("<customNumericField2>{whole}</customNumericField2>"));
        assert!(element.map_or(!xml.contains("customNumericField2"), |element| xml.contains(&element)), "{balance}");
    }
}

#[test]
fn inquiry_and_test() {
    for (task, step) in [(Task::Inquire, "inquiry"), (Task::Test, "test")] {
        let call = the_call(hosted(&[]).begin(task));
        assert_eq!((call.step, call.doubt, call.answer_limit_ms), (step, Doubt::Harmless, Some(10_000)));
        assert!(body(&call).ends_with(&format!(r#"<inquiry><orderInquiry orderCode="{ORDER}"/></inquiry></paymentService>"#)));
    }
}

#[test]
fn the_second_submit_of_the_sheet() {
    let mut world = challenged();
    let call = the_call(world.begin(Task::Continue));
    assert_eq!((call.doubt, call.answer_limit_ms), (Doubt::Money, Some(60_000)));
    assert_eq!(header(&call, "cookie"), Some("machine=0aa20016"));
    assert_eq!(
        body(&call),
        format!(
            r#"{OPENING}<order orderCode="{ORDER}"><info3DSecure><completedAuthentication/></info3DSecure><session id="60a740385b94427e8cffabc123000000"/></order></submit></paymentService>"#
        )
    );
    assert_eq!(call.memo.as_ref().and_then(|memo| memo.get("continued")), Some(&domain::Json::Bool(true)));
    // Kept with its intent: never a second time, whatever became of it.
    assert!(matches!(world.begin(Task::Continue), Step::Found(_)));
}

#[test]
fn no_second_submit_without_an_open_challenge() {
    assert!(matches!(pending(direct()).begin(Task::Continue), Step::Found(_)));
    let mut late = challenged();
    late.now = late.now.plus_ms(30 * 60 * 1_000);
    assert!(matches!(late.begin(Task::Continue), Step::Found(_)));
    let mut ended = challenged();
    ended.status = TransactionStatus::Approved;
    assert!(matches!(ended.begin(Task::Continue), Step::Found(_)));
}
