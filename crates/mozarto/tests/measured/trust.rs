//! Trust Payments: refunds in parts, words and fields of its own.
