//! What grows is capped, kept for a time that is a setting, and purged.
