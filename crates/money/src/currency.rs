//! The ISO 4217 currencies that an amount can have.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use iso_currency::IntoEnumIterator;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Codes that the data source still lists but that ISO 4217 has moved to its list of historic denominations: replaced by
/// EUR, CUP, EUR, SLE and ZWG. (The source's own mark is not used for this: it calls VES replaced, which is in force.)
const WITHDRAWN_CODES: [&str; 5] = ["BGN", "CUC", "HRK", "SLL", "ZWL"];

/// All accepted currencies, ordered by code.
static ALL: LazyLock<Box<[Currency]>> = LazyLock::new(|| {
    let mut all: Vec<Currency> = iso_currency::Currency::iter()
        .filter(|iso| !WITHDRAWN_CODES.contains(&iso.code()))
        .filter_map(|iso| {
            let digits = u8::try_from(iso.exponent()?).ok()?;
            Some(Currency { iso, digits })
        })
        .collect();
    all.sort_unstable();
    all.into_boxed_slice()
});

/// A currency of ISO 4217 that is in force and has minor units defined (165 of them).
///
/// Codes without minor units (`XAU`, `XDR`, `XTS`, `XXX`, ...), withdrawn codes (`HRK`) and crypto assets are not currencies
/// here. Ordered by code; shown and (de)serialised as the code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    iso: iso_currency::Currency,
    digits: u8,
}

impl Currency {
    /// The currency with this alpha code (three capitals, as in `"EUR"`); `None` for anything else.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let at = ALL.binary_search_by(|known| known.code().cmp(code)).ok()?;
        ALL.get(at).copied()
    }

    /// The ISO 4217 alpha code: three capitals.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// The ISO 4217 exponent: how many decimals the minor unit stands for (JPY 0, EUR 2, KWD 3, CLF 4).
    #[must_use]
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// Minor units in one major unit: 10 to the power of [`Currency::digits`].
    pub(crate) const fn minor_per_major(self) -> u64 {
        10u64.pow(self.digits as u32)
    }

    /// Every accepted currency, ordered by code.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        ALL.iter().copied()
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CodeVisitor)
    }
}

struct CodeVisitor;

impl Visitor<'_> for CodeVisitor {
    type Value = Currency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ISO 4217 code")
    }

    // The refused text is not repeated: whatever a caller puts here must not reach a log through an error.
    fn visit_str<E: de::Error>(self, code: &str) -> Result<Currency, E> {
        Currency::from_code(code).ok_or_else(|| E::custom("not an ISO 4217 code"))
    }
}
