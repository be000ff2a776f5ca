//! Identifiers. All of ours but the session id and the event id are 24 lower-case hex digits: 48 bits of time in milliseconds,
//! then 48 random bits, so that they sort by age and new rows land at the end of an index.

use crate::Timestamp;
use serde::{Serialize, Serializer};
use std::str::FromStr;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct BadId;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 12]);

        impl $name {
            /// A new id from the time and six random bytes.
            pub fn new(now: Timestamp, random: [u8; 6]) -> Self {
                let mut bytes = [0; 12];
                bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
                bytes[6..].copy_from_slice(&random);
                Self(bytes)
            }

            /// When it was made, to the millisecond: what it begins with.
            pub fn created_at(self) -> Timestamp {
                let mut bytes = [0; 8];
                bytes[2..].copy_from_slice(&self.0[..6]);
                Timestamp::from_millis(i64::from_be_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(BadId);
                }
                let mut bytes = [0; 12];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| BadId)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

hex_id!(
    /// A merchant company: the tenant that owns every other row.
    CompanyId
);
hex_id!(
    /// A transaction; also our reference at every provider.
    TransactionId
);
hex_id!(
    /// A payment method: one configured provider account.
    MethodId
);
hex_id!(
    /// An orchestration rule.
    RuleId
);
hex_id!(
    /// An API credential; its text is the API key.
    CredentialId
);

/// The second public name of a transaction, a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(uuid::Uuid);

impl SessionId {
    /// A new id (UUID version 7 form: time, then random), so that its index grows at one end.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() != 36 {
            return Err(BadId);
        }
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| BadId)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A webhook event: the receiver's de-duplication key, the same on every attempt. `evt_` and 24 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct EventId(String);

impl EventId {
    /// A new id from the time and six random bytes.
    pub fn new(now: Timestamp, random: [u8; 6]) -> Self {
        Self(format!("evt_{}", TransactionId::new(now, random)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = text.strip_prefix("evt_").ok_or(BadId)?;
        digits.parse::<TransactionId>()?;
        Ok(Self(text.to_owned()))
    }
}

/// The merchant's own name of a brand: 1 to 64 characters, none of them U+0000, which no store keeps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct BrandId(String);

impl BrandId {
    /// Longest brand id, characters.
    pub const MAX_CHARS: usize = 64;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for BrandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BrandId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let chars = text.chars().count();
        if chars == 0 || chars > Self::MAX_CHARS || text.contains('\0') {
            return Err(BadId);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_age() {
        let early = TransactionId::new(Timestamp::from_millis(1_700_000_000_000), [9; 6]);
        let late = TransactionId::new(Timestamp::from_millis(1_700_000_000_001), [0; 6]);
        assert!(early < late);
        assert_eq!(early.to_string().len(), 24);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!("64A1F2B3C4D5E6F7A8B9C0D1".parse::<TransactionId>().is_err());
        assert!("64a1".parse::<TransactionId>().is_err());
        let session = SessionId::new(Timestamp::from_millis(1_700_000_000_000), [7; 10]);
        assert_eq!(session.to_string().parse(), Ok(session));
        let event = EventId::new(Timestamp::from_millis(1), [1; 6]);
        assert_eq!(event.as_str().parse(), Ok(event.clone()));
        assert!("evt_zz".parse::<EventId>().is_err());
        assert!("caf\u{e9} 1".parse::<BrandId>().is_ok());
        assert!("b\0".parse::<BrandId>().is_err());
    }
}
