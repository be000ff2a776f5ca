//! The answer to a pay-in, the form that the payer's browser posts to Trust's Payment Pages, and its hash. Sheet: "Cashier
//! contract", "The form", "Request hash".

use super::site_password;
use crate::api::{CashierAnswer, Context, Finding, Standing};
use crate::kit;
use crate::pages::{HostedForm, Opening};
use aws_lc_rs::digest::{SHA256, digest};
use domain::{Json, Secret, Settings, Timestamp, amounts};

/// Our page lives this long after the create answer, milliseconds.
const LINK_LIFE_MS: i64 = 300 * 1_000;
/// After this time from the serving of the form nobody can pay any more: the hash is good for three hours. Milliseconds.
const PAYABLE_MS: i64 = (3 * 60 + 15) * 60 * 1_000;
/// Where the browser posts to.
const CHOICE: &str = "/process/payments/choice";
const RULE: &str = "ruleidentifier";
const EXTRA: &str = "stextraurlnotifyfields";
/// The fields of a notification that we ask for.
pub(super) const EXTRA_FIELDS: [&str; 10] = [
    "baseamount",
    "currencyiso3a",
    "errorcode",
    "maskedpan",
    "orderreference",
    "paymenttypedescription",
    "requesttypedescription",
    "settlestatus",
    "sitereference",
    "transactionreference",
];
/// `hashFields` where the account has none (Trust sheet, "Request hash").
pub(super) const DEFAULT_HASH_FIELDS: &str = "currencyiso3a,mainamount,sitereference,settlestatus,settleduedate,authmethod,\
    paypaladdressoverride,strequiredfields,version,stprofile,ruleidentifier,stdefaultprofile,successfulurlredirect,declinedurlredirect,\
    successfulurlnotification,declinedurlnotification,merchantemail,allurlnotification,stextraurlnotifyfields,stextraurlredirectfields,\
    orderreference";
/// Rules, each with its address: redirect on success, redirect on decline, notify on all.
const RULES: [(&str, &str); 3] =
    [("STR-6", "successfulurlredirect"), ("STR-7", "declinedurlredirect"), ("STR-10", "allurlnotification")];
/// Where the billing fields come from; of two the first that is there.
const BILLING: [(&str, &[&str]); 10] = [
    ("billingfirstname", &["firstName"]),
    ("billinglastname", &["lastName"]),
    ("billingemail", &["email"]),
    ("billingtelephone", &["phone"]),
    ("billingpremise", &["address.line1"]),
    ("billingstreet", &["address.line2"]),
    ("billingtown", &["address.city"]),
    ("billingcounty", &[STATE]),
    ("billingpostcode", &["address.postalCode"]),
    ("billingcountryiso2a", &COUNTRY),
];
/// Trust takes a county only with its country.
const STATE: &str = "address.state";
const COUNTRY: [&str; 2] = ["address.country", "countryCode"];

/// A pay-in calls nobody.
pub(super) fn created(cx: &Context<'_>) -> Finding {
    let closes_at = Timestamp::from_millis(closes_at(cx).seconds() * 1_000);
    let text = |text: String| Json::String(text);
    let data = Json::object([
        ("status", Json::text("PENDING")),
        ("transaction_status", Json::text("Pending")),
        ("paymentUrl", Json::text(&*cx.pages.pay)),
        ("expiresAt", text(closes_at.to_string())),
        ("transactionId", text(cx.order.transaction_id.to_string())),
        ("sessionId", text(cx.order.session_id.to_string())),
        ("merchantReference", kit::merchant_reference(cx)),
        ("amount", amounts::as_number(&cx.order.amount)),
    ]);
    let redirect_url = Some(cx.pages.pay.clone());
    let answer = CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url };
    let finding = Finding::new(Standing::Pending, "pending").answer(answer);
    let plain = &cx.order.fields.plain;
    let mut left_out: Vec<&str> =
        plain.iter().filter(|(_, value)| **value == Json::Null).map(|(name, _)| name.as_str()).collect();
    left_out.extend(plain.get(STATE).filter(|state| **state != Json::Null && !has_country(cx)).map(|_| STATE));
    if left_out.is_empty() { finding } else { finding.note(format!("left out of the form: {}", left_out.join(", "))) }
}

fn has_country(cx: &Context<'_>) -> bool {
    COUNTRY.iter().any(|name| cx.order.fields.text(name).is_some())
}

/// The end of our page's life.
pub(super) fn closes_at(cx: &Context<'_>) -> Timestamp {
    cx.order.created_at.plus_ms(cx.scaled_ms(LINK_LIFE_MS))
}

