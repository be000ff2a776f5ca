//! Buy orders (pay-outs): rate, order, confirmation.

use std::net::IpAddr;

use serde_json::{Value, json};
use uuid::Uuid;

use money::Money;

use super::api::{Asked, Outcome, WAIT_TIME, fault_before, refusal};
use super::coins::Coin;
use super::order::{Ending, Order, PROCESSING, Payment, QUOTED, WAITING};
use super::{BUY_ORDER_LIFE_MS, ask};
use crate::kit::{Direction, Error, Reply, TransferState, Tx, random_token};

/// A rate, and with it the id of the payment to come.
pub(super) fn rate(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    let pos_id = ask!(asked.required("pos_id"));
    let money = ask!(asked.money());
    let coin = ask!(asked.coin());
    let Some(amount) = coin.exchanged_less_fee(money) else {
        return Ok(Err(refusal("Invoice amount is too low", "amountTooLow")));
    };
    let payment = Payment::new(coin, String::new(), amount, QUOTED, tx.now_ms);
    let key = payment.payment_id.clone();
    let order = Order {
        account: asked.digest.clone(),
        direction: Direction::Out,
        reference: String::new(),
        pos_id: pos_id.to_owned(),
        invoice_currency: money.currency().code().to_owned(),
        invoice_amount: money.to_fixed(),
        webhook_url: None,
        success_url: None,
        failure_url: None,
        payments: vec![payment],
        confirm_taken: false,
        confirm_failed: false,
    };
    if let Some(fault) = fault_before(order.scenario(), false) {
        return Ok(Ok(fault));
    }
    tx.insert(&key, &[], &order)?;
    Ok(Ok(Reply::json(200, &rate_told(&order, coin, money))))
}

fn rate_told(order: &Order, coin: &Coin, money: Money) -> Value {
    json!({
        "invoice_currency": order.invoice_currency, "invoice_amount": order.invoice_amount, "currency": coin.code,
        "wait_time": WAIT_TIME, "network_processing_fee": coin.fee(), "rate": coin.rate(),
        "amount_exchange": coin.exchanged(money), "amount": order.payments[0].amount,
        "payment_id": order.payments[0].payment_id,
    })
}

/// The caller's own buy order of `payment_id`.
fn own_buy(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<(String, Order)>, Error> {
    let key = ask!(asked.required("payment_id")).to_owned();
    let pos_id = ask!(asked.required("pos_id"));
    // Keys of buy orders are UUIDs, which invoices' keys never are.
    let order = if Uuid::parse_str(&key).is_ok() { tx.load::<Order>(&key)? } else { None };
    Ok(match order.filter(|order| order.account == asked.digest && order.pos_id == pos_id) {
        Some(order) => Ok((key, order)),
        None => Err(refusal("Payment was not found", "paymentNotFound")),
    })
}

/// Starts an order from a rate; nothing moves yet.
pub(super) fn start(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    ask!(asked.payer_id());
    let money = ask!(asked.money());
    let coin = ask!(asked.coin());
    let reference = ask!(asked.required("reference_no"));
    let address = ask!(asked.required("address"));
    if !coin.accepts(address) {
        return Ok(Err(refusal("Address is not valid", "invalidAddress")));
    }
    if asked.optional("payer_ip_address").is_some_and(|text| !is_public(text)) {
        return Ok(Err(refusal("Payer IP address is not valid", "invalidPayerIpAddress")));
    }
    let (key, mut order) = ask!(own_buy(tx, asked)?);
    let fits = order.payments[0].coin == coin.code
        && order.invoice_amount == money.to_fixed()
        && order.invoice_currency == money.currency().code();
    if !fits {
        return Ok(Err(refusal("The order does not fit its rate", "rateMismatch")));
    }
    let again = order.reference == reference && order.payments[0].address == address;
    if order.payments[0].state == QUOTED {
        order.reference = reference.to_owned();
        order.payments[0].address = address.to_owned();
        order.payments[0].state = WAITING.to_owned();
        order.payments[0].inserted_ms = tx.now_ms;
        tx.save(&key, &order)?;
        tx.add_name(reference, &key)?;
        tx.schedule(&key, &format!("lapse:{key}"), BUY_ORDER_LIFE_MS)?;
        if tx.settings()?.forge_callbacks {
            order.forge(tx, &key)?;
        }
    } else if !again {
        return Ok(Err(refusal("The payment was used for another order", "paymentUsed")));
    }
    let mut told = rate_told(&order, coin, money);
    told["payment_source"] = json!("cash");
    told["fast_transaction_fee"] = json!("0.00002066");
    told["fast_transaction_fee_currency"] = json!(format!("{}/kB", coin.code));
    told["reference_no"] = json!(reference);
    told["address"] = json!(address);
    told["access_token"] = json!(random_token());
    Ok(Ok(Reply::json(200, &told)))
}

/// Whether an address is one that ForumPay takes for a payer's.
fn is_public(text: &str) -> bool {
    match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast())
        }
        Ok(IpAddr::V6(v6)) => !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()),
        Err(_) => false,
    }
}

/// Confirms an order: the money moves from here on.
pub(super) fn confirm(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    let address = ask!(asked.required("address")).to_owned();
    let (key, mut order) = ask!(own_buy(tx, asked)?);
    if order.payments[0].state == QUOTED || order.payments[0].address != address {
        return Ok(Err(refusal("Payment was not found", "paymentNotFound")));
    }
    let confirmed = Reply::json(200, &json!({"address": address, "currency": order.payments[0].coin}));
    if order.confirm_taken {
        return Ok(Ok(confirmed));
    }
    if order.payments[0].state != WAITING {
        return Ok(Err(refusal("The order has expired", "orderExpired")));
    }
    let scenario = order.scenario();
    if scenario == 4 && !order.confirm_failed {
        order.confirm_failed = true;
        tx.save(&key, &order)?;
        return Ok(Ok(Reply::json(500, &json!({"message": "Internal server error"}))));
    }
    order.confirm_taken = true;
    order.payments[0].state = PROCESSING.to_owned();
    tx.save(&key, &order)?;
    tx.accept(&order.transfer(&order.payments[0]), TransferState::Accepted)?;
    if scenario == 10 {
        let job = order.end(tx, &key, 0, Ending::Confirmed)?;
        return Ok(Ok(confirmed.after(job.map(|job| tx.sent_once(job)))));
    }
    tx.schedule_settlement(&key, "settle")?;
    Ok(Ok(match scenario {
        11 => confirmed.cut_after("{\"addr".len()),
        12 => Reply::close(),
        _ => confirmed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_payer_addresses_are_refused() {
        for public in ["203.0.113.42", "8.8.8.8", "2a00:1450::1"] {
            assert!(is_public(public), "{public}");
        }
        for private in ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1", "nonsense"] {
            assert!(!is_public(private), "{private}");
        }
    }
}
