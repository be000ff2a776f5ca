//! Notifications: what is signed and what is not, whatever else is odd about them, and in which order they come.

use super::sent::{self, Fields, HASH, encoded, paid, signed, with, without};
use super::{account_address, eur, followed, opened};
use crate::book::Book;
use crate::stage::{Scene, Stage, good};
use anyhow::Result;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const MINOR: &str = "10000";

/// To the address that stands in the form.
pub(super) async fn tell(scene: &mut Scene<'_>, body: &str) -> Result<()> {
    let url = scene.callback_address()?;
    scene.callback(&url, &[FORM], body.as_bytes().to_vec()).await.map(drop)
}

async fn told(stage: &mut Stage, book: &mut Book, name: &str, body: impl FnOnce(&str) -> String) {
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.00")).await?;
        let body = body(scene.id());
        tell(scene, &body).await
    };
    stage.row(book, &format!("told: {name}"), row).await;
}

/// Rightly signed, but with these values.
async fn told_with(stage: &mut Stage, book: &mut Book, name: &str, changes: &[(&str, &str)]) {
    told(stage, book, name, |id| encoded(&signed(with(paid(id, MINOR), changes)))).await;
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    told_with(stage, book, "good", &[]).await;
    told_with(stage, book, "with a requestreference", &[("requestreference", "A1b2c3d4e")]).await;
    signatures(stage, book).await;
    kinds(stage, book).await;
    short(stage, book).await;
    at_the_account(stage, book).await;
    one_after_the_other(stage, book).await;
}

/// Read alike whether there is somebody to ask or not.
pub(super) async fn details(stage: &mut Stage, book: &mut Book) {
    values(stage, book).await;
    moved(stage, book).await;
    dressed(stage, book).await;
    bytes(stage, book).await;
}

async fn signatures(stage: &mut Stage, book: &mut Book) {
    told(stage, book, "unsigned", |id| encoded(&paid(id, MINOR))).await;
    told(stage, book, "a wrong hash", |id| encoded(&with(paid(id, MINOR), &[(HASH, &"0".repeat(64))]))).await;
    told(stage, book, "an empty hash", |id| encoded(&with(paid(id, MINOR), &[(HASH, "")]))).await;
    told(stage, book, "a hash in capitals", |id| {
        let fields = paid(id, MINOR);
        let hash = sent::hash(&fields, super::PASSWORD).to_uppercase();
        encoded(&with(fields, &[(HASH, &hash)]))
    })
    .await;
    for (name, password) in [("another password", "another"), ("no password", "")] {
        told(stage, book, &format!("signed with {name}"), |id| {
            let fields = paid(id, MINOR);
            let hash = sent::hash(&fields, password);
            encoded(&with(fields, &[(HASH, &hash)]))
        })
        .await;
    }
    told_with(stage, book, "a further field", &[("authcode", "TEST")]).await;
    told_with(stage, book, "further fields", &[("billingfirstname", "John"), ("fraudrating", "5")]).await;
    told(stage, book, "further fields, wrongly signed", |id| {
        let fields = signed(with(paid(id, MINOR), &[("fraudrating", "5")]));
        encoded(&with(fields, &[("fraudrating", "6")]))
    })
    .await;
    told(stage, book, "a field twice", |id| {
        let mut fields = paid(id, MINOR);
        fields.push(("settlestatus".to_owned(), b"0".to_vec()));
        encoded(&signed(fields))
    })
    .await;
    told(stage, book, "another notificationreference than was signed", |id| {
        encoded(&with(signed(paid(id, MINOR)), &[("notificationreference", "1-X")]))
    })
    .await;
}

async fn values(stage: &mut Stage, book: &mut Book) {
    for (name, value) in [
        ("errorcode", ""),
        ("errorcode", "0a"),
        ("errorcode", "00"),
        ("errorcode", "000000"),
        ("errorcode", "70000"),
        ("errorcode", "60010"),
        ("errorcode", "65000"),
        ("settlestatus", "1"),
        ("settlestatus", "2"),
        ("settlestatus", "3"),
        ("settlestatus", "4"),
        ("settlestatus", "10"),
        ("settlestatus", "100"),
        ("settlestatus", ""),
        ("orderreference", "64a1f2b3c4d5e6f7a8b9c0ff"),
        ("sitereference", "test_site2"),
        ("baseamount", "10001"),
        ("baseamount", "+10000"),
        ("baseamount", "1e4"),
        ("baseamount", "100.00"),
        ("currencyiso3a", "USD"),
        ("currencyiso3a", "eur"),
        ("transactionreference", "4111111111111111"),
        ("transactionreference", ""),
        ("maskedpan", "4111111111111111"),
        ("paymenttypedescription", "<script>"),
    ] {
        told_with(stage, book, &format!("{name} is \"{value}\""), &[(name, value)]).await;
    }
    for name in
        ["orderreference", "sitereference", "baseamount", "currencyiso3a", "requesttypedescription", "transactionreference"]
    {
        told(stage, book, &format!("no {name}"), |id| encoded(&signed(without(paid(id, MINOR), name)))).await;
    }
}

