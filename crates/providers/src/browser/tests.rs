//! Tables over what real browsers say, and generators over what else has their form.

use super::*;
use proptest::prelude::*;

#[test]
fn the_languages_of_browsers() {
    for (said, sent) in [
        ("en", "en"),
        ("en-US", "en-US"),
        ("de-DE", "de-DE"),
        ("es-419", "es-419"),
        ("fil", "fil"),
        ("fil-PH", "fil-PH"),
        ("yue-HK", "yue-HK"),
        ("pt-br", "pt-br"),
        ("en-GB-oxendict", "en-GB"),
        ("en-GB-oed", "en-GB"),
        ("zh-Hans-CN", "zh-Hans"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-cmn-Hans-CN", "zh-cmn"),
        ("sr-Latn-RS", "sr-Latn"),
        ("uz-Cyrl-UZ", "uz-Cyrl"),
        ("de-CH-1996", "de-CH"),
        ("sl-nedis", "sl-nedis"),
        ("sl-rozaj-biske", "sl-rozaj"),
        ("ca-ES-valencia", "ca-ES"),
        ("hy-Latn-IT-arevela", "hy-Latn"),
        ("en-US-u-hc-h12", "en-US"),
        ("en-u-hc-h12", "en-u-hc"),
        ("th-TH-u-ca-buddhist-nu-thai", "th-TH"),
        ("en-x-private", "en"),
        ("en-a-bbb-x-a-ccc", "en-a-bbb"),
        ("de-t-en-x-mine", "de-t-en"),
        ("en-US-posix", "en-US"),
        ("en-US@posix", "en-US"),
        ("toolongs", "toolongs"),
        ("x-pig", "x-pig"),
        // Nothing that could be sent is left: as if it had not been said.
        ("x-whatever", ""),
        ("i-klingon", ""),
        ("i-default", ""),
        ("en-US-u-ca-gregory-co-phonebk-cu-usd-hc-h12-nu-latn-x-a-very-long-tail-of-ones-own", "en-US"),
    ] {
        assert_eq!(language(said), Some(sent), "{said}");
    }
    for no_tag in [
        "",
        "-",
        "d",
        "x",
        "x-",
        "en-",
        "-en",
        "en--US",
        "en_US",
        "en US",
        "12",
        "en-toolongpart",
        "toolonglanguage",
        "dé",
        "*",
        "en;q=1",
        "@posix",
    ] {
        assert_eq!(language(no_tag), None, "{no_tag}");
    }
    assert_eq!(language(&format!("en{}", "-a1".repeat(85))), None, "there is a limit to everything");
}

#[test]
fn the_first_language_that_can_be_sent() {
    for (accepted, sent) in [
        ("de-DE,de;q=0.9,en;q=0.8", Some("de-DE")),
        ("zh-Hant-TW, en;q=0.5", Some("zh-Hant")),
        ("*, fr;q=0.3", Some("fr")),
        ("i-klingon, en", Some("en")),
        (" en-GB-oxendict ; q=1", Some("en-GB")),
        ("", None),
        ("*", None),
    ] {
        assert_eq!(first_language(accepted), sent, "{accepted}");
    }
}

#[test]
fn every_depth_of_colour() {
    for depth in 1..=64 {
        let sent = color_depth(&depth.to_string()).unwrap();
        let nearest = (1..=depth).rev().find(|lower| COLOR_DEPTHS.contains(lower));
        assert_eq!(Some(sent), nearest, "{depth}");
    }
    for (literal, sent) in [
        ("30", 24),
        ("30.0", 24),
        ("3e1", 24),
        ("24.9", 24),
        ("2.4E+1", 24),
        ("0.64e2", 48),
        ("640e-1", 48),
        ("12", 8),
        ("1.5", 1),
    ] {
        assert_eq!(color_depth(literal), Some(sent), "{literal}");
    }
    for literal in ["0", "0.9", "-1", "-24", "65", "64.1", "6.41e1", "1e99", "24e18446744073709551616", "1e-3"] {
        assert_eq!(color_depth(literal), None, "{literal}");
    }
}

#[test]
fn numbers_are_cut_within_their_bounds() {
    for (literal, whole) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("0e99999999999999999999", Some(0)),
        ("0.4", Some(0)),
        ("-0.4", Some(0)),
        ("-210", Some(-210)),
        ("-209.9", Some(-209)),
        ("839.999", Some(839)),
        ("840.0", Some(840)),
        ("8.4e2", Some(840)),
        ("-8400e-1", Some(-840)),
        ("840.001", None),
        ("-840.001", None),
        ("841", None),
        ("1e400", None),
        ("1e-400", Some(0)),
        ("999999999999999999999999", None),
    ] {
        assert_eq!(whole_within(literal, -840, 840), whole, "{literal}");
    }
    assert_eq!(whole_within("-0.4", 0, 10), None, "below nothing");
    let of = |literal: &str| number("browser.screenWidth", &Json::parse(literal.as_bytes()).unwrap(), (0, 99_999), true);
    assert_eq!(of("1440"), Ok(Some(Json::from(1_440))));
    assert_eq!(of("411.42857142857144"), Ok(Some(Json::from(411))), "of a telephone with a ratio");
    assert_eq!((of("0"), of("0.5")), (Ok(None), Ok(None)), "a hidden window");
    for bad in ["-1", "99999.5", "100000"] {
        assert_eq!(of(bad), Err("browser.screenWidth must be a number from 0 to 99999".to_owned()), "{bad}");
    }
    for bad in ["\"900\"", "true", "{}"] {
        assert_eq!(of(bad), Err("browser.screenWidth must be a number".to_owned()), "{bad}");
    }
}

