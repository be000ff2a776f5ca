//! What every provider in the registry must be, with no list of exceptions: a new folder gets all of this for its line in the
//! registry and its fixtures.

mod answers;
mod callbacks;
mod data;
mod demo;
mod product;
mod reference;
mod secrets;
mod snapshots;
