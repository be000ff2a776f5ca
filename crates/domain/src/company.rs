//! What belongs to a merchant: the company, its brands, credentials, payment methods and rules.

use crate::{BrandId, CompanyId, CredentialId, Json, MethodId, Operation, RuleId, Secret, Timestamp};

/// A merchant company.
#[derive(Clone, Debug)]
pub struct Company {
    /// Its id.
    pub id: CompanyId,
    /// Legal name.
    pub name: String,
    /// Suspended: every call is 403.
    pub suspended: bool,
    /// Where `x-user-authorization` is checked.
    pub user_auth_url: Option<String>,
    /// The key that `x-user-token` is checked with, when the company stores one.
    pub user_token_key: Option<UserTokenKey>,
    /// When the key was last set.
    pub user_token_key_updated_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The company's key for user tokens.
#[derive(Clone, Debug)]
pub struct UserTokenKey {
    /// The one algorithm that counts.
    pub algorithm: UserTokenAlgorithm,
    /// A shared secret (HS256) or a public key in PEM (RS256, ES256).
    pub key: Secret,
}

/// How user tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserTokenAlgorithm {
    /// HMAC-SHA256 with a shared secret.
    Hs256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl UserTokenAlgorithm {
    /// The `alg` word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl std::str::FromStr for UserTokenAlgorithm {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Hs256, Self::Rs256, Self::Es256].into_iter().find(|a| a.as_str() == text).ok_or(())
    }
}

/// A brand of a company.
#[derive(Clone, Debug)]
pub struct Brand {
    /// The merchant's own name of it.
    pub id: BrandId,
    /// Shown name.
    pub name: String,
    /// An inactive brand answers like an unknown one.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a credential may do. The first three are the Cashier API's, the others the Management API's (`read` is both).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Create pay-ins.
    Payin,
    /// Create pay-outs.
    Payout,
    /// Read.
    Read,
    /// Replay webhooks, inquire.
    Operate,
    /// Payment methods, rules, brands.
    Configure,
    /// Decide holds, release, resolve.
    Approve,
    /// Credentials, company, base addresses.
    Own,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 7] = [Self::Payin, Self::Payout, Self::Read, Self::Operate, Self::Configure, Self::Approve, Self::Own];
    /// Those of a company credential.
    pub const COMPANY: [Scope; 3] = [Self::Payin, Self::Payout, Self::Read];
    /// Those of a management credential.
    pub const MANAGEMENT: [Scope; 5] = [Self::Read, Self::Operate, Self::Configure, Self::Approve, Self::Own];

    /// The word in tokens and bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payin => "payin",
            Self::Payout => "payout",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Configure => "configure",
            Self::Approve => "approve",
            Self::Own => "own",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(())
    }
}

/// The two kinds of API credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// For the Cashier API: an API key with its secret (self-signed tokens), and one issued token.
    Company,
    /// For the Management API: one opaque token.
    Management,
}

impl CredentialKind {
    /// The word in bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Management => "management",
        }
    }
}

impl std::str::FromStr for CredentialKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Company, Self::Management].into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// An API credential.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its id; `mk_<id>` is the API key, `mt_<id>` the `kid` of the issued token.
    pub id: CredentialId,
    /// Its company.
    pub company_id: CompanyId,
    /// What it is for.
    pub kind: CredentialKind,
    /// Shown name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Company kind: signs self-signed tokens. Management kind: the token itself is only kept as a digest, so none.
    pub secret: Option<Secret>,
    /// Management kind: SHA-256 of the token.
    pub token_digest: Option<[u8; 32]>,
    /// The credentials that made or rotated it, with those behind them in turn: who holds one of these may hold this one's
    /// secrets too.
    pub made_by: Vec<CredentialId>,
    /// Counts rotations: an issued token names the generation that it is of.
    pub generation: i64,
    /// The end of the issued or management token.
    pub expires_at: Timestamp,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Credential {
    /// Whether whoever is behind this credential may be behind the other one, too: it is the same one, one made or rotated the
    /// other, or a third one made or rotated both.
    pub fn may_be_of_one_with(&self, other: &Credential) -> bool {
        let behind = |one: &Credential, id: CredentialId| one.id == id || one.made_by.contains(&id);
        std::iter::once(self.id).chain(self.made_by.iter().copied()).any(|id| behind(other, id))
    }
}

