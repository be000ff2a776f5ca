//! mozarto-testkit

pub mod postgres;
