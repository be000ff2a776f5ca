//! The hosted page: what the mask offers, a card form or a wallet's button, Pay and Cancel, and the way back.

use askama::Template;
use http::Method;

use super::card::{Card, DEMO_NUMBER, Kept, METHODS, Wish, offers};
use super::mac::mac;
use super::order::{AUTHORISED, CANCELLED, ERROR, Order, REFUSED, key_of};
use super::{Account, HOSTED_PAGE};
use crate::kit::{Call, Error, Reply, Tx, html_page, is_http_url, notice_page, same_text, see_other};

pub(super) const NAME: &str = "Worldpay";

#[derive(Template)]
#[template(path = "worldpay.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    amount: String,
    currency: &'a str,
    description: &'a str,
    reference: &'a str,
    language: &'a str,
    /// Names of the card brands offered; empty: no card form.
    brands: Vec<&'static str>,
    /// Code and name of the wallets offered.
    wallets: Vec<(&'static str, &'static str)>,
    demo_number: &'static str,
    alert: &'a str,
    /// `lastEvent` once nothing can be done here any more; empty before.
    ended: &'a str,
    good: bool,
    back: Option<String>,
}

/// One visit: the order, its merchant, and where the address of the page says to go afterwards.
struct Visit<'a> {
    call: &'a Call,
    query: Vec<(String, String)>,
    key: String,
    order: Order,
    account: Account,
}

/// Where a visit ends.
#[derive(Debug, Clone, Copy)]
enum Way {
    Success,
    Failure,
    Cancel,
    Error,
}

/// Answers one request of the page.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let Some(mut visit) = visit(tx, call)? else {
        return notice_page(404, NAME, "Unknown payment", "There is no payment at this address.");
    };
    if !visit.order.is_open() {
        return visit.show(200, "");
    }
    if visit.order.ticket_is_dead(tx) {
        return match visit.address(Way::Error) {
            Some(address) => Ok(see_other(&address)),
            None => notice_page(410, NAME, "Page expired", "This payment page is no longer valid."),
        };
    }
    if call.method != Method::POST {
        return visit.show(200, "");
    }
    visit.press(tx)
}

/// The order of `OrderKey`, if `Ticket` is its own.
fn visit<'a>(tx: &Tx<'_>, call: &'a Call) -> Result<Option<Visit<'a>>, Error> {
    let query = call.query_pairs();
    let find = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let order_key = find("OrderKey");
    let Some((merchant_code, code)) = order_key.split_once('^') else {
        return Ok(None);
    };
    let key = key_of(&tx.digest(merchant_code), code);
    let Some(order) = tx.load::<Order>(&key)?.filter(|order| order.hosted && same_text(&order.ticket, &find("Ticket"))) else {
        return Ok(None);
    };
    let account = tx.account_of::<Account>(&order.account)?;
    Ok(account.map(|(_, account)| Visit { call, query, key, order, account }))
}

