//! The HTTP edge as its users meet it: over sockets.

mod edge;
mod server;
mod wire;
