//! Checking the fields of a Cashier request.
