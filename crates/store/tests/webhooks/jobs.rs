//! What attempts do next, as it stands in the store.

use crate::bed::{Bed, NODE, START};
use domain::transaction::GivenBack;
use domain::{Attempt, CredentialId, Currency, Money, Operation, SessionId, Transaction, TransactionId, TransactionStatus};
use mozarto_store::repository::attempts::{self, Change};
use mozarto_store::repository::jobs;
use mozarto_store::{Batch, Dialect};

const INSERT: &str = "INSERT INTO attempts (company_id, transaction_id, n, kind, method_id, psp_type, started_at, \
                      next_kind, next_at, next_tries, next_first_at, next_detail) \
                      VALUES (?1, ?2, ?3, 'pay', ?4, 'PAYONE', ?5, ?6, ?5, 2, ?5, ?7)";
const WRITTEN: &str = "SELECT next_kind, next_detail, next_tries, next_first_at, next_owner FROM attempts \
                       WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";

/// Words and what stands beside them: what programs have written since the first, and what none of them has.
const STORED: [(&str, &str); 12] = [
    (
        "intent",
        concat!(
            r#"{"task":"pay_in","step":"redeem","doubt":"money","#,
            r#""reference":"6a0980d6e1000102030405aa","amount":"25.00","currency":"EUR","sentAt":1760000000000}"#
        ),
    ),
    (
        "intent",
        concat!(
            r#"{"task":"pay_out","step":"","doubt":"harmless","#,
            r#""reference":"6a0980d6e1000102030405aa","amount":"2500","currency":"JPY","sentAt":1760000000000}"#
        ),
    ),
    ("run", r#"{"task":"pay_out"}"#),
    ("run", r#"{"task":"finalise"}"#),
    ("run", r#"{"task":"release_again"}"#),
    ("inquire", r#"{"sentAt":1760000000000,"notFound":0}"#),
    ("inquire", r#"{"sentAt":1760000000000,"notFound":1,"askedAt":1760000010000,"waitedMs":10000}"#),
    ("late", "{}"),
    ("hold", "{}"),
    ("run", r#"{"task":"send_by_pigeon", "at": 1e3}"#),
    ("run", "{}"),
    ("rest", "until tomorrow"),
];

fn transaction(bed: &Bed, id: TransactionId) -> Transaction {
    Transaction {
        id,
        session_id: SessionId::new(START, [1; 10]),
        company_id: bed.company,
        live: 1,
        attempts: 1,
        psp_type: "PAYONE".to_owned(),
        operation: Operation::PayIn,
        method_id: bed.method,
        brand_id: None,
        merchant_reference: None,
        user_id: "user_123".to_owned(),
        amount: Money::from_minor(2_500, Currency::from_code("EUR").unwrap()),
        status: TransactionStatus::Pending,
        psp_status: "pending".to_owned(),
        message: None,
        psp_transaction_id: None,
        redirect_url: None,
        destination_masked: None,
        attention: None,
        rule: None,
        maker: CredentialId::new(START, [2; 6]),
        given_back: GivenBack::default(),
        events_sent: 0,
        timeline_length: 0,
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

/// A store keeps open work across programs: whatever is claimed and stored again stands there as it did, and what one program has
/// no word for is claimed with the rest.
pub(crate) async fn what_is_due_is_stored_as_it_was(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let db = bed.db.as_ref();
    let t = transaction(&bed, bed.transaction());
    let key = |n: i64| vec![bed.company.to_string().into(), t.id.to_string().into(), n.into()];
    let mut batch = Batch::new();
    for (n, (word, detail)) in (1..).zip(STORED) {
        let mut values = key(n);
        values.extend([bed.method.to_string().into(), START.millis().into(), word.into(), detail.into()]);
        batch.run(INSERT, values);
    }
    db.commit(batch).await.unwrap();
    let later = START.plus_ms(60_000);
    let claimed = jobs::claim(db, NODE, START, later, &[("PAYONE".to_owned(), 64)]).await.unwrap();
    assert_eq!(claimed.len(), STORED.len());
    let mut batch = Batch::new();
    for job in &claimed {
        let attempt = Attempt { n: job.n, ..Attempt::first(&t) };
        attempts::update(&mut batch, &t, &attempt, Change { job: Some(Some(job)), ..Change::default() });
    }
    db.commit(batch).await.unwrap();
    for (n, (word, detail)) in (1..).zip(STORED) {
        let rows = db.query(WRITTEN, key(n)).await.unwrap();
        let row = &rows[0];
        assert_eq!((row.str(0).unwrap(), row.str(1).unwrap()), (word, detail));
        assert_eq!((row.int(2).unwrap(), row.int(3).unwrap()), (2, START.millis()));
        assert_eq!(row.opt_text(4).unwrap().as_deref(), Some(NODE));
        let found = jobs::find(db, bed.company, t.id, n).await.unwrap().unwrap();
        assert_eq!((found.next.word(), found.next.detail(), found.due_at), (word, detail.to_owned(), later));
    }
}
