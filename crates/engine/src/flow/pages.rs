//! Our own pages in a payer's way: their tokens, what they serve, and the browser that comes back. A token that a browser sees is
//! never the callback token, and nothing that a browser brings is an outcome: at most it has the provider asked.

use super::answers::calls_detail;
use super::callbacks::token_hash;
use super::calls::guarded;
use super::conclude::Commit;
use super::inbox::as_text;
use super::inquire::{Asked, first_inquiry};
use super::rates::About;
use super::work::Work;
use super::{EngineError, TransactionFilter};
use crate::core::Engine;
use crate::pulse::trouble;
use domain::urls::{ReturnResult, return_address};
use domain::{CompanyId, Json, Transaction, TransactionId, TransactionStatus};
use providers::pages::{BrowserReturn, Challenge, HostedForm, Opening, PageUrls, query_pairs};
use providers::{Callback, Finding, Provider, Standing, Step, Task};
use std::time::Duration;
use store::repository::attempts::Which;
use store::repository::page_tokens::{self, Page};
use store::repository::transactions;
use tokio::sync::OwnedMutexGuard;

impl Engine {
    /// The addresses of a new transaction's pages.
    pub(super) fn new_pages(&self, provider: &dyn Provider) -> PageUrls {
        let descriptor = provider.descriptor();
        let (pages, name) = (descriptor.pages, descriptor.name);
        let base = &self.config().public_url;
        let url =
            |has: bool, write: &dyn Fn(String) -> String| if has { write(self.inner.random.token()) } else { String::new() };
        PageUrls {
            pay: url(pages.pay, &|token| format!("{base}/pay/{token}")),
            challenge: url(pages.challenge, &|token| format!("{base}/3ds/{token}")),
            back: url(pages.back, &|token| format!("{base}/return/{name}/{token}")),
            device_check: url(pages.device_check, &|token| format!("{base}/callbacks/{name}/{token}/threeds")),
        }
    }
}

/// What is stored of the tokens: for each page its SHA-256.
pub(super) fn hashes(pages: &PageUrls) -> impl Iterator<Item = (Page, [u8; 32])> {
    let device_check = pages.device_check.strip_suffix("/threeds").unwrap_or_default();
    [
        (Page::Pay, pages.pay.as_str()),
        (Page::Challenge, &pages.challenge),
        (Page::Back, &pages.back),
        (Page::DeviceCheck, device_check),
    ]
    .into_iter()
    .filter_map(|(page, url)| Some((page, url.rsplit_once('/')?.1)))
    .map(|(page, token)| (page, token_hash(token)))
}

/// For the sealed part of the row.
pub(super) fn to_json(pages: &PageUrls) -> Json {
    let PageUrls { pay, challenge, back, device_check } = pages;
    let urls = [("pay", pay), ("challenge", challenge), ("back", back), ("deviceCheck", device_check)];
    Json::object(urls.into_iter().filter(|(_, url)| !url.is_empty()).map(|(name, url)| (name, Json::text(&**url))))
}

/// From the sealed part of the row.
pub(super) fn from_json(json: Option<&Json>) -> PageUrls {
    let url = |name: &str| json.and_then(|pages| pages.str_at(name)).unwrap_or_default().to_owned();
    PageUrls { pay: url("pay"), challenge: url("challenge"), back: url("back"), device_check: url("deviceCheck") }
}

/// How many inquiries about one transaction its returning browser may start.
const RETURN_INQUIRIES_MAX: u32 = 100;
/// A returning browser waits so long for the answer to the inquiry that its return started, milliseconds, not scaled; the inquiry
/// goes on without it.
const RETURN_WAIT: Duration = Duration::from_secs(3);
/// Without a script the browser waits so long for a device check, milliseconds as written, looking so often.
const CHECK_WAIT_MS: i64 = 8_000;
const CHECK_LOOK_MS: i64 = 500;
/// Transactions read at once when pages are opened again.
const OPENED_AGAIN_PAGE: u32 = 200;
/// Longest token that is looked up, characters; ours are shorter.
const TOKEN_MAX_CHARS: usize = 64;

