//! A provider that sends back what it was sent - line, headers, body - in one of the forms of the common sheet ("What is echoed
//! is masked"), as an error or within its true answer.

use super::{Call, Reply};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

/// Members and elements that connectors show to people.
const SHOWN: [&str; 12] = [
    "message",
    "error",
    "err",
    "description",
    "reason",
    "error_message",
    "errorMessage",
    "errormessage",
    "technical_message",
    "result_description",
    "status_message",
    "detail",
];
/// What a document begins with whose errors come in one of the same kind.
const SERVICE_ROOT: &str = "<paymentService";
/// A folded text has lines of so many characters.
const LINE_CHARS: usize = 19;
/// A broken one has pieces of so many.
const PIECE_CHARS: usize = 4;

/// `echo` of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Echo {
    form: Form,
    #[serde(default, rename = "as")]
    place: Place,
    /// The status of an error.
    #[serde(default = "bad_request")]
    http: u16,
    /// Where in the body to begin: this comes before everything else, as of a provider that quotes the part that it does not
    /// like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

fn bad_request() -> u16 {
    400
}

/// Where the echo stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// In place of the answer, as a text.
    #[default]
    Text,
    /// In place of the answer, as a document of the kind that was asked in.
    Error,
    /// In the true answer: in what people are shown, and in a member of its own.
    Within,
}

/// The seventeen forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    Plain,
    OtherCase,
    Percent,
    PercentTwice,
    #[serde(rename = "form")]
    PlusForBlank,
    JsonEscaped,
    JsonInJson,
    Entities,
    Cdata,
    Base64,
    Base64url,
    BasicPair,
    Hex,
    Folded,
    Broken,
    InUrl,
    HeaderLines,
}

impl Echo {
    /// The answer that stands in place of the true one; `None`: see [`Echo::within`].
    pub(crate) fn instead(&self, call: &Call) -> Option<Reply> {
        let echoed = self.form.of(call, self.from.as_deref());
        let is_xml = call.header("content-type").is_some_and(|kind| kind.contains("xml"));
        match self.place {
            Place::Within => None,
            Place::Text => Some(Reply::text(self.http, "text/plain", echoed)),
            Place::Error if call.body.windows(SERVICE_ROOT.len()).any(|part| part == SERVICE_ROOT.as_bytes()) => {
                Some(Reply::text(self.http, "text/xml", service_error(&echoed)))
            }
            Place::Error if is_xml => Some(Reply::text(self.http, "text/xml", xml_error(&echoed))),
            Place::Error => {
                let members = SHOWN.iter().map(|name| ((*name).to_owned(), Value::from(echoed.as_str())));
                let mut body = Value::Object(members.collect());
                body["errors"] = json!([{"message": echoed, "detail": echoed}]);
                Some(Reply::json(self.http, &body))
            }
        }
    }

    /// The true answer with the echo in it.
    pub(crate) fn within(&self, call: &Call, reply: &mut Reply) {
        if self.place != Place::Within {
            return;
        }
        let echoed = self.form.of(call, self.from.as_deref());
        let Ok(text) = std::str::from_utf8(&reply.body) else { return };
        if let Ok(mut document) = serde_json::from_str::<Value>(text) {
            weave(&mut document, &echoed);
            if let Value::Object(members) = &mut document {
                members.insert("x_echo".to_owned(), Value::from(echoed));
            }
            reply.body = document.to_string().into_bytes();
        } else if text.trim_start().starts_with('<') {
            let escaped = entities(&echoed);
            let woven = SHOWN.iter().fold(text.to_owned(), |text, name| with_element(&text, name, &escaped));
            // Worldpay's words stand in attributes.
            reply.body = woven.replace(" description=\"", &format!(" description=\"{escaped} ")).into_bytes();
        }
    }
}

/// Puts the echo into every member that people are shown.
fn weave(document: &mut Value, echoed: &str) {
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if SHOWN.contains(&name.as_str()) => *text = format!("{text} {echoed}"),
                    other => weave(other, echoed),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| weave(item, echoed)),
        _ => {}
    }
}

