//! PayOne's own side (`payone-assumed-v0`), written from the PayOne sheet.
//!
//! Account: `PUT /control/payone/accounts/{apiKey}` with `{"client":"Demo company","active":true}`
//! (`active` may be left out).
//!
//! Ledger: a deposit at its settlement, a withdraw at its acceptance. References: `referenceId` and PayOne's id.
//! State words: `Pending`, `Approved`, `Declined`, `Cancelled`, `Expired`.

use askama::Template;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kit::{
    Call, Callback, Direction, Error, Pressed, Provider, Reply, Transfer, TransferState, Tx,
    date_of, hmac_sha256_hex, html_page, is_http_url, notice_page, origin_of, random_digits,
    random_hex, random_letters, random_token, same_text, scenario, see_other,
};

const CURRENCY: &str = "CAD";
const PENDING: &str = "Pending";
const APPROVED: &str = "Approved";
const DECLINED: &str = "Declined";
const CANCELLED: &str = "Cancelled";
const EXPIRED: &str = "Expired";
/// Scenario 09: the success comes this long after the callback of the negative ending (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;
const KEY_MIN_CHARACTERS: usize = 8;
/// The fields of a create call, in the order in which they are checked.
const REQUIRED: [&str; 13] = [
    "client",
    "brand",
    "userId",
    "first_name",
    "last_name",
    "email",
    "phone",
    "userIp",
    "currency",
    "amount",
    "siteUrl",
    "referenceId",
    "callbackUrl",
];
const BANKS: [&str; 5] = [
    "Maple Test Bank",
    "Northern Test Credit Union",
    "Prairie Test Savings",
    "Atlantic Test Bank",
    "Banque d'essai",
];

/// The simulator.
pub(crate) struct PayOne;

#[derive(Deserialize)]
struct Account {
    client: String,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    /// Digest of the account's name.
    account: String,
    direction: Direction,
    reference: String,
    user_id: String,
    client: String,
    brand: String,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    user_ip: String,
    amount: String,
    site_url: String,
    callback_url: String,
    token: String,
    created_at_ms: i64,
    state: String,
    /// Whether the ledger has the money as moved for good.
    settled: bool,
}

impl Order {
    fn kind(&self) -> &'static str {
        if self.direction == Direction::In {
            "deposit"
        } else {
            "withdraw"
        }
    }

    fn scenario(&self) -> u8 {
        scenario(&self.amount, CURRENCY)
    }

    /// The transaction as the inquiry and the callback tell it, with a status of its own choosing.
    fn told(&self, key: &str, status: &str) -> Value {
        json!({
            "transactionId": key, "referenceId": self.reference, "userId": self.user_id, "amount": self.amount,
            "currency": CURRENCY, "type": self.kind(), "status": status, "message": status,
        })
    }
}

