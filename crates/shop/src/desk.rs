//! What the shop does: place an order, take in a webhook, lead back to the payment page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::asking::next_ask;
use crate::cashier::{Asked, CREATE_TIMEOUT, Cashier, Created};
use crate::clock::now_ms;
use crate::error::Error;
use crate::form::{Form, number_suffix};
use crate::order::Order;
use crate::store::{Draft, Drafted, Incoming, Receipt, Store};
use crate::user_token::Signer;
use crate::webhook::Verifier;

/// Changes that a slow page may lag behind; it then reads the order anew.
const CHANGES_MAX: usize = 256;
/// Pages that are told live, at once.
const STREAMS_MAX: usize = 256;
/// Beyond the call's own limit, before an order without a recorded answer is asked about.
const ANSWER_GRACE_MS: i64 = 5_000;

/// Addresses that the pages show.
pub(crate) struct Addresses {
    pub(crate) webhook: String,
    pub(crate) back_office: Option<String>,
}

/// The shop's rooms, tied together.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) cashier: Cashier,
    pub(crate) verifier: Verifier,
    pub(crate) addresses: Addresses,
    pub(crate) stop: CancellationToken,
    /// Free places for live pages.
    pub(crate) streams: Arc<Semaphore>,
    signer: Signer,
    changes: broadcast::Sender<i64>,
    refused_webhooks: AtomicU64,
}

/// What came of a form.
pub(crate) enum Placed {
    /// An order with a transaction, or one that is being asked about. `page`: where the payer goes now.
    Order { order: Box<Order>, page: Option<Url> },
    /// Nothing was created; the sentences belong to the form.
    Refused { message: String, errors: Vec<String> },
}

impl Desk {
    pub(crate) fn new(
        store: Store,
        cashier: Cashier,
        signer: Signer,
        verifier: Verifier,
        addresses: Addresses,
        stop: CancellationToken,
    ) -> Desk {
        Desk {
            store,
            cashier,
            verifier,
            addresses,
            stop,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            signer,
            changes: broadcast::channel(CHANGES_MAX).0,
            refused_webhooks: AtomicU64::new(0),
        }
    }

    /// Places an order. The work goes on when the browser hangs up: an answer that nobody waits for is recorded
    /// all the same.
    pub(crate) async fn place(self: &Arc<Self>, form: Form) -> Result<Placed, Error> {
        let desk = Arc::clone(self);
        tokio::spawn(async move { desk.place_now(&form).await }).await.map_err(|_| Error::Task)?
    }

    async fn place_now(&self, form: &Form) -> Result<Placed, Error> {
        let now = now_ms();
        let create_ms = i64::try_from(CREATE_TIMEOUT.as_millis()).unwrap_or(i64::MAX / 2);
        let drafted = self
            .store
            .draft(Draft {
                key: form.key.clone(),
                suffix: number_suffix()?,
                psp_type: form.provider.psp_type,
                direction: form.direction,
                amount: form.amount.clone(),
                currency: form.currency.clone(),
                customer: form.customer.user_id,
                now_ms: now,
                ask_at_ms: now + create_ms + ANSWER_GRACE_MS,
            })
            .await?;
        let order = match drafted {
            Drafted::New(order) => order,
            Drafted::Known(order) => {
                let page = self.payment_page(&order).await;
                return Ok(Placed::Order { order: Box::new(order), page });
            }
        };
        self.store.set_request(order.seq, form.masked_request(&order.number)?).await?;
        let user_token = self.signer.token(&form.claims(), now / 1_000)?;
        let created = self.cashier.create(form.request(&order.number)?, &user_token, &order.key).await;
        self.record(order, created).await
    }

    async fn record(&self, order: Order, created: Created) -> Result<Placed, Error> {
        match created {
            Created::Refused { message, errors } => {
                self.store.withdraw(order.seq).await?;
                Ok(Placed::Refused { message, errors })
            }
            Created::Unknown { reason } => {
                tracing::warn!(order = %order.number, %reason, "no clear answer; the platform will be asked");
                self.store.asked(order.seq, now_ms(), next_ask).await?;
                Ok(Placed::Order { order: Box::new(order), page: None })
            }
            Created::Transaction { news, page } => {
                let learned = self.store.learn(order.seq, *news, now_ms(), next_ask).await?;
                self.announce(order.seq);
                Ok(Placed::Order { order: Box::new(learned.unwrap_or(order)), page })
            }
        }
    }

    /// The page where the payer goes on, asked for anew: its address carries a token and is kept nowhere.
    pub(crate) async fn payment_page(&self, order: &Order) -> Option<Url> {
        if !order.has_page || order.status.is_settled() {
            return None;
        }
        match self.cashier.ask(order.transaction_id.as_deref()?).await {
            Asked::Found { page, .. } => page,
            Asked::NotFound | Asked::NoAnswer => None,
        }
    }

    /// Takes in a verified webhook; once this returns it is on disk.
    pub(crate) async fn take_in(&self, incoming: Incoming) -> Result<Receipt, Error> {
        let receipt = self.store.receive(incoming).await?;
        if let Receipt::Stored { order_seq: Some(seq) } | Receipt::Duplicate { order_seq: Some(seq) } = &receipt {
            self.announce(*seq);
        }
        Ok(receipt)
    }

    /// Tells the live pages of an order that it changed.
    pub(crate) fn announce(&self, seq: i64) {
        // Without a listener there is nobody to tell.
        let _ = self.changes.send(seq);
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<i64> {
        self.changes.subscribe()
    }

    pub(crate) fn count_refused_webhook(&self) {
        self.refused_webhooks.fetch_add(1, Ordering::Relaxed);
    }

    /// Webhooks that were refused since the start, unsigned or wrongly signed.
    pub(crate) fn refused_webhooks(&self) -> u64 {
        self.refused_webhooks.load(Ordering::Relaxed)
    }
}
