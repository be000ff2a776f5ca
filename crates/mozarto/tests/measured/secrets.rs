//! Rotation of webhook secrets: each to its own end.
