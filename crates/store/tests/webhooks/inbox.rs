//! The inbox: folding, its cap, and what is past its time.

use crate::bed::{Bed, NODE, START};
use domain::{CompanyId, Timestamp, TransactionId};
use mozarto_store::repository::callbacks::{self, StoredCallback, Weight};
use mozarto_store::repository::idempotency;
use mozarto_store::{Batch, Dialect};

const LEASE_MS: i64 = 60_000;

fn callback(company: CompanyId, transaction: TransactionId, n: u8, at: Timestamp) -> StoredCallback {
    StoredCallback {
        company_id: company,
        transaction_id: transaction,
        of_attempt: 1,
        psp_type: "BRITE".to_owned(),
        id: TransactionId::new(at, [n; 6]),
        received_at: at,
        raw: vec![n; 40],
        tries: 0,
        digest: Some(vec![n; 32]),
        copies: 1,
        told: false,
        weight: Weight::Hint,
    }
}

impl Bed {
    async fn called(&self, callback: &StoredCallback, owner: Option<&str>) {
        let mut batch = Batch::new();
        let instead = StoredCallback {
            id: TransactionId::new(callback.received_at, [255; 6]),
            digest: Some(vec![255; 32]),
            raw: vec![255; 40],
            weight: Weight::InsteadOfFacts,
            ..callback.clone()
        };
        callbacks::insert(&mut batch, callback, callback.received_at.plus_ms(LEASE_MS), owner, Some(&instead));
        self.db.commit(batch).await.unwrap();
    }

    async fn waiting(&self, transaction: TransactionId) -> Vec<StoredCallback> {
        callbacks::open(self.db.as_ref(), self.company, transaction).await.unwrap()
    }

    async fn done(&self, open: &[StoredCallback]) {
        let mut batch = Batch::new();
        callbacks::done(&mut batch, open);
        self.db.commit(batch).await.unwrap();
    }
}

pub(crate) async fn identical_callbacks_are_one_row(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let (one, other) = (bed.transaction(), bed.transaction());
    bed.called(&callback(bed.company, one, 1, START), Some(NODE)).await;
    // The same bytes about another transaction are another callback.
    bed.called(&callback(bed.company, other, 1, START), Some(NODE)).await;
    let seen = bed.waiting(one).await;
    assert_eq!((seen.len(), seen[0].copies, seen[0].told, seen[0].weight), (1, 1, false, Weight::Hint));
    // It comes again while it is worked on: what was seen of it is not the end of it.
    let again =
        StoredCallback { id: TransactionId::new(START.plus_ms(5), [9; 6]), ..callback(bed.company, one, 1, START.plus_ms(5)) };
    bed.called(&again, Some(NODE)).await;
    bed.done(&seen).await;
    let seen = bed.waiting(one).await;
    assert_eq!((seen.len(), seen[0].copies, seen[0].told, seen[0].id), (1, 2, true, TransactionId::new(START, [1; 6])));
    bed.done(&seen).await;
    assert!(bed.waiting(one).await.is_empty());
    // And once more, in a flood: it is due in a while, with nothing tried yet, for whoever looks first.
    let later =
        StoredCallback { id: TransactionId::new(START.plus_ms(9), [8; 6]), ..callback(bed.company, one, 1, START.plus_ms(9)) };
    bed.called(&later, None).await;
    let seen = bed.waiting(one).await;
    assert_eq!((seen.len(), seen[0].copies, seen[0].told, seen[0].received_at), (1, 3, true, START.plus_ms(9)));
    let due = callbacks::due(bed.db.as_ref()).await.unwrap();
    assert_eq!(due, [("BRITE".to_owned(), START.plus_ms(LEASE_MS))], "of each provider the first");
    let asks = [("BRITE".to_owned(), 10)];
    let claimed = |now| callbacks::claim(bed.db.as_ref(), NODE, now, now.plus_ms(1), &asks);
    assert!(claimed(START.plus_ms(LEASE_MS - 1)).await.unwrap().is_empty());
    let taken = claimed(START.plus_ms(LEASE_MS + 9)).await.unwrap();
    assert_eq!(taken.iter().filter(|(_, id, psp_type)| *id == one && psp_type == "BRITE").count(), 1);
}

