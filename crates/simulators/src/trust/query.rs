//! The JSON web services: TRANSACTIONQUERY.

use http::Method;
use serde_json::{Map, Value, json};

use super::Account;
use super::attempt::Record;
use super::order::Order;
use crate::kit::{Call, Error, Reply, Tx, date_of, random_hex, same_text};

const HTML: &str = "text/html; charset=utf-8";
const VERSION: &str = "1.00";
const QUERY: &str = "TRANSACTIONQUERY";
/// Requests of one call, and values of one filter field, at most.
const MANY: usize = 20;
/// So many queries for one order fail in the scenarios 04 to 07.
const FAILING_QUERIES: u32 = 3;

/// Why a request is refused: `errorcode`, `errormessage`, the field.
struct Fault {
    code: &'static str,
    message: &'static str,
    field: String,
}

fn invalid_field(field: &str) -> Fault {
    Fault { code: "30000", message: "Invalid field", field: field.to_owned() }
}

impl Fault {
    fn told(&self) -> Value {
        json!({"requesttypedescription": "ERROR", "errorcode": self.code, "errormessage": self.message, "errordata": [self.field]})
    }
}

/// What one request asks for.
struct Asked {
    sites: Vec<String>,
    orders: Vec<String>,
    transactions: Vec<String>,
}

/// The sites that the caller's user may see, by the digests of their names.
struct Caller {
    user: String,
    sites: Vec<String>,
}

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    if call.method != Method::POST {
        return Ok(super::page::method_not_allowed());
    }
    let Some(caller) = authenticate(tx, call)? else {
        return Ok(unauthorized());
    };
    let body = std::str::from_utf8(&call.body).ok().and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let Some(body) = body else {
        return Ok(Reply::text(400, HTML, "<html><body><h1>400 Bad Request</h1></body></html>"));
    };
    let reference = body.get("request").and_then(|requests| requests.get(0)).and_then(|first| first.get("requestreference"));
    let reference = reference.and_then(Value::as_str).map_or_else(|| format!("A{}", random_hex(8)), str::to_owned);
    let (mut fault, mut responses) = (None, Vec::new());
    match requests(&body, &caller) {
        Err(wrong) => responses.push(wrong.told()),
        Ok(requests) => {
            for request in requests {
                responses.push(match asked(request) {
                    Err(wrong) => wrong.told(),
                    Ok(asked) => respond(tx, &caller, &asked, &mut fault)?,
                });
            }
        }
    }
    let answer = json!({"requestreference": reference, "version": VERSION, "secrand": random_hex(10), "response": responses});
    let answer = Reply::text(200, "application/json;charset=utf-8", answer.to_string());
    Ok(match fault {
        Some(4) => Reply::text(500, HTML, "<html><body><h1>500 Internal Server Error</h1></body></html>"),
        Some(5) => Reply::hang(),
        Some(6) => Reply::text(429, HTML, "<html><body><h1>429 Too Many Requests</h1></body></html>").header("retry-after", "1"),
        Some(7) => unauthorized(),
        Some(11) => {
            let half = answer.body.len() / 2;
            answer.cut_after(half)
        }
        _ => answer,
    })
}

fn unauthorized() -> Reply {
    Reply::text(401, HTML, "<html><head><title>401</title></head><body><h1>401 Unauthorized</h1></body></html>")
        .header("www-authenticate", "Basic realm=\"Web services\"")
}

/// The user of `Authorization: Basic`, when some site has him with this password.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Option<Caller>, Error> {
    let Some((user, password)) = call.basic() else {
        return Ok(None);
    };
    let accounts = tx.accounts_by_alias::<Account>(&user)?.into_iter();
    let sites: Vec<String> = accounts
        .filter(|(_, account)| account.web_services_password.as_deref().is_some_and(|known| same_text(known, &password)))
        .map(|(digest, _)| digest)
        .collect();
    Ok((!sites.is_empty()).then_some(Caller { user, sites }))
}

/// The requests of a body whose own fields are right.
fn requests<'a>(body: &'a Map<String, Value>, caller: &Caller) -> Result<&'a [Value], Fault> {
    if let Some(other) = body.keys().find(|name| !["alias", "version", "request"].contains(&name.as_str())) {
        return Err(invalid_field(other));
    }
    if body.get("alias").and_then(Value::as_str) != Some(&caller.user) {
        return Err(invalid_field("alias"));
    }
    if body.get("version").and_then(Value::as_str) != Some(VERSION) {
        return Err(invalid_field("version"));
    }
    let requests = body.get("request").and_then(Value::as_array).filter(|requests| (1..=MANY).contains(&requests.len()));
    requests.map(Vec::as_slice).ok_or_else(|| invalid_field("request"))
}

