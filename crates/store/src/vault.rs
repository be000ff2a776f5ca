//! Encryption at rest: one master key outside of the database, one data key per company inside it, wrapped.
//!
//! Everything is AES-256-GCM with a random 96-bit nonce (well below 2^32 messages per key are expected of a company).
//! The associated data name the place of the value - company, table, row, column, each with its length in front - so
//! that ciphertext moved to another row, column or company does not open.
//!
//! Formats (bytes):
//! * sealed value: version 1 | nonce 12 | ciphertext | tag 16;
//! * wrapped data key: version 1 | id of the master key 8 | nonce 12 | ciphertext 32 | tag 16.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use zeroize::{Zeroize, Zeroizing};

/// Length of every key here, in bytes.
pub const KEY_BYTES: usize = 32;
/// Length of [`MasterKey::id`] before it is written in hexadecimal, in bytes.
const KEY_ID_BYTES: usize = 8;
/// Length of the authentication tag of AES-256-GCM, in bytes.
const TAG_BYTES: usize = 16;
/// First byte of a sealed value.
const SEAL_VERSION: u8 = 1;
/// First byte of a wrapped data key.
const WRAP_VERSION: u8 = 1;
/// The most that one value may have, in bytes.
pub const MAX_PLAINTEXT_BYTES: usize = 16 * 1_024 * 1_024;
/// The most that a file with a master key may have, in bytes.
const MAX_KEY_FILE_BYTES: u64 = 1_024;

/// Why the vault refused. Says nothing about keys or content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text is not 32 bytes in hexadecimal or base64.
    #[error("a master key is 32 random bytes, written as 64 hexadecimal digits or in base64")]
    KeyText,
    /// The key is one byte over and over: nobody's random bytes.
    #[error("the master key is one byte over and over; make one, for example with `openssl rand -hex 32`")]
    KeyGuessable,
    /// The file with the key cannot be read.
    #[error("the file with the master key cannot be read: {0}")]
    KeyFile(std::io::ErrorKind),
    /// The bytes are not of a format that this version writes.
    #[error("sealed data of an unknown format")]
    Format,
    /// Another master key wrapped this data key.
    #[error("the data key is wrapped under another master key")]
    OtherMasterKey,
    /// Wrong key, other place, or tampered with.
    #[error("sealed data does not open here: wrong key, moved or changed")]
    Refused,
    /// The value is longer than [`MAX_PLAINTEXT_BYTES`].
    #[error("the value is too long to be sealed")]
    TooLong,
    /// The system's source of randomness failed.
    #[error("no random bytes to be had from the system")]
    Random,
}

/// The key that wraps the data keys. Lives outside of the database; wiped from memory when dropped.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: [u8; KEY_ID_BYTES],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let full = mac(&bytes[..], &["mozarto master key id"], &[]);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&full[..KEY_ID_BYTES]);
        MasterKey { bytes, id }
    }

    /// A new random key.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self::from_bytes(random_key()?))
    }

    /// From 64 hexadecimal digits or base64 (either alphabet, padded or not); white space around it is ignored.
    ///
    /// # Errors
    /// [`VaultError::KeyText`], [`VaultError::KeyGuessable`].
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let bytes = Self::bytes_of(text)?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(VaultError::KeyGuessable);
        }
        Ok(Self::from_bytes(bytes))
    }

    fn bytes_of(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if text.len() == 2 * KEY_BYTES {
            hex::decode_to_slice(text, &mut bytes[..]).map_err(|_| VaultError::KeyText)?;
            return Ok(bytes);
        }
        use base64::engine::general_purpose as engines;
        let text = text.trim_end_matches('=');
        let decoded = engines::STANDARD_NO_PAD
            .decode(text)
            .or_else(|_| engines::URL_SAFE_NO_PAD.decode(text))
            .map(Zeroizing::new)
            .map_err(|_| VaultError::KeyText)?;
        if decoded.len() != KEY_BYTES {
            return Err(VaultError::KeyText);
        }
        bytes.copy_from_slice(&decoded);
        Ok(bytes)
    }

    /// A path as it may be shown; a key that was put where the name of its file belongs is not.
    pub fn shown_path(path: &Path) -> String {
        match path.to_str().map(Self::bytes_of) {
            Some(Ok(_)) => "(what stands there looks like the key itself: name the file that holds it)".to_owned(),
            _ => path.display().to_string(),
        }
    }

    /// From a file that holds the text.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`], [`VaultError::KeyText`], [`VaultError::KeyGuessable`].
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        use std::io::Read as _;
        let file = std::fs::File::open(path).map_err(|e| VaultError::KeyFile(e.kind()))?;
        let mut text = Zeroizing::new(String::with_capacity(256));
        file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).map_err(|e| VaultError::KeyFile(e.kind()))?;
        Self::from_text(&text)
    }

    /// The key as 64 hexadecimal digits, to be written to a file of mode 0600 and nowhere else.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(&self.bytes[..]))
    }

    /// A name of the key that does not give it away: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// Wraps a data key, bound to its company.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, VaultError> {
        let mut sealed = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_LEN + KEY_BYTES + TAG_BYTES);
        sealed.push(WRAP_VERSION);
        sealed.extend_from_slice(&self.id);
        let aad = place(&sealed, &["data key", &key.company_id]);
        seal_into(&self.cipher(), &aad, &key.bytes[..], &mut sealed)?;
        Ok(sealed)
    }

    /// Unwraps the data key of a company.
    ///
    /// # Errors
    /// [`VaultError::OtherMasterKey`] if another master key is needed; [`VaultError::Refused`] if it is another company's
    /// or was changed; [`VaultError::Format`].
    pub fn unwrap(&self, company_id: &str, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let id = wrapping_key_id(wrapped)?;
        if id != self.id {
            return Err(VaultError::OtherMasterKey);
        }
        let (head, body) = wrapped.split_at(1 + KEY_ID_BYTES);
        let aad = place(head, &["data key", company_id]);
        let opened = open_from(&self.cipher(), &aad, body)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if opened.len() != KEY_BYTES {
            return Err(VaultError::Format);
        }
        bytes.copy_from_slice(&opened);
        Ok(DataKey::from_bytes(company_id, bytes))
    }

    /// Whether this key wrapped these bytes: tells which key of several opens them.
    pub fn wrapped(&self, wrapped: &[u8]) -> bool {
        wrapping_key_id(wrapped).is_ok_and(|id| id == self.id)
    }

    fn cipher(&self) -> LessSafeKey {
        cipher(&subkey(&self.bytes, "mozarto wrap"))
    }
}

