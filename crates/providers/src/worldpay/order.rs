//! Worldpay's calls. Sheet: "Upstream wire protocol".

use super::browser;
use crate::api::{Call, Context, Doubt, Finding, Order, Refusal, Step};
use crate::kit;
use crate::xml::{self, Part};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{ErrorCode, Json, Secret};

pub(super) const HOSTED: &str = "hosted-order";
pub(super) const DIRECT: &str = "direct-order";
pub(super) const CONTINUE: &str = "second-submit";
pub(super) const INQUIRY: &str = "inquiry";
pub(super) const TEST: &str = "test";

/// Time for an answer to a hosted order, milliseconds; to a direct one, or its second submit; to an inquiry (sheet, "Answer
/// limits").
pub(super) const HOSTED_LIMIT_MS: u32 = 20_000;
const DIRECT_LIMIT_MS: u32 = 60_000;
const INQUIRY_LIMIT_MS: u32 = 10_000;
/// The one address, below the host.
const PATH: &str = "/jsp/merchant/xml/paymentService.jsp";
const DOCTYPE: &str = r#"<!DOCTYPE paymentService PUBLIC "-//Worldpay//DTD Worldpay PaymentService v1//EN" "http://dtd.worldpay.com/paymentService_v1.dtd">"#;
const DEFAULT_LANGUAGE: &str = "en";
const DEFAULT_MASK: &str = "ALL";

/// In the memo: the second submit may have been sent.
pub(super) const CONTINUED: &str = "continued";
/// In the memo: the value of the cookie `machine`.
pub(super) const MACHINE: &str = "machine";

type Attributes<'a> = Vec<(&'static str, &'a str)>;

// --- calls ------------------------------------------------------------------------------------

fn call(cx: &Context<'_>, step: &'static str, parts: Vec<Part<'_>>, doubt: Doubt, answer_limit_ms: u32) -> Call {
    let credentials = format!("{}:{}", cx.account.text("xmlUsername"), cx.account.text("xmlPassword"));
    let url = format!("{}{PATH}", cx.account.base_url);
    let root = vec![("version", "1.4"), ("merchantCode", cx.account.text("merchantCode"))];
    let mut document = Vec::with_capacity(parts.len() + 3);
    document.extend([Part::Raw(DOCTYPE), Part::With("paymentService", root)]);
    document.extend(parts);
    document.push(Part::Close("paymentService"));
    Call {
        step,
        method: "POST",
        shown: kit::host_and_path(&url),
        url,
        headers: vec![
            ("authorization", Secret::new(format!("Basic {}", STANDARD.encode(credentials)))),
            ("content-type", Secret::new("text/xml; charset=utf-8")),
        ],
        body: xml::write(&document),
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: Some(answer_limit_ms),
    }
}

/// Call 1.
pub(super) fn hosted(cx: &Context<'_>) -> Step {
    let texts = Texts::of(cx);
    let mut parts = texts.order(cx, &[("installationId", cx.account.text("installationId"))]);
    parts.push(Part::Raw("<orderContent><![CDATA[]]></orderContent>"));
    parts.push(Part::Open("paymentMethodMask"));
    parts.extend(mask(cx).split(',').map(|code| match code.strip_prefix('!') {
        Some(code) => Part::Empty("exclude", vec![("code", code)]),
        None => Part::Empty("include", vec![("code", code)]),
    }));
    parts.push(Part::Close("paymentMethodMask"));
    parts.extend(texts.shopper(cx, &[]));
    parts.push(Part::Open("billingAddress"));
    parts.extend(address(cx.order, true));
    parts.push(Part::Close("billingAddress"));
    parts.extend(texts.token(cx));
    parts.extend(fraud_sight(cx, &texts));
    parts.extend([Part::Close("order"), Part::Close("submit")]);
    Step::Call(Box::new(call(cx, HOSTED, parts, Doubt::Page, HOSTED_LIMIT_MS)))
}

