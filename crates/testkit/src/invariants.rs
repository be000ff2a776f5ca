//! Says which promise is broken, by reading the store and the simulators' ledgers.
