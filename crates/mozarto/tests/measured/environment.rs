//! A store knows which environment it belongs to, and is never taken for a new one.
