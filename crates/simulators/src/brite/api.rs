//! The API: tokens, deposit sessions, inquiries. Every call is a `POST` of JSON to `/api/{object}.{verb}`.

use http::Method;
use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::session::{Hook, Session, Step};
use super::{Account, SESSION_LIFE_MS, TOKEN_LIFE_MS};
use crate::kit::{Call, Error, Fields, Reply, Tx, is_http_url, number, random_token, same_text};

/// The markets.
const COUNTRIES: [&str; 10] = ["se", "fi", "nl", "ee", "de", "at", "lv", "lt", "dk", "es"];
/// The transaction states and session states that a callback can be registered for.
const TRANSACTION_STATES: std::ops::RangeInclusive<i64> = 2..=7;
const SESSION_STATES: [i64; 4] = [2, 10, 11, 12];
const CALLBACKS_MAX: usize = 32;
/// Fields that are left out when they are empty.
const OPTIONAL: [&str; 12] = [
    "merchant_reference",
    "customer_email",
    "customer_firstname",
    "customer_lastname",
    "customer_dob",
    "customer_street_address",
    "customer_zip",
    "customer_city",
    "brand_name",
    "locale",
    "redirect_uri",
    "callbacks",
];
/// The number of a deposit's `type`.
const DEPOSIT: i64 = 0;

/// An access token; its key is a digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Access {
    account: String,
    refresh_digest: String,
    expires_ms: i64,
    dead: bool,
}

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let segments = call.segments();
    let ["api", verb] = segments.as_slice() else {
        return Ok(problem(404, "NotFound", "Unknown method"));
    };
    if call.method != Method::POST {
        return Ok(problem(405, "MethodNotAllowed", "Method not allowed"));
    }
    if *verb == "merchant.authorize" {
        return authorize(tx, call);
    }
    let Some((token_key, access)) = live_access(tx, call)? else {
        return Ok(unauthorized());
    };
    let Some(fields) = Fields::read(&call.body) else {
        return Ok(problem(400, "TransactionInvalid", "The body is not readable"));
    };
    let account = access.account.clone();
    match *verb {
        "merchant.token" => refresh(tx, &token_key, access, &fields),
        "session.create_deposit" => create_deposit(tx, call, account, &fields),
        "session.get" => tell_session(own(tx, &account, &fields, "id")?),
        "session.get_by_merchant_reference" => tell_session(newest(tx, &account, &fields, false)?),
        "transaction.get" => tell_transaction(tx, of_transaction_id(tx, &account, &fields)?),
        "transaction.get_by_merchantreference" => tell_transaction(tx, newest(tx, &account, &fields, true)?),
        _ => Ok(problem(404, "NotFound", "Unknown method")),
    }
}

fn problem(status: u16, name: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"error_name": name, "error_message": message, "state": "APPLICATION_ERROR"}))
}

fn unauthorized() -> Reply {
    problem(401, "Unauthorized", "Invalid credentials")
}

// --- tokens -------------------------------------------------------------------------------------

fn access_key(tx: &Tx<'_>, token: &str) -> String {
    // Sessions' keys have no colon.
    format!("token:{}", tx.digest(token))
}

fn authorize(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let fields = Fields::read(&call.body);
    let text = |name: &str| fields.as_ref().and_then(|fields| fields.text(name)).unwrap_or_default();
    match tx.account::<Account>(&text("public_key"))? {
        Some((digest, account)) if same_text(&account.secret, &text("secret")) => grant(tx, digest),
        _ => Ok(unauthorized()),
    }
}

/// Kills the token that is shown, and gives another.
fn refresh(tx: &Tx<'_>, token_key: &str, mut access: Access, fields: &Fields) -> Result<Reply, Error> {
    if !same_text(&access.refresh_digest, &tx.digest(&fields.text("refresh_token").unwrap_or_default())) {
        return Ok(unauthorized());
    }
    access.dead = true;
    tx.save(token_key, &access)?;
    grant(tx, access.account)
}

fn grant(tx: &Tx<'_>, account: String) -> Result<Reply, Error> {
    #[derive(Serialize)]
    struct Granted {
        access_token: String,
        expires: Box<RawValue>,
        refresh_token: String,
    }
    let expires_ms = tx.now_ms.saturating_add(tx.scaled(TOKEN_LIFE_MS));
    let granted = Granted { access_token: random_token(), expires: number(&seconds(expires_ms)), refresh_token: random_token() };
    let access = Access { account, refresh_digest: tx.digest(&granted.refresh_token), expires_ms, dead: false };
    tx.insert(&access_key(tx, &granted.access_token), &[], &access)?;
    Ok(Reply::text(200, "application/json", serde_json::to_string(&granted)?))
}

/// Unix seconds with a fraction, as Brite writes times: `1741903012.0`.
fn seconds(at_ms: i64) -> String {
    format!("{}.{}", at_ms / 1_000, at_ms % 1_000 / 100)
}

