//! The challenge's page and the result redirect.

use super::*;
use crate::Provider as _;
use crate::api::CashierAnswer;
use crate::pages::{BrowserReturn, Challenge, Opening, ReturnReading};
use crate::testing::found;
use crate::worldpay::browser::{jwt, mac, mac2};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[test]
fn the_jwt_vector() {
    let claims = r#"{"jti":"11111111-1111-4111-8111-111111111111","iat":1767323045,"exp":1767330245,"iss":"issuer-0001","OrgUnitId":"orgunit-0001","ReturnUrl":"https://pay.example/3ds/t0k/return","ObjectifyPayload":true,"Payload":{"ACSUrl":"https://acs.example/auth","Payload":"eyJhIjoxfQ","TransactionId":"rUT8"}}"#;
    let jwt = jwt(claims, "0123456789abcdef0123456789abcdef");
    assert!(jwt.ends_with(".Rle_rXa1uUz3leDIKdlR-KRe2bxZWz7764zZwXkTXC4"), "{jwt}");
}

fn form(world: &World) -> (String, Vec<(&'static str, String)>) {
    let Opening::Form(form) = world.with_context(|cx| Worldpay.open_page(cx)) else { panic!("closed") };
    assert!(!form.hidden && !form.restarts_schedule && form.memo.is_none());
    (form.action.clone(), form.fields.iter().map(|(name, value)| (*name, value.expose().to_owned())).collect())
}

#[test]
fn the_challenges_form() {
    let mut world = challenged();
    let (action, fields) = form(&world);
    assert_eq!(action, "https://centinelapistag.cardinalcommerce.com/V2/Cruise/StepUp");
    assert_eq!((fields[0].0, &fields[1]), ("JWT", &("MD", ORDER.to_owned())));
    let parts: Vec<&str> = fields[0].1.split('.').collect();
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), r#"{"typ":"JWT","alg":"HS256"}"#);
    assert_eq!(
        decoded(parts[1]),
        r#"{"jti":"5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a","iat":1779010377,"exp":1779017577,"iss":"issuer-0001","OrgUnitId":"orgunit-0001","ReturnUrl":"https://gw.example/3ds/t0k/return","ObjectifyPayload":true,"Payload":{"ACSUrl":"https://acs.example/auth","Payload":"eyJhIjoxfQ","TransactionId":"rUT8"}}"#
    );
    configured(&mut world, r#"{"threeDsChallengeUrl":"http://127.0.0.1:8081/worldpay/V2/Cruise/StepUp"}"#);
    assert_eq!(form(&world).0, "http://127.0.0.1:8081/worldpay/V2/Cruise/StepUp");
    let mut live = challenged();
    live.environment = domain::urls::Environment::Production;
    assert_eq!(form(&live).0, "https://centinelapi.cardinalcommerce.com/V2/Cruise/StepUp");
}

#[test]
fn the_page_is_open_as_long_as_the_challenge() {
    let looks = |world: &World| {
        let closed = matches!(world.with_context(|cx| Worldpay.open_page(cx)), Opening::Closed);
        (closed, world.with_context(|cx| Worldpay.challenge(cx)))
    };
    let mut world = challenged();
    assert_eq!(looks(&world), (false, Challenge::Wait));
    world.begin(Task::Continue);
    assert_eq!(looks(&world), (true, Challenge::Over));
    let mut late = challenged();
    late.now = late.now.plus_ms(30 * 60 * 1_000 - 1);
    assert_eq!(looks(&late), (false, Challenge::Wait));
    late.now = late.now.plus_ms(1);
    assert_eq!(looks(&late), (true, Challenge::Over));
    assert_eq!(looks(&pending(hosted(&[]))), (true, Challenge::Over));
    let mut quick = challenged();
    quick.time_scale = 60;
    quick.now = quick.now.plus_ms(30 * 1_000);
    assert_eq!(looks(&quick), (true, Challenge::Over));
}

#[test]
fn the_mac_vectors() {
    let key = "MYADMINCODE^MYMERCHANT^T0211010";
    let authorised = [key, "1400", "GBP", "AUTHORISED"];
    assert_eq!(mac2(&authorised, "@p-p1epie"), "856ff737b2987f21513b91992818d983ce9fed97847b15756c56493a23090415");
    assert_eq!(mac(&authorised, "@p-p1epie"), "62441c9c7dce375a6913e55f34fc6d1a");
    let refused = [key, "1400", "GBP", "REFUSED"];
    assert_eq!(mac2(&refused, "@p-p1epie"), "f2cc645ae74447c0082fdab725405aea4ef962ded52bc16af3b805ced8ec0e43");
    let cancel = [key, "1400", "GBP"];
    assert_eq!(mac2(&cancel, "@p-p1epie"), "0be2ab0975179f4b81acf839a529ab46be3087e9e92db5c763600b784a7d287a");
    assert_eq!(mac(&cancel, "@p-p1epie"), "89f14ca77be0810bf1f127931b2b3d3e");
}

fn came_back(word: &str, pairs: &[(&str, &str)]) -> Option<ReturnReading> {
    let query: Vec<(String, String)> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pending(hosted(&[])).with_context(|cx| Worldpay.read_return(cx, &BrowserReturn { word, query: &query, raw: "" }))
}

#[test]
fn good_redirects_ask_and_bad_ones_ask_and_are_shown() {
    let key = format!("ADMIN^MYMERCHANT^{ORDER}");
    let values = [&*key, "15000", "EUR", "AUTHORISED"];
    let (good, old) = (mac2(&values, "@p-p1epie"), mac(&values, "@p-p1epie"));
    let pairs = |key: &'static str, value: &str| {
        let mut pairs = vec![
            ("orderKey", values[0].to_owned()),
            ("paymentStatus", "AUTHORISED".to_owned()),
            ("paymentAmount", "15000".to_owned()),
            ("paymentCurrency", "EUR".to_owned()),
            ("source", "WP".to_owned()),
        ];
        pairs.push((key, value.to_owned()));
        pairs
    };
    let read = |word: &str, pairs: &[(&'static str, String)]| {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        came_back(word, &pairs).unwrap()
    };
    for pairs in [pairs("mac2", &good), pairs("mac2", &good.to_uppercase()), pairs("mac", &old)] {
        let reading = read("success", &pairs);
        assert_eq!((reading.result, reading.ask, reading.anomaly), ("success", true, None));
    }
    let both = [pairs("mac2", &good.replace('8', "9")), vec![("mac", old.clone())]].concat();
    let wrong = [pairs("mac2", &old), pairs("mac", &good), pairs("other", "x"), both];
    for pairs in wrong {
        let reading = read("success", &pairs);
        assert!(reading.ask && reading.anomaly.unwrap().contains("MAC"));
    }
    for (index, other) in [(0, format!("ADMIN^OTHER^{ORDER}")), (2, "1".to_owned()), (3, "GBP".to_owned())] {
        let mut changed = pairs("mac2", "");
        changed[index].1 = other;
        let values: Vec<&str> = [0, 2, 3, 1].iter().map(|at| changed[*at].1.as_str()).collect();
        let signed = mac2(&values, "@p-p1epie");
        changed[5].1 = signed;
        let reading = read("success", &changed);
        assert!(reading.ask && reading.anomaly.unwrap().contains("another order or amount"), "{index}");
    }
}

#[test]
fn a_cancel_has_the_short_form() {
    let key = format!("ADMIN^MYMERCHANT^{ORDER}");
    let signed = mac2(&[&key, "15000", "EUR"], "@p-p1epie");
    let pairs = [("orderKey", &*key), ("orderAmount", "15000"), ("orderCurrency", "EUR"), ("mac2", &signed)];
    let reading = came_back("cancel", &pairs).unwrap();
    assert_eq!((reading.result, reading.anomaly, reading.note), ("cancel", None, None));
}

#[test]
fn words_of_redirects() {
    for (word, result) in
        [("success", "success"), ("failure", "failure"), ("pending", "pending"), ("cancel", "cancel"), ("error", "failure")]
    {
        let reading = came_back(word, &[]).unwrap();
        assert_eq!((reading.result, reading.ask, reading.anomaly.is_none()), (result, true, true));
        assert!(reading.note.is_some());
    }
    assert!(came_back("elsewhere", &[]).is_none());
    // Without the secret nothing can be wrong.
    let mut world = pending(hosted(&[]));
    configured(&mut world, r#"{"macSecret":null}"#);
    let query = [("orderKey".to_owned(), "x".to_owned()), ("mac2".to_owned(), "y".to_owned())];
    let reading =
        world.with_context(|cx| Worldpay.read_return(cx, &BrowserReturn { word: "success", query: &query, raw: "" })).unwrap();
    assert!(reading.ask && reading.anomaly.is_none());
}

fn page_url(world: &mut World, given: &str) -> String {
    let body = about(&format!(r#"<reference id="7457457457"><![CDATA[{given}]]></reference>"#));
    match found(pay(world, &body)).answer {
        Some(CashierAnswer::Success { redirect_url: Some(url), .. }) => url,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_the_browser_goes_and_comes_back_to() {
    let given = "https://payments-test.worldpay.com/app/hpp?OrderKey=A%5EB&Ticket=1";
    let back = "&successURL=https%3A%2F%2Fgw.example%2Freturn%2Fworldpay%2Ft0k%2Fsuccess&failureURL=https%3A%2F%2Fgw.example%2Freturn%2Fworldpay%2Ft0k%2Ffailure&pendingURL=https%3A%2F%2Fgw.example%2Freturn%2Fworldpay%2Ft0k%2Fpending&cancelURL=https%3A%2F%2Fgw.example%2Freturn%2Fworldpay%2Ft0k%2Fcancel&errorURL=https%3A%2F%2Fgw.example%2Freturn%2Fworldpay%2Ft0k%2Ferror";
    assert_eq!(page_url(&mut hosted(&[]), given), format!("{given}&language=en&country=DE{back}"));
    let mut world = hosted(&[]);
    configured(&mut world, r#"{"siteUrl":null,"hppLanguage":"fr"}"#);
    assert_eq!(page_url(&mut world, given), format!("{given}&language=fr&country=DE"));
    let mut world = hosted(&[("hppFailureUrl", r#""https://shop.example/no""#)]);
    configured(&mut world, r#"{"siteUrl":null}"#);
    assert_eq!(page_url(&mut world, "https://x.example/p"), format!("https://x.example/p?language=en&country=DE{back}"));
}