async fn kinds(stage: &mut Stage, book: &mut Book) {
    for kind in ["THREEDQUERY", "ACCOUNTCHECK", "RISKDEC", "REFUND", "ORDER"] {
        told_with(stage, book, kind, &[("requesttypedescription", kind)]).await;
        told(stage, book, &format!("{kind}, unsigned"), |id| {
            encoded(&with(paid(id, MINOR), &[("requesttypedescription", kind)]))
        })
        .await;
    }
    for (name, minor) in [("a part", "4000"), ("more than all", "10001"), ("nothing", "0")] {
        told_with(stage, book, &format!("REFUND of {name}"), &[("requesttypedescription", "REFUND"), ("baseamount", minor)])
            .await;
    }
    for (name, code, settle) in [("declined", "70000", "3"), ("cancelled", "0", "3")] {
        let changes = [("requesttypedescription", "REFUND"), ("errorcode", code), ("settlestatus", settle)];
        told_with(stage, book, &format!("REFUND, {name}"), &changes).await;
    }
}

async fn short(stage: &mut Stage, book: &mut Book) {
    let some = |list: &[(&str, &str)]| encoded(&signed(sent::pairs(list)));
    told(stage, book, "only a hash", |_| some(&[])).await;
    told(stage, book, "only an order", |id| some(&[("orderreference", id)])).await;
    told(stage, book, "only an order and a code", |id| some(&[("orderreference", id), ("errorcode", "0")])).await;
    for (name, body) in [
        ("nothing", ""),
        ("only a code", "errorcode=0"),
        ("two codes", "errorcode=70000&errorcode=0"),
        ("a code and a byte", "errorcode=0&billingtown=Malm%F6"),
        ("a code and a blank", "errorcode=0%20"),
        ("a code of two digits", "errorcode=00"),
        ("a negative code", "errorcode=70000"),
        ("only a settlestatus", "settlestatus=0"),
        ("an object", "{\"errorcode\":\"0\"}"),
        ("a script", "errorcode=%3Cscript%3E&transactionreference=4111111111111111&maskedpan=4111111111111111"),
    ] {
        told(stage, book, name, |_| body.to_owned()).await;
    }
}

/// Characters moved between the fields of a decline: the digest stays right.
async fn moved(stage: &mut Stage, book: &mut Book) {
    let decline = |id: &str| {
        let changes = [("errorcode", "70000"), ("settlestatus", "3"), ("transactionreference", "42-14-120")];
        signed(with(paid(id, MINOR), &changes))
    };
    told(stage, book, "a decline", |id| encoded(&decline(id))).await;
    told(stage, book, "a decline whose code has moved to the currency", |id| {
        encoded(&with(decline(id), &[("currencyiso3a", "EUR7000"), ("errorcode", "0")]))
    })
    .await;
    told(stage, book, "a decline whose settlestatus has moved to the site", |id| {
        encoded(&with(decline(id), &[("settlestatus", ""), ("sitereference", "3test_mozarto0001")]))
    })
    .await;
    told(stage, book, "a decline whose amount has moved to the currency", |id| {
        encoded(&with(decline(id), &[("baseamount", "100"), ("currencyiso3a", "00EUR")]))
    })
    .await;
}

async fn at_the_account(stage: &mut Stage, book: &mut Book) {
    for (name, form) in [
        ("good", (|id| signed(paid(id, MINOR))) as fn(&str) -> Fields),
        ("unsigned", |id| paid(id, MINOR)),
        ("another amount", |id| signed(with(paid(id, MINOR), &[("baseamount", "1")]))),
        ("another site", |id| signed(with(paid(id, MINOR), &[("sitereference", "test_site2")]))),
        ("an unknown order", |_| signed(paid("64a1f2b3c4d5e6f7a8b9c0ff", MINOR))),
        ("no order", |id| signed(without(paid(id, MINOR), "orderreference"))),
        ("a decline", |id| signed(with(paid(id, MINOR), &[("errorcode", "70000"), ("settlestatus", "3")]))),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            let method = scene.client().method_of("TRUST").await?;
            let url = account_address(scene.hands(), &method).await?;
            let body = encoded(&form(scene.id()));
            scene.callback(&url, &[FORM], body.into_bytes()).await.map(drop)
        };
        stage.row(book, &format!("told at the account: {name}"), row).await;
    }
}

