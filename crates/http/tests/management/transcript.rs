//! What was asked and answered, as text for snapshots: ids, tokens, ports and latencies by name instead of by value.

use crate::world::{Answer, World};
use serde_json::Value;
use std::fmt::Write as _;

/// A conversation.
#[derive(Default)]
pub(crate) struct Transcript {
    text: String,
    ids: Vec<String>,
}

/// Texts that begin like this are secret.
const SECRETS: [&str; 5] = ["mks_", "mm_", "whsec_", "whb_", "eyJ"];

impl Transcript {
    /// Makes a call of the first company with every scope and writes it down. `path` is the route, its parameters in braces, each
    /// replaced by the next of `ids`.
    pub(crate) async fn call(&mut self, world: &World, method: &str, path: &str, ids: &[&str], body: Option<&str>) -> Answer {
        let token = &world.one.all;
        self.call_as(world, token, method, path, ids, body).await
    }

    /// The same with another token.
    pub(crate) async fn call_as(
        &mut self,
        world: &World,
        token: &str,
        method: &str,
        path: &str,
        ids: &[&str],
        body: Option<&str>,
    ) -> Answer {
        let answer = world.call(token, method, &filled(path, ids), body).await;
        let mut sent = body.map(|body| serde_json::from_str(body).unwrap());
        let _ = writeln!(self.text, "### {method} {path}");
        if let Some(sent) = &mut sent {
            self.hide(sent);
            let _ = writeln!(self.text, "> {sent}");
        }
        let mut shown = answer.json.clone();
        self.hide(&mut shown);
        let _ = writeln!(self.text, "< {}\n{:#}\n", answer.status, shown);
        answer
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn hide(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hidden(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    match &**name {
                        "latencyMs" | "ms" => *member = Value::from("<ms>"),
                        // An attempt lasts as long as it lasts, although the clock stands.
                        "deliveredAt" if member.is_string() => *member = Value::from(whole_seconds(member)),
                        "nextCursor" if member.is_string() => *member = Value::from("<cursor>"),
                        _ => self.hide(member),
                    }
                }
            }
            _ => {}
        }
    }

    fn hidden(&mut self, text: &str) -> String {
        if let Some(prefix) = SECRETS.iter().find(|prefix| text.starts_with(*prefix)) {
            return format!("<{prefix}...>");
        }
        if let Some((address, _)) = text.split_once("/callbacks/").filter(|_| text.starts_with("http")) {
            return format!("{address}/callbacks/<token>");
        }
        let mut shown = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || c == '-' {
                word.push(c);
                continue;
            }
            shown.push_str(&self.named(&word));
            word.clear();
            shown.push(c);
        }
        shown.pop();
        without_port(&shown)
    }

    /// The name of an id; anything else as it is.
    fn named(&mut self, word: &str) -> String {
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let id = word.len() == 24 && hex(word);
        let uuid = word.len() == 36 && word.split('-').count() == 5 && word.split('-').all(hex);
        if (!id && !uuid) || word.bytes().all(|byte| byte == b'0') {
            return word.to_owned();
        }
        let n = self.ids.iter().position(|known| known == word).unwrap_or_else(|| {
            self.ids.push(word.to_owned());
            self.ids.len() - 1
        });
        format!("<id {}>", n + 1)
    }
}

fn whole_seconds(time: &Value) -> String {
    let text = time.as_str().unwrap_or_default();
    text.split_once('.').map_or(text.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

fn without_port(text: &str) -> String {
    match text.split_once("127.0.0.1:") {
        Some((before, rest)) => {
            format!("{before}127.0.0.1:<port>{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}

/// A route with its parameters filled in.
pub(crate) fn filled(path: &str, ids: &[&str]) -> String {
    let mut filled = String::new();
    let mut ids = ids.iter();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push_str(ids.next().expect("an id for each parameter"));
        rest = after.split_once('}').expect("a closed parameter").1;
    }
    assert!(ids.next().is_none(), "too many ids for {path}");
    filled + rest
}