impl Provider for PayOne {
    fn name(&self) -> &'static str {
        "payone"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with("/webflow-payment/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        let (key_digest, account) = match authenticate(tx, call)? {
            Ok(known) => known,
            Err(refusal) => return Ok(refusal),
        };
        match (&call.method, call.segments().as_slice()) {
            (&Method::POST, ["api", "deposit"]) => {
                create(tx, call, key_digest, &account, Direction::In)
            }
            (&Method::POST, ["api", "withdraw"]) => {
                create(tx, call, key_digest, &account, Direction::Out)
            }
            (&Method::GET, ["api", "transaction"]) => {
                let reference = call
                    .query_pairs()
                    .into_iter()
                    .find(|(name, _)| name == "referenceId");
                match reference {
                    Some((_, reference)) => {
                        inquire(tx, &key_digest, by_reference(tx, &key_digest, &reference)?)
                    }
                    None => Ok(refused("referenceId is required")),
                }
            }
            (&Method::GET, ["api", "transaction", id]) => inquire(
                tx,
                &key_digest,
                tx.load::<Order>(id)?.map(|order| ((*id).to_owned(), order)),
            ),
            (_, ["api", "deposit" | "withdraw" | "transaction", ..]) => Ok(Reply::json(
                405,
                &json!({"success": false, "error": "Method not allowed"}),
            )),
            _ => Ok(Reply::json(
                404,
                &json!({"success": false, "error": "Not found"}),
            )),
        }
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        let segments = call.segments();
        let order = match segments.as_slice() {
            [_, key, token] => tx
                .load::<Order>(key)?
                .filter(|order| order.direction == Direction::In && same_text(&order.token, token))
                .map(|order| ((*key).to_owned(), order)),
            _ => None,
        };
        let Some((key, mut order)) = order else {
            return notice_page(
                404,
                "PayOne",
                "Unknown payment",
                "There is no payment at this address.",
            );
        };
        if call.method != Method::POST {
            return show(&key, &order, call, false);
        }
        if order.state != PENDING {
            return Ok(see_other(&order.site_url));
        }
        match call.form_field("action").as_deref() {
            // A browser always sends a bank (one is preselected); a script may leave it out.
            Some("pay")
                if call
                    .form_field("bank")
                    .is_some_and(|bank| !BANKS.contains(&bank.as_str())) =>
            {
                return show(&key, &order, call, true);
            }
            Some("pay") => press_pay(tx, &key, &mut order)?,
            Some("decline") => finish(tx, &key, &mut order, DECLINED, None)?,
            Some("cancel") => finish(tx, &key, &mut order, CANCELLED, None)?,
            _ => return show(&key, &order, call, false),
        }
        Ok(see_other(&order.site_url))
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.client.is_empty() {
            Err("client must not be empty".to_owned())
        } else {
            Ok(())
        }
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if order.state != PENDING {
            return Ok(Pressed::NotPossible(format!(
                "the {} is {} already",
                order.kind(),
                order.state
            )));
        }
        match outcome {
            "pay" if order.direction == Direction::In => press_pay(tx, &key, &mut order)?,
            "pay" => return Ok(Pressed::NotPossible("a withdraw has no page".to_owned())),
            "approve" => finish(tx, &key, &mut order, APPROVED, None)?,
            "decline" => finish(tx, &key, &mut order, DECLINED, None)?,
            "cancel" => finish(tx, &key, &mut order, CANCELLED, None)?,
            "expire" => finish(tx, &key, &mut order, EXPIRED, None)?,
            _ => return Ok(Pressed::NotPossible("PayOne knows no reversal".to_owned())),
        }
        Ok(Pressed::Done(order.state))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        finish(tx, &key, &mut order, word, None)?;
        Ok(Pressed::Done(order.state))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.state))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if order.state == PENDING => press_pay(tx, key, &mut order),
            "settle" if order.state == PENDING => {
                let word = ending(order.scenario());
                finish(tx, key, &mut order, word, None)
            }
            "late" => finish(tx, key, &mut order, APPROVED, None),
            // The order was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }
}

/// The account of `x-api-key`, or the refusal of the sheet.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Result<(String, Account), Reply>, Error> {
    let well_formed = |key: &&str| {
        key.len() >= KEY_MIN_CHARACTERS
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let Some(key) = call.header("x-api-key").filter(well_formed) else {
        return Ok(Err(Reply::empty(404)));
    };
    Ok(match tx.account::<Account>(key)? {
        None => Err(refused("Invalid API key")),
        Some((_, account)) if !account.active => Err(Reply::empty(404)),
        Some(known) => Ok(known),
    })
}

fn refused(error: &str) -> Reply {
    Reply::json(400, &json!({"success": false, "error": error}))
}

/// The account's own order with a reference; two accounts may use the same one.
fn by_reference(
    tx: &Tx<'_>,
    account: &str,
    reference: &str,
) -> Result<Option<(String, Order)>, Error> {
    for key in tx.keys_of(reference)? {
        if let Some(order) = tx
            .load::<Order>(&key)?
            .filter(|order| order.account == account)
        {
            return Ok(Some((key, order)));
        }
    }
    Ok(None)
}

fn inquire(_: &Tx<'_>, account: &str, found: Option<(String, Order)>) -> Result<Reply, Error> {
    Ok(match found.filter(|(_, order)| order.account == account) {
        Some((key, order)) => Reply::json(200, &order.told(&key, &order.state)),
        None => Reply::json(
            404,
            &json!({"success": false, "error": "Transaction not found"}),
        ),
    })
}

/// Checks the body of a create call; the sentence of the first thing that is wrong.
fn read_order(
    tx: &Tx<'_>,
    call: &Call,
    account: String,
    direction: Direction,
) -> Result<Order, String> {
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| "Invalid JSON".to_owned())?;
    let field = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    for name in REQUIRED {
        if field(name).is_empty() {
            return Err(format!("{name} is required"));
        }
    }
    if field("currency") != CURRENCY {
        return Err("currency must be CAD".to_owned());
    }
    if !is_amount(&field("amount")) {
        return Err("amount must be a decimal with two digits, greater than 0".to_owned());
    }
    for name in ["siteUrl", "callbackUrl"] {
        if !is_http_url(&field(name)) {
            return Err(format!("{name} must be an address"));
        }
    }
    Ok(Order {
        account,
        direction,
        reference: field("referenceId"),
        user_id: field("userId"),
        client: field("client"),
        brand: field("brand"),
        first_name: field("first_name"),
        last_name: field("last_name"),
        email: field("email"),
        phone: field("phone"),
        user_ip: field("userIp"),
        amount: field("amount"),
        site_url: field("siteUrl"),
        callback_url: field("callbackUrl"),
        token: random_token(),
        created_at_ms: tx.now_ms,
        state: PENDING.to_owned(),
        settled: false,
    })
}

