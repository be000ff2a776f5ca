mod pay_ins;
mod pay_outs;

use super::ForumPay;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, now, the_call};
use domain::{ErrorCode, Json, Operation, TransactionStatus};

const PAYMENT: &str = "badd0b52-110f-4be2-af64-59d7645796af";
const ADDRESS: &str = "btc-1eda64a85da94d71a2ac5ed84e929553";

fn pay_in() -> World {
    World::open(&ForumPay, Operation::PayIn)
}

/// A pay-out on hold, approved.
fn approved() -> World {
    let mut world = World::created(&ForumPay, Operation::PayOut);
    world.status = TransactionStatus::Pending;
    world
}

/// CheckPayment's answer about the world's transaction, with members changed.
fn check(operation: Operation, changes: &[(&str, &str)]) -> Reply {
    let (kind, amount) = match operation {
        Operation::PayIn => ("Sell", "100.00"),
        Operation::PayOut => ("Buy", "200.00"),
    };
    let mut body = json(&format!(
        r#"{{"reference_no":"{TRANSACTION}","inserted":"2026-05-17 09:32:57","invoice_amount":"{amount}","invoice_currency":"EUR","type":"{kind}","amount":"0.1","currency":"BTC","confirmed":false,"cancelled":false,"reason":null,"status":"shown","state":"waiting"}}"#
    ));
    for (name, value) in changes {
        body.set(name, json(value));
    }
    answer(200, body.to_text())
}

fn state(operation: Operation, word: &str) -> Reply {
    check(operation, &[("state", &format!("\"{word}\""))])
}

/// GetTransactions' answer with these payment ids.
fn list(ids: &[&str]) -> Reply {
    let invoices: Vec<String> = ids
        .iter()
        .map(|id| {
            format!(
                r#"{{"payment_id":"{id}","currency":"BTC","address":"a-{id}","pos_id":"widget","state":"waiting","confirmed":null,"cancelled":null}}"#
            )
        })
        .collect();
    answer(200, format!(r#"{{"invoices":[{}]}}"#, invoices.join(",")))
}

const IN: Operation = Operation::PayIn;
const OUT: Operation = Operation::PayOut;
const CHECK: &str = "CheckPayment";
const LIST: &str = "GetTransactions";
const CONFIRM: &str = "ConfirmBuyOrder";

fn accepted() -> Reply {
    answer(200, format!(r#"{{"address":"{ADDRESS}","currency":"BTC"}}"#))
}

fn err(code: &str) -> Reply {
    answer(200, format!(r#"{{"err":"said","err_code":"{code}"}}"#))
}

#[test]
fn callbacks_are_hints_in_json_or_form() {
    let world = pay_in();
    let body = format!(
        r#"{{"pos_id":"mozarto","payment_id":"{PAYMENT}","currency":"BTC","address":"{ADDRESS}","reference_no":"{TRANSACTION}"}}"#
    );
    let form = format!("pos_id=mozarto&payment_id={PAYMENT}&currency=BTC&address={ADDRESS}&reference_no={TRANSACTION}");
    for body in [&body, &form] {
        for per_transaction in [true, false] {
            let reading = world.callback(&[], body.as_bytes(), per_transaction);
            assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, "OK"));
            let CallbackOutcome::Hint(hint) = reading.outcome else { panic!("{:?}", reading.outcome) };
            assert_eq!((hint.str_at("payment_id"), hint.str_at("address")), (Some(PAYMENT), Some(ADDRESS)));
            assert_eq!(reading.locate.is_some(), !per_transaction);
            if let Some(locate) = reading.locate {
                assert_eq!(locate.reference, Some(TRANSACTION.parse().unwrap()));
                assert_eq!(locate.psp_transaction_id.as_deref(), Some(PAYMENT));
            }
        }
    }
    let other = body.replace(TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2");
    assert!(matches!(world.callback(&[], other.as_bytes(), true).outcome, CallbackOutcome::Anomaly(_)));
}

#[test]
fn the_webhook_test_is_echoed() {
    let world = pay_in();
    for body in [r#"{"webhook_test":"a\"b"}"#, "webhook_test=a%22b"] {
        let reading = world.callback(&[], body.as_bytes(), false);
        assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, r#"{"message":"a\"b"}"#));
        assert!(matches!(reading.outcome, CallbackOutcome::Ignore));
    }
    for garbage in ["", "[]", "\"x\"", "garbage"] {
        assert_eq!(world.callback(&[], garbage.as_bytes(), false).answer.status, 400, "{garbage}");
        // A transaction's own address: that one is asked about.
        let reading = world.callback(&[], garbage.as_bytes(), true);
        assert_eq!(reading.answer.status, 200, "{garbage}");
        assert!(matches!(reading.outcome, CallbackOutcome::Hint(_)), "{garbage}");
    }
}
