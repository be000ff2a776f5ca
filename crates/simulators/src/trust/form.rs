//! The form that the payer's browser posts. Whatever is wrong with it, the payer sees "Invalid details" and nobody
//! is told.

use http::Method;
use jiff::Timestamp;
use money::{Currency, Money};

use super::card::without_numbers;
use super::order::{NOTIFY_ON_ALL, Order, REDIRECT_ON_DECLINE, REDIRECT_ON_SUCCESS};
use super::sign::{Fields, request_hash, value, values};
use super::{Account, Paid, page};
use crate::kit::{Call, Error, Reply, Tx, is_http_url, random_hex, same_text};

/// The payer has this long from the timestamp (unscaled).
const PAYABLE_MS: u64 = 3 * 3_600_000;
/// Timestamps are whole seconds.
const TIMESTAMP_GRAIN_MS: i64 = 1_000;
/// Clocks may differ by so much.
const AHEAD_MAX_MS: i64 = 5 * 60_000;
/// `YYYY-MM-DD hh:mm:ss`.
const TIMESTAMP_CHARACTERS: usize = 19;
const REFERENCE_BYTES_MAX: usize = 255;
const FIELDS_MAX: usize = 200;
/// The only fields that may occur more than once.
const REPEATED: [&str; 2] = ["ruleidentifier", "stextraurlnotifyfields"];
/// Fields that count only when the hash covers them.
const COVERED: [&str; 6] = [
    "ruleidentifier",
    "successfulurlredirect",
    "declinedurlredirect",
    "successfulurlnotification",
    "declinedurlnotification",
    "allurlnotification",
];
/// The rules, and the field with the address that each needs.
const RULES: [(&str, &str); 3] = [
    (REDIRECT_ON_SUCCESS, "successfulurlredirect"),
    (REDIRECT_ON_DECLINE, "declinedurlredirect"),
    (NOTIFY_ON_ALL, "allurlnotification"),
];

/// Longest billing field, characters; other billing texts have [`TEXT_MAX_CHARS`].
const LENGTHS: [(&str, usize); 4] =
    [("billingpremise", 25), ("billingpostcode", 25), ("billingtelephone", 20), ("billingemail", 255)];
const TEXT_MAX_CHARS: usize = 127;

/// Whether every billing field is one that Trust takes: with a longer one, or a county without its country, the payer cannot pay
/// (field error 30000).
fn billing_is_taken(fields: &Fields) -> bool {
    let longest = |name: &str| LENGTHS.iter().find(|(known, _)| *known == name).map_or(TEXT_MAX_CHARS, |(_, length)| *length);
    let fits = |(name, value): &(String, String)| !name.starts_with("billing") || value.chars().count() <= longest(name);
    let alone = !value(fields, "billingcounty").is_empty() && value(fields, "billingcountryiso2a").is_empty();
    fields.iter().all(fits) && !alone
}

/// Answers a posted form. `details`: with the card form at once.
pub(super) fn answer(tx: &Tx<'_>, call: &Call, details: bool) -> Result<Reply, Error> {
    if call.method != Method::POST {
        return Ok(page::method_not_allowed());
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return page::invalid_details(415);
    }
    let fields = call.form_pairs();
    let Some((digest, account)) = tx.account::<Account>(value(&fields, "sitereference"))? else {
        return page::invalid_details(200);
    };
    let Some(mut order) = read_order(tx, &fields, digest, &account, details) else {
        return page::invalid_details(200);
    };
    if order.digits() == 3 {
        return page::invalid_details(200);
    }
    let key = random_hex(48);
    let name = order.orderreference.clone();
    let names: Vec<&str> = if name.is_empty() { Vec::new() } else { vec![&name] };
    tx.insert(&key, &names, &order)?;
    if tx.settings()?.forge_callbacks {
        order.forge(tx, &key)?;
    }
    if order.digits() == 10 {
        let job = order.press_pay(tx, &key, &Paid::by_default())?;
        return Ok(page::show(tx, &key, &order, page::Trouble::None)?.after(job.map(|job| tx.sent_once(job))));
    }
    tx.schedule_auto_settle(&key, "auto")?;
    page::show(tx, &key, &order, page::Trouble::None)
}