/// In a dress that hides or does not hide what it says, and where nothing is taken.
async fn dressed(stage: &mut Stage, book: &mut Book) {
    let utf16 = |text: &str| std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (name, headers, put_on) in [
        ("a mark before it", &[FORM][..], (|text| format!("\u{feff}{text}").into_bytes()) as fn(&str) -> Vec<u8>),
        ("two marks before it", &[FORM], |text| format!("\u{feff}\u{feff}{text}").into_bytes()),
        ("a mark in it", &[FORM], |text| format!("{}\u{feff}{}", &text[..1], &text[1..]).into_bytes()),
        ("no type", &[], |text| text.as_bytes().to_vec()),
        ("another type", &[("content-type", "application/json")], |text| text.as_bytes().to_vec()),
        ("said to be packed", &[FORM, ("content-encoding", "gzip")], |text| text.as_bytes().to_vec()),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            let body = put_on(&encoded(&signed(paid(scene.id(), MINOR))));
            let url = scene.callback_address()?;
            scene.callback(&url, headers, body).await.map(drop)
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.00")).await?;
        let (url, body) = (scene.callback_address()?, encoded(&signed(paid(scene.id(), MINOR))));
        let answer = scene.client().send("POST", &url, &[FORM], Some(utf16(&body))).await?;
        scene.did("callback in UTF-16", answer);
        Ok(())
    };
    stage.row(book, "told: in UTF-16", row).await;
    stage.row(book, "told: not taken", not_taken).await;
}

async fn not_taken(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, &eur("100.00")).await?;
    let url = scene.callback_address()?;
    let body = encoded(&signed(paid(scene.id(), MINOR))).into_bytes();
    let client = scene.client().clone();
    let got = client.send("GET", &url, &[], None).await?;
    scene.did(format!("GET, allowed: {}", got.header("allow").unwrap_or_default()), got);
    scene.did("PUT", client.send("PUT", &url, &[FORM], Some(body.clone())).await?);
    scene.did("another token", client.send("POST", &format!("{}x", &url[..url.len() - 1]), &[FORM], Some(body)).await?);
    scene.did("too long", client.send("POST", &url, &[FORM], Some(vec![b'a'; 65 * 1024])).await?);
    Ok(())
}

