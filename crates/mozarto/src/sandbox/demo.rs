//! The demo company's accounts: one entry per provider, for its payment method and for its simulator.

use super::Addresses;
use super::seed::Demo;
use anyhow::{Context, Result, bail};
use domain::{Json, PaymentMethod};
use engine::Engine;
use engine::directory::view::callback_url;
use std::time::Duration;
use url::Url;

/// The simulators answer their control calls within this.
const CONTROL_LIMIT: Duration = Duration::from_secs(5);

/// In what a simulator is told: the host that payers return to.
const SHOP_HOST: &str = "{shopHost}";

/// The demo account of one provider. Credentials here are the simulators' and open nothing else.
pub(super) struct DemoAccount {
    /// `pspType`.
    pub(super) psp_type: &'static str,
    /// The payment method's fields, JSON; addresses come by role.
    pub(super) config: &'static str,
    /// The simulator's name for the account.
    simulator_account: &'static str,
    /// What the simulator is told of it, JSON; [`SHOP_HOST`] stands for the host of `siteUrl`.
    simulator_settings: &'static str,
}

impl DemoAccount {
    /// Whether this is the account's payment method: the provider's, and where there are several accounts of one provider, the
    /// one that is named so at the simulator.
    pub(super) fn is_of(&self, method: &PaymentMethod) -> bool {
        let alone = ACCOUNTS.iter().filter(|account| account.psp_type == self.psp_type).count() == 1;
        let settings = &method.settings;
        let named = || settings.0.keys().any(|field| settings.text(field) == Some(self.simulator_account));
        method.psp_type == self.psp_type && (alone || named())
    }
}

/// Every provider's; a provider may have several.
pub(super) const ACCOUNTS: &[DemoAccount] = &[
    DemoAccount {
        psp_type: "FORUMPAY",
        config: r#"{"accountName":"Demo company","username":"fp-demo","password":"fp-demo-secret-part1part2","forumpayUserId":"demo-payer-0001","isWebhookSecured":true}"#,
        simulator_account: "fp-demo",
        simulator_settings: r#"{"password":"fp-demo-secret-part1part2","payerIds":["demo-payer-0001"]}"#,
    },
    DemoAccount {
        psp_type: "GIGADAT",
        config: r#"{"accountName":"Demo company","apiKey":"gd-demo-access-0001","secret":"gd-demo-security-0001","campaignId":"d3m0c0de00000000000000000000gd01","isWebhookSecured":true}"#,
        simulator_account: "d3m0c0de00000000000000000000gd01",
        simulator_settings: r#"{"access":"gd-demo-access-0001","security":"gd-demo-security-0001"}"#,
    },
    DemoAccount {
        psp_type: "WORLDPAY_EU",
        config: r#"{"accountName":"Demo company","merchantCode":"DEMOCOMPANY","installationId":"100001","xmlUsername":"wp-demo-0001","xmlPassword":"wp-demo-secret-0001","macSecret":"wp-demo-mac-0001","isWebhookSecured":true}"#,
        simulator_account: "DEMOCOMPANY",
        simulator_settings: r#"{"xmlUsername":"wp-demo-0001","xmlPassword":"wp-demo-secret-0001","installationId":"100001","macKind":"mac2","macSecret":"wp-demo-mac-0001","merchant":"Demo company"}"#,
    },
    // Takes the requests with a card.
    DemoAccount {
        psp_type: "WORLDPAY_EU",
        config: r#"{"accountName":"Demo company, cards","merchantCode":"DEMOCOMPANYCARDS","installationId":"100002","xmlUsername":"wp-demo-0002","xmlPassword":"wp-demo-secret-0002","integrationMode":"direct","threeDsIssuer":"wp-demo-issuer","threeDsOrgUnitId":"wp-demo-unit","threeDsJwtKey":"wp-demo-jwt-key-0123456789abcdef0123","isWebhookSecured":true}"#,
        simulator_account: "DEMOCOMPANYCARDS",
        simulator_settings: r#"{"xmlUsername":"wp-demo-0002","xmlPassword":"wp-demo-secret-0002","installationId":"100002","threeDsIssuer":"wp-demo-issuer","threeDsOrgUnitId":"wp-demo-unit","threeDsJwtKey":"wp-demo-jwt-key-0123456789abcdef0123","merchant":"Demo company"}"#,
    },
    DemoAccount {
        psp_type: "CLEO",
        config: r#"{"accountName":"Demo company","cleoApiKey":{"chileApiKey":"cleo-demo-key-chile-0001","peruApiKey":"cleo-demo-key-peru-0001","mexicoApiKey":"cleo-demo-key-mexico-0001"},"customerExternalKeyForCleo":"demo-company-0001","isWebhookSecured":true}"#,
        simulator_account: "demo",
        simulator_settings: r#"{"chileApiKey":"cleo-demo-key-chile-0001","peruApiKey":"cleo-demo-key-peru-0001","mexicoApiKey":"cleo-demo-key-mexico-0001","externalKey":"demo-company-0001","merchant":"Demo company"}"#,
    },
    DemoAccount {
        psp_type: "TRUST",
        config: r#"{"accountName":"Demo company","sitereference":"test_mozarto0001","siteSecurityPassword":"trust-demo-password-0001","webServicesUsername":"ws@demo-company.example","webServicesPassword":"trust-demo-ws-0001","isWebhookSecured":true}"#,
        simulator_account: "test_mozarto0001",
        simulator_settings: r#"{"siteSecurityPassword":"trust-demo-password-0001","webServicesUsername":"ws@demo-company.example","webServicesPassword":"trust-demo-ws-0001","merchant":"Demo company"}"#,
    },
    DemoAccount {
        psp_type: "PAYONE",
        config: r#"{"accountName":"Demo company","apiKey":"payone-demo-key-0001","isWebhookSecured":true}"#,
        simulator_account: "payone-demo-key-0001",
        simulator_settings: r#"{"client":"Demo company","active":true}"#,
    },
    DemoAccount {
        psp_type: "NEOSURF",
        config: r#"{"accountName":"Demo company","apiKey":"neosurf-demo-secret-0001","merchantId":"24842","isWebhookSecured":true}"#,
        simulator_account: "24842",
        simulator_settings: r#"{"secret":"neosurf-demo-secret-0001","subMerchantId":"{shopHost}"}"#,
    },
    DemoAccount {
        psp_type: "FLEXEPIN",
        config: r#"{"accountName":"Demo company","apiKey":"flexdemo01","secret":"flexepin-demo-secret-0001","terminalId":"TERM01"}"#,
        simulator_account: "flexdemo01",
        simulator_settings: r#"{"secret":"flexepin-demo-secret-0001","terminalId":"TERM01"}"#,
    },
    DemoAccount {
        psp_type: "BRITE",
        config: r#"{"accountName":"Demo company","publicKey":"sandbox-demo-0001","secret":"brite-demo-secret-0001","isWebhookSecured":true}"#,
        simulator_account: "sandbox-demo-0001",
        simulator_settings: r#"{"secret":"brite-demo-secret-0001","merchantId":"demo-merchant-0001","merchant":"Demo company"}"#,
    },
    DemoAccount {
        psp_type: "EMERCHANTPAY",
        config: r#"{"accountName":"Demo company","username":"emp-demo","password":"emp-demo-secret-0001","apiKey":"394fdemoterminal0001","currency":"EUR","isWebhookSecured":true}"#,
        simulator_account: "394fdemoterminal0001",
        simulator_settings: r#"{"username":"emp-demo","password":"emp-demo-secret-0001","currency":"EUR","merchant":"Demo company"}"#,
    },
];

