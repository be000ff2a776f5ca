//! Notifications: what is signed, what it leads to, and what somebody can do who moves characters.

use super::*;

const DECLINED_HASH: &str = "1ef36b2fbbbda0a1399376e40c8784d52d10bca6af3f01f91c2ae24f46ff7d07";
const APPROVED_HASH: &str = "e1623a1288d2cd94600ae4955529242e4431680dd6f85fa1623af0a0c094cecb";

pub(super) type Fields = Vec<(String, String)>;

pub(super) fn approved() -> Fields {
    pairs(&[
        ("notificationreference", "1-A60356"),
        ("errorcode", "0"),
        ("orderreference", TRANSACTION),
        ("transactionreference", "42-14-119"),
        ("settlestatus", "0"),
        ("baseamount", "10000"),
        ("currencyiso3a", "EUR"),
        ("requesttypedescription", "AUTH"),
        ("paymenttypedescription", "VISA"),
        ("maskedpan", "411111######0211"),
        ("sitereference", "test_site12345"),
    ])
}

pub(super) fn set(fields: &mut Fields, name: &str, value: &str) {
    match fields.iter_mut().find(|(known, _)| known == name) {
        Some(field) => field.1 = value.to_owned(),
        None => fields.push((name.to_owned(), value.to_owned())),
    }
}

pub(super) fn with(mut fields: Fields, changes: &[(&str, &str)]) -> Fields {
    for (name, value) in changes {
        set(&mut fields, name, value);
    }
    fields
}

pub(super) fn signed(mut fields: Fields) -> Fields {
    let hash = response_hash(&fields, PASSWORD);
    set(&mut fields, "responsesitesecurity", &hash);
    fields
}

pub(super) fn body(fields: &Fields) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn read(world: &World, fields: &Fields) -> CallbackReading {
    world.callback(&[], body(fields).as_bytes(), true)
}

pub(super) fn hint(world: &World, fields: &Fields) -> Json {
    match read(world, fields).outcome {
        CallbackOutcome::Hint(hint) => hint,
        other => panic!("{other:?}"),
    }
}

fn has_notice(hint: &Json) -> bool {
    hint.as_object().unwrap().iter().any(|(name, _)| name.starts_with(NOTICE))
}

/// What a notification leads to in an account that can only believe it.
pub(super) fn believed(world: &mut World, fields: &Fields) -> Finding {
    world.hint = Some(hint(world, fields));
    let finding = found(world.begin(Task::Inquire));
    world.hint = None;
    finding
}

#[test]
fn the_notifications_vectors() {
    assert_eq!(response_hash(&approved(), PASSWORD), APPROVED_HASH);
    let declined = [
        ("errorcode", "70000"),
        ("settlestatus", "3"),
        ("baseamount", "10001"),
        ("transactionreference", "42-14-120"),
        ("maskedpan", "424242######4242"),
    ];
    assert_eq!(response_hash(&with(approved(), &declined), PASSWORD), DECLINED_HASH);
}

#[test]
fn a_signed_notification_is_answered_and_believed() {
    let mut world = unasked(open());
    let fields = signed(approved());
    let reading = read(&world, &fields);
    assert_eq!((reading.answer.status, reading.answer.content_type, reading.answer.body.as_str()), (200, "text/plain", "OK"));
    assert!(reading.locate.is_none());
    let finding = believed(&mut world, &fields);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Approved, "0/0"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("42-14-119"));
    assert_eq!(finding.notes, ["paid with VISA 411111******0211"]);
    let note = hint(&world, &fields).str_at("note").unwrap().to_owned();
    assert_eq!(note, "Trust notified: AUTH, errorcode 0, settlestatus 0, reference 42-14-119, VISA, 411111******0211");
}

