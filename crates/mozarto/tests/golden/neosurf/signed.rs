//! Callbacks as Neosurf signs them.

use super::SECRET;
use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA512, digest};

/// Name and value.
pub(super) type Field = (String, String);

/// All values in the order of their names, then the secret.
pub(super) fn hash(fields: &[Field], secret: &str) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let joined: String = sorted.iter().map(|(_, value)| value.as_str()).chain([secret]).collect();
    hex::encode(digest(&SHA512, joined.as_bytes()))
}

/// The fields as a form.
pub(super) fn form(fields: &[Field]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The form with its hash.
pub(super) fn signed(fields: &[Field]) -> String {
    let mut all = fields.to_vec();
    all.push(("hash".to_owned(), hash(fields, SECRET)));
    form(&all)
}

/// The sheet's callback, about this transaction.
pub(super) fn whole(id: &str, amount_minor: &str, sub_merchant: &str) -> Vec<Field> {
    [
        ("amount", amount_minor),
        ("created", "2026-05-17 09:32:57"),
        ("currency", "eur"),
        ("errorCode", ""),
        ("errorMessage", ""),
        ("merchantId", "24842"),
        ("merchantTransactionId", id),
        ("methodChargedAmount", amount_minor),
        ("methodCurrency", "EUR"),
        ("methodExpiry", "01/01/2032"),
        ("methodId", "5554605"),
        ("methodLabel", "5554605"),
        ("methodName", "neosurf"),
        ("status", "ok"),
        ("subMerchantId", sub_merchant),
        ("transaction3d", ""),
        ("transactionId", "987654321"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// With another value of a field.
pub(super) fn with(mut fields: Vec<Field>, name: &str, value: &str) -> Result<Vec<Field>> {
    let field = fields.iter_mut().find(|(known, _)| known == name).with_context(|| format!("no {name}"))?;
    value.clone_into(&mut field.1);
    Ok(fields)
}

/// Without a field.
pub(super) fn without(mut fields: Vec<Field>, name: &str) -> Vec<Field> {
    fields.retain(|(known, _)| known != name);
    fields
}
