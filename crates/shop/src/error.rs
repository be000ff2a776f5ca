//! What can go wrong while the shop starts or works. No variant carries a secret.

/// The shop's errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting has the wrong form; the sentence names it, never its value.
    #[error("{0}")]
    Settings(String),
    /// The file of orders cannot be opened, read or written.
    #[error("the shop's store: {0}")]
    Store(#[from] rusqlite::Error),
    /// The directory or the file of orders cannot be made.
    #[error("the shop's data file: {0}")]
    File(#[from] std::io::Error),
    /// More work waits for the store than it takes.
    #[error("the shop's store is busy")]
    StoreBusy,
    /// The store's thread has ended.
    #[error("the shop's store has stopped")]
    StoreStopped,
    /// No HTTP client could be made.
    #[error("the shop's HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// A body could not be written as JSON.
    #[error("a request body could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A page could not be rendered.
    #[error("a page could not be rendered: {0}")]
    Page(#[from] askama::Error),
    /// A task of the shop ended before its work was done.
    #[error("a task ended early")]
    Task,
}
