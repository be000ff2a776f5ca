//! Who a pay-out is for: documents and accounts of the three countries. Cleo sheet, Pay-Out.

use super::country_of;
use crate::api::{Destination, Order};
use crate::descriptor::{BodyTexts, Related};

/// Digits of a bank's code, at the beginning of every account number but Chile's.
const BANK_CODE_DIGITS: usize = 3;
/// Digits of a Peruvian CCI.
const CCI_DIGITS: usize = 20;
/// Digits of a Mexican CLABE.
const CLABE_DIGITS: usize = 18;
/// Characters of a document number and digits of a Chilean account.
const NUMBER_CHARS: std::ops::RangeInclusive<usize> = 4..=20;
/// What is shown of a number at its end, characters.
const SHOWN_CHARS: usize = 4;
/// The account type where a country has no choice of it.
const DEFAULT_ACCOUNT_TYPE: &str = "checking";

const ACCOUNT: &str = "beneficiary.accountNumber";
const DOCUMENT: &str = "beneficiary.documentType";
/// The document type of Mexico's tax office.
const RFC: &str = "RFC";
/// Digits of the date in an RFC.
const RFC_DATE_DIGITS: usize = 6;
/// Characters after the date in an RFC.
const RFC_ADDED_CHARS: usize = 3;

/// `beneficiary.documentType`.
pub(super) static DOCUMENT_TYPE: Related = Related {
    shown: "CL `RUT`; PE `DNI`, `CE`, `RUC`; MX `CURP`, `RFC`",
    secret: false,
    required: Related::never,
    check: |text, body| {
        let types = types(body);
        // A country that is none of them has its own sentence.
        kept(text, types.is_empty() || types.contains(&text), &format!("must be one of {}", types.join(", ")))
    },
};