fn live_access(tx: &Tx<'_>, call: &Call) -> Result<Option<(String, Access)>, Error> {
    let token = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let Some(key) = token.map(|token| access_key(tx, token)) else {
        return Ok(None);
    };
    let access = tx.load::<Access>(&key)?.filter(|access| !access.dead && access.expires_ms > tx.now_ms);
    Ok(access.map(|access| (key, access)))
}

// --- sessions -----------------------------------------------------------------------------------

fn create_deposit(tx: &Tx<'_>, call: &Call, account: String, fields: &Fields) -> Result<Reply, Error> {
    let session = match read_session(account, fields) {
        Ok(session) => session,
        Err((name, message)) => return Ok(problem(400, name, &message)),
    };
    let scenario = session.scenario();
    match scenario {
        4 => return Ok(problem(500, "InternalError", "Internal error")),
        5 => return Ok(Reply::hang()),
        6 => {
            return Ok(Reply::rate_limited(
                &json!({"error_name": "TooManyRequests", "error_message": "Too many requests", "state": "APPLICATION_ERROR"}),
            ));
        }
        7 => return Ok(unauthorized()),
        _ => {}
    }
    open(tx, call, session, scenario)
}

/// Opens a session that was asked for in good form; Brite is not idempotent.
fn open(tx: &Tx<'_>, call: &Call, mut session: Session, scenario: u8) -> Result<Reply, Error> {
    let (key, page_token) = (random_token(), random_token());
    let page_name = super::page::name_of(tx, &page_token);
    let mut names = vec![page_name.as_str()];
    let reference = session.merchant_reference.clone();
    if !reference.is_empty() {
        names.push(&reference);
    }
    tx.insert(&key, &names, &session)?;
    tx.schedule(&key, "run_out", SESSION_LIFE_MS)?;
    if tx.settings()?.forge_callbacks {
        session.forge(tx, &key)?;
    }
    let answer = Reply::json(200, &json!({"url": format!("{}/{page_token}", call.base), "token": page_token, "id": key}));
    Ok(match scenario {
        10 => {
            let job = session.succeed(tx, &key)?;
            tx.save(&key, &session)?;
            answer.after(job.map(|job| tx.sent_once(job)))
        }
        // Nobody learns the page's address: it is never opened.
        11 => answer.cut_after("{\"url\":\"htt".len()),
        12 => Reply::close(),
        _ => {
            tx.schedule_auto_settle(&key, "auto")?;
            answer
        }
    })
}

