//! What the sealed part of a payment held, provider by provider: fields, secrets, and every form in which its connector kept what
//! it remembers. Written down from stores of that revision, personal data made up.

/// A provider's payments of one direction.
#[derive(Debug)]
pub(crate) struct Form {
    /// In addresses.
    pub(crate) provider: &'static str,
    pub(crate) psp_type: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) currency: &'static str,
    /// Minor units, and as it is printed.
    pub(crate) amount: (i64, &'static str),
    /// JSON members.
    pub(crate) fields: &'static str,
    /// JSON members.
    pub(crate) secrets: &'static str,
    /// What is kept while it is open, then whatever else is kept at times; `{psp}`: the provider's id, `{at}`: milliseconds,
    /// `{base}`: our address.
    pub(crate) memos: &'static [&'static str],
    /// The provider's word while it is open.
    pub(crate) word: &'static str,
    /// How the provider's ids begin; `None`: while it is open there is none.
    pub(crate) psp_id: Option<&'static str>,
    pub(crate) destination: Option<&'static str>,
    /// The provider is told a callback token of the transaction.
    pub(crate) token: bool,
    pub(crate) pages: &'static [&'static str],
    pub(crate) webhooks: bool,
    /// Where the provider itself waits for a person, the task that goes on; else the pay-out is only sent then.
    pub(crate) held_task: &'static str,
}

impl Form {
    pub(crate) fn is_pay_in(&self) -> bool {
        self.operation == "PAYIN"
    }
}

const PERSON: &str = r#""address.city":"Santiago","address.country":"CL","address.line1":"Av. Uno 1","address.postalCode":"8320000","blocked":false,"countryCode":"CL","currency":"CLP","currencyCode":"CLP","dob":"1990-01-15","email":"player@example.com","emailVerification":"player@example.com","firstName":"John","gender":"male","isVelocity":false,"kycVerified":true,"lastName":"Doe","partnerName":"Acme","phone":"15551234567","transactionCount":"12","userBalance":0,"userId":"user_123","verificationDate":"2026-01-15""#;
const PAYONE: &str = r#""currency":"CAD","currencyCode":"CAD","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"15551234567","userId":"user_123","userIp":"127.0.0.1""#;

const NOTHING: Form = Form {
    provider: "",
    psp_type: "",
    operation: "PAYIN",
    currency: "EUR",
    amount: (10_000, "100.00"),
    fields: "",
    secrets: "",
    memos: &["{}"],
    word: "pending",
    psp_id: None,
    destination: None,
    token: true,
    pages: &[],
    webhooks: true,
    held_task: "pay_out",
};

