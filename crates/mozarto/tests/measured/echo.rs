//! A provider that repeats what it was sent.