/// What became of a report about a device check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceCheck {
    /// Read, whatever it said.
    Taken,
    /// There is no such address.
    Unknown,
    /// Too many came about this transaction.
    TooMany,
}

/// What one of our pages answers.
#[derive(Debug)]
pub enum Shown {
    /// A form that the browser posts by itself.
    Form(Box<HostedForm>),
    /// The browser goes there.
    Go(String),
    /// There is nothing to go to: a page that says so.
    Over,
    /// A challenge page is to ask again in a moment.
    Wait,
    /// Used or late.
    Gone,
    /// No such page.
    Unknown,
}

impl Engine {
    /// `GET /pay/{token}`: serves the form once. Its use is committed before this returns; of two requests at once one gets it.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer; nothing was served, and nothing used up.
    pub async fn open_pay_page(&self, token: &str) -> Result<Shown, EngineError> {
        self.anew(|| self.try_pay_page(token)).await
    }

    async fn try_pay_page(&self, token: &str) -> Result<Shown, EngineError> {
        let Some((mut work, _lock)) = self.behind(token, Page::Pay).await? else { return Ok(Shown::Unknown) };
        if work.stands() != TransactionStatus::Pending {
            return Ok(Shown::Gone);
        }
        // Told to the provider by the form, which the browser sees: a token of its own.
        let token = self.inner.random.token();
        work.callback_url = self.callback_url(work.provider, &token);
        let opening = guarded(work.provider, || work.provider.open_page(&work.context(self, None)), || Opening::Closed);
        let Opening::Form(mut form) = opening else { return Ok(Shown::Gone) };
        self.serve_form(&mut work, &mut form, Some(token_hash(&token))).await
    }

