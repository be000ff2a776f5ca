//! A later attempt's order: Worldpay's order code is our reference, the merchant's `orderCode` the transaction's id.

use super::*;
use crate::Provider as _;
use crate::api::CashierAnswer;
use crate::pages::{BrowserReturn, Opening};
use crate::testing::found;
use crate::worldpay::browser::mac2;

const TRANSACTION: &str = "65b2c3d4e5f6a7b8c9d0e1f2";

fn later(world: World) -> World {
    world.named(TRANSACTION, ORDER)
}

#[test]
fn a_direct_order_and_its_second_submit_name_the_reference() {
    let (mut direct, mut challenged) = (later(direct()), later(challenged()));
    for call in [the_call(direct.begin(Task::PayIn)), the_call(challenged.begin(Task::Continue))] {
        let body = String::from_utf8(call.body).unwrap();
        assert!(body.contains(&format!(r#"orderCode="{ORDER}""#)) && !body.contains(TRANSACTION), "{body}");
    }
}

#[test]
fn the_challenge_is_found_by_the_reference() {
    let world = later(challenged());
    let Opening::Form(form) = world.with_context(|cx| Worldpay.open_page(cx)) else { panic!("closed") };
    assert_eq!((form.fields[1].0, form.fields[1].1.expose()), ("MD", ORDER));
}

#[test]
fn the_answer_shows_the_transaction() {
    let mut world = later(direct());
    let Some(CashierAnswer::Success { data, .. }) = found(pay(&mut world, &about(&payment("AUTHORISED")))).answer else {
        panic!("no answer")
    };
    assert_eq!((data.str_at("transactionId"), data.str_at("orderCode")), (Some(TRANSACTION), Some(TRANSACTION)));
}

#[test]
fn a_result_redirect_is_ours_by_the_reference() {
    let mut world = pending(later(hosted(&[])));
    configured(&mut world, r#"{"macSecret":"@p-p1epie"}"#);
    for (code, ours) in [(ORDER, true), (TRANSACTION, false)] {
        let key = format!("ADMIN^MYMERCHANT^{code}");
        let signed = mac2(&[&key, "15000", "EUR"], "@p-p1epie");
        let pairs = [("orderKey", &*key), ("orderAmount", "15000"), ("orderCurrency", "EUR"), ("mac2", &signed)];
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let back = BrowserReturn { word: "success", query: &query, raw: "" };
        let reading = world.with_context(|cx| Worldpay.read_return(cx, &back)).unwrap();
        assert_eq!(reading.anomaly.is_none(), ours, "{code}: {:?}", reading.anomaly);
    }
}
