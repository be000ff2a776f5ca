//! A log that is closed, full, or read by nobody.