#[test]
fn each_condition_of_signed_counts() {
    let world = unasked(open());
    let good = signed(approved());
    assert!(has_notice(&hint(&world, &good)));
    let no_hash: Fields = approved();
    let mut doubled = approved();
    doubled.push(("settlestatus".to_owned(), "0".to_owned()));
    let cases: Vec<(&str, Fields)> = vec![
        ("no hash", no_hash),
        ("a wrong hash", with(approved(), &[("responsesitesecurity", &"0".repeat(64))])),
        ("a hash in capitals", with(approved(), &[("responsesitesecurity", &APPROVED_HASH.to_uppercase())])),
        ("an unknown field", signed(with(approved(), &[("authcode", "TEST")]))),
        ("a doubled field", signed(doubled)),
        ("no error code", signed(with(approved(), &[("errorcode", "")]))),
        ("an error code that is none", signed(with(approved(), &[("errorcode", "0a")]))),
        ("a long error code", signed(with(approved(), &[("errorcode", "000000")]))),
        ("an unknown settle status", signed(with(approved(), &[("settlestatus", "4")]))),
    ];
    for (what, fields) in cases {
        let hint = hint(&world, &fields);
        assert!(!has_notice(&hint), "{what}");
        assert!(hint.str_at("note").unwrap().starts_with("Trust notified unsigned: "), "{what}");
        assert_eq!(
            hint.get(ZERO).is_some(),
            !matches!(what, "no error code" | "an error code that is none" | "a long error code")
        );
    }
    assert!(has_notice(&hint(&world, &signed(with(approved(), &[("requestreference", "A1b2c3d4e")])))));
    // Nobody signs for an account without a password, not even with an empty one.
    let mut empty = approved();
    let hash = response_hash(&empty, "");
    set(&mut empty, "responsesitesecurity", &hash);
    assert!(!has_notice(&hint(&unsigned(open()), &empty)));
}

#[test]
fn another_order_site_amount_or_currency_is_an_anomaly() {
    let mut world = unasked(open());
    for (name, value, what) in [
        ("orderreference", "64a1f2b3c4d5e6f7a8b9c0ff", "order"),
        ("sitereference", "test_site2", "site"),
        ("baseamount", "10001", "amount"),
        ("baseamount", "+10000", "amount"),
        ("currencyiso3a", "USD", "currency"),
    ] {
        let fields = signed(with(approved(), &[(name, value)]));
        assert_eq!(
            hint(&world, &fields).str_at("anomaly").unwrap(),
            format!("a signed Trust notification has another {what}"),
            "{name} {value}"
        );
        assert_eq!(believed(&mut world, &fields).standing, Standing::Unchanged);
    }
    for missing in ["orderreference", "sitereference", "baseamount", "currencyiso3a"] {
        let mut fields = approved();
        fields.retain(|(name, _)| name != missing);
        assert!(!has_notice(&hint(&world, &signed(fields))), "{missing}");
    }
}

#[test]
fn other_kinds_are_for_the_timeline() {
    let world = open();
    for kind in ["THREEDQUERY", "ACCOUNTCHECK", "RISKDEC"] {
        let fields = signed(with(approved(), &[("requesttypedescription", kind)]));
        let CallbackOutcome::Fact(finding) = read(&world, &fields).outcome else { panic!("{kind}") };
        assert_eq!((finding.standing, finding.notes.len()), (Standing::Unchanged, 1));
        // Unsigned: only Trust knows.
        let unsigned = with(approved(), &[("requesttypedescription", kind)]);
        assert!(matches!(read(&world, &unsigned).outcome, CallbackOutcome::Hint(_)));
    }
}

#[test]
fn an_accounts_address_finds_the_order() {
    let world = open();
    let fields = signed(approved());
    let reading = world.callback(&[], body(&fields).as_bytes(), false);
    assert_eq!(reading.answer.status, 200);
    assert_eq!(reading.locate.unwrap().reference.unwrap().to_string(), TRANSACTION);
    let CallbackOutcome::Hint(hint) = reading.outcome else { panic!() };
    assert!(!has_notice(&hint), "whose order it is is known when it is read again");
    let lost = world.callback(&[], b"errorcode=0", false);
    assert!(lost.locate.unwrap().reference.is_none());
}

