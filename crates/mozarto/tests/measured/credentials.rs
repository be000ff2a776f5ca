//! Who may hand out what, and who decides about whose pay-outs.
