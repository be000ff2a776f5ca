use super::*;
use crate::api::Callback;
use crate::emerchantpay::wire::method_signature;
use crate::pages::{BrowserReturn, Challenge, Opening};
use domain::{Json, TransactionStatus};

const COMPLETED: &str = "fc545444b087eb347511a1a4c21b729ab1d02f67ce7e32c6d7534c422802127dedf7658a766b4bbbbaee62a13369958283dd684e422df6d96e5d86093c6be49f";

fn checked() -> World {
    World::created(&EMerchantPay, Operation::PayIn)
}

fn open(world: &World) -> Opening {
    world.with_context(|cx| world.provider.open_page(cx))
}

fn challenge(world: &World) -> Challenge {
    world.with_context(|cx| world.provider.challenge(cx))
}

#[test]
fn the_signature_vectors() {
    let sign = |amount| method_signature(UNIQUE_ID, amount, "2026-01-02T03:04:05Z", "secretpw");
    assert_eq!(
        sign("5000"),
        "53489530cccf72e7d849059497e532d8c7f14c52a80dbdfc6ba770f52cdaa81f9d0f2684f59eee34ce99c8636885f8e736196ea96307dd9067d0089736962383"
    );
    assert_eq!(
        sign("10000"),
        "6603f069c744fe64a082c0f13d464234f3f1a50d38e8c981c2dd2efd511d02b0803abcfc349da58f53cb1e38f78b1652d586591be6a1e7b2f0949530167fae90"
    );
}

#[test]
fn our_page_posts_to_the_gateway() {
    let mut world = checked();
    let Opening::Form(form) = open(&world) else { panic!() };
    assert_eq!((form.action.as_str(), form.hidden), ("https://staging.gate.emerchantpay.net/threeds/threeds_method", true));
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (*name, value.expose())).collect();
    assert_eq!(fields[0], ("unique_id", UNIQUE_ID));
    assert!(fields[1].0 == "signature" && fields[1].1.starts_with("6603f069c744fe64"));
    world.memo = form.memo.expect("the opening is remembered");
    let opened = world.memo.str_at("openedAt").is_none() && world.memo.get("openedAt").is_some();
    assert!(opened);
    // Loaded again: the first time counts.
    let Opening::Form(again) = open(&world) else { panic!() };
    assert!(again.memo.is_none());
    // Over, or on its way without a challenge.
    world.status = TransactionStatus::Approved;
    assert!(matches!(open(&world), Opening::Closed));
    world.status = TransactionStatus::Pending;
    world.memo.set("continued", Json::Bool(true));
    assert!(matches!(open(&world), Opening::Closed));
    world.memo.set("redirectUrl", Json::text("https://acs.example/x"));
    assert!(matches!(open(&world), Opening::Form(_)), "so that the page goes on to the challenge");
    // Not on the account's gateway (any more); none at all.
    world.memo.set("methodUrl", Json::text("https://evil.example/x"));
    assert!(matches!(open(&world), Opening::Closed));
    assert!(matches!(open(&super::world()), Opening::Closed));
}

#[test]
fn the_page_goes_on_when_told_or_after_six_seconds() {
    let mut world = checked();
    assert_eq!(challenge(&world), Challenge::Wait, "not opened yet");
    let Opening::Form(form) = open(&world) else { panic!() };
    world.memo = form.memo.unwrap();
    let opened = world.now;
    for (after_ms, scale, expected) in [
        (0, 1, Challenge::Wait),
        (5_999, 1, Challenge::Wait),
        (6_000, 1, Challenge::Continue),
        (599, 10, Challenge::Wait),
        (600, 10, Challenge::Continue),
    ] {
        (world.now, world.time_scale) = (opened.plus_ms(after_ms), scale);
        assert_eq!(challenge(&world), expected, "{after_ms} ms, scale {scale}");
    }
    (world.now, world.time_scale) = (opened, 1);
    world.memo.set("completed", Json::Bool(true));
    assert_eq!(challenge(&world), Challenge::Continue);
    world.memo.set("continued", Json::Bool(true));
    assert_eq!(challenge(&world), Challenge::Over, "never twice");
    world.memo.set("redirectUrl", Json::text("https://acs.example/x"));
    assert_eq!(challenge(&world), Challenge::Go("https://acs.example/x".to_owned()));
    world.status = TransactionStatus::Approved;
    assert_eq!(challenge(&world), Challenge::Over);
    world.status = TransactionStatus::Pending;
    world.memo = Json::object::<String>([]);
    assert_eq!(challenge(&world), Challenge::Over);
}

fn told(world: &World, body: &str) -> Option<Json> {
    let callback = Callback {
        method: "POST",
        query: "",
        headers: &[],
        body: body.as_bytes(),
        reference: None,
        amount: None,
        operation: None,
    };
    world.with_context(|cx| world.provider.read_device_check(cx, &callback))
}

#[test]
fn only_a_signed_completed_counts() {
    let mut world = checked();
    let good = format!("unique_id={UNIQUE_ID}&threeds_method_status=completed&signature={COMPLETED}");
    let memo = told(&world, &good).expect("the sheet's vector");
    assert_eq!(memo.get("completed"), Some(&Json::Bool(true)));
    assert!(memo.get("methodUrl").is_some(), "the rest is kept");
    let in_progress = crate::kit::digest_hex(&aws_lc_rs::digest::SHA512, &[UNIQUE_ID, "in_progress", "secretpw"]);
    for bad in [
        String::new(),
        good.replace("completed", "required"),
        good.replace("fc5454", "fc5455"),
        good.replace(UNIQUE_ID, "55177a21403427eb96664a6d7e5d5d48"),
        format!("unique_id={UNIQUE_ID}&threeds_method_status=completed"),
        format!("unique_id={UNIQUE_ID}&threeds_method_status=in_progress&signature={in_progress}"),
        format!("{good}&signature={COMPLETED}"),
    ] {
        assert_eq!(told(&world, &bad), None, "{bad}");
    }
    world.memo = memo;
    assert_eq!(told(&world, &good), None, "known");
    assert_eq!(told(&super::world(), &good), None, "no device check was asked for");
}

#[test]
fn returning_browsers() {
    let world = checked();
    let read = |word| world.with_context(|cx| world.provider.read_return(cx, &BrowserReturn { word, query: &[], raw: "" }));
    for word in ["success", "failure"] {
        let reading = read(word).unwrap();
        assert_eq!((reading.result, reading.ask, reading.anomaly), (word, true, None));
    }
    for other in ["", "cancel", "Success", "success/"] {
        assert!(read(other).is_none(), "{other}");
    }
}
