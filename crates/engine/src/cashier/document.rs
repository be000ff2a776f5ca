//! The body, raw and read. Either may hold a card.

use crate::answer::CashierAnswer;
use bytes::Bytes;
use domain::Json;
use zeroize::Zeroize as _;

/// Bytes that may hold a card: overwritten when they are dropped, as far as they are ours alone.
pub struct Wiped(Bytes);

impl Wiped {
    /// These, which nobody else should have.
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// To look at.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// To hand on, not overwritten.
    pub fn take(mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        if let Ok(mut bytes) = std::mem::take(&mut self.0).try_into_mut() {
            bytes.zeroize();
        }
    }
}

/// A document that may hold a card: its texts are overwritten when it is dropped.
pub struct WipedDocument(Json);

impl WipedDocument {
    /// A body as a JSON object.
    ///
    /// # Errors
    /// [`NoDocument`].
    pub fn object(raw: &[u8]) -> Result<Self, NoDocument> {
        let document = Self(Json::parse(raw).map_err(|_| NoDocument::NotJson)?);
        if document.0.is_object() { Ok(document) } else { Err(NoDocument::NotAnObject) }
    }

    /// To look at.
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// To keep, where no card can be in it.
    pub fn take(mut self) -> Json {
        std::mem::replace(&mut self.0, Json::Null)
    }
}

impl Drop for WipedDocument {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// Why a body is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDocument {
    /// Not JSON as we take it: malformed, a key twice, nested too deep.
    NotJson,
    /// JSON that is not an object.
    NotAnObject,
}

impl NoDocument {
    /// 400.
    pub fn answer(self) -> CashierAnswer {
        let sentence = match self {
            Self::NotJson => "Request body is not valid JSON",
            Self::NotAnObject => "Request body must be a JSON object",
        };
        CashierAnswer::error(400, sentence, Vec::new(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_document() {
        assert!(WipedDocument::object(b"{}").is_ok());
        for (raw, why) in
            [("[1]", NoDocument::NotAnObject), ("{", NoDocument::NotJson), (r#"{"a":1,"a":2}"#, NoDocument::NotJson)]
        {
            assert_eq!(WipedDocument::object(raw.as_bytes()).err(), Some(why), "{raw}");
        }
    }
}
