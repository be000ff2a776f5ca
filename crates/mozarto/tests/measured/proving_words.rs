//! Every word of every provider that can only follow a success, met first, from every status.
