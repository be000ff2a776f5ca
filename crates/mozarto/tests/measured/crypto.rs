//! ForumPay: lists without references, short callbacks, coins that come after the end.
