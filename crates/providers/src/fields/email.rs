//! Addresses of e-mail, as a field may hold them.

/// Longest `email`, bytes (RFC 5321: a path of 256 with its brackets).
pub const EMAIL_MAX_BYTES: usize = 254;
/// Longest part of an address before the `@`, bytes.
const EMAIL_LOCAL_MAX_BYTES: usize = 64;

/// Something before one `@`, a domain with a dot after it, nothing that would need quoting. Whether mail arrives there is not for
/// us to know.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_ok = !local.is_empty()
        && local.len() <= EMAIL_LOCAL_MAX_BYTES
        && !local.contains("..")
        && !local.starts_with('.')
        && !local.ends_with('.')
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let labels: Vec<&str> = domain.split('.').collect();
    let domain_ok = labels.len() >= 2
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    text.len() <= EMAIL_MAX_BYTES && local_ok && domain_ok
}