/// `"100.00"`: digits, a point, two digits, more than nothing.
fn is_amount(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, cents)| {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        (1..=13).contains(&whole.len()) && cents.len() == 2 && digits(whole) && digits(cents)
    }) && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

fn create(
    tx: &Tx<'_>,
    call: &Call,
    digest: String,
    account: &Account,
    direction: Direction,
) -> Result<Reply, Error> {
    let mut order = match read_order(tx, call, digest, direction) {
        Ok(order) => order,
        Err(sentence) => return Ok(refused(&sentence)),
    };
    if order.client != account.client {
        return Ok(refused("Invalid account details"));
    }
    if let Some((key, first)) = by_reference(tx, &order.account, &order.reference)? {
        return Ok(created(call, &key, &first));
    }
    match order.scenario() {
        4 => {
            return Ok(Reply::json(
                500,
                &json!({"success": false, "error": "Internal error"}),
            ));
        }
        5 => return Ok(Reply::hang()),
        6 => {
            return Ok(Reply::rate_limited(
                &json!({"success": false, "error": "Too many requests"}),
            ));
        }
        7 => return Ok(Reply::empty(404)),
        _ => {}
    }
    let key = new_id(tx)?;
    tx.insert(&key, &[&order.reference], &order)?;
    if direction == Direction::Out {
        tx.accept(&transfer(&key, &order), TransferState::Accepted)?;
    }
    if tx.settings()?.forge_callbacks {
        forge(tx, &key, &order)?;
    }
    let answer = created(call, &key, &order);
    let scenario = order.scenario();
    if scenario == 10 {
        let job = finish_and_send(tx, &key, &mut order, APPROVED, None)?;
        return Ok(answer.after(job.map(|job| tx.sent_once(job))));
    }
    match direction {
        Direction::In => tx.schedule_auto_settle(&key, "auto")?,
        Direction::Out => tx.schedule_settlement(&key, "settle")?,
    }
    Ok(match scenario {
        11 => answer.cut_after("{\"success\":tr".len()),
        12 => Reply::close(),
        _ => answer,
    })
}

fn new_id(tx: &Tx<'_>) -> Result<String, Error> {
    loop {
        let id = format!(
            "{}{}{}",
            random_letters(2),
            random_digits(6),
            random_letters(2)
        );
        if !tx.exists(&id)? {
            return Ok(id);
        }
    }
}

/// The answer to the call that created an order, and to its repetitions.
fn created(call: &Call, key: &str, order: &Order) -> Reply {
    if order.direction == Direction::In {
        return Reply::json(
            200,
            &json!({
                "success": true, "message": "Transaction successfully Ongoing Process ",
                "redirect_url": format!("{}/webflow-payment/{key}/{}", call.base, order.token),
            }),
        );
    }
    Reply::json(
        200,
        &json!({
            "success": true, "message": "Withdraw request successfully processed",
            "withdraw": {
                "client": order.client, "brand": order.brand, "userId": order.user_id, "transactionId": key,
                "first_name": order.first_name, "last_name": order.last_name, "email": order.email,
                "phone": order.phone, "userIp": order.user_ip, "currency": CURRENCY, "siteUrl": order.site_url,
                "amount": order.amount, "date": date_of(order.created_at_ms, "%Y-%m-%d"), "status": PENDING,
            },
        }),
    )
}

fn transfer<'a>(key: &'a str, order: &'a Order) -> Transfer<'a> {
    Transfer {
        reference: &order.reference,
        provider_reference: key,
        direction: order.direction,
        amount: &order.amount,
        currency: CURRENCY,
        // Interac pays a mail address.
        destination: (order.direction == Direction::Out).then_some(order.email.as_str()),
    }
}

/// What the scenario makes of a payment.
fn ending(scenario: u8) -> &'static str {
    match scenario {
        1 => DECLINED,
        2 => CANCELLED,
        3 => EXPIRED,
        _ => APPROVED,
    }
}

/// The page's button Pay.
fn press_pay(tx: &Tx<'_>, key: &str, order: &mut Order) -> Result<(), Error> {
    match order.scenario() {
        9 => finish(tx, key, order, DECLINED, Some("late")),
        scenario => finish(tx, key, order, ending(scenario), None),
    }
}

