//! What each provider was sent and what it answered: a bounded ring in memory, secrets and card elements blanked.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::reply::Fault;
use super::text::timestamp_of;
use super::{Call, Provider, Reply};

/// Calls kept per provider.
const CALLS_MAX: usize = 2_000;
/// Of each body no more than this is kept.
const BODY_MAX_BYTES: usize = 8 * 1024;
/// Headers whose values are credentials.
const SECRET_HEADERS: [&str; 5] = ["authorization", "authentication", "x-api-key", "cookie", "set-cookie"];
const BLANK: &str = "***";

struct Entry {
    at_ms: i64,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    http: u16,
    answer: String,
    fault: Fault,
}

#[derive(Default)]
struct Ring {
    total: u64,
    entries: VecDeque<Entry>,
}

/// The rings of all providers.
#[derive(Default)]
pub(crate) struct Calls {
    rings: Mutex<HashMap<&'static str, Ring>>,
}

impl Calls {
    /// Notes a call with its answer.
    pub(crate) fn note(&self, provider: &dyn Provider, at_ms: i64, call: &Call, reply: &Reply) {
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| {
                let secret = SECRET_HEADERS.contains(&name.as_str());
                let value = if secret { BLANK.to_owned() } else { shown(value.as_bytes()) };
                (name.as_str().to_owned(), value)
            })
            .collect();
        let entry = Entry {
            at_ms,
            method: call.method.to_string(),
            path: provider.blanked(&call.path),
            query: provider.blanked(&call.query),
            headers,
            body: provider.blanked(&shown(&call.body)),
            http: reply.status,
            answer: provider.blanked(&shown(&reply.body)),
            fault: reply.fault,
        };
        let Ok(mut rings) = self.rings.lock() else {
            return;
        };
        let ring = rings.entry(provider.name()).or_default();
        ring.total += 1;
        if ring.entries.len() == CALLS_MAX {
            ring.entries.pop_front();
        }
        ring.entries.push_back(entry);
    }

    /// The ring in the form of the control route, oldest first; `total` counts since the start.
    pub(crate) fn shown(&self, provider: &str) -> Value {
        let Ok(rings) = self.rings.lock() else {
            return json!({"calls": [], "total": 0});
        };
        let Some(ring) = rings.get(provider) else {
            return json!({"calls": [], "total": 0});
        };
        let calls: Vec<Value> = ring.entries.iter().map(Entry::shown).collect();
        json!({"calls": calls, "total": ring.total})
    }
}

impl Entry {
    fn shown(&self) -> Value {
        let headers: serde_json::Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        // A connection closed in silence has no status to tell.
        let http = if matches!(self.fault, Fault::Close | Fault::Hang) { Value::Null } else { Value::from(self.http) };
        let fault = match self.fault {
            Fault::None => Value::Null,
            Fault::Cut { .. } => Value::from("cut"),
            Fault::Close => Value::from("closed"),
            Fault::Hang => Value::from("hang"),
        };
        json!({
            "at": timestamp_of(self.at_ms), "method": self.method, "path": self.path, "query": self.query,
            "headers": headers, "body": self.body, "http": http, "answer": self.answer, "fault": fault,
        })
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(BODY_MAX_BYTES)]).into_owned()
}
