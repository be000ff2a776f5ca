//! Checking the configuration of a payment method.