/// Call 3.
pub(super) fn direct(cx: &Context<'_>) -> Step {
    // The engine hands the card on with the task; without one there is nothing to send.
    let Some(card) = cx.card else { return Step::Refused(Refusal::of(ErrorCode::UnknownPspError)) };
    let (texts, fingerprint) = (Texts::of(cx), browser::fingerprint(cx.order));
    let mut parts = texts.order(cx, &[]);
    parts.extend([
        Part::With("paymentDetails", vec![("action", "AUTHORISE")]),
        Part::Open("CARD-SSL"),
        Part::Leaf("cardNumber", card.pan()),
        Part::Open("expiryDate"),
        Part::Empty("date", vec![("month", &card.exp_month), ("year", &card.exp_year)]),
        Part::Close("expiryDate"),
        Part::Leaf("cardHolderName", card.holder()),
        Part::Leaf("cvc", card.cvv()),
        Part::Open("cardAddress"),
    ]);
    parts.extend(address(cx.order, true));
    parts.extend([Part::Close("cardAddress"), Part::Close("CARD-SSL")]);
    let ip = cx.order.fields.text("userIp").map(|ip| ("shopperIPAddress", ip));
    parts.push(Part::Empty("session", ip.into_iter().chain([("id", texts.session.as_str())]).collect()));
    parts.push(Part::Close("paymentDetails"));
    parts.extend(texts.shopper(cx, &fingerprint));
    parts.extend(texts.token(cx));
    let mut flex = vec![("dfReferenceId", cx.order.text("dfReferenceId")), ("challengeWindowSize", "fullPage")];
    if flag(cx.order, "browser.javaScriptEnabled") == Some("false") {
        flex.push(("javaScriptEnabled", "false"));
    }
    parts.push(Part::Empty("additional3DSData", flex));
    parts.extend(fraud_sight(cx, &texts));
    parts.extend([Part::Close("order"), Part::Close("submit")]);
    Step::Call(Box::new(call(cx, DIRECT, parts, Doubt::Money, DIRECT_LIMIT_MS)))
}

/// Call 5: made once, while the challenge is open, by what is remembered with its intent.
pub(super) fn go_on(cx: &Context<'_>) -> Step {
    if browser::open_challenge(cx).is_none() {
        return Finding::unchanged().step();
    }
    let texts = Texts::of(cx);
    let parts = vec![
        Part::Open("submit"),
        Part::With("order", vec![("orderCode", &texts.reference)]),
        Part::Raw("<info3DSecure><completedAuthentication/></info3DSecure>"),
        Part::Empty("session", vec![("id", &texts.session)]),
        Part::Close("order"),
        Part::Close("submit"),
    ];
    let mut call = call(cx, CONTINUE, parts, Doubt::Money, DIRECT_LIMIT_MS);
    if let Some(machine) = cx.memo.str_at(MACHINE) {
        call.headers.push(("cookie", Secret::new(format!("{MACHINE}={machine}"))));
    }
    let mut memo = cx.memo.clone();
    memo.set(CONTINUED, Json::Bool(true));
    call.memo = Some(memo);
    Step::Call(Box::new(call))
}

/// Call 6; for "Test connection" about an order that nobody has.
pub(super) fn inquiry(cx: &Context<'_>, step: &'static str) -> Step {
    let reference = cx.order.reference.to_string();
    let parts = vec![Part::Open("inquiry"), Part::Empty("orderInquiry", vec![("orderCode", &reference)]), Part::Close("inquiry")];
    Step::Call(Box::new(call(cx, step, parts, Doubt::Harmless, INQUIRY_LIMIT_MS)))
}

// --- what the orders have in common -----------------------------------------------------------

/// Texts that documents borrow.
struct Texts {
    reference: String,
    description: String,
    value: String,
    exponent: String,
    session: String,
    name: String,
    shopper: String,
}

impl Texts {
    fn of(cx: &Context<'_>) -> Self {
        let (reference, amount) = (cx.order.reference.to_string(), cx.order.amount);
        Self {
            description: format!("Payment {reference}"),
            reference,
            value: amount.minor().to_string(),
            exponent: amount.currency().digits().to_string(),
            session: cx.order.session_id.to_string().replace('-', ""),
            name: format!("{} {}", cx.order.text("firstName"), cx.order.text("lastName")),
            shopper: shopper_id(&cx.company_id.to_string(), cx.order.text("userId")),
        }
    }

    /// `submit`, `order`, its description and amount.
    fn order<'a>(&'a self, cx: &Context<'a>, more: &[(&'static str, &'a str)]) -> Vec<Part<'a>> {
        let setting = |name: &str, otherwise: &'static str| cx.account.settings.text(name).unwrap_or(otherwise);
        let mut attributes: Attributes<'a> = vec![("orderCode", &self.reference)];
        attributes.extend(more);
        attributes.push(("captureDelay", setting("captureDelay", "DEFAULT")));
        attributes.push(("shopperLanguageCode", language(cx)));
        let currency = cx.order.amount.currency().code();
        let amount = vec![("value", self.value.as_str()), ("currencyCode", currency), ("exponent", &self.exponent)];
        vec![
            Part::Open("submit"),
            Part::With("order", attributes),
            Part::Leaf("description", &self.description),
            Part::Empty("amount", amount),
        ]
    }