/// All of them: each provider in each direction that it has.
pub(crate) static FORMS: [Form; 14] = [
    Form {
        provider: "brite",
        psp_type: "BRITE",
        fields: r#""country":"FI","currency":"EUR","email":"player@example.com","firstName":"John","lastName":"Doe","userId":"user_123""#,
        memos: &[
            r#"{"session":"X9nbW-ZUCVbTfLB3vccDiNkESkQuIt931EZANSBGZj4"}"#,
            r#"{"session":"X9nbW-ZUCVbTfLB3vccDiNkESkQuIt931EZANSBGZj4","told":["Brite's record has another amount"]}"#,
            r#"{"session":"X9nbW-ZUCVbTfLB3vccDiNkESkQuIt931EZANSBGZj4","settled":true}"#,
        ],
        word: "CREATED",
        ..NOTHING
    },
    Form {
        provider: "cleo",
        psp_type: "CLEO",
        currency: "CLP",
        amount: (10_000, "10000"),
        fields: PERSON,
        memos: &["{}", r#"{"told":["Cleo's status is unknown: EXPLODED"]}"#],
        word: "PENDING",
        psp_id: Some("ti_"),
        ..NOTHING
    },
    Form {
        provider: "cleo",
        psp_type: "CLEO",
        operation: "PAYOUT",
        currency: "CLP",
        amount: (10_000, "10000"),
        fields: r#""beneficiary.accountNumber":"00012345678","beneficiary.accountType":"vista","beneficiary.bankCode":"001","beneficiary.documentNumber":"12345678-5","beneficiary.documentType":"RUT","countryCode":"CL","currency":"CLP","currencyCode":"CLP","email":"player@example.com","firstName":"John","lastName":"Doe","userId":"user_123""#,
        memos: &["{}", r#"{"told":["Cleo's record has no type"]}"#],
        word: "PENDING",
        psp_id: Some("to_"),
        destination: Some("***5678"),
        ..NOTHING
    },
    Form {
        provider: "emerchantpay",
        psp_type: "EMERCHANTPAY",
        fields: r#""browser.userAgent":"Mozilla/5.0","card.brand":"VISA","card.expMonth":"12","card.expYear":"2030","card.first6":"420000","card.last4":"0000","countryCode":"DE","currency":"EUR","email":"player@example.com","firstName":"John","hppFailureUrl":"https://shop.example/failed?a=b","hppSuccessUrl":"https://shop.example/ok","http.userAgent":"Mozilla/5.0","lastName":"Doe","phone":"15551234567","userId":"user_123""#,
        memos: &[
            "{}",
            r#"{"uniqueId":"{psp}","amount":"10000","timestamp":"2026-11-29T10:00:00Z","methodUrl":"http://127.0.0.1:1/threeds_method","continueUrl":"http://127.0.0.1:1/threeds_method/{psp}","openedAt":{at},"completed":true,"continued":true,"redirectUrl":"https://acs.example/challenge"}"#,
            r#"{"approvedAt":"2026-11-29T10:00:00Z"}"#,
            r#"{"approvedAt":"2026-11-29T10:00:00Z","refundedParts":[2500]}"#,
            r#"{"approvedAt":"2026-11-29T10:00:00Z","disputeRounds":["chargebacked"]}"#,
        ],
        word: "pending_async",
        psp_id: Some("3f3ebb89c6566f99"),
        pages: &["challenge", "back", "device_check"],
        ..NOTHING
    },
    Form {
        provider: "flexepin",
        psp_type: "FLEXEPIN",
        amount: (1_000, "10.00"),
        fields: r#""currency":"EUR","currencyCode":"EUR","email":"player@example.com","userId":"user_123","userIp":"127.0.0.1""#,
        secrets: r#""voucherPin":"{pin}""#,
        memos: &["{}", r#"{"told":["Flexepin's status is unknown: PARTLY"]}"#],
        word: "unknown",
        token: false,
        webhooks: false,
        ..NOTHING
    },
    Form {
        provider: "forumpay",
        psp_type: "FORUMPAY",
        fields: r#""country":"DE","currency":"EUR","email":"player@example.com","userId":"user_123""#,
        memos: &["{}", r#"{"paid":"{psp}"}"#, r#"{"paid":"{psp}","told":["ForumPay's state is unknown: exploded"]}"#],
        word: "waiting",
        ..NOTHING
    },
    Form {
        provider: "forumpay",
        psp_type: "FORUMPAY",
        operation: "PAYOUT",
        fields: r#""country":"DE","currency":"EUR","email":"player@example.com","preferredCrypto":"BTC","userId":"user_123","userIp":"127.0.0.1","walletAddress":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh""#,
        memos: &[
            r#"{"payment_id":"{psp}","currency":"BTC","address":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh","pos_id":"mozarto","confirms":0}"#,
            r#"{"payment_id":"{psp}","currency":"BTC","address":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh","pos_id":"mozarto","confirms":1,"accepted":true}"#,
            r#"{"payment_id":"{psp}","currency":"BTC","address":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh","pos_id":"mozarto","confirms":1,"accepted":true,"paid":"{psp}"}"#,
        ],
        word: "waiting",
        psp_id: Some("9352b174-6cd4-4710-bdfd-"),
        destination: Some("BTC bc1qxy***0wlh"),
        held_task: "finalise",
        ..NOTHING
    },
    Form {
        provider: "gigadat",
        psp_type: "GIGADAT",
        currency: "CAD",
        fields: r#""countryCode":"DE","currency":"CAD","email":"player@example.com","name":"John Test","phone":"15551234567","userId":"user_123","userIp":"1.2.3.4""#,
        memos: &["{}", r#"{"told":["the rail used was ETI"]}"#],
        word: "STATUS_PENDING",
        psp_id: Some(""),
        token: false,
        ..NOTHING
    },
    Form {
        provider: "gigadat",
        psp_type: "GIGADAT",
        operation: "PAYOUT",
        currency: "CAD",
        fields: r#""currency":"CAD","email":"player@example.com","mobile":"15551234567","name":"John Test","payoutType":"ETO","userId":"user_123","userIp":"1.2.3.4""#,
        memos: &[
            r#"{"token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.c2ln"}"#,
            r#"{"token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.c2ln","released":true}"#,
            r#"{"token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.c2ln","released":true,"told":["the rail used was ETO"]}"#,
        ],
        word: "STATUS_PENDING",
        psp_id: Some(""),
        destination: Some("p***@example.com ***67"),
        token: false,
        held_task: "finalise",
        ..NOTHING
    },
    Form {
        provider: "neosurf",
        psp_type: "NEOSURF",
        fields: r#""currency":"EUR","currencyCode":"EUR","email":"player@example.com","userId":"user_123""#,
        memos: &["{}", r#"{"told":["Neosurf says ok, and also error 7"]}"#],
        ..NOTHING
    },
    Form {
        provider: "payone",
        psp_type: "PAYONE",
        currency: "CAD",
        fields: PAYONE,
        memos: &["{}", r#"{"told":["PayOne's status is unknown: Exploded"]}"#],
        word: "Pending",
        psp_id: Some("NZ4991"),
        ..NOTHING
    },
    Form {
        provider: "payone",
        psp_type: "PAYONE",
        operation: "PAYOUT",
        currency: "CAD",
        fields: PAYONE,
        memos: &["{}", r#"{"told":["PayOne's record has another type"]}"#],
        word: "Pending",
        psp_id: Some("QG3476"),
        destination: Some("p***@example.com ***67"),
        ..NOTHING
    },
    Form {
        provider: "trust",
        psp_type: "TRUST",
        fields: r#""countryCode":"DE","currency":"EUR","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"15551234567","userId":"user_123""#,
        memos: &[
            "{}",
            r#"{"openedAt":{at}}"#,
            r#"{"openedAt":{at},"zero":true,"tried":true,"attempts":{"42-14-121":"0/0"}}"#,
            r#"{"openedAt":{at},"zero":true,"tried":true,"refunds":{"42-14-122":3000}}"#,
        ],
        token: false,
        pages: &["pay", "back"],
        ..NOTHING
    },
    Form {
        provider: "worldpay",
        psp_type: "WORLDPAY_EU",
        fields: r#""address.city":"Berlin","address.country":"DE","address.line1":"Hauptstr. 1","address.postalCode":"10115","blocked":false,"country":"DE","countryCode":"DE","currency":"EUR","dob":"1990-01-15","email":"player@example.com","emailVerification":"player@example.com","firstName":"John","gender":"M","hppFailureUrl":"https://shop.example/failed?a=b","hppSuccessUrl":"https://shop.example/ok","http.userAgent":"Mozilla/5.0","isVelocity":false,"kycVerified":true,"lastName":"Doe","partnerName":"Acme","phone":"15551234567","transactionCount":"3","userBalance":0,"userId":"user_123","verificationDate":"2026-01-15""#,
        memos: &[
            "{}",
            r#"{"challenge":{"acsURL":"http://127.0.0.1:1/acs","payload":"P.25de9db33221a55eccc6ac352b927a8c","transactionId3DS":"rUT8fzKDaCDlzEwHz0J1","cameAt":{at}},"machine":"wp3ds-25"}"#,
            r#"{"chargebackOpen":true}"#,
            r#"{"parts":{"7080194972-1":{"minor":"3000","at":{at}}}}"#,
            r#"{"token":{"id":"tok-99","event":"NEW","expiry":"2030-03-02","brand":"VISA-SSL","last4":"1111"}}"#,
        ],
        word: "PENDING",
        psp_id: Some("7080"),
        token: false,
        pages: &["challenge", "back"],
        ..NOTHING
    },
];

/// The form of a provider's payments in a direction.
pub(crate) fn form(psp_type: &str, operation: &str) -> &'static Form {
    let is = |form: &&Form| form.psp_type == psp_type && form.operation == operation;
    FORMS.iter().find(is).unwrap_or_else(|| panic!("no {psp_type} {operation}"))
}