/// Every way to cut the joined values of a signed decline into fields of the allowed names, each with a digest that is right.
#[test]
fn characters_moved_between_the_fields_of_a_decline_approve_nothing() {
    let mut world = unasked(open());
    let decline = with(
        approved(),
        &[
            ("errorcode", "70000"),
            ("settlestatus", "3"),
            ("transactionreference", "42-14-120"),
            ("maskedpan", "424242######4242"),
        ],
    );
    let signed_decline = signed(decline);
    assert_eq!(believed(&mut world, &signed_decline).standing, Standing::Declined);
    let hash = signed_decline.iter().find(|(name, _)| name == "responsesitesecurity").unwrap().1.clone();
    let mut ordered: Fields =
        signed_decline.iter().filter(|(name, _)| !name.starts_with("n") && *name != "responsesitesecurity").cloned().collect();
    ordered.push(("requestreference".to_owned(), String::new()));
    ordered.sort();
    let mut tried = 0;
    let mut attempt = |fields: &Fields| {
        assert_eq!(response_hash(fields, PASSWORD), hash, "the digest stays");
        let sent = with(fields.clone(), &[("responsesitesecurity", &hash), ("notificationreference", "1-X")]);
        let finding = believed(&mut world, &sent);
        assert!(
            !matches!(finding.standing, Standing::Approved | Standing::Reversed | Standing::Cancelled),
            "{finding:?}: {}",
            body(&sent)
        );
        tried += 1;
    };
    // Each border between neighbours moved anywhere, two borders at once.
    for first in 0..ordered.len() - 1 {
        for second in first..ordered.len() - 1 {
            for one in moved(&ordered, first) {
                for two in moved(&one, second) {
                    attempt(&two);
                }
            }
        }
    }
    // A field that vanishes altogether, its characters with a neighbour.
    for at in 0..ordered.len() - 1 {
        let mut joined = ordered.clone();
        let taken = joined.remove(at + 1).1;
        joined[at].1.push_str(&taken);
        attempt(&joined);
    }
    assert!(tried > 5_000, "{tried}");
}

/// The border between two neighbours at every place.
fn moved(fields: &Fields, at: usize) -> Vec<Fields> {
    let joined = format!("{}{}", fields[at].1, fields[at + 1].1);
    let cut = |place: usize| {
        let mut moved = fields.clone();
        moved[at].1 = joined[..place].to_owned();
        moved[at + 1].1 = joined[place..].to_owned();
        moved
    };
    (0..=joined.len()).map(cut).collect()
}

#[test]
fn a_reference_is_no_card_number() {
    for (field, value, expected) in [
        ("transactionreference", "42-14-119", true),
        ("transactionreference", "123456-9-123456789", true),
        ("transactionreference", "4111111111111111", false),
        ("transactionreference", "4111-1111-1111-1111", false),
        ("transactionreference", "3782-822463-10005", false),
        ("orderreference", "123456-9-123456789", false),
    ] {
        assert_eq!(Trust.is_reference(field, value), expected, "{field} {value}");
    }
}

/// Two references that are masked must not look alike.
#[test]
fn a_reference_that_may_be_a_card_number_is_told_apart() {
    let told = |reference: &str| crate::card::mask_numbers(&super::super::notify::told_reference(reference));
    assert_eq!(told("42-14-119"), "42-14-119");
    assert_eq!(told("42-552-4406565"), "42/552/4406565");
    assert_eq!(told("4111-1111-1111-1111"), "****-****-****-****");
}

/// An account that can ask nobody has a person set the notification up anew; nothing is believed.
#[test]
fn a_signed_notification_with_more_fields_is_named() {
    let more = signed(with(approved(), &[("billingfirstname", "John"), ("fraudrating", "5")]));
    let named = hint(&unasked(open()), &more);
    assert!(!has_notice(&named));
    let anomaly = named.str_at("anomaly").unwrap_or_default();
    assert!(anomaly.ends_with(": billingfirstname, fraudrating"), "{anomaly}");
    assert_eq!(hint(&open(), &more).str_at("anomaly"), None);
    assert_eq!(hint(&unasked(open()), &with(more, &[("fraudrating", "6")])).str_at("anomaly"), None);
}

/// A success that somebody reported is not forgotten because of what stands beside it.
#[test]
fn every_reported_success_is_remembered() {
    let zero = |body: &[u8]| match open().callback(&[], body, true).outcome {
        CallbackOutcome::Hint(hint) => hint.get(ZERO).is_some(),
        other => panic!("{other:?}"),
    };
    for body in [
        &b"errorcode=0"[..],
        b"errorcode=70000&errorcode=0",
        b"errorcode=0&billingtown=Malm\xf6",
        b"errorcode=0%20",
        b"\xff=1&errorcode=0",
    ] {
        assert!(zero(body), "{}", String::from_utf8_lossy(body));
    }
    for body in [&b"errorcode=70000"[..], b"errorcode=00", b"settlestatus=0", b"errorcode="] {
        assert!(!zero(body), "{}", String::from_utf8_lossy(body));
    }
}
