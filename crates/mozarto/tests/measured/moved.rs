//! A store that was dumped and restored, failed over, or is a standby for a while.
