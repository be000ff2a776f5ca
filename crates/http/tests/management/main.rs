//! The Management API over real HTTP: who is let in where, what each call answers, and what bodies and queries are refused.

mod answers;
mod bodies;
mod isolation;
mod matrix;
mod transcript;
mod world;
