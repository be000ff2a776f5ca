//! Neosurf's two calls, their signature, and the answer to the creating one. Sheet: "Upstream wire protocol".

use super::{DESCRIPTOR, SOAP_URL};
use crate::api::{Account, Answer, Call, CashierAnswer, Context, Doubt, Finding, Refusal, Reply, Standing, Step};
use crate::kit;
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge, says_used_before};
use aws_lc_rs::digest::{SHA512, digest};
use domain::urls::{Environment, ReturnResult, merchant_url, return_address};
use domain::{ErrorCode, Json, Secret, Timestamp};
use quick_xml::escape::escape;
use url::Url;

pub(super) const CREATE: &str = "create";
pub(super) const QUERY: &str = "transactionGetDetails";
pub(super) const TEST: &str = "test";

/// Redirect API and status query.
const VERSION: &str = "3";
/// The page is open this long, milliseconds.
pub(super) const PAGE_LIFE_MS: i64 = 120 * 60 * 1_000;
/// Most characters of an answer that is no JSON in `data.error`.
const ERROR_TEXT_MAX_CHARS: usize = 300;
/// What the page's script sets.
const HREF: &str = "document.location.href";

// --- requests ---------------------------------------------------------------------------------

/// Lower-case hex SHA-512 of all values in the order of their names, joined, then the secret.
pub(super) fn signature(fields: &[(&str, &str)], secret: &str) -> String {
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    signature_of_bytes(&fields, secret)
}

/// The same of fields as they came over the wire.
pub(super) fn signature_of_bytes(fields: &[(&[u8], &[u8])], secret: &str) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_by_key(|(name, _)| *name);
    let mut message: Vec<u8> = sorted.iter().flat_map(|(_, value)| value.iter().copied()).collect();
    message.extend_from_slice(secret.as_bytes());
    hex::encode(digest(&SHA512, &message))
}

/// `subMerchantId`: the host of the configured `siteUrl`, whatever a request returns to.
pub(super) fn sub_merchant(account: &Account<'_>) -> String {
    let site = Url::parse(account.text("siteUrl")).ok();
    site.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
}

fn test_flag(cx: &Context<'_>) -> &'static str {
    if cx.account.environment == Environment::Sandbox { "yes" } else { "no" }
}

fn call(step: &'static str, url: String, content_type: &'static str, body: String, doubt: Doubt) -> Step {
    Step::Call(Box::new(Call {
        step,
        method: "POST",
        shown: kit::host_and_path(&url),
        url,
        headers: vec![("content-type", Secret::new(content_type))],
        body: body.into_bytes(),
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    }))
}

/// `YYYY-MM-DDTHH:MM:SS+00:00`. Neosurf's clock knows no time scale.
fn expiry(now: Timestamp) -> String {
    let at = Timestamp::from_millis(now.plus_ms(PAGE_LIFE_MS).seconds() * 1_000).to_string();
    at.trim_end_matches('Z').to_owned() + "+00:00"
}

pub(super) fn create(cx: &Context<'_>) -> Step {
    let (order, currency) = (cx.order, cx.order.amount.currency());
    let site = order.fields.text("siteUrl").unwrap_or_else(|| cx.account.text("siteUrl"));
    let back = |result| {
        let reference = order.merchant_reference.as_deref();
        return_address(site, order.transaction_id, order.session_id, reference, result).unwrap_or_default()
    };
    let (ok, ko, pending) = (back(ReturnResult::Success), back(ReturnResult::Failure), back(ReturnResult::Pending));
    let (amount, currency) = (order.amount.minor().to_string(), currency.code().to_ascii_lowercase());
    let (expiry, reference, sub_merchant) = (expiry(cx.now), order.reference.to_string(), sub_merchant(&cx.account));
    let mut fields = vec![
        ("amount", amount.as_str()),
        ("currency", &currency),
        ("expiry", &expiry),
        ("language", "en"),
        ("merchantId", cx.account.text("merchantId")),
        ("merchantTransactionId", &reference),
        ("prohibitedForMinors", "yes"),
        ("subMerchantId", &sub_merchant),
        ("test", test_flag(cx)),
        ("urlCallback", cx.callback_url),
        ("urlKo", &ko),
        ("urlOk", &ok),
        ("urlPending", &pending),
        ("version", VERSION),
    ];
    let hash = signature(&fields, cx.account.text("apiKey"));
    fields.push(("hash", &hash));
    let url = format!("{}/", cx.account.base_url);
    call(CREATE, url, "application/x-www-form-urlencoded", kit::form(&fields), Doubt::Page)
}

/// The status query, for an inquiry or a test.
pub(super) fn query(cx: &Context<'_>, step: &'static str) -> Step {
    let (reference, sub_merchant) = (cx.order.reference.to_string(), sub_merchant(&cx.account));
    let mut fields = vec![
        ("merchantId", cx.account.text("merchantId")),
        ("merchantTransactionId", &*reference),
        ("subMerchantId", &*sub_merchant),
        ("test", test_flag(cx)),
        ("version", VERSION),
    ];
    let hash = signature(&fields, cx.account.text("apiKey"));
    fields.insert(0, ("hash", &hash));
    let request: String = fields.iter().map(|(name, value)| format!("<{name}>{}</{name}>", escape(*value))).collect();
    // The inner element is named after its operation, `<operation>Request`.
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:ns1=\"https://www.neosurf.info/soap/\"><soap:Body><ns1:{QUERY}><{QUERY}Request>{request}</{QUERY}Request>\
         </ns1:{QUERY}></soap:Body></soap:Envelope>"
    );
    let url = cx.account.settings.text("soapUrl").unwrap_or(SOAP_URL).to_owned();
    call(step, url, "text/xml; charset=utf-8", body, Doubt::Harmless)
}