fn finish(
    tx: &Tx<'_>,
    key: &str,
    order: &mut Order,
    word: &str,
    then: Option<&str>,
) -> Result<(), Error> {
    finish_and_send(tx, key, order, word, then).map(|_| ())
}

/// Sets the status, books what it means, and notifies; the job of the (first) callback.
fn finish_and_send(
    tx: &Tx<'_>,
    key: &str,
    order: &mut Order,
    word: &str,
    then: Option<&str>,
) -> Result<Option<i64>, Error> {
    order.state = word.to_owned();
    if word == APPROVED && !order.settled {
        order.settled = true;
        match order.direction {
            Direction::In => tx.accept(&transfer(key, order), TransferState::Settled)?,
            Direction::Out => tx.transfer_became(key, TransferState::Settled)?,
        }
    } else if [DECLINED, CANCELLED, EXPIRED].contains(&word)
        && order.direction == Direction::Out
        && !order.settled
    {
        tx.transfer_became(key, TransferState::Returned)?;
    }
    tx.save(key, order)?;
    if word != APPROVED && tx.settings()?.forge_callbacks {
        forge(tx, key, order)?;
    }
    let Some((api_key, _)) = tx.account_of::<Account>(&order.account)? else {
        return Ok(None);
    };
    let mut callback = callback(order, key, word, api_key.as_bytes());
    callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
    let first = tx.send(key, &callback)?;
    if order.scenario() == 8 {
        tx.send(key, &callback)?;
        tx.send(key, &callback)?;
    }
    Ok(Some(first))
}

/// Success told for what nobody paid, signed with a key that is nobody's.
fn forge(tx: &Tx<'_>, key: &str, order: &Order) -> Result<(), Error> {
    tx.send(
        key,
        &callback(order, key, APPROVED, random_hex(32).as_bytes()),
    )
    .map(|_| ())
}

fn callback(order: &Order, key: &str, status: &str, signing_key: &[u8]) -> Callback {
    let body = order.told(key, status).to_string();
    let signature = hmac_sha256_hex(signing_key, body.as_bytes());
    let mut callback = Callback::post(&order.callback_url, "application/json", body);
    callback.headers.push(("x-signature".to_owned(), signature));
    callback
}

#[derive(Template)]
#[template(path = "payone.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    amount: &'a str,
    payer: String,
    reference: &'a str,
    banks: &'a [&'a str],
    bank_unknown: bool,
    /// Empty while the payment waits.
    ended: &'a str,
    site_url: &'a str,
}

fn show(key: &str, order: &Order, call: &Call, bank_unknown: bool) -> Result<Reply, Error> {
    let page = Page {
        provider: "PayOne",
        title: "Interac payment",
        action: format!("/payone{}", call.path),
        merchant: &order.client,
        amount: &order.amount,
        payer: format!("{} {}", order.first_name, order.last_name),
        reference: key,
        banks: &BANKS,
        bank_unknown,
        ended: if order.state == PENDING {
            ""
        } else {
            &order.state
        },
        site_url: &order.site_url,
    };
    let leads_to: Vec<String> = origin_of(&order.site_url).into_iter().collect();
    html_page(if bank_unknown { 422 } else { 200 }, &page, &leads_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_has_the_bytes_and_the_signature_of_the_sheet() {
        let order = Order {
            account: String::new(),
            direction: Direction::In,
            reference: "64a1f2b3c4d5e6f7a8b9c0d1".into(),
            user_id: "user_123".into(),
            client: "Demo".into(),
            brand: "Demo".into(),
            first_name: "John".into(),
            last_name: "Doe".into(),
            email: "player@example.com".into(),
            phone: "4915112345678".into(),
            user_ip: "203.0.113.42".into(),
            amount: "100.00".into(),
            site_url: "https://your-site.com/operations".into(),
            callback_url: "https://gw.example/callbacks/payone/t".into(),
            token: "t".into(),
            created_at_ms: 0,
            state: APPROVED.into(),
            settled: true,
        };
        let callback = callback(&order, "HS932097JV", APPROVED, b"payone-key-0001");
        assert_eq!(callback.body.len(), 184);
        assert_eq!(callback.headers[1].0, "x-signature");
        assert_eq!(
            callback.headers[1].1,
            "a0f98e4c504367f481a5d185ef44415f5017d382c93560f84a830f45846c0d4f"
        );
    }

    #[test]
    fn amounts_have_two_digits_and_are_above_zero() {
        for good in ["100.00", "0.01", "9999999999999.99"] {
            assert!(is_amount(good), "{good}");
        }
        for bad in [
            "0.00", "100", "100.0", "1e2", "-1.00", ".10", "1.000", "", "1,00",
        ] {
            assert!(!is_amount(bad), "{bad}");
        }
    }
}
