//! What production must know of its accounts before it serves anybody.

use super::EngineError;
use crate::core::Engine;
use crate::transport::guard::Policy;
use domain::urls::Environment;
use store::repository::companies;

/// Companies read at once.
const PAGE: u32 = 200;

/// Whether an address may be a provider's in production: https, a public host, not a simulator's.
pub fn may_be_production_base(address: &str) -> bool {
    Policy::of(Environment::Production).check_url(address).is_some()
}

impl Engine {
    /// The enabled payment methods that may not be used in this environment, a sentence each: an assumed protocol that is not
    /// accepted, a simulator's address. None in the sandbox.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn unusable_methods(&self) -> Result<Vec<String>, EngineError> {
        let mut problems = Vec::new();
        if self.config().environment == Environment::Sandbox {
            return Ok(problems);
        }
        let mut after = None;
        loop {
            let page = companies::list(self.store(), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(problems) };
            after = Some(last.id);
            for company in &page {
                self.unusable_of(company.id, &mut problems).await?;
            }
        }
    }

    async fn unusable_of(&self, company: domain::CompanyId, problems: &mut Vec<String>) -> Result<(), EngineError> {
        let Some(snapshot) = self.directory().company(company).await? else { return Ok(()) };
        for method in snapshot.methods.iter().filter(|method| method.enabled) {
            let Some(provider) = providers::by_psp_type(&method.psp_type) else { continue };
            let descriptor = provider.descriptor();
            let accepted = self.config().providers.get(descriptor.name).is_some_and(|config| config.accept_assumed_protocol);
            if let Some(protocol) = descriptor.assumed_protocol
                && !accepted
            {
                problems.push(format!(
                    "{} of company {company}: {} speaks an assumed protocol ({protocol}) that is not accepted in production; \
                     set providers.{}.accept_assumed_protocol or disable the method",
                    method.id, method.psp_type, descriptor.name
                ));
            }
            if let Some(base) = self.base_url(provider, method)
                && !may_be_production_base(&base)
            {
                problems.push(format!("{} of company {company}: its baseUrl is not the provider's address", method.id));
            }
        }
        Ok(())
    }
}
