use super::*;

fn key(company: &str) -> DataKey {
    DataKey::generate(company).unwrap()
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let key = key("c1");
    for length in [0, 1, 15, 16, 17, 4_096] {
        let plaintext = vec![b'x'; length];
        let sealed = key.seal(&["methods", "42", "secret"], &plaintext).unwrap();
        assert_eq!(sealed.len(), 1 + NONCE_LEN + length + TAG_BYTES);
        assert_eq!(*key.open(&["methods", "42", "secret"], &sealed).unwrap(), plaintext);
    }
    assert_ne!(
        key.seal(&["t", "1", "c"], b"same").unwrap(),
        key.seal(&["t", "1", "c"], b"same").unwrap(),
        "the nonce is fresh each time"
    );
}

/// S3: ciphertext moved to another row, column, table or company is refused, 1,000 of 1,000.
#[test]
fn swapped_ciphertext_is_refused_every_time() {
    let keys = [key("company-a"), key("company-b")];
    let columns = ["api_key", "api_secret"];
    let mut cells = Vec::new();
    for row in 0..500_u32 {
        for column in columns {
            let company = &keys[row as usize % 2];
            let plaintext = format!("secret {row} {column}");
            let sealed = company.seal(&["methods", &row.to_string(), column], plaintext.as_bytes());
            cells.push((row, column, sealed.unwrap()));
        }
    }
    let mut refused = 0;
    for index in 0..cells.len() {
        let (row, column, _) = &cells[index];
        // Other column of the row, other row of the company, other row of the other company, in turn.
        let other = (index + [1, 4, 2][index % 3]) % cells.len();
        let company = &keys[*row as usize % 2];
        let place = ["methods", &row.to_string(), *column];
        assert!(company.open(&place, &cells[index].2).is_ok());
        assert_eq!(company.open(&place, &cells[other].2).unwrap_err(), VaultError::Refused);
        refused += 1;
    }
    assert_eq!(refused, 1_000);
}

#[test]
fn a_place_is_unambiguous() {
    let key = key("c");
    let sealed = key.seal(&["ab", "c", "d"], b"v").unwrap();
    for place in
        [&["a", "bc", "d"][..], &["ab", "cd", ""], &["ab", "c", "d", ""], &["", "ab", "c", "d"], &["ab", "c"], &["abcd"], &[]]
    {
        assert_eq!(key.open(place, &sealed).unwrap_err(), VaultError::Refused, "{place:?}");
    }
    // The company is part of the place, even with the same key bytes.
    let twin = DataKey::from_bytes("c2", Zeroizing::new(*key.bytes));
    assert_eq!(twin.open(&["ab", "c", "d"], &sealed).unwrap_err(), VaultError::Refused);
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let key = key("c");
    let sealed = key.seal(&["t", "1", "c"], b"a secret of some length").unwrap();
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[index] ^= 1 << bit;
            assert!(key.open(&["t", "1", "c"], &changed).is_err(), "byte {index} bit {bit}");
        }
        assert!(key.open(&["t", "1", "c"], &sealed[..index]).is_err(), "cut at {index}");
    }
    let mut longer = sealed.clone();
    longer.push(0);
    assert!(key.open(&["t", "1", "c"], &longer).is_err());
}

#[test]
fn no_plaintext_in_the_output() {
    let master = MasterKey::generate().unwrap();
    let key = key("c");
    let canary = b"canary-5up3r-s3cret-canary";
    let sealed = key.seal(&["t", "1", "c"], canary).unwrap();
    for window in canary.windows(4) {
        assert!(!sealed.windows(4).any(|w| w == window));
    }
    let wrapped = master.wrap(&key).unwrap();
    for window in key.bytes.windows(4) {
        assert!(!wrapped.windows(4).any(|w| w == window));
    }
}

#[test]
fn debug_and_errors_leak_nothing() {
    let master = MasterKey::generate().unwrap();
    let key = key("company-canary");
    let shown = format!("{master:?} {key:?} {master:#?} {key:#?}");
    assert!(!shown.contains(&*master.to_text()));
    assert!(!shown.contains(&hex::encode(&key.bytes[..])));
    assert_eq!(format!("{master:?}{key:?}"), "MasterKey(..)DataKey(..)");
    let text = format!("{}zz", &master.to_text()[2..]);
    let error = MasterKey::from_text(&text).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&text[..8]));
}

