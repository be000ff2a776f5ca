//! A limit on everything, named and with its unit. The ones that belong to one room stand there.

/// Largest request body of any public route, bytes (Cashier API, section 3).
pub const BODY_MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of a JSON body that we read.
pub const JSON_DEPTH_MAX: usize = 32;
/// Most entries of any list answer.
pub const LIST_LIMIT_MAX: u32 = 200;
/// Entries of a list answer when the caller names none.
pub const LIST_LIMIT_DEFAULT: u32 = 50;
/// Longest raw provider answer shown in `data` of an unknown provider error, bytes.
pub const RAW_ANSWER_MAX_BYTES: usize = 4 * 1024;
/// Largest provider answer that is read, bytes.
pub const PROVIDER_ANSWER_MAX_BYTES: usize = 256 * 1024;
/// Most calls one provider flow may make before it is ended as a defect.
pub const CALLS_PER_FLOW_MAX: usize = 24;
/// Most events kept on one timeline; later ones are counted, not kept.
pub const EVENTS_PER_TRANSACTION_MAX: u32 = 500;
