//! Pay-outs on hold, and what happens to their account meanwhile.