#[test]
fn a_wrapped_key_is_its_companys_and_its_masters() {
    let master = MasterKey::generate().unwrap();
    let key = key("c1");
    let sealed = key.seal(&["t", "1", "c"], b"v").unwrap();
    let wrapped = master.wrap(&key).unwrap();
    let again = master.unwrap("c1", &wrapped).unwrap();
    assert_eq!(**again.open(&["t", "1", "c"], &sealed).unwrap(), *b"v");
    assert_eq!(again.digest("pin", b"1234"), key.digest("pin", b"1234"));
    assert_eq!(master.unwrap("c2", &wrapped).unwrap_err(), VaultError::Refused);
    let other = MasterKey::generate().unwrap();
    assert_eq!(other.unwrap("c1", &wrapped).unwrap_err(), VaultError::OtherMasterKey);
    assert!(master.wrapped(&wrapped) && !other.wrapped(&wrapped));
    for index in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[index] ^= 1;
        assert!(master.unwrap("c1", &changed).is_err(), "byte {index}");
        assert!(master.unwrap("c1", &wrapped[..index]).is_err(), "cut at {index}");
    }
    // Rotation: the same data key under another master.
    let moved = other.wrap(&master.unwrap("c1", &wrapped).unwrap()).unwrap();
    assert_eq!(**other.unwrap("c1", &moved).unwrap().open(&["t", "1", "c"], &sealed).unwrap(), *b"v");
}

#[test]
fn digests_differ_by_purpose_company_and_content() {
    let one = key("c1");
    let two = key("c2");
    assert_eq!(one.digest("idempotency", b"x"), one.digest("idempotency", b"x"));
    assert_ne!(one.digest("idempotency", b"x"), one.digest("pin", b"x"));
    assert_ne!(one.digest("pin", b"x"), one.digest("pin", b"y"));
    assert_ne!(one.digest("pin", b"x"), two.digest("pin", b"x"));
    assert_ne!(one.digest("a", b"bc"), one.digest("ab", b"c"));
}

#[test]
fn a_master_key_is_read_from_every_usual_spelling() {
    let master = MasterKey::generate().unwrap();
    let bytes = hex::decode(&*master.to_text()).unwrap();
    use base64::engine::general_purpose as engines;
    for text in [
        master.to_text().to_string(),
        master.to_text().to_uppercase(),
        format!("  {}\n", &*master.to_text()),
        engines::STANDARD.encode(&bytes),
        engines::STANDARD_NO_PAD.encode(&bytes),
        engines::URL_SAFE.encode(&bytes),
        engines::URL_SAFE_NO_PAD.encode(&bytes),
    ] {
        assert_eq!(MasterKey::from_text(&text).unwrap().id(), master.id());
    }
    for bad in ["", "00", "secret", &"0".repeat(63), &"0".repeat(65), &"zz".repeat(32)] {
        assert_eq!(MasterKey::from_text(bad).unwrap_err(), VaultError::KeyText, "{bad}");
    }
    let missing = MasterKey::from_file(Path::new("/nonexistent/key")).unwrap_err();
    assert_eq!(missing, VaultError::KeyFile(std::io::ErrorKind::NotFound));
}

/// S3: 10,000 keys are wrapped anew in 60 s at most (measured here without the database).
#[test]
fn ten_thousand_keys_are_rewrapped_in_time() {
    let old = MasterKey::generate().unwrap();
    let new = MasterKey::generate().unwrap();
    let wrapped: Vec<_> = (0..10_000).map(|company| old.wrap(&key(&company.to_string())).unwrap()).collect();
    let start = std::time::Instant::now();
    for (company, wrapped) in wrapped.iter().enumerate() {
        let key = old.unwrap(&company.to_string(), wrapped).unwrap();
        assert!(new.wrapped(&new.wrap(&key).unwrap()));
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