/// Reads one request.
fn asked(request: &Value) -> Result<Asked, Fault> {
    let request = request.as_object().ok_or_else(|| invalid_field("request"))?;
    if let Some(other) =
        request.keys().find(|name| !["requestreference", "requesttypedescriptions", "filter"].contains(&name.as_str()))
    {
        return Err(invalid_field(other));
    }
    if request.get("requesttypedescriptions") != Some(&json!([QUERY])) {
        return Err(invalid_field("requesttypedescriptions"));
    }
    let empty = Map::new();
    let filter = match request.get("filter") {
        None | Some(Value::Null) => &empty,
        Some(filter) => filter.as_object().ok_or_else(|| invalid_field("filter"))?,
    };
    let known = ["sitereference", "orderreference", "transactionreference"];
    if let Some(other) = filter.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(invalid_field(other));
    }
    let (sites, orders) = (listed(filter, "sitereference")?, listed(filter, "orderreference")?);
    let transactions = listed(filter, "transactionreference")?;
    if orders.is_empty() && transactions.is_empty() {
        return Err(Fault { code: "60019", message: "Empty filter", field: "filter".to_owned() });
    }
    if sites.is_empty() {
        return Err(invalid_field("sitereference"));
    }
    Ok(Asked { sites, orders, transactions })
}

/// `[{"value":"..."}]`; empty when the field is absent.
fn listed(filter: &Map<String, Value>, name: &str) -> Result<Vec<String>, Fault> {
    let Some(values) = filter.get(name) else {
        return Ok(Vec::new());
    };
    let values = values.as_array().filter(|values| values.len() <= MANY).ok_or_else(|| invalid_field(name))?;
    let texts = values.iter().map(|value| value.get("value").and_then(Value::as_str).filter(|text| !text.is_empty()));
    texts.map(|text| text.map(str::to_owned).ok_or_else(|| invalid_field(name))).collect()
}

/// The response to one request; `fault` becomes the scenario that strikes the whole answer, if one does.
fn respond(tx: &Tx<'_>, caller: &Caller, asked: &Asked, fault: &mut Option<u8>) -> Result<Value, Error> {
    for site in &asked.sites {
        match tx.account::<Account>(site)? {
            None => return Ok(Fault { code: "30001", message: "Invalid site", field: site.clone() }.told()),
            // A site of somebody else's.
            Some((digest, _)) if !caller.sites.contains(&digest) => {
                return Ok(Fault { code: "30006", message: "Invalid site for this user", field: site.clone() }.told());
            }
            Some(_) => {}
        }
    }
    let names = if asked.orders.is_empty() { &asked.transactions } else { &asked.orders };
    let mut found: Vec<(Order, Record)> = Vec::new();
    for name in names {
        for key in tx.keys_of(name)? {
            let order = tx.load::<Order>(&key)?.filter(|order| asked.sites.contains(&order.sitereference));
            // A transaction's reference is a name of its order too, but no order reference.
            let Some(mut order) = order.filter(|order| asked.orders.is_empty() || &order.orderreference == name) else {
                continue;
            };
            order.queries += 1;
            tx.save(&key, &order)?;
            *fault = fault.or(striking(&order));
            let records = order.records.iter();
            let wanted = records
                .filter(|record| asked.transactions.is_empty() || asked.transactions.contains(&record.transactionreference));
            found.extend(wanted.map(|record| (order.clone(), record.clone())));
        }
    }
    found.sort_by_key(|(_, record)| record.started_ms);
    let mut records: Vec<Value> = Vec::new();
    for (order, record) in &found {
        let mut told = told(order, record);
        let account = tx.account_of::<Account>(&order.account)?.map(|(_, account)| account);
        for (name, value) in account.and_then(|account| account.says).into_iter().flatten() {
            told[name] = value;
        }
        records.push(told);
    }
    Ok(json!({"requesttypedescription": QUERY, "errorcode": "0", "errormessage": "Ok", "records": records}))
}

/// The scenario that strikes the query for an order now.
fn striking(order: &Order) -> Option<u8> {
    // A card that declines goes before the digits.
    if order.records.iter().any(Record::is_refused) && !order.records.iter().any(Record::is_success) {
        return None;
    }
    match order.digits() {
        scenario @ 4..=7 if order.queries <= FAILING_QUERIES => Some(scenario),
        11 if order.queries == 1 => Some(11),
        _ => None,
    }
}

fn told(order: &Order, record: &Record) -> Value {
    let mut told = json!({
        "requesttypedescription": record.kind, "errorcode": record.errorcode, "settlestatus": record.settlestatus,
        "transactionreference": record.transactionreference,
        "transactionstartedtimestamp": date_of(record.started_ms, "%Y-%m-%d %H:%M:%S"),
        "baseamount": order.field(record, "baseamount"), "currencyiso3a": order.currency,
        "orderreference": order.orderreference, "paymenttypedescription": record.brand, "maskedpan": record.masked,
        "interface": "PASS-PAGES",
    });
    if record.errorcode == "0" {
        told["authcode"] = json!("TEST");
        told["acquirerresponsecode"] = json!("00");
    } else if record.is_refused() {
        told["acquirerresponsecode"] = json!("05");
    }
    if let Some(minor) = record.settle_base_amount {
        told["settlebaseamount"] = json!(minor.to_string());
    }
    if let Some(wallet) = &record.wallet {
        told["walletsource"] = json!(wallet);
    }
    told
}