/// One configuration value of a payment method.
#[derive(Clone, Debug)]
pub enum SettingValue {
    /// Anybody who may read the method may read it.
    Plain(Json),
    /// Write-only.
    Secret {
        /// The value.
        value: Secret,
        /// When it was set.
        updated_at: Timestamp,
    },
}

/// The configuration values of a payment method, by field name.
#[derive(Clone, Debug, Default)]
pub struct Settings(pub std::collections::BTreeMap<String, SettingValue>);

impl Settings {
    /// The text of a plain or secret value; empty texts count as absent.
    pub fn text(&self, field: &str) -> Option<&str> {
        let text = match self.0.get(field)? {
            SettingValue::Plain(value) => value.as_str()?,
            SettingValue::Secret { value, .. } => value.expose(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The value of a boolean field; absent is `false`.
    pub fn flag(&self, field: &str) -> bool {
        matches!(self.0.get(field), Some(SettingValue::Plain(Json::Bool(true))))
    }

    /// Every secret text, for masking what is kept of a provider's words.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter_map(|value| match value {
            SettingValue::Secret { value, .. } => Some(value.expose()),
            SettingValue::Plain(_) => None,
        })
    }
}

/// The two secrets that a payment method's webhooks are sent with.
#[derive(Clone, Debug)]
pub struct WebhookSecrets {
    /// `whsec_...`: signs, is never sent.
    pub signing: Secret,
    /// Earlier signing secrets, the newest first, each with its own promised end, until which it signs beside the newest.
    pub earlier_signing: Vec<(Secret, Timestamp)>,
    /// `whb_...`: sent as `Authorization: Bearer` when `isWebhookSecured`.
    pub bearer: Secret,
    /// The bearer that receivers know, and its promised end, until which it is the one that is sent.
    pub previous_bearer: Option<(Secret, Timestamp)>,
}

/// A payment method: one configured account at a provider.
#[derive(Clone, Debug)]
pub struct PaymentMethod {
    /// Its id.
    pub id: MethodId,
    /// Its company.
    pub company_id: CompanyId,
    /// The provider, as the Cashier API names it.
    pub psp_type: String,
    /// The brand it is for; none: the whole company.
    pub brand_id: Option<BrandId>,
    /// Whether it may be used.
    pub enabled: bool,
    /// The provider's fields and the common ones (`accountName`, `webhookUrl`, `isWebhookSecured`, `siteUrl`, `baseUrl`).
    pub settings: Settings,
    /// The webhook secrets.
    pub webhook_secrets: WebhookSecrets,
    /// The token in this account's callback address, where the provider's portal needs one.
    pub callback_token: Option<Secret>,
    /// When it was created; the oldest enabled account wins where a rule names none.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A rule: without an active one that matches, a transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Shown name.
    pub name: String,
    /// Higher wins.
    pub priority: i64,
    /// Only active rules count.
    pub active: bool,
    /// Providers it is for; empty: any.
    pub psp_types: Vec<String>,
    /// Brands it is for; empty: the company.
    pub brand_ids: Vec<BrandId>,
    /// Operations it is for; empty: both.
    pub types: Vec<Operation>,
    /// Accounts to use, in order; empty: the brand's enabled account, else the company's.
    pub route: Vec<MethodId>,
    /// Pay-outs wait for a person.
    pub hold: bool,
    /// Counts changes; transactions keep the version that decided.
    pub version: i64,
    /// When it was created; ties go to the older rule.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