pub(crate) async fn the_first_and_the_newest_are_kept(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let transaction = bed.transaction();
    for n in 0..60 {
        let at = START.plus_ms(i64::from(n));
        // The 25th proves something, the 30th says nothing.
        let weight = match n {
            25 => Weight::Fact,
            30 => Weight::Ask,
            _ => Weight::Hint,
        };
        bed.called(&StoredCallback { weight, ..callback(bed.company, transaction, n, at) }, Some(NODE)).await;
    }
    let kept = |open: &[StoredCallback]| open.iter().map(|one| one.raw[0]).collect::<Vec<u8>>();
    let open = bed.waiting(transaction).await;
    let expected: Vec<u8> = (0..20).chain([25]).chain(41..60).collect();
    assert_eq!(kept(&open), expected, "what proves something stays before newer ones");
    bed.done(&open).await;
    // What was worked off gives way to what waits, the oldest of it first.
    for n in 60..70 {
        bed.called(&callback(bed.company, transaction, n, START.plus_ms(i64::from(n))), Some(NODE)).await;
    }
    assert_eq!(kept(&bed.waiting(transaction).await), (60..70).collect::<Vec<u8>>());
    let count = "SELECT id FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2";
    let rows = bed.db.query(count, vec![bed.company.to_string().into(), transaction.to_string().into()]).await.unwrap();
    assert_eq!(rows.len(), 40);
}

pub(crate) async fn what_proves_something_never_goes_without_a_question(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let transaction = bed.transaction();
    let asks = |open: &[StoredCallback]| open.iter().filter(|one| one.weight == Weight::InsteadOfFacts).count();
    for n in 0..60 {
        let at = START.plus_ms(i64::from(n));
        bed.called(&StoredCallback { weight: Weight::Fact, ..callback(bed.company, transaction, n, at) }, Some(NODE)).await;
        let open = bed.waiting(transaction).await;
        assert_eq!((asks(&open), open.len()), (usize::from(n >= 40), usize::from(n + 1).min(40)), "after {n}");
    }
    bed.done(&bed.waiting(transaction).await).await;
    // Once more: what was asked then is older than what goes now.
    for n in 60..100 {
        let at = START.plus_ms(i64::from(n));
        bed.called(&StoredCallback { weight: Weight::Fact, ..callback(bed.company, transaction, n, at) }, Some(NODE)).await;
        assert_eq!(asks(&bed.waiting(transaction).await), usize::from(n >= 80), "after {n}");
    }
}

pub(crate) async fn old_callbacks_and_keys_go(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let old = START.plus_ms(-1_000);
    let first = TransactionId::new(Timestamp::from_millis(0), [0; 6]);
    for n in 0..7 {
        let transaction = TransactionId::new(old.plus_ms(-100), [n; 6]);
        bed.called(&callback(bed.company, transaction, n, old), Some(NODE)).await;
        if n != 6 {
            bed.done(&bed.waiting(transaction).await).await;
        }
    }
    // Of an old transaction, but fresh.
    let late = TransactionId::new(old.plus_ms(-100), [1; 6]);
    bed.called(&callback(bed.company, late, 100, START), Some(NODE)).await;
    bed.done(&bed.waiting(late).await).await;
    let purge = |from, limit| callbacks::purge(bed.db.as_ref(), bed.company, from, START, limit);
    let (rows, newest) = purge(first, 4).await.unwrap();
    assert_eq!((rows, newest), (4, Some(TransactionId::new(old.plus_ms(-100), [3; 6]))));
    assert_eq!(purge(newest.unwrap(), 4).await.unwrap().0, 2, "but neither what waits nor what is fresh");
    assert_eq!(purge(first, 4).await.unwrap(), (0, None));
    assert_eq!(bed.waiting(TransactionId::new(old.plus_ms(-100), [6; 6])).await.len(), 1);

    for n in 0..5 {
        let (mut batch, transaction) = (Batch::new(), TransactionId::new(old, [n; 6]));
        idempotency::insert(&mut batch, bed.company, "POST /x", &format!("k{n}"), [n; 32], transaction, old);
        if n != 4 {
            idempotency::expire(&mut batch, bed.company, transaction, old.plus_ms(i64::from(n) * 1_000));
        }
        bed.db.commit(batch).await.unwrap();
    }
    let purge = |limit| idempotency::purge(bed.db.as_ref(), START.plus_ms(1_000), limit);
    assert_eq!((purge(2).await.unwrap(), purge(2).await.unwrap(), purge(2).await.unwrap()), (2, 1, 0));
    let left = |key| idempotency::find(bed.db.as_ref(), bed.company, "POST /x", key);
    assert!(left("k3").await.unwrap().is_some() && left("k4").await.unwrap().is_some() && left("k2").await.unwrap().is_none());
}