impl Visit<'_> {
    fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// One of the buttons.
    fn press(&mut self, tx: &Tx<'_>) -> Result<Reply, Error> {
        let form = self.call.form_pairs();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
        let button = field("action");
        if button == "cancel" {
            self.order.press_cancel(tx, &self.key)?;
            return self.leave(Way::Cancel);
        }
        let (card, wish) = match button {
            "pay" => {
                let number: String = field("cardNumber").chars().filter(|sign| !matches!(sign, ' ' | '-')).collect();
                let card = Card {
                    number: &number,
                    month: field("expiryMonth"),
                    year: field("expiryYear"),
                    holder: field("cardHolderName"),
                    cvc: Some(field("cvc")),
                };
                match self.card(tx, &card) {
                    Ok(kept) => (kept, card.wish()),
                    Err(why) => return self.show(422, why),
                }
            }
            wallet if self.wallets().iter().any(|(code, _)| *code == wallet) => {
                (Kept { method: wallet.to_owned(), ..Kept::demo() }, None)
            }
            _ => return self.show(422, "Choose how to pay."),
        };
        self.pay(tx, &card, wish)
    }

    fn card(&self, tx: &Tx<'_>, card: &Card<'_>) -> Result<Kept, &'static str> {
        if card.holder.is_empty() {
            return Err("Enter the name on the card.");
        }
        let kept = card.check(tx).map_err(|_| "Check the card: its number, expiry date or security code is not valid.")?;
        if !offers(&self.order.included, &self.order.excluded, &kept.method) {
            return Err("This kind of card is not accepted here.");
        }
        Ok(kept)
    }

    fn pay(&mut self, tx: &Tx<'_>, card: &Kept, wish: Option<Wish>) -> Result<Reply, Error> {
        let word = self.order.press_pay(tx, &self.key, card, wish)?;
        self.leave(match word.as_str() {
            AUTHORISED => Way::Success,
            CANCELLED => Way::Cancel,
            ERROR => Way::Error,
            _ => Way::Failure,
        })
    }

    /// On to the merchant, or, where the address of the page names no way back, to what the page says then.
    fn leave(&self, way: Way) -> Result<Reply, Error> {
        match self.address(way) {
            Some(address) => Ok(see_other(&address)),
            None => Ok(see_other(&self.own_address())),
        }
    }

    fn own_address(&self) -> String {
        format!("{}{HOSTED_PAGE}?{}", self.call.base, self.call.query)
    }

    /// The result address with its parameters and the MAC over them; `None` where none was given.
    fn address(&self, way: Way) -> Option<String> {
        let (name, status) = match way {
            Way::Success => ("successURL", Some(AUTHORISED)),
            Way::Failure => ("failureURL", Some(REFUSED)),
            Way::Cancel => ("cancelURL", None),
            Way::Error => ("errorURL", Some(ERROR)),
        };
        let address = self.asked(name).filter(|address| is_http_url(address))?;
        let order = &self.order;
        let admin_code = self.account.admin_code.as_deref().unwrap_or(&order.merchant_code);
        let order_key = format!("{admin_code}^{}^{}", order.merchant_code, order.code);
        let value = order.amount_minor.to_string();
        let mut signed = vec![order_key.as_str(), &value, &order.currency];
        signed.extend(status);
        let mut url = url::Url::parse(address).ok()?;
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("orderKey", &order_key);
        match status {
            Some(status) => pairs
                .append_pair("paymentStatus", status)
                .append_pair("paymentAmount", &value)
                .append_pair("paymentCurrency", &order.currency),
            None => pairs.append_pair("orderAmount", &value).append_pair("orderCurrency", &order.currency),
        };
        if let Some(secret) = &self.account.mac_secret {
            let (name, value) = mac(self.account.mac_kind, secret, &signed);
            pairs.append_pair(name, &value);
        }
        pairs.append_pair("source", "WP");
        drop(pairs);
        Some(url.into())
    }

    fn wallets(&self) -> Vec<(&'static str, &'static str)> {
        let offered = METHODS.iter().filter(|(code, _, is_card)| !is_card && self.offers(code));
        offered.map(|(code, name, _)| (*code, *name)).collect()
    }

    fn offers(&self, code: &str) -> bool {
        offers(&self.order.included, &self.order.excluded, code)
    }

    fn show(&self, status: u16, alert: &str) -> Result<Reply, Error> {
        let order = &self.order;
        let state = order.state();
        let ended = if order.is_open() { "" } else { state.as_str() };
        let way = match ended {
            _ if order.is_paid() => Way::Success,
            CANCELLED => Way::Cancel,
            "EXPIRED" => Way::Error,
            _ => Way::Failure,
        };
        let brands = METHODS.iter().filter(|(code, _, is_card)| *is_card && self.offers(code));
        let page = Page {
            provider: NAME,
            title: "Card payment",
            action: format!("/worldpay{HOSTED_PAGE}?{}", self.call.query),
            merchant: &self.account.merchant,
            amount: order.amount_text(),
            currency: &order.currency,
            description: &order.description,
            reference: &order.code,
            language: self.asked("language").unwrap_or(&order.language),
            brands: brands.map(|(_, name, _)| *name).collect(),
            wallets: self.wallets(),
            demo_number: DEMO_NUMBER,
            alert,
            ended,
            good: order.is_paid(),
            back: if ended.is_empty() { None } else { self.address(way) },
        };
        // The result address leads on to a page of the merchant's that nothing here can know, and a browser holds
        // every step of that way against the policy.
        html_page(status, &page, &["https:".to_owned(), "http:".to_owned()])
    }
}
