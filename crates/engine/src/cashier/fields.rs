//! The provider's fields, all problems at once; before them, card data that it does not take.

use super::NotAdmitted;
use domain::Json;
use providers::card::{CardData, card_keys};
use providers::descriptor::OperationSpec;
use providers::fields::{self, Checked, Problems, Request};
use providers::{Descriptor, Provider};

/// # Errors
/// 400.
pub(super) fn check(provider: &dyn Provider, spec: &OperationSpec, request: &Request<'_>) -> Result<Checked, NotAdmitted> {
    let descriptor = provider.descriptor();
    if descriptor.card_data == CardData::Refused {
        no_card_data(descriptor, request.body)?;
    }
    let mut problems = match fields::check(spec, request) {
        Ok(checked) if request.claims.is_some() => return Ok(checked),
        Ok(_) => Problems::default(),
        Err(problems) => problems,
    };
    if request.claims.is_none() && !problems.missing.iter().any(|field| field == "userId") {
        problems.missing.push("userId".to_owned());
    }
    Err(NotAdmitted::Fields(problems))
}

/// A provider on whose page cards are entered: a request that brings one is refused before anything else of it is looked at, and
/// forgotten.
fn no_card_data(descriptor: &Descriptor, document: &Json) -> Result<(), NotAdmitted> {
    let keys = card_keys(document);
    if keys.is_empty() {
        return Ok(());
    }
    metrics::counter!("mozarto_card_data_refused_total", "provider" => descriptor.name).increment(1);
    Err(NotAdmitted::CardData { title: descriptor.title, keys })
}