/// Checks a form; `None` when anything is wrong with it.
fn read_order(tx: &Tx<'_>, fields: &Fields, digest: String, account: &Account, details: bool) -> Option<Order> {
    let field = |name: &str| value(fields, name).to_owned();
    if fields.len() > FIELDS_MAX || !names_are_right(fields) || value(fields, "version") != "2" {
        return None;
    }
    let currency = Currency::from_code(value(fields, "currencyiso3a")).filter(|known| account.takes(known.code()))?;
    let money = Money::parse_decimal(value(fields, "mainamount"), currency).ok()?;
    if money.minor() <= 0 || money.to_fixed() != value(fields, "mainamount") {
        return None;
    }
    let age_ms = signed_age_ms(tx, fields, account)?;
    let rules: Vec<String> = values(fields, "ruleidentifier").map(str::to_owned).collect();
    let rules_are_right =
        rules.iter().all(|rule| RULES.iter().any(|(known, address)| known == rule && !value(fields, address).is_empty()));
    let addresses_are_right = COVERED[1..].iter().all(|name| values(fields, name).all(is_http_url));
    if !rules_are_right
        || !addresses_are_right
        || !billing_is_taken(fields)
        || field("orderreference").len() > REFERENCE_BYTES_MAX
    {
        return None;
    }
    Some(Order {
        account: digest,
        sitereference: field("sitereference"),
        orderreference: field("orderreference"),
        currency: currency.code().to_owned(),
        amount: money.to_fixed(),
        base_amount: money.minor(),
        billing: billing(fields),
        details,
        rules,
        success_url: field("successfulurlredirect"),
        declined_url: field("declinedurlredirect"),
        notification_url: field("allurlnotification"),
        notified_fields: values(fields, "stextraurlnotifyfields").map(str::to_owned).collect(),
        expires_ms: tx.now_ms + tx.scaled(PAYABLE_MS) - age_ms,
        expired: false,
        refunded: false,
        queries: 0,
        records: Vec::new(),
    })
}

/// The billing fields that are there, to be shown. A payer may type anything anywhere: what could be a card number is not kept, a
/// telephone's apart.
fn billing(fields: &Fields) -> Fields {
    let kept = |name: &str, value: &str| if name == "billingtelephone" { value.to_owned() } else { without_numbers(value) };
    let there = fields.iter().filter(|(name, value)| name.starts_with("billing") && !value.is_empty());
    there.map(|(name, value)| (name.clone(), kept(name, value))).collect()
}

/// Names are in lower case, and only the two of the sheet may occur more than once.
fn names_are_right(fields: &Fields) -> bool {
    fields.iter().all(|(name, _)| {
        let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        lower && (REPEATED.contains(&name.as_str()) || values(fields, name).count() == 1)
    })
}

/// How old the signed timestamp is (0 at a site without a password); `None` when the form is not rightly signed,
/// too old, too far ahead, or has a rule or an address that the hash does not cover.
fn signed_age_ms(tx: &Tx<'_>, fields: &Fields, account: &Account) -> Option<i64> {
    let agreed = account.hash_fields();
    let covered = account.site_security_password.is_some();
    if COVERED.iter().any(|name| values(fields, name).next().is_some() && !(covered && agreed.contains(name))) {
        return None;
    }
    let Some(password) = &account.site_security_password else {
        return Some(0);
    };
    if !same_text(value(fields, "sitesecurity"), &request_hash(fields, &agreed, password)) {
        return None;
    }
    let signed_ms = timestamp_ms(value(fields, "sitesecuritytimestamp"))?;
    let age_ms = tx.now_ms - signed_ms;
    let in_time = age_ms <= tx.scaled(PAYABLE_MS).saturating_add(TIMESTAMP_GRAIN_MS) && -age_ms <= AHEAD_MAX_MS;
    in_time.then_some(age_ms.max(0))
}

/// `2026-01-02 03:04:05`, UTC, in milliseconds since 1970.
fn timestamp_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ').filter(|_| text.len() == TIMESTAMP_CHARACTERS)?;
    format!("{date}T{time}Z").parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_one_form() {
        assert_eq!(timestamp_ms("2026-01-02 03:04:05"), Some(1_767_323_045_000));
        for bad in ["", "2026-01-02T03:04:05", "2026-01-02 03:04:5", "2026-13-02 03:04:05", "2026-01-02 03:04:05Z"] {
            assert_eq!(timestamp_ms(bad), None, "{bad}");
        }
    }
}
