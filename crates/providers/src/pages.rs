//! Pages of ours in a payer's way (`/pay`, `/3ds`, `/return`): what a provider says about them. The engine keeps the tokens,
//! serves the pages once or as often as the provider allows, and never takes anything that a browser brings for an outcome.

use crate::api::Memo;
use crate::dressing;
use domain::{Json, Secret};

/// Which pages of ours a provider's pay-ins need. Each has a token of its own, made with the transaction; none is the callback
/// token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pages {
    /// `/pay/{token}`: posts the payer's browser to the provider's page; opened once.
    pub pay: bool,
    /// `/3ds/{token}` and `/3ds/{token}/return`: a device check or a challenge.
    pub challenge: bool,
    /// `/return/{provider}/{token}/{word}`: where the provider sends the browser back to.
    pub back: bool,
    /// `/callbacks/{provider}/{token}/threeds`: the end of a device check, told through the browser.
    pub device_check: bool,
}

impl Pages {
    /// None of them.
    pub const NONE: Self = Self { pay: false, challenge: false, back: false, device_check: false };

    /// Whether there is any.
    pub const fn any(self) -> bool {
        self.pay || self.challenge || self.back || self.device_check
    }
}

/// The addresses of a transaction's pages; empty where the provider has no such page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageUrls {
    /// `{public base}/pay/{token}`.
    pub pay: String,
    /// `{public base}/3ds/{token}`; the challenge comes back to `/return` below it.
    pub challenge: String,
    /// `{public base}/return/{provider}/{token}`; a word (`success`) goes below it.
    pub back: String,
    /// `{public base}/callbacks/{provider}/{token}/threeds`.
    pub device_check: String,
}

/// A form that the payer's browser posts by itself.
#[derive(Debug)]
pub struct HostedForm {
    /// Where it goes: an absolute address.
    pub action: String,
    /// Hidden inputs, in order; names may repeat.
    pub fields: Vec<(&'static str, Secret)>,
    /// Posted in a hidden frame while the page asks us how to go on; else the browser itself goes there.
    pub hidden: bool,
    /// What to remember, committed before a byte of the page is sent; `None`: the memo stays.
    pub memo: Option<Memo>,
    /// Whether the inquiry schedule begins anew now.
    pub restarts_schedule: bool,
}

/// What is behind our page for this transaction, at this moment.
#[derive(Debug)]
pub enum Opening {
    /// A form to post.
    Form(Box<HostedForm>),
    /// Nothing (any more): used, late, or over.
    Closed,
}

/// How a challenge page goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Not yet: the device check runs.
    Wait,
    /// The task [`Continue`](crate::Task::Continue) is to be run, once.
    Continue,
    /// The browser goes there.
    Go(String),
    /// It is over: the browser goes back to the merchant.
    Over,
}

/// A browser that came back.
#[derive(Clone, Copy)]
pub struct BrowserReturn<'a> {
    /// The last part of the path: `success`.
    pub word: &'a str,
    /// The decoded pairs of the query.
    pub query: &'a [(String, String)],
    /// The query as it came: what is signed are its bytes.
    pub raw: &'a str,
}

/// Most pairs of a returning browser's query that are looked at.
const QUERY_PAIRS_MAX: usize = 64;

/// The decoded pairs of a returning browser's query.
pub fn query_pairs(raw: &str) -> Vec<(String, String)> {
    dressing::form(None, raw.as_bytes()).into_iter().take(QUERY_PAIRS_MAX).collect()
}

impl std::fmt::Debug for BrowserReturn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BrowserReturn({})", self.word)
    }
}

/// What a returning browser is taken for. Never an outcome.
#[derive(Debug)]
pub struct ReturnReading {
    /// `result` of the merchant's address: a word of [`ReturnResult`](domain::urls::ReturnResult).
    pub result: &'static str,
    /// Whether the provider is asked now.
    pub ask: bool,
    /// Something that a person should see (a wrong signature).
    pub anomaly: Option<String>,
    /// A line for the timeline.
    pub note: Option<String>,
    /// For [`Context::hint`](crate::Context::hint) of the inquiry.
    pub hint: Option<Json>,
}

impl ReturnReading {
    /// A plain return that has the provider asked.
    pub const fn ask(result: &'static str) -> Self {
        Self { result, ask: true, anomaly: None, note: None, hint: None }
    }
}
