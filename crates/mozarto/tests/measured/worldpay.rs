//! Worldpay: balances, equal parts, empty references, return codes.
