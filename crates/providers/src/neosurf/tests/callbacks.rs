//! Neosurf's callbacks: their hash, their words, and what is only a hint.

use super::*;

const CALLBACK: [(&str, &str); 17] = [
    ("amount", "5000"),
    ("created", "2026-05-17 09:32:57"),
    ("currency", "eur"),
    ("errorCode", ""),
    ("errorMessage", ""),
    ("merchantId", "24842"),
    ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d1"),
    ("methodChargedAmount", "5000"),
    ("methodCurrency", "EUR"),
    ("methodExpiry", "01/01/2032"),
    ("methodId", "5554605"),
    ("methodLabel", "5554605"),
    ("methodName", "neosurf"),
    ("status", "ok"),
    ("subMerchantId", "merchant.example"),
    ("transaction3d", ""),
    ("transactionId", "987654321"),
];

const CALLBACK_HASH: &str = "f88ba578112d20768cfd70928827a656ae10a14435f50eb2523e852dcd808fa1d8ace72cdb709283ede3b5eb86aed82ee5956d09d79c9693cb4ecfc89cf9ca63";

fn call_back(fields: &[(&str, &str)], hash: &str) -> crate::CallbackReading {
    let mut all = fields.to_vec();
    all.push(("hash", hash));
    open().callback(&[], crate::kit::form(&all).as_bytes(), true)
}

/// With a right signature.
fn signed(fields: &[(&str, &str)]) -> CallbackOutcome {
    let reading = call_back(fields, &signature(fields, SECRET));
    assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, "OK"));
    reading.outcome
}

fn changed(changes: &[(&str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let new = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
    CALLBACK.map(|(name, value)| (name, new(name).unwrap_or(value))).to_vec()
}

#[test]
fn the_callback_vector() {
    assert_eq!(signature(&CALLBACK, SECRET), CALLBACK_HASH);
    for hash in [CALLBACK_HASH.to_owned(), CALLBACK_HASH.to_uppercase()] {
        let CallbackOutcome::Fact(finding) = call_back(&CALLBACK, &hash).outcome else { panic!() };
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Approved, "ok"));
        assert_eq!(finding.psp_transaction_id.as_deref(), Some("987654321"));
    }
}

#[test]
fn words_of_a_callback() {
    for ([status, code, message], standing, word, shown) in MEANINGS {
        let CallbackOutcome::Fact(finding) =
            signed(&changed(&[("status", status), ("errorCode", code), ("errorMessage", message)]))
        else {
            panic!()
        };
        assert_eq!(
            (finding.standing, finding.status.as_str(), finding.message.as_deref()),
            (standing, word, shown),
            "{status} {code}"
        );
    }
    let CallbackOutcome::Fact(finding) = signed(&changed(&[("status", "refunded")])) else { panic!() };
    assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1));
}

#[test]
fn a_wrong_or_missing_hash_is_403_and_shown() {
    let mut wrong = CALLBACK_HASH.to_owned();
    wrong.replace_range(0..1, "0");
    for reading in [
        call_back(&CALLBACK, &wrong),
        call_back(&CALLBACK, ""),
        call_back(&CALLBACK, &CALLBACK_HASH[1..]),
        call_back(&changed(&[("status", "ko")]), CALLBACK_HASH),
        open().callback(&[], crate::kit::form(&CALLBACK).as_bytes(), true),
        open().callback(&[], b"", true),
    ] {
        assert_eq!(reading.answer.status, 403);
        assert!(matches!(reading.outcome, CallbackOutcome::Anomaly(_)));
    }
    let mut nobody = open();
    nobody.settings.0.remove("apiKey");
    let body = crate::kit::form(&[("status", "ok"), ("hash", &signature(&[("status", "ok")], ""))]);
    assert_eq!(nobody.callback(&[], body.as_bytes(), true).answer.status, 403);
}

#[test]
fn what_is_not_exactly_the_known_fields_is_only_a_hint() {
    let mut more = CALLBACK.to_vec();
    more.push(("extra", ""));
    let mut twice = CALLBACK.to_vec();
    twice.push(("errorCode", ""));
    // The same values in the same order, a character moved into a field of another name.
    let mut moved = changed(&[("errorCode", "7")]);
    moved[3].0 = "dcode";
    let without = |name: &str| CALLBACK.into_iter().filter(|(known, _)| *known != name).collect::<Vec<_>>();
    for fields in [more, twice, moved, without("amount"), without("merchantId"), without("currency")] {
        assert!(matches!(signed(&fields), CallbackOutcome::Hint(_)), "{fields:?}");
    }
    // An empty one that is left out says the same as before.
    assert!(matches!(signed(&without("transaction3d")), CallbackOutcome::Fact(_)));
}

#[test]
fn a_signed_callback_about_something_else_is_shown() {
    for (name, value) in [
        ("amount", "5001"),
        ("currency", "usd"),
        ("merchantId", "24843"),
        ("subMerchantId", "other.example"),
        ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d2"),
    ] {
        assert!(matches!(signed(&changed(&[(name, value)])), CallbackOutcome::Anomaly(_)), "{name}");
    }
}
