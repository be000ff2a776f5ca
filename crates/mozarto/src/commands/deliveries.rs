//! `mozarto deliveries`.

use super::client::{Client, cell, print_list};
use crate::cli::DeliveriesCommand;
use anyhow::Result;
use serde_json::json;

const PATH: &str = "/v1/api/mozarto/admin/deliveries";

const COLUMNS: [(&str, &str); 6] = [
    ("Created", "createdAt"),
    ("Delivery", "id"),
    ("Transaction", "transactionId"),
    ("Sequence", "sequence"),
    ("Status", "status"),
    ("Next", "nextAttemptAt"),
];

/// Runs the command.
pub(crate) async fn run(command: DeliveriesCommand) -> Result<()> {
    match command {
        DeliveriesCommand::List { status, transaction, limit, server } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(status.map(|value| ("status", value)));
            query.extend(transaction.map(|value| ("transactionId", value)));
            let data = Client::management(&server)?.get(PATH, &query).await?;
            print_list(&data, server.json, &COLUMNS);
        }
        DeliveriesCommand::Replay { id: Some(id), server, .. } => {
            let data = Client::management(&server)?.post(&format!("{PATH}/{id}/replay"), &json!({})).await?;
            if server.json {
                println!("{data}");
            } else {
                println!("{} is sent again ({})", cell(&data, "id"), cell(&data, "status"));
            }
        }
        DeliveriesCommand::Replay { since, status, server, .. } => {
            let mut body = json!({ "since": since });
            if let Some(status) = status {
                body["status"] = json!(status);
            }
            let data = Client::management(&server)?.post(&format!("{PATH}/replay"), &body).await?;
            if server.json {
                println!("{data}");
            } else {
                println!("{} deliveries are sent again", data["queued"]);
            }
        }
    }
    Ok(())
}