fn wrapping_key_id(wrapped: &[u8]) -> Result<[u8; KEY_ID_BYTES], VaultError> {
    match wrapped.split_first() {
        Some((&WRAP_VERSION, rest)) => {
            let id = rest.first_chunk::<KEY_ID_BYTES>().ok_or(VaultError::Format)?;
            Ok(*id)
        }
        _ => Err(VaultError::Format),
    }
}

/// The key of one company: seals its secrets and makes its keyed digests. Wiped from memory when dropped.
pub struct DataKey {
    company_id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    cipher: LessSafeKey,
    digests: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl DataKey {
    fn from_bytes(company_id: &str, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let cipher = cipher(&subkey(&bytes, "mozarto seal"));
        let digests = subkey(&bytes, "mozarto digest");
        DataKey { company_id: company_id.to_owned(), bytes, cipher, digests }
    }

    /// A new random key for a company.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate(company_id: &str) -> Result<Self, VaultError> {
        Ok(Self::from_bytes(company_id, random_key()?))
    }

    /// The company that it belongs to.
    pub fn company_id(&self) -> &str {
        &self.company_id
    }

    /// Seals a value for its place, `[table, row id, column]`; the company is part of it by itself.
    ///
    /// # Errors
    /// [`VaultError::Random`], [`VaultError::TooLong`].
    pub fn seal(&self, aad_context: &[&str], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        if plaintext.len() > MAX_PLAINTEXT_BYTES {
            return Err(VaultError::TooLong);
        }
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + TAG_BYTES);
        sealed.push(SEAL_VERSION);
        let aad = self.place(aad_context);
        seal_into(&self.cipher, &aad, plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens what was sealed for the same place.
    ///
    /// # Errors
    /// [`VaultError::Refused`] for another place or key or changed bytes; [`VaultError::Format`].
    pub fn open(&self, aad_context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match sealed.split_first() {
            Some((&SEAL_VERSION, body)) => open_from(&self.cipher, &self.place(aad_context), body),
            _ => Err(VaultError::Format),
        }
    }

    /// A keyed digest (HMAC-SHA-256) of bytes for one purpose: equal input, equal digest, and nothing to be guessed
    /// from it without the key. Digests for different purposes or of different companies never agree.
    pub fn digest(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.digests[..], &[purpose], bytes)
    }

    fn place(&self, aad_context: &[&str]) -> Vec<u8> {
        let mut parts = Vec::with_capacity(1 + aad_context.len());
        parts.push(self.company_id.as_str());
        parts.extend_from_slice(aad_context);
        place(&[SEAL_VERSION], &parts)
    }
}

fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut bytes[..]).map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

/// Head and parts, each part behind its length, and their number: no two places share an encoding.
fn place(head: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + parts.iter().map(|p| p.len() + 8).sum::<usize>());
    let length = |bytes: usize| (bytes as u64).to_be_bytes();
    out.extend_from_slice(&length(head.len()));
    out.extend_from_slice(head);
    out.extend_from_slice(&length(parts.len()));
    for part in parts {
        out.extend_from_slice(&length(part.len()));
        out.extend_from_slice(part.as_bytes());
    }
    out
}

fn mac(key: &[u8], names: &[&str], bytes: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(&place(&[], names));
    context.update(bytes);
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

fn subkey(key: &[u8; KEY_BYTES], purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
    Zeroizing::new(mac(key, &["subkey", purpose], &[]))
}

fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    // The only way to fail is a key of another length, and the type fixes it.
    let unbound = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes");
    LessSafeKey::new(unbound)
}

/// Appends nonce, ciphertext and tag.
fn seal_into(cipher: &LessSafeKey, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), VaultError> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| VaultError::Random)?;
    out.extend_from_slice(&nonce);
    let start = out.len();
    // The capacity was set by the caller: the plaintext is encrypted in place and never copied by a growing vector.
    out.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[start..]).map_err(|_| VaultError::TooLong);
    match tag {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        Err(error) => {
            out.zeroize();
            return Err(error);
        }
    }
    Ok(())
}

/// Opens nonce, ciphertext and tag.
fn open_from(cipher: &LessSafeKey, aad: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, ciphertext) = body.split_at_checked(NONCE_LEN).ok_or(VaultError::Format)?;
    if ciphertext.len() < TAG_BYTES {
        return Err(VaultError::Format);
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Format)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let opened = cipher.open_in_place(nonce, Aad::from(aad), &mut buffer).map_err(|_| VaultError::Refused)?.len();
    buffer.truncate(opened);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