fn with_element(text: &str, name: &str, escaped: &str) -> String {
    let close = format!("</{name}>");
    text.replace(&close, &format!(" {escaped}{close}"))
}

/// The elements and attributes that gateways over XML explain themselves in.
fn xml_error(echoed: &str) -> String {
    let echoed = entities(echoed);
    let leaves: String = SHOWN.iter().map(|name| format!("<{name}>{echoed}</{name}>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><payment_response><status>error</status><code>400</code>{leaves}\
         <reply><error code=\"5\">{echoed}</error></reply></payment_response>"
    )
}

/// As a request in such a document is refused once it has been read.
fn service_error(echoed: &str) -> String {
    let echoed = entities(echoed);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{SERVICE_ROOT} version=\"1.4\"><reply><error code=\"5\">{echoed}</error></reply></paymentService>"
    )
}

fn entities(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

fn percent(text: &str) -> String {
    let escaped = |byte: u8| {
        if byte.is_ascii_alphanumeric() && byte.is_multiple_of(2) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escaped).collect()
}

fn pieces(text: &str, length: usize, between: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(length).map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>().join(between)
}

/// A JSON text with every character escaped that may be.
fn json_escaped(text: &str) -> String {
    let escaped = |c: char| match c {
        '/' => "\\/".to_owned(),
        c if c.is_ascii_alphanumeric() && u32::from(c).is_multiple_of(2) => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    text.chars().map(escaped).collect()
}

impl Form {
    fn of(self, call: &Call, from: Option<&str>) -> String {
        let header =
            |name: &http::HeaderName, value: &http::HeaderValue| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        let mut headers: Vec<String> = call.headers.iter().map(|(name, value)| header(name, value)).collect();
        // What opens something comes first: what is cut is cut behind it.
        headers.sort_by_key(|line| !line.starts_with("authorization") && !line.starts_with("x-api-key"));
        let mut body = String::from_utf8_lossy(&call.body).into_owned();
        if let Some(at) = from.and_then(|from| body.find(from)) {
            body.drain(..at);
            headers.insert(0, body.clone());
        }
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        let line = format!("{} {}{}{query}", call.method, call.base, call.path);
        let whole = format!("{}\r\n{body}\r\n{line}", headers.join("\r\n"));
        match self {
            Self::Plain => whole,
            Self::OtherCase => whole.to_uppercase(),
            Self::Percent => percent(&whole),
            Self::PercentTwice => percent(&percent(&whole)),
            Self::PlusForBlank => byte_serialize(whole.as_bytes()).collect(),
            Self::JsonEscaped => json_escaped(&whole),
            Self::JsonInJson => {
                json!({"request": json!({"headers": headers, "body": body, "line": line}).to_string()}).to_string()
            }
            Self::Entities => {
                whole.chars().map(|c| if c.is_ascii_digit() { c.to_string() } else { format!("&#{};", u32::from(c)) }).collect()
            }
            Self::Cdata => format!("<![CDATA[{}]]>", pieces(&whole, LINE_CHARS, "]]><![CDATA[")),
            Self::Base64 => STANDARD.encode(&whole),
            Self::Base64url => URL_SAFE_NO_PAD.encode(&whole),
            Self::BasicPair => match call.basic() {
                Some((user, password)) => {
                    format!("{} {}", STANDARD.encode(format!("{user}:{password}")), STANDARD.encode(&whole))
                }
                None => STANDARD.encode(format!("{}:{body}", headers.join("&"))),
            },
            Self::Hex => hex::encode(&whole),
            Self::Folded => pieces(&whole, LINE_CHARS, "\r\n "),
            Self::Broken => pieces(&pieces(&whole, PIECE_CHARS, " "), PIECE_CHARS * 3, "-"),
            Self::InUrl => format!("{}/help?request={}", call.base, byte_serialize(whole.as_bytes()).collect::<String>()),
            Self::HeaderLines => format!("{}\r\n", headers.join("\r\n")) + &format!("{line}\r\n{body}"),
        }
    }
}