// --- the answer to the creating call ----------------------------------------------------------

pub(super) fn created(cx: &Context<'_>, reply: &Reply) -> Step {
    if let Reply::Answer(answer) = reply
        && let Some(url) = page(answer).filter(|url| merchant_url(url, cx.account.environment).is_some())
    {
        let data = Json::object([("status", Json::text("PENDING")), ("sessionId", Json::text(cx.order.session_id.to_string()))]);
        let answer = CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url: Some(url) };
        return Finding::new(Standing::Pending, "pending").answer(answer).step();
    }
    let refusal = refusal(reply);
    let used_before = matches!(reply, Reply::Answer(answer) if says_used_before(answer));
    match business_refusal(reply).filter(|_| !used_before) {
        Some(finding) if refusal.code == ErrorCode::UnknownPspError => finding.step(),
        _ if certainly_refused(reply, &CERTAIN_REFUSALS, false) => Step::Refused(refusal),
        _ => Step::Silence(refusal),
    }
}

/// Where the page's address stands (Neosurf sheet, "Reading order").
fn page(answer: &Answer) -> Option<String> {
    if matches!(answer.status, 302 | 303)
        && let Some(location) = answer.header("location")
    {
        return Some(location.to_owned());
    }
    if !kit::is_success(answer.status) {
        return None;
    }
    match answer.json() {
        Some(body) if refuses(&body) => None,
        Some(body) => ["url", "redirectUrl"].into_iter().find_map(|name| kit::scalar(&body, name)).map(str::to_owned),
        None => in_script(&answer.text()),
    }
}

/// `document\.location\.href\s*=\s*['"]([^'"]+)['"]`, the first that fits.
fn in_script(html: &str) -> Option<String> {
    html.match_indices(HREF).find_map(|(at, _)| {
        let value = html[at + HREF.len()..].trim_start().strip_prefix('=')?.trim_start().strip_prefix(['\'', '"'])?;
        let (url, _) = value.split_once(['\'', '"'])?;
        (!url.is_empty()).then(|| url.to_owned())
    })
}

fn refuses(body: &Json) -> bool {
    kit::is_set(body, "error") || kit::is_set(body, "errorcode")
}

/// HTTP 200 with `error` or `errorcode`: the raw message, `Failed`.
fn business_refusal(reply: &Reply) -> Option<Finding> {
    let (_, body) = kit::object(reply).filter(|(status, body)| kit::is_success(*status) && refuses(body))?;
    let code = kit::scalar(&body, "errorcode").filter(|code| kit::is_word(code, 32)).unwrap_or("refused").to_owned();
    let said = kit::scalar(&body, "error").unwrap_or(&code);
    let message = kit::provider_text(said);
    let answer = CashierAnswer::Declined { message: message.clone(), data: kit::as_written(reply) };
    Some(Finding::new(Standing::Failed, code).message(message).answer(answer))
}

/// The error row; what is unknown shows its text, tags removed.
pub(super) fn refusal(reply: &Reply) -> Refusal {
    let mut refusal = judge(DESCRIPTOR.errors, reply);
    let says_error = refusal.data.as_ref().is_some_and(|data| kit::scalar(data, "error").is_some());
    if let (Reply::Answer(answer), Some(_), false) = (reply, &refusal.data, says_error) {
        refusal.data = Some(Json::object([("error", Json::text(without_tags(&answer.text())))]));
    }
    refusal
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split('<').enumerate() {
        let shown = if index == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) };
        text.push(' ');
        text.push_str(shown);
    }
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(ERROR_TEXT_MAX_CHARS).collect()
}
