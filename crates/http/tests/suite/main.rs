//! The HTTP edge as its users meet it: over sockets.

mod edge;
mod errors;
mod hostile;
mod idempotency;
mod order;
mod platform;
mod reading;
mod server;
mod wire;
