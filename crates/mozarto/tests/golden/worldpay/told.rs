//! Notifications: hints, whatever they say.

use super::Run;
use super::act::Act;
use super::documents::{event, notification, payment, reply};
use super::found::{Standing, TOKEN};
use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;
use testkit::client::bodies;

/// An order that is paid, of which nobody was told.
async fn paid(act: &mut Act<'_, '_>) -> Result<()> {
    act.pay(&bodies::worldpay("150.00")).await?;
    act.control("approve").await
}

pub(super) async fn rows(run: &mut Run) {
    unreadable(run).await;
    for (name, body) in bodies_of_paid() {
        run.row(&format!("told: {name}"), async |act| {
            paid(act).await?;
            act.notified(body(act.id())).await
        })
        .await;
    }
    for word in [
        "AUTHORISED",
        "CAPTURED",
        "SETTLED",
        "REFUSED",
        "CANCELLED",
        "EXPIRED",
        "ERROR",
        "SENT_FOR_AUTHORISATION",
        "CHARGED_BACK",
        "CHARGEBACK_REVERSED",
        "REFUND_FAILED",
        "INFORMATION_REQUESTED",
        "CAPTURE_FAILED",
        "REVOKE_REQUESTED",
        "ODD_WORD",
    ] {
        // The record is behind, or ahead.
        run.row(&format!("told {word} of what is open"), async |act| {
            act.pay(&bodies::worldpay("150.00")).await?;
            act.notified(event(act.id(), word)).await
        })
        .await;
        run.row(&format!("told {word}, which is so"), async |act| {
            paid(act).await?;
            act.asks().await?;
            act.stands("Approved").await?;
            act.control(&format!("status/{word}")).await?;
            act.notified(event(act.id(), word)).await
        })
        .await;
    }
    late(run).await;
    addresses(run).await;
    wire(run).await;
}

type Body = fn(&str) -> String;

fn bodies_of_paid() -> Vec<(&'static str, Body)> {
    vec![
        ("good", |id| event(id, "AUTHORISED")),
        ("no event", |id| notification(id, "")),
        ("an empty payment", |id| notification(id, "<payment/>")),
        ("a word alone", |id| notification(id, "<payment><lastEvent>AUTHORISED</lastEvent></payment>")),
        ("a payment alone", |id| notification(id, &payment("AUTHORISED", ""))),
        ("another amount", |id| event(id, "AUTHORISED").replacen("15000", "15001", 1)),
        ("a part of the amount", |id| event(id, "AUTHORISED").replacen("15000", "5000", 1)),
        ("more than the amount refunded", |id| event(id, "REFUNDED").replacen("15000", "15001", 1)),
        ("another currency", |id| event(id, "AUTHORISED").replacen("EUR", "USD", 1)),
        ("another exponent", |id| event(id, "AUTHORISED").replacen("exponent=\"2\"", "exponent=\"3\"", 1)),
        ("the amount in other digits", |id| event(id, "AUTHORISED").replacen("15000", "15000.0", 1)),
        ("another merchant code", |id| event(id, "AUTHORISED").replace("DEMOCOMPANY", "OTHER")),
        ("no merchant code", |id| event(id, "AUTHORISED").replace(" merchantCode=\"DEMOCOMPANY\"", "")),
        ("another order", |id| event(id, "AUTHORISED").replace(id, "64a1f2b3c4d5e6f7a8b9c0ff")),
        ("an order that is no id", |id| event(id, "AUTHORISED").replace(id, "order-1")),
        ("markup in a word", |id| notification(id, &payment("<![CDATA[<b>\u{1b}[2J</b>]]>", ""))),
        ("a long word", |id| notification(id, &payment(&"LONG_".repeat(200), ""))),
        ("a card in a word", |id| notification(id, &payment("4444333322221111", ""))),
        ("a token that nobody asked for", |id| notification(id, &(payment("AUTHORISED", "") + TOKEN))),
        ("CDATA and comments", |id| notification(id, &payment("<![CDATA[ AUTHORISED ]]><!-- so -->", ""))),
        ("two events", |id| {
            let two = event(id, "AUTHORISED");
            let inner = two.split_once("<notify>").unwrap_or_default().1.split_once("</notify>").unwrap_or_default().0.to_owned();
            two.replace(&inner, &format!("{inner}{inner}"))
        }),
    ]
}

