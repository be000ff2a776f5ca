//! HTTP as strangers speak it.