type Refusal = (&'static str, String);

/// Checks the body of `session.create_deposit`; name and message of the first thing that is wrong.
fn read_session(account: String, fields: &Fields) -> Result<Session, Refusal> {
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let currency_id = text("currency_id");
    let lower = currency_id.bytes().all(|byte| byte.is_ascii_lowercase());
    let currency = Currency::from_code(&currency_id.to_ascii_uppercase()).filter(|_| lower);
    let currency = currency.ok_or_else(|| ("NotFound", "Currency not found".to_owned()))?;
    let amount = fields.literal("amount").filter(|literal| !literal.starts_with('"'));
    let amount = amount.and_then(|literal| Money::parse_decimal(&literal, currency).ok()).filter(|money| money.minor() > 0);
    let amount = amount.ok_or_else(|| ("InvalidAmount", "The amount is not valid".to_owned()))?;
    let country_id = text("country_id");
    if !COUNTRIES.contains(&country_id.as_str()) {
        return Err(("NotFound", "Country not found".to_owned()));
    }
    for name in OPTIONAL {
        let is_text = name == "callbacks" || fields.text(name).is_some();
        if fields.literal(name).is_some() && !(is_text && fields.has(name)) {
            return Err(("TransactionInvalid", format!("{name} must be left out or not be empty")));
        }
    }
    if country_id == "de" && !fields.has("brand_name") {
        return Err(("TransactionInvalid", "brand_name is required".to_owned()));
    }
    let redirect_uri = fields.text("redirect_uri");
    if redirect_uri.as_deref().is_some_and(|uri| !is_http_url(uri)) {
        return Err(("TransactionInvalid", "redirect_uri must be an address".to_owned()));
    }
    let hooks = read_hooks(fields).ok_or_else(|| ("TransactionInvalid", "callbacks are not valid".to_owned()))?;
    Ok(Session {
        account,
        merchant_reference: text("merchant_reference"),
        country_id,
        currency: currency.code().to_owned(),
        amount: amount.to_fixed(),
        brand_name: fields.text("brand_name"),
        payer: format!("{} {}", text("customer_firstname"), text("customer_lastname")).trim().to_owned(),
        redirect_uri,
        hooks,
        state: 0,
        error_code: None,
        transaction: None,
        booked: false,
    })
}

/// The entries of `callbacks`, each with an address and one state that callbacks exist for.
fn read_hooks(fields: &Fields) -> Option<Vec<Hook>> {
    if fields.literal("callbacks").is_none() {
        return Some(Vec::new());
    }
    let entries = fields.objects("callbacks")?;
    if entries.len() > CALLBACKS_MAX {
        return None;
    }
    let state = |entry: &Fields, name: &str| entry.literal(name).map(|literal| literal.parse::<i64>().ok());
    entries
        .into_iter()
        .map(|entry| {
            let on = match (state(&entry, "transaction_state"), state(&entry, "session_state")) {
                (Some(Some(state)), None) if TRANSACTION_STATES.contains(&state) => Step::Transaction(state),
                (None, Some(Some(state))) if SESSION_STATES.contains(&state) => Step::Session(state),
                _ => return None,
            };
            entry.text("url").filter(|url| is_http_url(url)).map(|url| Hook { url, on })
        })
        .collect()
}

// --- inquiries ----------------------------------------------------------------------------------

type Found = Result<(String, Session), Reply>;

fn not_found(what: &str) -> Reply {
    problem(400, "NotFound", &format!("{what} not found"))
}

/// The account's own session with the id in a field.
fn own(tx: &Tx<'_>, account: &str, fields: &Fields, name: &str) -> Result<Found, Error> {
    let id = fields.text(name).filter(|id| !id.contains(':')).unwrap_or_default();
    let session = tx.load::<Session>(&id)?.filter(|session| session.account == account);
    Ok(session.map(|session| (id, session)).ok_or_else(|| not_found("Session")))
}

/// The account's newest session of a `merchant_reference`; `begun`: the newest with a transaction.
fn newest(tx: &Tx<'_>, account: &str, fields: &Fields, begun: bool) -> Result<Found, Error> {
    let reference = fields.text("merchant_reference").unwrap_or_default();
    for key in tx.keys_of(&reference)?.into_iter().rev() {
        let session = tx.load::<Session>(&key)?.filter(|session| session.account == account);
        if let Some(session) =
            session.filter(|session| session.merchant_reference == reference && (!begun || session.transaction.is_some()))
        {
            return Ok(Ok((key, session)));
        }
    }
    Ok(Err(not_found(if begun { "Transaction" } else { "Session" })))
}

/// The account's own session whose transaction has an id; a session's id is refused here.
fn of_transaction_id(tx: &Tx<'_>, account: &str, fields: &Fields) -> Result<Found, Error> {
    if own(tx, account, fields, "id")?.is_ok() {
        return Ok(Err(problem(400, "TransactionInvalid", "The id is not a transaction's")));
    }
    let id = fields.text("id").unwrap_or_default();
    for key in tx.keys_of(&id)? {
        let session = tx.load::<Session>(&key)?.filter(|session| session.account == account);
        if let Some(session) = session.filter(|session| session.transaction.as_ref().is_some_and(|known| known.id == id)) {
            return Ok(Ok((key, session)));
        }
    }
    Ok(Err(not_found("Transaction")))
}

/// A record as `session.get` and `transaction.get` tell it.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    r#type: i64,
    state: i64,
    amount: Box<RawValue>,
    currency_id: String,
    country_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_reference: Option<&'a str>,
    #[serde(flatten)]
    beside: Beside<'a>,
}

/// What only one of the two has. Times are number literals, as Brite writes them.
#[derive(Serialize)]
#[serde(untagged)]
enum Beside<'a> {
    Session {
        transaction_id: Option<&'a str>,
        error_code: Option<&'a str>,
    },
    Transaction {
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a str>,
        created: Box<RawValue>,
        settled: Option<Box<RawValue>>,
        error_code: Option<&'a str>,
    },
}

impl<'a> Told<'a> {
    fn reply(id: &'a str, state: i64, session: &'a Session, named: bool, beside: Beside<'a>) -> Result<Reply, Error> {
        let told = Told {
            id,
            r#type: DEPOSIT,
            state,
            amount: number(&session.amount_literal()),
            currency_id: session.currency.to_ascii_lowercase(),
            country_id: &session.country_id,
            merchant_reference: named.then_some(session.merchant_reference.as_str()),
            beside,
        };
        Ok(Reply::text(200, "application/json", serde_json::to_string(&told)?))
    }
}

fn tell_session(found: Found) -> Result<Reply, Error> {
    let (key, session) = match found {
        Ok(found) => found,
        Err(refusal) => return Ok(refusal),
    };
    let transaction_id = session.transaction.as_ref().map(|transaction| transaction.id.as_str());
    let beside = Beside::Session { transaction_id, error_code: session.error_code.as_deref() };
    Told::reply(&key, session.state, &session, true, beside)
}

/// Brite names reference and session at the session alone: that a transaction has them too is not promised.
fn tell_transaction(tx: &Tx<'_>, found: Found) -> Result<Reply, Error> {
    let named = !tx.settings()?.short_records;
    let (key, session) = match found {
        Ok(found) => found,
        Err(refusal) => return Ok(refusal),
    };
    let Some(transaction) = &session.transaction else {
        return Ok(not_found("Transaction"));
    };
    let beside = Beside::Transaction {
        session_id: named.then_some(key.as_str()),
        created: number(&seconds(transaction.created_ms)),
        settled: transaction.settled_ms.map(|at_ms| number(&seconds(at_ms))),
        error_code: transaction.error_code.as_deref(),
    };
    Told::reply(&transaction.id, transaction.state, &session, named, beside)
}
