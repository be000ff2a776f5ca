//! The configuration fields of payment methods, as data.

use domain::urls::Environment;

/// A configuration field of a payment method.
#[derive(Debug)]
pub struct Setting {
    /// Its name; `cleoApiKey.chileApiKey` is a member of the object `cleoApiKey`.
    pub name: &'static str,
    /// Without it a Cashier call answers `PSP_NOT_CONFIGURED`.
    pub required: bool,
    /// Write-only, encrypted.
    pub secret: bool,
    /// What it must be.
    pub rule: SettingRule,
    /// For people.
    pub meaning: &'static str,
    /// Another setting that must be set when this one is, and only then: `<field> and <other> must be set together`.
    pub together_with: Option<&'static str>,
    /// Required only where another setting has this value.
    pub required_when: Option<(&'static str, &'static str)>,
}

impl Setting {
    /// A setting that may be read back.
    pub const fn plain(name: &'static str, required: bool, rule: SettingRule, meaning: &'static str) -> Self {
        Self { name, required, secret: false, rule, meaning, together_with: None, required_when: None }
    }

    /// A write-only one.
    pub const fn secret(name: &'static str, required: bool, rule: SettingRule, meaning: &'static str) -> Self {
        Self { name, required, secret: true, rule, meaning, together_with: None, required_when: None }
    }

    /// One that is set together with another or not at all.
    #[must_use]
    pub const fn together_with(self, other: &'static str) -> Self {
        Self { together_with: Some(other), ..self }
    }

    /// The same, required only where another setting has this value.
    #[must_use]
    pub const fn required_when(self, other: &'static str, value: &'static str) -> Self {
        Self { required_when: Some((other, value)), ..self }
    }

    /// `accountName` of providers/common.
    pub const fn account_name(required: bool) -> Self {
        Self::plain("accountName", required, SettingRule::Text { min: 1, max: 100 }, "Display name")
    }

    /// `webhookUrl` of providers/common.
    pub const fn webhook_url(required: bool) -> Self {
        Self::plain("webhookUrl", required, SettingRule::MerchantUrl, "Your endpoint for transaction status updates")
    }

    /// `siteUrl` of providers/common.
    pub const fn site_url(required: bool) -> Self {
        Self::plain("siteUrl", required, SettingRule::MerchantUrl, "Your page that the payer returns to")
    }

    /// `isWebhookSecured` of providers/common.
    pub const IS_WEBHOOK_SECURED: Self =
        Self::plain("isWebhookSecured", false, SettingRule::Bool, "Adds the Authorization header to webhooks");

    /// `baseUrl` of providers/common.
    pub const BASE_URL: Self = Self::plain("baseUrl", false, SettingRule::BaseUrl, "Another address of the provider");
}

/// What a configuration value must be. The sentences are those of providers/common "Payment-method configuration".
#[derive(Debug, Clone, Copy)]
pub enum SettingRule {
    /// `<field> must be <a> to <b> characters`.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// The same without one character: `<field> must match [^:]{<a>,<b>}`.
    TextWithout {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
        /// The character that must not be in it.
        without: char,
    },
    /// `<field> must be an ISO 4217 code`.
    Currency,
    /// Visible ASCII of that many characters, without the given one. A wrong length: `<field> must be <a> to <b> characters`;
    /// another character: `<field> must match [!-~]{<a>,<b>}`.
    VisibleAscii {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
        /// A character that must not be in it.
        without: Option<char>,
    },
    /// Visible ASCII of that many characters that tells by its beginning which environment it is for:
    /// `<field> belongs to the other environment`.
    EnvironmentKey {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
        /// How it begins in the sandbox, and must not begin in production.
        sandbox_prefix: &'static str,
    },
    /// Characters of a set, that many: `<field> must match <pattern>`.
    Pattern {
        /// As shown.
        shown: &'static str,
        /// The check.
        check: fn(&str) -> bool,
    },
    /// The provider's own check: the rest of the sentence after the field's name.
    Own {
        /// As shown.
        shown: &'static str,
        /// The check.
        check: fn(&str, Environment) -> Result<(), &'static str>,
    },
    /// `<field> must be one of <a>, <b>`.
    OneOf(&'static [&'static str]),
    /// `<field> must be a boolean`.
    Bool,
    /// `<field> must be an https URL`.
    MerchantUrl,
    /// Like a merchant URL; the address of the provider, guarded by scope and environment.
    BaseUrl,
    /// A field of an older set that is not taken any more: `<field> is no longer a field: use <these>`, once for the set. Never
    /// kept.
    Retired(&'static str),
}

/// Another published name of a setting. Values are kept under the name they were given; a configuration that uses one of these
/// names requires the aliases marked so, and no other setting.
#[derive(Debug)]
pub struct SettingAlias {
    /// The other name.
    pub alias: &'static str,
    /// The name in [`Descriptor::settings`], whose rule and secrecy it shares.
    pub setting: &'static str,
    /// Whether the other set requires it.
    pub required: bool,
}