/// What cannot be read: the first has every open order of its account asked about, the others within a minute are one with it.
async fn unreadable(run: &mut Run) {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let forms: Vec<(&str, &str, &str, Vec<u8>)> = vec![
        ("a form", "POST", "application/x-www-form-urlencoded", b"OrderCode=1&PaymentStatus=AUTHORISED".to_vec()),
        ("cut", "POST", "text/xml", b"<paymentService><notify>".to_vec()),
        ("an empty notification", "POST", "text/xml", b"<paymentService version=\"1.4\"><notify/></paymentService>".to_vec()),
        ("a reply", "POST", "text/xml", reply("<orderStatus/>").into_bytes()),
        ("another document", "POST", "text/xml", b"<html/>".to_vec()),
        ("UTF-16", "POST", "text/xml; charset=utf-16", utf16("<paymentService/>")),
        ("nothing", "POST", "text/xml", Vec::new()),
        ("only a mark", "POST", "text/xml", "\u{feff}".as_bytes().to_vec()),
        ("JSON", "POST", "application/json", b"{}".to_vec()),
        ("an internal subset", "POST", "text/xml", b"<!DOCTYPE a [<!ENTITY e \"x\">]><paymentService/>".to_vec()),
        ("a byte of ISO-8859-1", "POST", "text/xml", b"<paymentService><a>Ren\xe9</a></paymentService>".to_vec()),
        ("GET", "GET", "text/xml", Vec::new()),
        ("GET with a query", "GET", "text/xml", Vec::new()),
    ];
    for (name, method, content_type, body) in forms {
        run.row(&format!("told what cannot be read: {name}"), async |act| {
            paid(act).await?;
            let mut url = act.accounts.callbacks(false).to_owned();
            if name == "GET with a query" {
                url = format!("{url}?OrderCode={}&PaymentStatus=AUTHORISED", act.id());
            }
            let body = (method == "POST").then_some(body);
            let answer = act.client().send(method, &url, &[("content-type", content_type)], body).await?;
            act.did(name, answer);
            // The first is the one that is worth it.
            if name == "a form" { act.stands("Approved").await } else { Ok(()) }
        })
        .await;
    }
}

/// After an ending, and more than once.
async fn late(run: &mut Run) {
    for standing in [Standing::Declined, Standing::Cancelled, Standing::Expired] {
        run.row(&format!("told after {standing:?}: a success that is none"), async |act| {
            act.standing(standing).await?;
            let mut body = event(act.id(), "AUTHORISED");
            let mut url = act.accounts.callbacks(false).to_owned();
            if standing == Standing::Declined {
                body = body.replace("DEMOCOMPANY", "DEMOCOMPANYCARDS");
                act.accounts.callbacks(true).clone_into(&mut url);
            }
            act.callback(&url, &[("content-type", "text/xml")], body.into_bytes()).await.map(drop)
        })
        .await;
    }
    run.row("told after Cancelled: a late success", async |act| {
        act.standing(Standing::Cancelled).await?;
        act.control("status/AUTHORISED").await?;
        act.notified(event(act.id(), "AUTHORISED")).await
    })
    .await;
    run.row("told three times", async |act| {
        act.shows_once();
        paid(act).await?;
        for _ in 0..3 {
            act.notified(event(act.id(), "AUTHORISED")).await?;
            act.stands("Approved").await?;
        }
        Ok(())
    })
    .await;
    run.row("told of what is long over", async |act| {
        paid(act).await?;
        act.control("status/SETTLED").await?;
        act.asks().await?;
        act.stands("Approved").await?;
        act.notified(event(act.id(), "AUTHORISED")).await?;
        act.told(3).await
    })
    .await;
    run.configure(false, json!({"tokenizationEnabled": true})).await;
    run.row("told of a token", async |act| {
        paid(act).await?;
        act.notified(notification(act.id(), &(payment("AUTHORISED", "<cardNumber>4444********1111</cardNumber>") + TOKEN))).await
    })
    .await;
    run.configure(false, json!({"tokenizationEnabled": false})).await;
}