/// Tags by the grammar of RFC 5646: language, extended language, script, region, variants, extensions, private use.
fn tags() -> impl Strategy<Value = String> {
    (
        "[a-zA-Z]{2,8}",
        proptest::option::of("[a-z]{3}"),
        proptest::option::of("[A-Z][a-z]{3}"),
        proptest::option::of("[A-Z]{2}|[0-9]{3}"),
        proptest::collection::vec("[a-z0-9]{5,8}|[0-9][a-z0-9]{3}", 0..3),
        proptest::collection::vec("[a-wyz0-9](-[a-z0-9]{2,8}){1,4}", 0..3),
        proptest::option::of("x(-[a-z0-9]{1,8}){1,3}"),
    )
        .prop_map(|(language, extended, script, region, variants, extensions, private)| {
            let parts = [Some(language), extended, script, region].into_iter().flatten();
            parts.chain(variants).chain(extensions).chain(private).collect::<Vec<_>>().join("-")
        })
}

proptest! {
    #[test]
    fn every_tag_is_sent_cut_at_a_subtag(tag in tags()) {
        let sent = language(&tag).expect("a tag");
        prop_assert!((2..=LANGUAGE_MAX_CHARS).contains(&sent.len()), "{sent}");
        prop_assert!(tag == sent || tag.strip_prefix(sent).is_some_and(|rest| rest.starts_with('-')), "{sent} of {tag}");
        prop_assert!(is_tag(sent) && (sent == tag || sent.rsplit('-').next().unwrap().len() > 1), "{sent}");
        // One subtag more would be too long, or end in a lone letter.
        let mut longer = tag[sent.len()..].split('-').skip(1);
        if let Some(next) = longer.next() {
            prop_assert!(sent.len() + 1 + next.len() > LANGUAGE_MAX_CHARS || next.len() == 1, "{sent} of {tag}");
        }
    }

    #[test]
    fn no_text_breaks_it(text in ".{0,40}") {
        if let Some(sent) = language(&text) {
            prop_assert!(sent.is_ascii() && sent.len() <= LANGUAGE_MAX_CHARS);
        }
    }

    #[test]
    fn whole_numbers_are_themselves(number in -100_000_i64..100_000, zeros in 0_usize..4) {
        let expected = (-840..=840).contains(&number).then_some(number);
        prop_assert_eq!(whole_within(&number.to_string(), -840, 840), expected);
        prop_assert_eq!(whole_within(&format!("{number}.{}", "0".repeat(zeros + 1)), -840, 840), expected);
        prop_assert_eq!(whole_within(&format!("{number}{}e-{zeros}", "0".repeat(zeros)), -840, 840), expected);
    }
}

/// What is kept of a field (`None`: nothing), or the sentence that refuses it.
type Kept = Result<Option<&'static str>, &'static str>;

/// Each provider whose sheet has a browser, each of its fields: what is said, and what becomes of it.
#[test]
fn every_provider_that_takes_a_browser_fits_it() {
    let cases: [(&str, &str, Kept); 19] = [
        ("language", "\"en-GB-oxendict\"", Ok(Some("\"en-GB\""))),
        ("language", "\"zh-Hant-TW\"", Ok(Some("\"zh-Hant\""))),
        ("language", "\"i-klingon\"", Ok(None)),
        ("language", "\"\"", Ok(None)),
        ("language", "\"en_GB\"", Err("browser.language must be a language tag")),
        ("language", "7", Err("browser.language must be a string")),
        ("colorDepth", "30", Ok(Some("24"))),
        ("colorDepth", "64", Ok(Some("48"))),
        ("colorDepth", "65", Err("browser.colorDepth must be a number")),
        ("screenHeight", "899.9", Ok(Some("899"))),
        ("screenHeight", "0", Ok(None)),
        ("screenHeight", "100000", Err("browser.screenHeight must be a number from 0 to 99999")),
        ("screenWidth", "0.0", Ok(None)),
        ("screenWidth", "\"1440\"", Err("browser.screenWidth must be a number")),
        ("timeZoneOffset", "-209.5", Ok(Some("-209"))),
        ("timeZoneOffset", "0", Ok(Some("0"))),
        ("timeZoneOffset", "-840", Ok(Some("-840"))),
        ("timeZoneOffset", "-841", Err("browser.timeZoneOffset must be a number from -840 to 840")),
        ("javaEnabled", "0", Err("browser.javaEnabled must be a boolean")),
    ];
    let mut with_browser = Vec::new();
    for provider in crate::all() {
        let Some(spec) = provider.descriptor().pay_in.as_ref() else { continue };
        if !spec.fields.iter().any(|field| field.name == "browser") {
            continue;
        }
        with_browser.push(provider.descriptor().name);
        for (name, said, expected) in &cases {
            let mut body = Json::parse(spec.example.as_bytes()).unwrap();
            body.set("browser", Json::parse(format!("{{\"{name}\":{said}}}").as_bytes()).unwrap());
            let request = crate::fields::Request {
                body: &body,
                claims: None,
                caller_ip: None,
                browser: crate::fields::BrowserHeaders::default(),
                environment: domain::urls::Environment::Sandbox,
                now: crate::testing::now(),
            };
            let shown = format!("{} {name} {said}", provider.descriptor().name);
            match (crate::fields::check(spec, &request), expected) {
                (Ok(checked), Ok(kept)) => {
                    let found = checked.fields.plain.get(&format!("browser.{name}")).map(Json::to_text);
                    assert_eq!(found.as_deref(), *kept, "{shown}");
                }
                (Err(problems), Err(sentence)) => assert_eq!(problems.invalid, [*sentence], "{shown}"),
                (found, _) => panic!("{shown}: {:?}", found.map(|_| ())),
            }
        }
    }
    assert_eq!(with_browser.len(), 2, "{with_browser:?}");
}
