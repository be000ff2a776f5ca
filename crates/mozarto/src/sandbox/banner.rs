//! What the sandbox says when everything listens: one line of JSON, or a page for a person.

use super::Addresses;
use super::seed::Demo;
use anyhow::Result;
use domain::visible::visible;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Everything listens.
pub(super) struct Ready<'a> {
    pub(super) demo: &'a Demo,
    pub(super) addresses: &'a Addresses,
    pub(super) data: &'a Path,
}

impl Ready<'_> {
    /// Writes `sandbox.json` and tells standard output.
    pub(super) fn tell(&self, as_json: bool) -> Result<()> {
        let line = self.line();
        crate::files::write_private(&self.data.join("sandbox.json"), line.to_string().as_bytes())?;
        let mut out = std::io::stdout().lock();
        if as_json {
            writeln!(out, "{line}")?;
        } else {
            write!(out, "{}", self.page())?;
        }
        out.flush()?;
        Ok(())
    }

    fn line(&self) -> serde_json::Value {
        let (demo, at) = (self.demo, self.addresses);
        json!({
            "ready": true,
            "baseUrl": at.platform,
            "cashierUrl": format!("{}/v1/api/mozarto/cashier", at.platform),
            "backOfficeUrl": format!("{}{}", at.platform, backoffice::PATH),
            "simulatorUrl": at.simulators,
            "shopUrl": at.shop,
            "companyId": demo.company_id.to_string(),
            "companyToken": demo.company_token.expose(),
            "userToken": demo.user_token.expose(),
            "managementToken": demo.management_token.expose(),
            "apiKey": demo.api_key,
            "apiSecret": demo.api_secret.expose(),
            "backOfficeEmail": demo.owner_email,
            "backOfficePassword": demo.owner_password.expose(),
            "webhookSecret": demo.webhook_secret.expose(),
            "webhookBearer": demo.webhook_bearer.expose(),
            "demoWebhookUrl": format!("{}/webhook", at.shop),
        })
    }

    fn page(&self) -> String {
        let (demo, at) = (self.demo, self.addresses);
        // The first provider whose pay-in leads to a page: something to open.
        let first = providers::all()
            .iter()
            .map(|provider| provider.descriptor())
            .find_map(|descriptor| Some((descriptor.pay_in.as_ref()?.example, descriptor.redirect_field?)));
        let (example, page) = first.unwrap_or_default();
        format!(
            r#"
  Mozarto sandbox is ready.

    Demo shop       {shop}
    Back office     {base}{back_office}   ({email} / {password})
    Cashier API     {base}/v1/api/mozarto/cashier
    Simulators      {simulators}
    Data            {data}

  Open the demo shop in a browser, or pay in from another terminal:

    curl -s {base}/v1/api/mozarto/cashier \
      -H 'Authorization: Bearer {company_token}' \
      -H 'x-user-token: Bearer {user_token}' \
      -H 'Content-Type: application/json' \
      -d '{example}'

  and open the {page} that it answers. Stop with Ctrl-C.

"#,
            shop = at.shop,
            base = at.platform,
            back_office = backoffice::PATH,
            email = demo.owner_email,
            password = demo.owner_password.expose(),
            simulators = at.simulators,
            data = visible(&self.data.to_string_lossy(), &[]),
            company_token = demo.company_token.expose(),
            user_token = demo.user_token.expose(),
        )
    }
}