/// When the form was served.
pub(super) fn opened_at(cx: &Context<'_>) -> Option<Timestamp> {
    cx.memo.get("openedAt")?.as_number()?.parse().ok().map(Timestamp::from_millis)
}

/// From when on nobody can pay.
pub(super) fn over_at(cx: &Context<'_>, opened: Timestamp) -> Timestamp {
    opened.plus_ms(cx.scaled_ms(PAYABLE_MS))
}

/// Once, within the life of the page.
pub(super) fn open(cx: &Context<'_>) -> Opening {
    if opened_at(cx).is_some() || cx.now >= closes_at(cx) {
        return Opening::Closed;
    }
    let mut memo = cx.memo.clone();
    memo.set("openedAt", Json::from(cx.now.millis()));
    let base = cx.account.settings.text("pagesBaseUrl").unwrap_or(cx.account.base_url).trim_end_matches('/');
    Opening::Form(Box::new(HostedForm {
        action: format!("{base}{CHOICE}"),
        fields: fields(cx).into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
        hidden: false,
        memo: Some(memo),
        restarts_schedule: true,
    }))
}

fn fields(cx: &Context<'_>) -> Vec<(&'static str, String)> {
    let (account, order) = (&cx.account, cx.order);
    let mut fields = vec![
        ("sitereference", account.text("sitereference").to_owned()),
        ("currencyiso3a", order.amount.currency().code().to_owned()),
        ("mainamount", order.amount.to_fixed()),
        ("version", "2".to_owned()),
        ("stprofile", "default".to_owned()),
        ("orderreference", order.reference.to_string()),
    ];
    let first_of = |names: &[&str]| names.iter().find_map(|name| order.fields.text(name)).map(str::to_owned);
    let taken = BILLING.iter().filter(|(_, ours)| *ours != [STATE] || has_country(cx));
    fields.extend(taken.filter_map(|(name, ours)| Some((*name, first_of(ours)?))));
    let Some(password) = site_password(account.settings) else { return fields };
    let agreed = hash_fields(account.settings);
    let rules: Vec<_> = RULES.iter().filter(|(_, url)| agreed.contains(&RULE) && agreed.contains(url)).collect();
    fields.extend(rules.iter().map(|(rule, _)| (RULE, (*rule).to_owned())));
    for (_, name) in rules {
        let url = match *name {
            "successfulurlredirect" => format!("{}/success", cx.pages.back),
            "declinedurlredirect" => format!("{}/failure", cx.pages.back),
            _ => cx.callback_url.to_owned(),
        };
        fields.push((name, url));
        if *name == "allurlnotification" && agreed.contains(&EXTRA) {
            fields.extend(EXTRA_FIELDS.map(|field| (EXTRA, field.to_owned())));
        }
    }
    let timestamp = timestamp(cx.now);
    let hash = request_hash(&fields, &agreed, &timestamp, password);
    fields.extend([("sitesecuritytimestamp", timestamp), ("sitesecurity", hash)]);
    fields
}

/// The names of a comma-separated list.
pub(super) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn hash_fields(settings: &Settings) -> Vec<&str> {
    names(settings.text("hashFields").unwrap_or(DEFAULT_HASH_FIELDS)).collect()
}

/// The warning about what the agreed hash does not cover: sent, it would have the payer see "Invalid details".
pub(super) fn not_sent(settings: &Settings) -> Option<String> {
    site_password(settings)?;
    let agreed = hash_fields(settings);
    let covered = |name: &str| agreed.contains(&name);
    let url = |(_, name): (&str, &'static str)| (!covered(RULE) || !covered(name)).then_some(name);
    let mut left: Vec<&str> = RULES.into_iter().filter_map(url).collect();
    let unnotified = left.contains(&"allurlnotification");
    left.extend((!covered(RULE)).then_some(RULE));
    left.extend((!covered(EXTRA) || unnotified).then_some(EXTRA));
    (!left.is_empty()).then(|| format!("Not sent, because hashFields does not cover them: {}", left.join(", ")))
}

/// `YYYY-MM-DD hh:mm:ss`, UTC.
fn timestamp(now: Timestamp) -> String {
    Timestamp::from_millis(now.seconds() * 1_000).to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// `sitesecurity`: `h` and the SHA-256 of the agreed fields' values in the agreed order, the timestamp and the password.
pub(super) fn request_hash(fields: &[(&'static str, String)], agreed: &[&str], timestamp: &str, password: &str) -> String {
    let values = agreed.iter().flat_map(|name| fields.iter().filter(move |(known, _)| known == name));
    let joined: String = values.map(|(_, value)| value.as_str()).chain([timestamp, password]).collect();
    format!("h{}", sha256_hex(joined.as_bytes()))
}

/// Lower-case hex SHA-256.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