/// A notification of a sequence: what it says, and what is seen of the transaction then.
type Step = (&'static [(&'static str, &'static str)], (&'static str, &'static str));

const GOOD: Step = (&[], ("transaction_status", "Approved"));
const DECLINED: Step =
    (&[("errorcode", "70000"), ("settlestatus", "3"), ("transactionreference", "42-14-120")], ("transaction_status", "Declined"));

const REFUND: (&str, &str) = ("requesttypedescription", "REFUND");

/// Several attempts, and a refund that is taken back.
const SEVERAL: [(&str, &[Step]); 4] = [
    ("a success, then another attempt's end", &[GOOD, (&[("settlestatus", "3"), ("transactionreference", "42-14-121")], GOOD.1)]),
    (
        "a reversal, then another success",
        &[
            GOOD,
            (&[("settlestatus", "3")], ("transaction_status", "Reversed")),
            (&[("transactionreference", "42-14-121")], ("attention", "anomaly")),
        ],
    ),
    (
        "suspended, then another attempt's decline",
        &[(&[("settlestatus", "2")], ("status", "0/2")), (DECLINED.0, ("transaction_status", "Pending"))],
    ),
    (
        "a part, then its end",
        &[
            GOOD,
            (&[REFUND, ("baseamount", "3000"), ("transactionreference", "42-14-200")], ("refundedAmount", "30.00")),
            (
                &[REFUND, ("baseamount", "3000"), ("transactionreference", "42-14-200"), ("settlestatus", "3")],
                ("attention", "anomaly"),
            ),
        ],
    ),
];

async fn one_after_the_other(stage: &mut Stage, book: &mut Book) {
    for (name, steps) in [
        ("a decline, then a success", &[DECLINED, GOOD][..]),
        ("a success, then a decline", &[GOOD, (DECLINED.0, GOOD.1)]),
        ("a success, then another", &[GOOD, (&[("transactionreference", "42-14-121")], ("attention", "anomaly"))]),
        ("a success, then its end", &[GOOD, (&[("settlestatus", "3")], ("transaction_status", "Reversed"))]),
        ("a success, then nobody knows", &[GOOD, (&[("errorcode", "60010")], GOOD.1)]),
        ("suspended, then a success", &[(&[("settlestatus", "2")], ("status", "0/2")), GOOD]),
        ("an odd word, then a success", &[(&[("errorcode", "65000")], ("attention", "anomaly")), GOOD]),
        (
            "a success, then two parts",
            &[
                GOOD,
                (&[REFUND, ("baseamount", "3000"), ("transactionreference", "42-14-200")], ("refundedAmount", "30.00")),
                (&[REFUND, ("baseamount", "7000"), ("transactionreference", "42-14-201")], ("refundedAmount", "100.00")),
            ],
        ),
        (
            "a success, then two equal parts without references",
            &[
                GOOD,
                (&[REFUND, ("baseamount", "3000"), ("transactionreference", "")], ("refundedAmount", "30.00")),
                (&[REFUND, ("baseamount", "3000"), ("transactionreference", "")], ("refundedAmount", "30.00")),
            ],
        ),
    ]
    .into_iter()
    .chain(SEVERAL)
    {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            for (changes, (member, value)) in steps {
                tell(scene, &encoded(&signed(with(paid(scene.id(), MINOR), changes)))).await?;
                scene.until_shown(member, value).await?;
                scene.all_told().await?;
            }
            Ok(())
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.shows_once();
        opened(scene, &eur("100.00")).await?;
        let body = encoded(&signed(paid(scene.id(), MINOR)));
        for _ in 0..3 {
            tell(scene, &body).await?;
        }
        scene.until("Approved").await?;
        scene.all_told().await?;
        tell(scene, &body).await
    };
    stage.row(book, "told: four times", row).await;
}

/// The account may ask, and Trust's record, of which Trust itself tells nobody, says something else.
pub(super) async fn against_records(stage: &mut Stage, book: &mut Book) {
    drop_callbacks(stage, true).await;
    for (name, record, changes) in [
        ("a decline, where the record has a success", "approve", DECLINED.0),
        ("a success, where the record has a decline", "decline", &[][..]),
        ("a suspension, where the record has a success", "approve", &[("settlestatus", "2")]),
    ] {
        for sign in [true, false] {
            let row = async |scene: &mut Scene<'_>| {
                opened(scene, &eur("100.00")).await?;
                scene.control(record).await?;
                let fields = with(paid(scene.id(), MINOR), changes);
                let fields = if sign { signed(fields) } else { fields };
                tell(scene, &encoded(&fields)).await
            };
            let how = if sign { "" } else { ", unsigned" };
            stage.row(book, &format!("told: {name}{how}"), row).await;
        }
    }
    drop_callbacks(stage, false).await;
}

async fn drop_callbacks(stage: &Stage, drop: bool) {
    let settings = Some(serde_json::json!({"dropCallbacks": drop}));
    good(&stage.hands().client.control("PUT", "/trust/settings", settings).await.expect("settings")).expect("settings");
}

const BRANDS: [(&str, &[u8]); 6] = [
    ("ASCII", b"VISA"),
    ("one byte of windows-1252", b"CB\xe9"),
    ("UTF-8", "CBé".as_bytes()),
    ("both", b"\xe9\xc3\xa9"),
    ("bytes that windows-1252 has no letter for", b"\x81\x8d"),
    ("blanks and signs", b" +&=% "),
];

fn branded(mut fields: Fields, brand: &[u8]) -> Fields {
    let brand = brand.to_vec();
    fields.iter_mut().filter(|(name, _)| name == "paymenttypedescription").for_each(|(_, value)| value.clone_from(&brand));
    fields
}

/// What is signed are bytes.
async fn bytes(stage: &mut Stage, book: &mut Book) {
    for (name, brand) in BRANDS {
        told(stage, book, &format!("a brand of {name}"), |id| encoded(&signed(branded(paid(id, MINOR), brand)))).await;
        told(stage, book, &format!("a brand of {name}, another byte"), |id| {
            let mut other = brand.to_vec();
            other[0] ^= 1;
            encoded(&branded(signed(branded(paid(id, MINOR), brand)), &other))
        })
        .await;
        let row = async |scene: &mut Scene<'_>| {
            scene.know("A1b2c3d4e", "request");
            let (form, _) = opened(scene, &eur("100.00")).await?;
            let fields = signed(branded(sent::redirect(scene.id()), brand));
            let url = form.all("successfulurlredirect")[0].to_owned();
            followed(scene, &format!("{url}?{}", encoded(&fields))).await
        };
        stage.row(book, &format!("back with a brand of {name}"), row).await;
    }
}
