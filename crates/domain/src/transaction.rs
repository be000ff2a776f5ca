//! A transaction, as it is stored and as it is shown.

use crate::{
    BrandId, CompanyId, CredentialId, Json, MethodId, Money, RuleId, SessionId, Timestamp, TransactionId, TransactionStatus,
};

/// The direction of the money, as `type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// From the payer to the merchant.
    PayIn,
    /// From the merchant to the user.
    PayOut,
}

impl Operation {
    /// The word of the Cashier API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PayIn => "PAYIN",
            Self::PayOut => "PAYOUT",
        }
    }
}

impl std::str::FromStr for Operation {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "PAYIN" => Ok(Self::PayIn),
            "PAYOUT" => Ok(Self::PayOut),
            _ => Err(()),
        }
    }
}

/// Why a person should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attention {
    /// Every schedule has ended and the fate is still open: a person's turn.
    Stuck,
    /// Something that the table does not allow, or that contradicts what we know.
    Anomaly,
    /// Probably the same pay-out twice.
    Duplicate,
}

impl Attention {
    /// The word in filters and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Anomaly => "anomaly",
            Self::Duplicate => "duplicate",
        }
    }
}

impl std::str::FromStr for Attention {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Stuck, Self::Anomaly, Self::Duplicate].into_iter().find(|a| a.as_str() == text).ok_or(())
    }
}

/// What of a payment's money went back since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Refunded so far, minor units.
    pub refunded_minor: i64,
    /// A chargeback is open.
    pub disputed: bool,
}

/// A transaction as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// Its second public name.
    pub session_id: SessionId,
    /// The company it belongs to.
    pub company_id: CompanyId,
    /// Which of its attempts is live: provider, account, the provider's id and page are that one's.
    pub live: i64,
    /// How many attempts were begun.
    pub attempts: i64,
    /// The provider.
    pub psp_type: String,
    /// The direction.
    pub operation: Operation,
    /// The account used.
    pub method_id: MethodId,
    /// The brand named in the request.
    pub brand_id: Option<BrandId>,
    /// The merchant's own reference.
    pub merchant_reference: Option<String>,
    /// The merchant's user.
    pub user_id: String,
    /// The money.
    pub amount: Money,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The provider's own word; for a failure at creation the lower-case errorCode.
    pub psp_status: String,
    /// What is said about it, fit for a payer.
    pub message: Option<String>,
    /// The provider's id of it.
    pub psp_transaction_id: Option<String>,
    /// The hosted page.
    pub redirect_url: Option<String>,
    /// Where the money of a pay-out goes, masked.
    pub destination_masked: Option<String>,
    /// What went back of it.
    pub given_back: GivenBack,
    /// Why a person should look, if one should.
    pub attention: Option<Attention>,
    /// The rule that decided, its version.
    pub rule: Option<(RuleId, i64)>,
    /// The API credential that made it: the maker of a pay-out.
    pub maker: CredentialId,
    /// Webhook events so far; the next one's `webhook-sequence` is one more.
    pub events_sent: i64,
    /// Timeline entries so far.
    pub timeline_length: i64,
    /// Counts changes; every update names the version that it saw.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Transaction {
    /// The `method` of webhooks: `<pspType>_<type>`.
    pub fn webhook_method(&self) -> String {
        format!("{}_{}", self.psp_type, self.operation.as_str())
    }
}

/// What every answer about a transaction shows (Cashier API, section 4).
pub struct TransactionData<'a>(pub &'a Transaction);

impl TransactionData<'_> {
    /// The object, in the documented order; unknown members are left out.
    pub fn to_json(&self) -> Json {
        let t = self.0;
        let mut pairs = vec![
            ("transactionId".to_owned(), Json::text(t.id.to_string())),
            ("sessionId".to_owned(), Json::text(t.session_id.to_string())),
            ("pspType".to_owned(), Json::text(&*t.psp_type)),
            ("type".to_owned(), Json::text(t.operation.as_str())),
            ("brandId".to_owned(), Json::text(t.brand_id.as_ref().map(BrandId::as_str).unwrap_or_default())),
            ("transaction_status".to_owned(), Json::text(t.status.shown())),
            ("status".to_owned(), Json::text(&*t.psp_status)),
            ("amount".to_owned(), Json::text(t.amount.to_fixed())),
            ("currency".to_owned(), Json::text(t.amount.currency().code())),
            ("merchantReference".to_owned(), Json::text(t.merchant_reference.as_deref().unwrap_or_default())),
            ("userId".to_owned(), Json::text(&*t.user_id)),
        ];
        let text = |value: &Option<String>| value.as_deref().map(Json::text);
        let refunded = Money::from_minor(t.given_back.refunded_minor, t.amount.currency());
        let known = [
            ("pspTransactionId", text(&t.psp_transaction_id)),
            ("redirectUrl", text(&t.redirect_url)),
            ("message", text(&t.message)),
            ("refundedAmount", (refunded.minor() != 0).then(|| Json::text(refunded.to_fixed()))),
            ("disputed", t.given_back.disputed.then_some(Json::Bool(true))),
            ("createdAt", Some(Json::text(t.created_at.to_string()))),
            ("updatedAt", Some(Json::text(t.updated_at.to_string()))),
        ];
        pairs.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Json::Object(pairs)
    }
}

/// The body of a webhook about the transaction as it stands (webhooks, first section). `status` is the raw word; PayOne's own
/// `success` on approval is already in it.
pub fn webhook_body(t: &Transaction) -> Json {
    let mut pairs = vec![("transaction_id".to_owned(), Json::text(t.id.to_string()))];
    if let Some(id) = &t.psp_transaction_id {
        pairs.push(("psp_transaction_id".to_owned(), Json::text(&**id)));
    }
    let rest = [
        ("user_id", t.user_id.clone()),
        ("status", t.psp_status.clone()),
        ("transaction_status", t.status.shown().to_owned()),
        ("message", t.message.clone().unwrap_or_else(|| t.psp_status.clone())),
        ("amount", t.amount.to_fixed()),
        ("currency", t.amount.currency().code().to_owned()),
        ("merchantReference", t.merchant_reference.clone().unwrap_or_default()),
        ("method", t.webhook_method()),
    ];
    pairs.extend(rest.into_iter().map(|(name, value)| (name.to_owned(), Json::String(value))));
    Json::Object(pairs)
}