/// Where it comes in.
async fn addresses(run: &mut Run) {
    run.row("told at the other account", async |act| {
        paid(act).await?;
        let url = act.accounts.callbacks(true).to_owned();
        let body = event(act.id(), "AUTHORISED").into_bytes();
        act.callback(&url, &[("content-type", "text/xml")], body).await.map(drop)
    })
    .await;
    run.row("told with a slash behind", async |act| {
        paid(act).await?;
        let url = format!("{}/", act.accounts.callbacks(false));
        let body = event(act.id(), "AUTHORISED").into_bytes();
        act.callback(&url, &[("content-type", "text/xml")], body).await.map(drop)
    })
    .await;
    run.row("told at no address", async |act| {
        paid(act).await?;
        let url = format!("{}/callbacks/worldpay/unknown", act.client().base);
        let body = event(act.id(), "AUTHORISED").into_bytes();
        act.callback(&url, &[("content-type", "text/xml")], body).await.map(drop)
    })
    .await;
    run.row("told too much", async |act| {
        paid(act).await?;
        let url = act.accounts.callbacks(false).to_owned();
        let body = format!("{}{}", event(act.id(), "AUTHORISED"), " ".repeat(70_000)).into_bytes();
        let answer = act.client().send("POST", &url, &[("content-type", "text/xml")], Some(body)).await?;
        act.did("70 KiB", answer);
        Ok(())
    })
    .await;
    run.row("told by PUT", async |act| {
        paid(act).await?;
        let url = act.accounts.callbacks(false).to_owned();
        let body = event(act.id(), "AUTHORISED").into_bytes();
        let answer = act.client().send("PUT", &url, &[("content-type", "text/xml")], Some(body)).await?;
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        act.notes("PUT", answer.status, format!("allow: {allow}"));
        Ok(())
    })
    .await;
}

/// In odd bytes that can be read.
async fn wire(run: &mut Run) {
    let latin = |text: &str| -> Vec<u8> { text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect() };
    let odd = |id: &str| event(id, "AUTHORISED").replace("<cardNumber>", "<cardHolderName>René</cardHolderName><cardNumber>");
    run.row("told with a mark before", async |act| {
        paid(act).await?;
        act.notified(format!("\u{feff}{}", event(act.id(), "AUTHORISED"))).await
    })
    .await;
    run.row("told in ISO-8859-1, by the header", async |act| {
        paid(act).await?;
        let (url, body) = (act.accounts.callbacks(false).to_owned(), latin(&odd(act.id())));
        act.callback(&url, &[("content-type", "text/xml; charset=ISO-8859-1")], body).await.map(drop)
    })
    .await;
    run.row("told in ISO-8859-1, by the declaration", async |act| {
        paid(act).await?;
        let body = latin(&odd(act.id()).replacen("UTF-8", "ISO-8859-1", 1));
        act.notified(body).await
    })
    .await;
    run.row("told packed", async |act| {
        paid(act).await?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(event(act.id(), "AUTHORISED").as_bytes())?;
        let headers = [("content-type", "text/xml"), ("content-encoding", "gzip")];
        let answer = act.client().send("POST", act.accounts.callbacks(false), &headers, Some(packed.finish()?)).await?;
        act.did("packed", answer);
        Ok(())
    })
    .await;
}
