mod browser;
mod notify;
mod orders;
mod pairs;
mod reference;
mod refunds;
mod replies;
mod settings;
mod words;

use super::Worldpay;
use crate::api::{Reply, Step, Task};
use crate::testing::{World, answer, json, sandbox, the_call};
use domain::{Operation, TransactionStatus};

const ORDER: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
const MONEY: &str = r#"<amount value="15000" currencyCode="EUR" exponent="2" debitCreditIndicator="credit"/>"#;
const DOCTYPE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN" "http://dtd.worldpay.com/paymentService_v1.dtd">"#;
const CARD: &str = r#"{"pan":"4444 3333-22221111","expMonth":"11","expYear":"2035","cvv":"123","cardHolderName":"John Doe"}"#;
const CHALLENGE: &str = "<challengeRequired><threeDSChallengeDetails><threeDSVersion>2.1.0</threeDSVersion><transactionId3DS>rUT8</transactionId3DS><acsURL><![CDATA[https://acs.example/auth]]></acsURL><payload> eyJhIjoxfQ </payload></threeDSChallengeDetails></challengeRequired>";

/// The example with members changed; `null` takes one out.
fn example(changes: &[(&str, &str)]) -> String {
    let mut body = json(super::DESCRIPTOR.pay_in.as_ref().unwrap().example);
    for (name, value) in changes {
        match *value {
            "null" => drop(body.remove(name)),
            value => body.set(name, json(value)),
        }
    }
    body.to_text()
}

/// The account of the fixtures with settings changed.
fn configured(world: &mut World, patch: &str) {
    world.settings = crate::settings::apply(&super::DESCRIPTOR, &world.settings, &json(patch), &sandbox()).unwrap();
}

fn hosted(changes: &[(&str, &str)]) -> World {
    World::ordering(&Worldpay, Operation::PayIn, &example(changes))
}

const DIRECT: &str = r#"{"integrationMode":"direct","threeDsIssuer":"issuer-0001","threeDsOrgUnitId":"orgunit-0001","threeDsJwtKey":"0123456789abcdef0123456789abcdef"}"#;

fn direct_with(changes: &[(&str, &str)]) -> World {
    let mut all = vec![("card", CARD)];
    all.extend(changes);
    let mut world = hosted(&all);
    configured(&mut world, DIRECT);
    world
}

fn direct() -> World {
    direct_with(&[])
}

/// An answer with this in `reply`.
fn reply_with(inner: &str) -> String {
    format!(r#"{DOCTYPE}<paymentService version="1.4" merchantCode="MYMERCHANT"><reply>{inner}</reply></paymentService>"#)
}

/// An answer about our order.
fn about(inner: &str) -> String {
    reply_with(&format!(r#"<orderStatus orderCode="{ORDER}">{inner}</orderStatus>"#))
}

fn payment(event: &str) -> String {
    format!("<payment><paymentMethod>VISA-SSL</paymentMethod>{MONEY}<lastEvent>{event}</lastEvent></payment>")
}

fn error(code: &str, text: &str) -> String {
    format!(r#"<error code="{code}"><![CDATA[{text}]]></error>"#)
}

fn pay_with(world: &mut World, reply: &Reply) -> Step {
    let call = the_call(world.begin(Task::PayIn));
    world.resume(Task::PayIn, &call, reply)
}

fn pay(world: &mut World, body: &str) -> Step {
    pay_with(world, &answer(200, body))
}

fn ask(world: &mut World, body: &str) -> Step {
    let call = the_call(world.begin(Task::Inquire));
    world.resume(Task::Inquire, &call, &answer(200, body))
}

/// A direct order whose challenge waits for the browser.
fn challenged() -> World {
    let mut world = direct();
    let mut reply = answer(200, about(CHALLENGE));
    if let Reply::Answer(answer) = &mut reply {
        answer.headers.push(("set-cookie".to_owned(), "other=1; Path=/".to_owned()));
        answer.headers.push(("set-cookie".to_owned(), "machine=0aa20016; Secure; path=/".to_owned()));
    }
    let Step::Found(_) = pay_with(&mut world, &reply) else { panic!("no challenge") };
    world.status = TransactionStatus::Pending;
    world.card = None;
    world
}

fn pending(mut world: World) -> World {
    world.status = TransactionStatus::Pending;
    world
}
