//! Settings that cannot be meant are refused, with the name of their file.