    /// `GET /3ds/{token}`: the device check or the challenge, as often as the browser asks while it is open.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn open_challenge(&self, token: &str) -> Result<Shown, EngineError> {
        self.anew(|| self.try_challenge(token)).await
    }

    async fn try_challenge(&self, token: &str) -> Result<Shown, EngineError> {
        let Some((mut work, _lock)) = self.behind(token, Page::Challenge).await? else { return Ok(Shown::Unknown) };
        if work.stands() == TransactionStatus::Pending {
            let opening = guarded(work.provider, || work.provider.open_page(&work.context(self, None)), || Opening::Closed);
            if let Opening::Form(mut form) = opening {
                return self.serve_form(&mut work, &mut form, None).await;
            }
        }
        Ok(match self.way_on(&work) {
            Challenge::Go(url) => Shown::Go(url),
            _ => self.to_merchant(&work),
        })
    }

    /// `GET /3ds/{token}/next`: how an open page goes on. Runs the second call when it is time, in a task of its own.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer, or the call could not be committed.
    pub async fn next_of_challenge(&self, token: &str) -> Result<Shown, EngineError> {
        let (engine, token) = (self.clone(), token.to_owned());
        self.in_task(async move { engine.anew(|| engine.step_challenge(&token, false)).await }).await
    }

    /// `POST /3ds/{token}/return`: the browser is through. None of what it brings is looked at.
    ///
    /// # Errors
    /// As [`next_of_challenge`](Self::next_of_challenge).
    pub async fn challenge_returned(&self, token: &str) -> Result<Shown, EngineError> {
        let (engine, token) = (self.clone(), token.to_owned());
        self.in_task(async move {
            let until = engine.clock().after(CHECK_WAIT_MS);
            loop {
                match engine.anew(|| engine.step_challenge(&token, true)).await? {
                    Shown::Wait if engine.clock().now() < until => {
                        engine.clock().sleep_until(engine.clock().after(CHECK_LOOK_MS)).await;
                    }
                    Shown::Wait => return Ok(Shown::Over),
                    shown => return Ok(shown),
                }
            }
        })
        .await
    }

    /// `GET /return/{provider}/{token}/{word}`: has the provider asked where the provider's code wants it, and sends the browser
    /// back to the merchant. `query`: as it came.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn browser_returned(&self, provider: &str, token: &str, word: &str, query: &str) -> Result<Shown, EngineError> {
        self.anew(|| self.try_returned(provider, token, word, query)).await
    }

    async fn try_returned(&self, provider: &str, token: &str, word: &str, query: &str) -> Result<Shown, EngineError> {
        let Some((mut work, lock)) = self.behind(token, Page::Back).await? else { return Ok(Shown::Unknown) };
        if work.provider.descriptor().name != provider {
            return Ok(Shown::Unknown);
        }
        let pairs = query_pairs(query);
        let back = BrowserReturn { word, query: &pairs, raw: query };
        let reading = guarded(work.provider, || work.provider.read_return(&work.context(self, None), &back), || None);
        let Some(reading) = reading else { return Ok(Shown::Unknown) };
        if reading.anomaly.is_some() || reading.note.is_some() {
            // A browser comes back as often as somebody reloads it.
            let told = self.told_before(&work).await?;
            let mut commit = Commit::open(self, &mut work);
            commit.only_new(told);
            let shown = Finding {
                anomalies: reading.anomaly.iter().cloned().collect(),
                notes: reading.note.iter().cloned().collect(),
                ..Finding::unchanged()
            };
            if commit.show(&shown) {
                commit.store().await?;
            }
        }
        let target = target(&work, reading.result);
        drop(lock);
        let asked = reading.ask && work.stands() == TransactionStatus::Pending && work.inquiries < RETURN_INQUIRIES_MAX;
        if asked {
            let (engine, company, id, n) = (self.clone(), work.company_id(), work.id(), work.attempt.n);
            let inquiry = self.inner.tasks.spawn(async move {
                if let Err(error) = engine.ask_for_browser(company, id, n, reading.hint.as_ref()).await {
                    trouble!(warn, error, transaction = %id, "asking for a returning browser: {error}");
                }
            });
            // Told or not, the browser goes on.
            let _ = tokio::time::timeout(RETURN_WAIT, inquiry).await;
        }
        Ok(target.map_or(Shown::Over, Shown::Go))
    }

    /// `POST /callbacks/{provider}/{token}/threeds`: the end of a device check. So many are taken as of callbacks.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn device_checked(
        &self,
        provider: &str,
        token: &str,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
    ) -> Result<DeviceCheck, EngineError> {
        let hash = token_hash(token);
        let Some((_, id, _)) = page_tokens::find(self.store(), hash, Page::DeviceCheck).await? else {
            return Ok(DeviceCheck::Unknown);
        };
        if self.inner.callback_rates.take(About::Transaction(id)).is_none() {
            return Ok(DeviceCheck::TooMany);
        }
        let headers = &as_text(headers);
        self.anew(|| self.try_device_checked(provider, token, headers, body)).await
    }

    async fn try_device_checked(
        &self,
        provider: &str,
        token: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<DeviceCheck, EngineError> {
        let Some((mut work, _lock)) = self.behind(token, Page::DeviceCheck).await? else { return Ok(DeviceCheck::Unknown) };
        if work.provider.descriptor().name != provider {
            return Ok(DeviceCheck::Unknown);
        }
        let callback = Callback {
            method: "POST",
            query: "",
            headers,
            body,
            reference: Some(work.order.reference),
            amount: Some(work.order.amount),
            operation: Some(work.order.operation),
        };
        let memo = guarded(work.provider, || work.provider.read_device_check(&work.context(self, None), &callback), || None);
        if let Some(memo) = memo {
            let mut commit = Commit::open(self, &mut work);
            commit.remember(Some(memo));
            commit.note("device_checked", None, None, Json::Object(Vec::new()));
            commit.store().await?;
        }
        Ok(DeviceCheck::Taken)
    }

    /// Hands a page of ours to whoever opens such pages here, if anybody does.
    pub(super) fn have_opened(&self, transaction: &Transaction) {
        let (Some(opener), Some(url)) = (&self.config().page_opener, &transaction.redirect_url) else { return };
        let base = &self.config().public_url;
        let ours = url.strip_prefix(base).is_some_and(|path| path.starts_with("/pay/") || path.starts_with("/3ds/"));
        // A queue that is full: the page is opened after the next start, or by a person.
        if ours && transaction.status == TransactionStatus::Pending && opener.try_send(url.clone()).is_err() {
            tracing::warn!(transaction = %transaction.id, "a page is not opened: too many wait");
        }
    }

    /// After a start: the pages of ours that open transactions of a company wait at.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn open_pages_again(&self, company: CompanyId) -> Result<(), EngineError> {
        let with_pages = |provider: &&&dyn Provider| {
            let pages = provider.descriptor().pages;
            pages.pay || pages.challenge
        };
        for provider in providers::all().iter().filter(with_pages) {
            let mut filter = TransactionFilter {
                psp_type: Some(provider.descriptor().psp_type.to_owned()),
                status: Some(TransactionStatus::Pending),
                ..TransactionFilter::default()
            };
            loop {
                let page = transactions::list(self.store(), company, &filter, OPENED_AGAIN_PAGE).await?;
                let Some(last) = page.last() else { break };
                filter.before = Some(last.id);
                page.iter().for_each(|transaction| self.have_opened(transaction));
            }
        }
        Ok(())
    }

    /// The attempt behind a page's token, its transaction locked.
    async fn behind(&self, token: &str, page: Page) -> Result<Option<(Work, OwnedMutexGuard<()>)>, EngineError> {
        if token.len() > TOKEN_MAX_CHARS {
            return Ok(None);
        }
        let Some((company, id, n)) = page_tokens::find(self.store(), token_hash(token), page).await? else { return Ok(None) };
        let lock = self.inner.locks.lock(id).await;
        Ok(self.load_attempt(company, id, Which::Number(n)).await?.map(|work| (work, lock)))
    }

    /// Commits what the form wants remembered; then it may be served.
    async fn serve_form(&self, work: &mut Work, form: &mut HostedForm, notified: Option<[u8; 32]>) -> Result<Shown, EngineError> {
        let (company, id, n) = (work.company_id(), work.id(), work.attempt.n);
        if form.memo.is_some() || form.restarts_schedule || notified.is_some() {
            let mut commit = Commit::open(self, work);
            commit.remember(form.memo.take());
            commit.note("page_opened", None, None, Json::Object(Vec::new()));
            if let Some(hash) = notified {
                page_tokens::insert(&mut commit.batch, hash, company, id, n, Page::Notify);
            }
            if form.restarts_schedule {
                let job = first_inquiry(&commit, None);
                commit.job(&job);
            }
            commit.store().await?;
        }
        let HostedForm { action, fields, hidden, restarts_schedule, .. } = form;
        let (action, fields) = (std::mem::take(action), std::mem::take(fields));
        Ok(Shown::Form(Box::new(HostedForm {
            action,
            fields,
            hidden: *hidden,
            memo: None,
            restarts_schedule: *restarts_schedule,
        })))
    }

    fn way_on(&self, work: &Work) -> Challenge {
        guarded(work.provider, || work.provider.challenge(&work.context(self, None)), || Challenge::Over)
    }

    /// One look at a challenge, which may be begun anew at any point: the second call's memo is stored with its intent, so that
    /// it is never made again. `returned`: the browser is through with what it was sent to.
    async fn step_challenge(&self, token: &str, returned: bool) -> Result<Shown, EngineError> {
        let Some((mut work, _lock)) = self.behind(token, Page::Challenge).await? else { return Ok(Shown::Unknown) };
        if work.stands() != TransactionStatus::Pending {
            return Ok(self.to_merchant(&work));
        }
        let has_check = work.provider.descriptor().pages.device_check;
        let mut way = self.way_on(&work);
        if way == Challenge::Continue || (way == Challenge::Wait && returned && !has_check) {
            self.continue_payment(&mut work).await?;
            way = self.way_on(&work);
        }
        if way == Challenge::Over {
            // It may have ended since the transaction was read.
            let which = Which::Number(work.attempt.n);
            let Some(now) = self.load_attempt(work.company_id(), work.id(), which).await? else { return Ok(Shown::Unknown) };
            work = now;
            // Another process's call is still open: its answer says where the browser goes.
            if work.job.as_ref().is_some_and(|job| job.next.is_intent() && job.due_at > self.clock().now()) {
                return Ok(Shown::Wait);
            }
            way = self.way_on(&work);
        }
        Ok(match way {
            Challenge::Go(url) if work.stands() == TransactionStatus::Pending => Shown::Go(url),
            Challenge::Wait => Shown::Wait,
            _ => self.to_merchant(&work),
        })
    }

    /// The second call of a payment. Only a payment result changes the status; after anything else the provider is asked.
    async fn continue_payment(&self, work: &mut Work) -> Result<(), EngineError> {
        let ended = self.run_task(work, Task::Continue, None, None, None).await?;
        if ended.calls.is_empty() {
            return Ok(());
        }
        let memo = work.memo.clone();
        let mut commit = Commit::open(self, work);
        commit.remember(Some(memo));
        let detail = calls_detail(ended.calls);
        let understood = match &ended.step {
            Step::Found(finding) => {
                commit.settle(finding, &detail);
                finding.standing != Standing::Unchanged
            }
            Step::Silence(refusal) | Step::Refused(refusal) => {
                if let Some(text) = &refusal.anomaly {
                    commit.anomaly(text, "warning");
                }
                false
            }
            _ => false,
        };
        if commit.work.stands() == TransactionStatus::Pending {
            commit.note("continued", None, None, detail);
            let mut job = first_inquiry(&commit, ended.sent_at);
            if !understood {
                job.due_at = commit.now;
            }
            commit.job(&job);
        }
        commit.store().await?;
        self.inner.wake.jobs.notify_one();
        Ok(())
    }

    pub(super) async fn ask_for_browser(
        &self,
        company: CompanyId,
        id: TransactionId,
        n: i64,
        hint: Option<&Json>,
    ) -> Result<(), EngineError> {
        self.anew(|| self.try_ask_for_browser(company, id, n, hint)).await
    }

    async fn try_ask_for_browser(
        &self,
        company: CompanyId,
        id: TransactionId,
        n: i64,
        hint: Option<&Json>,
    ) -> Result<(), EngineError> {
        let _lock = self.inner.locks.lock(id).await;
        let Some(mut work) = self.load_attempt(company, id, Which::Number(n)).await? else { return Ok(()) };
        let job = work.job.clone();
        // Many may have come back before the first of them was asked for.
        let enough = work.inquiries >= RETURN_INQUIRIES_MAX;
        // Another process's call is open: its outcome comes first, and inquiries after it.
        if enough || work.stands() != TransactionStatus::Pending || job.as_ref().is_some_and(|job| job.next.is_intent()) {
            return Ok(());
        }
        self.inquire(&mut work, job.as_ref(), Asked::Return { hint }).await.map(drop)
    }

    fn to_merchant(&self, work: &Work) -> Shown {
        let result = match work.transaction.status {
            TransactionStatus::Approved => "success",
            TransactionStatus::Created | TransactionStatus::Pending | TransactionStatus::OnHold => "pending",
            TransactionStatus::Cancelled => "cancel",
            _ => "failure",
        };
        target(work, result).map_or(Shown::Over, Shown::Go)
    }

    /// Not in the request's future: a browser that leaves must not orphan an intent.
    async fn in_task(
        &self,
        work: impl Future<Output = Result<Shown, EngineError>> + Send + 'static,
    ) -> Result<Shown, EngineError> {
        match self.inner.tasks.spawn(work).await {
            Ok(shown) => shown,
            Err(_) => Err(EngineError::Corrupt("a task about a page ended early".to_owned())),
        }
    }
}

/// The merchant's address for a result, our ids added.
fn target(work: &Work, result: &str) -> Option<String> {
    let own = if matches!(result, "success" | "pending") { "hppSuccessUrl" } else { "hppFailureUrl" };
    let fields = &work.order.fields;
    let url = fields.text(own).or_else(|| fields.text("siteUrl")).or_else(|| work.method.settings.text("siteUrl"))?;
    let order = &work.order;
    return_address(url, order.transaction_id, order.session_id, order.merchant_reference.as_deref(), ReturnResult::of(result))
}