    fn shopper<'a>(&'a self, cx: &Context<'a>, fingerprint: &'a [(&'static str, String)]) -> Vec<Part<'a>> {
        let mut parts = vec![Part::Open("shopper"), Part::Leaf("shopperEmailAddress", cx.order.text("email"))];
        if cx.account.settings.flag("tokenizationEnabled") {
            parts.push(Part::Leaf("authenticatedShopperID", &self.shopper));
        }
        if !fingerprint.is_empty() {
            parts.push(Part::Open("browser"));
            parts.extend(fingerprint.iter().map(|(name, text)| Part::Leaf(name, text)));
            parts.push(Part::Close("browser"));
        }
        parts.push(Part::Close("shopper"));
        parts
    }

    fn token(&self, cx: &Context<'_>) -> Vec<Part<'_>> {
        if !cx.account.settings.flag("tokenizationEnabled") {
            return Vec::new();
        }
        vec![
            Part::With("createToken", vec![("tokenScope", "shopper")]),
            Part::Leaf("tokenEventReference", &self.reference),
            Part::Close("createToken"),
        ]
    }
}

/// Hex SHA-256 of `companyId:userId`.
pub(super) fn shopper_id(company: &str, user: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, format!("{company}:{user}").as_bytes()))
}

pub(super) fn language<'a>(cx: &Context<'a>) -> &'a str {
    cx.account.settings.text("hppLanguage").unwrap_or(DEFAULT_LANGUAGE)
}

/// The methods offered: the request's word replaces what is configured.
fn mask<'a>(cx: &Context<'a>) -> &'a str {
    match cx.order.fields.text("paymentMethod") {
        Some("CARD") => "VISA-SSL,ECMC-SSL,MAESTRO-SSL,AMEX-SSL",
        Some("APPLEPAY") => "APPLEPAY-SSL",
        Some("GOOGLEPAY") => "PAYWITHGOOGLE-SSL",
        _ => cx.account.settings.text("hppPaymentMethodMask").unwrap_or(DEFAULT_MASK),
    }
}

/// `address`, with the payer's name and telephone or without.
fn address(order: &Order, whole: bool) -> Vec<Part<'_>> {
    let leaf = |element, field: &str| order.fields.text(field).map(|text| Part::Leaf(element, text));
    let personal = |element, field| if whole { leaf(element, field) } else { None };
    let lines = [
        personal("firstName", "firstName"),
        personal("lastName", "lastName"),
        leaf("address1", "address.line1"),
        leaf("address2", "address.line2"),
        leaf("postalCode", "address.postalCode"),
        leaf("city", "address.city"),
        leaf("state", "address.state"),
        leaf("countryCode", "address.country"),
        personal("telephoneNumber", "phone"),
    ];
    let lines = lines.into_iter().flatten();
    [Part::Open("address")].into_iter().chain(lines).chain([Part::Close("address")]).collect()
}

// --- FraudSight -------------------------------------------------------------------------------

const STRINGS: [(&str, &str); 7] = [
    ("customStringField1", "gender"),
    ("customStringField2", "kycVerified"),
    ("customStringField3", "blocked"),
    ("customStringField4", "isVelocity"),
    ("customStringField5", "partnerName"),
    ("customStringField6", "emailVerification"),
    ("customStringField7", "verificationDate"),
];

/// A boolean of the request.
pub(super) fn flag(order: &Order, name: &str) -> Option<&'static str> {
    let flag = order.fields.plain.get(name).and_then(Json::as_bool)?;
    Some(if flag { "true" } else { "false" })
}

/// The whole part of a number as it was written; one in powers of ten has none here.
fn whole(literal: &str) -> Option<&str> {
    let whole = literal.split('.').next().filter(|_| !literal.contains(['e', 'E']))?;
    Some(if whole == "-0" { "0" } else { whole })
}

fn fraud_sight<'a>(cx: &Context<'a>, texts: &'a Texts) -> Vec<Part<'a>> {
    if !cx.account.settings.flag("fraudSightEnabled") {
        return Vec::new();
    }
    let order = cx.order;
    let text = |name: &str| order.fields.text(name).or_else(|| flag(order, name));
    let mut parts = vec![Part::Open("FraudSightData"), Part::Open("customStringFields")];
    parts.extend(STRINGS.iter().filter_map(|(element, name)| Some(Part::Leaf(element, text(name)?))));
    parts.extend([Part::Close("customStringFields"), Part::Open("customNumericFields")]);
    parts.extend(text("transactionCount").map(|count| Part::Leaf("customNumericField1", count)));
    let balance = order.fields.plain.get("userBalance").and_then(Json::as_number).and_then(whole);
    parts.extend(balance.map(|balance| Part::Leaf("customNumericField2", balance)));
    parts.extend([Part::Close("customNumericFields"), Part::Open("shopperFields")]);
    parts.extend([Part::Leaf("shopperName", &texts.name), Part::Leaf("shopperId", &texts.shopper)]);
    let born: Vec<&str> = order.text("dob").split('-').collect();
    if let [year, month, day] = born.as_slice() {
        let date = vec![("dayOfMonth", *day), ("month", *month), ("year", *year)];
        parts.extend([Part::Open("birthDate"), Part::Empty("date", date), Part::Close("birthDate")]);
    }
    parts.push(Part::Open("shopperAddress"));
    parts.extend(address(order, false));
    parts.extend([Part::Close("shopperAddress"), Part::Close("shopperFields"), Part::Close("FraudSightData")]);
    parts
}
