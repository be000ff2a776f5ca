//! Answers of the Cashier API: what may be tried again, money in doubt, fields by name.
