//! `mozarto transactions`.

use super::client::{Client, cell, print_list};
use crate::cli::TransactionsCommand;
use anyhow::Result;
use domain::visible::visible;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

const PATH: &str = "/v1/api/mozarto/admin/transactions";
/// How often `tail` looks.
const TAIL_EVERY: Duration = Duration::from_millis(500);
/// How many transactions `tail` watches.
const TAIL_WATCHES: usize = 200;

const COLUMNS: [(&str, &str); 8] = [
    ("Created", "createdAt"),
    ("Transaction", "transactionId"),
    ("Provider", "pspType"),
    ("Type", "type"),
    ("Amount", "amount"),
    ("", "currency"),
    ("Status", "transaction_status"),
    ("Word", "status"),
];

/// Runs the command.
pub(crate) async fn run(command: TransactionsCommand) -> Result<()> {
    match command {
        TransactionsCommand::List { status, psp, attention, limit, server } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(status.map(|value| ("transaction_status", value)));
            query.extend(psp.map(|value| ("pspType", value)));
            query.extend(attention.map(|value| ("attention", value)));
            let data = Client::management(&server)?.get(PATH, &query).await?;
            print_list(&data, server.json, &COLUMNS);
            Ok(())
        }
        TransactionsCommand::Show { id, server } => {
            let data = Client::management(&server)?.get(&format!("{PATH}/{id}"), &[]).await?;
            if server.json {
                println!("{data}");
            } else {
                show(&data);
            }
            Ok(())
        }
        TransactionsCommand::Tail { server } => tail(&Client::management(&server)?, server.json).await,
    }
}

fn show(data: &Value) {
    for (name, value) in data.as_object().into_iter().flatten() {
        if name != "events" {
            println!("{name:>20}  {}", value.as_str().map_or_else(|| value.to_string(), |text| visible(text, &[]).into_owned()));
        }
    }
    println!();
    for event in data["events"].as_array().into_iter().flatten() {
        println!("{}", event_line(event));
    }
}

/// An entry of a timeline, for people.
pub(super) fn event_line(event: &Value) -> String {
    let change = match (event["from"].as_str(), event["to"].as_str()) {
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (None, Some(to)) => format!("-> {to}"),
        _ => String::new(),
    };
    format!("{}  {:<16} {:<24} {}", cell(event, "at"), cell(event, "event"), change, event["detail"])
}

async fn tail(client: &Client, json: bool) -> Result<()> {
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut first = true;
    loop {
        let data = client.get(PATH, &[("limit", TAIL_WATCHES.to_string())]).await?;
        let items = data["items"].as_array().cloned().unwrap_or_default();
        for item in items.iter().rev() {
            let (id, state) =
                (cell(item, "transactionId"), format!("{} {}", cell(item, "transaction_status"), cell(item, "status")));
            if seen.insert(id, state.clone()).as_ref() != Some(&state) && !first {
                if json {
                    println!("{item}");
                } else {
                    let line: Vec<String> = COLUMNS[1..].iter().map(|(_, member)| cell(item, member)).collect();
                    println!("{}", line.join("  "));
                }
            }
        }
        let listed: std::collections::HashSet<String> = items.iter().map(|item| cell(item, "transactionId")).collect();
        seen.retain(|id, _| listed.contains(id));
        first = false;
        tokio::time::sleep(TAIL_EVERY).await;
    }
}