/// The document types of the body's country; none where that is unknown.
fn types(body: &BodyTexts<'_>) -> &'static [&'static str] {
    match code(body) {
        "CL" => &["RUT"],
        "PE" => &["DNI", "CE", "RUC"],
        "MX" => &["CURP", RFC],
        _ => &[],
    }
}

/// `beneficiary.documentNumber`.
pub(super) static DOCUMENT_NUMBER: Related = Related {
    shown: "4 to 20 letters or digits; CL: a RUT with its check digit; an RFC may hold `Ñ` and `&`",
    secret: true,
    required: Related::never,
    check: |text, body| {
        let (types, kind) = (types(body), body.text(DOCUMENT));
        // Of a document whose kind is not known nothing can be said: country and type have sentences of their own.
        if types.is_empty() || kind.is_some_and(|kind| !types.contains(&kind)) {
            return Ok(text.to_owned());
        }
        let is_rut = code(body) == "CL";
        // One that is missing may have been either.
        let is_rfc = kind == Some(RFC);
        let may_be_rfc = is_rfc || (kind.is_none() && types.contains(&RFC));
        let number = match (is_rut, may_be_rfc) {
            (true, _) => normal_rut(text),
            // A keyboard may write the letter as two characters.
            (_, true) => text.replace("N\u{303}", "Ñ"),
            _ => text.to_owned(),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || (may_be_rfc && matches!(c, 'Ñ' | '&'));
        let good = NUMBER_CHARS.contains(&number.chars().count()) && number.chars().all(fits);
        let number = kept(&number, good, "must be 4 to 20 letters or digits")?;
        let number = kept(&number, !is_rfc || rfc_is_valid(&number), "is not a valid RFC")?;
        kept(&number, !is_rut || rut_is_valid(&number), "is not a valid RUT")
    },
};

/// `beneficiary.bankCode`.
pub(super) static BANK_CODE: Related = Related {
    shown: "3 digits, required in CL; PE and MX: the account's first 3",
    secret: false,
    required: in_chile,
    check: |text, body| match (code(body), body.text(ACCOUNT)) {
        ("CL", _) => kept(text, is_digits(text, BANK_CODE_DIGITS), "must be 3 digits"),
        ("PE" | "MX", Some(account)) => {
            let account = compact(account);
            kept(text, account.get(..BANK_CODE_DIGITS) == Some(text), "must equal the account's first 3 digits")
        }
        _ => Ok(text.to_owned()),
    },
};

/// `beneficiary.accountType`.
pub(super) static ACCOUNT_TYPE: Related = Related {
    shown: "one of checking, savings, vista, required in CL (`checking`)",
    secret: false,
    required: in_chile,
    check: |text, _| kept(text, ["checking", "savings", "vista"].contains(&text), "must be one of checking, savings, vista"),
};

/// `beneficiary.accountNumber`.
pub(super) static ACCOUNT_NUMBER: Related = Related {
    shown: "CL 4 to 20 digits; PE a CCI of 20 digits; MX a CLABE of 18 digits with a valid check digit",
    secret: true,
    required: Related::never,
    check: |text, body| {
        let text = &*compact(text);
        match code(body) {
            "CL" => kept(text, NUMBER_CHARS.contains(&text.len()) && is_digits(text, text.len()), "must be 4 to 20 digits"),
            "PE" => kept(text, is_digits(text, CCI_DIGITS), "must be a CCI of 20 digits"),
            "MX" => kept(text, clabe_is_valid(text), "must be a CLABE of 18 digits with a valid check digit"),
            _ => Ok(text.to_owned()),
        }
    },
};

/// The body's country when it is one of the three, else `""`.
fn code(body: &BodyTexts<'_>) -> &'static str {
    country_of(body).map_or("", |country| country.code)
}

fn in_chile(body: &BodyTexts<'_>) -> bool {
    code(body) == "CL"
}

fn kept(text: &str, good: bool, sentence: &str) -> Result<String, String> {
    if good { Ok(text.to_owned()) } else { Err(sentence.to_owned()) }
}

fn is_digits(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An account number without the blanks and dashes that people write into it.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

/// A RUT without its dots, blanks and the dash before its check digit, a small `k` made large.
fn normal_rut(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let number = match text.rsplit_once('-') {
        Some((number, check)) if check.len() == 1 => format!("{number}{check}"),
        _ => text,
    };
    number.to_ascii_uppercase()
}

/// `[A-ZÑ&]{3,4}[0-9]{6}[A-Z0-9]{3}`: a company's letters, or a person's; a date; what the tax office adds.
fn rfc_is_valid(number: &str) -> bool {
    let is_letter = |c: &char| c.is_ascii_uppercase() || matches!(c, 'Ñ' | '&');
    let letters = number.chars().take_while(is_letter).count();
    let rest: String = number.chars().skip(letters).collect();
    let (Some(date), Some(added)) = (rest.get(..RFC_DATE_DIGITS), rest.get(RFC_DATE_DIGITS..)) else { return false };
    let adds = added.len() == RFC_ADDED_CHARS && added.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (3..=4).contains(&letters) && is_digits(date, RFC_DATE_DIGITS) && adds
}

/// Modulo 11 with the weights 2 to 7 from the right; a remainder of 10 is K.
fn rut_is_valid(number: &str) -> bool {
    let Some((check, digits)) = number.as_bytes().split_last() else { return false };
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = digits.iter().rev().zip((2..=7).cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        // 1 to 9.
        digit => b"0123456789"[digit as usize],
    };
    *check == expected
}

/// The weights 3, 7, 1 over the first 17 digits, each product modulo 10; the last digit makes the sum a multiple of ten.
fn clabe_is_valid(text: &str) -> bool {
    if !is_digits(text, CLABE_DIGITS) {
        return false;
    }
    let mut digits = text.bytes().map(|byte| u32::from(byte - b'0'));
    let sum: u32 =
        digits.clone().take(CLABE_DIGITS - 1).zip([3, 7, 1].into_iter().cycle()).map(|(d, weight)| d * weight % 10).sum();
    digits.next_back() == Some((10 - sum % 10) % 10)
}

/// Bank code and account type as they are sent: the country's own rule fills in what was not.
pub(super) fn bank_code(order: &Order) -> &str {
    let account = order.text(ACCOUNT);
    order.fields.text("beneficiary.bankCode").or(account.get(..BANK_CODE_DIGITS)).unwrap_or_default()
}

pub(super) fn account_type(order: &Order) -> &str {
    order.fields.text("beneficiary.accountType").unwrap_or(DEFAULT_ACCOUNT_TYPE)
}

/// The account, with the document beside it.
pub(super) fn destination(order: &Order) -> Destination {
    let (country, bank, account) = (order.text("countryCode"), bank_code(order), order.text(ACCOUNT));
    let (kind, document) = (order.text("beneficiary.documentType"), order.text("beneficiary.documentNumber"));
    Destination {
        full: format!("{country} {bank} {account} {kind} {document}"),
        masked: format!("{country} {bank} {}, {kind} {}", last_four(account), last_four(document)),
    }
}

/// The last four characters; of a text so short that they would tell most of it, its second half.
fn last_four(text: &str) -> String {
    let shown = SHOWN_CHARS.min(text.chars().count() / 2);
    let hidden = text.chars().count() - shown;
    format!("***{}", text.chars().skip(hidden).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruts() {
        for good in [
            "123456785",
            "6K",
            "111111111",
            "76086428-5",
            "12345678-5",
            "1000005-K",
            "1000005-k",
            "1000013-0",
            "12.345.678-5",
            "12 345 678 - 5",
        ] {
            assert!(rut_is_valid(&normal_rut(good)), "{good}");
        }
        for bad in ["", "5", "12345678-4", "123456789", "12345678K", "1234a678-5", "--5", "12.345.678-4"] {
            assert!(!rut_is_valid(&normal_rut(bad)), "{bad}");
        }
        for whole in ["12345678-5", "12.345.678-5", "12.345.678 -5", "\u{a0}123456785"] {
            assert_eq!(normal_rut(whole), "123456785", "{whole}");
        }
        assert_eq!(normal_rut("1234-56785"), "1234-56785", "a dash elsewhere is no dash of a RUT");
    }

    #[test]
    fn clabes() {
        for good in ["032180000118359719", "002010077777777771"] {
            assert!(clabe_is_valid(good), "{good}");
        }
        for bad in
            ["032180000118359718", "03218000011835971", "0321800001183597190", "03218000011835971a", "", "132180000118359719"]
        {
            assert!(!clabe_is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn rfcs() {
        for good in ["DOJO900115AB1", "ÑAÑE850101AB1", "A&B850101AB1", "ÑÑÑÑ850101000", "&&&850101ZZ9", "ABC850101A00"] {
            assert!(rfc_is_valid(good), "{good}");
        }
        for bad in [
            "",
            "AB850101AB1",
            "ABCDE850101AB1",
            "ABC85010AB1",
            "ABC8501011AB1",
            "ABC850101AB",
            "ABC850101AB12",
            "abc850101ab1",
            "ABC850101ÑB1",
            "ABC850101A&1",
            "ABÇ850101AB1",
            "ABC٨٥٠١٠١AB1",
            "ABC85010ÑAB1",
        ] {
            assert!(!rfc_is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_show_their_end_only() {
        assert_eq!(last_four("032180000118359719"), "***9719");
        assert_eq!(last_four("12345678"), "***5678");
        assert_eq!(last_four("1234"), "***34");
        assert_eq!(last_four(""), "***");
    }
}