/// The fields that point at the sandbox's own parts.
pub(super) const ROLES: [(&str, &str); 7] = [
    ("baseUrl", "role:simulator"),
    ("soapUrl", "role:simulator/soap/index.php"),
    ("pagesBaseUrl", "role:simulator"),
    ("webServicesBaseUrl", "role:simulator"),
    ("threeDsChallengeUrl", "role:simulator/V2/Cruise/StepUp"),
    ("webhookUrl", "role:shop/webhook"),
    ("siteUrl", "role:shop/return"),
];

/// Tells each simulator its account, at each start: credentials, and our callback address where the provider's portal needs one.
pub(super) async fn register_at_simulators(engine: &Engine, demo: &Demo, addresses: &Addresses) -> Result<()> {
    let snapshot = engine.directory().company(demo.company_id).await?.context("the demo company is gone")?;
    let http = reqwest::Client::builder().no_proxy().timeout(CONTROL_LIMIT).build().context("the HTTP client")?;
    let shop_host = Url::parse(&addresses.shop)?.host_str().unwrap_or_default().to_owned();
    for account in ACCOUNTS {
        let Some(provider) = providers::by_psp_type(account.psp_type) else { bail!("no provider {}", account.psp_type) };
        let told = account.simulator_settings.replace(SHOP_HOST, &shop_host);
        let mut settings = Json::parse(told.as_bytes()).context("a demo account")?;
        let method = snapshot.methods.iter().find(|method| account.is_of(method));
        if let Some(address) = method.and_then(|method| callback_url(method, engine.config())) {
            settings.set("callbackUrl", Json::text(address));
        }
        let url =
            format!("{}/control/{}/accounts/{}", addresses.simulators, provider.descriptor().name, account.simulator_account);
        let answer = http.put(&url).header("content-type", "application/json").body(settings.to_text()).send().await?;
        if !answer.status().is_success() {
            bail!("the {} simulator refused its account: {}", account.psp_type, answer.text().await.unwrap_or_default());
        }
    }
    Ok(())
}
