//! eMerchantPay: disputes, refunds in parts, partial approvals, fields that a terminal wants.
