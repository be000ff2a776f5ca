//! The pull twin's order, and retention.

use crate::bed::{Bed, Place, START};
use domain::EventId;
use mozarto_store::repository::{deliveries, events, feed};
use mozarto_store::{Batch, Dialect};

pub(crate) async fn in_commit_order_without_samples(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let mut stored = Vec::new();
    for n in 0..25 {
        let mut event = bed.event(bed.transaction(), 1, START);
        event.sample = n % 5 == 4;
        let mut batch = Batch::new();
        events::insert(&mut batch, &event);
        bed.db.commit(batch).await.unwrap();
        stored.push(event);
    }
    assert!(bed.shown().await);
    let shown: Vec<EventId> = stored.iter().filter(|event| !event.sample).map(|event| event.id.clone()).collect();
    let mut read = Vec::new();
    loop {
        let page = events::after(bed.db.as_ref(), bed.company, read.last(), 6).await.unwrap().unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 6 && page.iter().all(|event| event.body == "{\"n\":1}"));
        read.extend(page.into_iter().map(|event| event.id));
    }
    assert_eq!(read, shown);
    let unknown = EventId::new(START, [99; 6]);
    for nobody in [&unknown, &stored[4].id] {
        assert!(events::after(bed.db.as_ref(), bed.company, Some(nobody), 6).await.unwrap().is_none());
    }
    let other = domain::CompanyId::new(START, [9; 6]);
    assert!(
        events::after(bed.db.as_ref(), other, Some(&shown[0]), 6).await.unwrap().is_none(),
        "another company's id is unknown"
    );
}

async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn store(bed: &Bed, event: &events::StoredEvent) {
    let mut batch = Batch::new();
    events::insert(&mut batch, event);
    bed.db.commit(batch).await.unwrap();
}

async fn read(bed: &Bed, after: Option<&EventId>) -> Vec<EventId> {
    let page = events::after(bed.db.as_ref(), bed.company, after, 10).await.unwrap().unwrap();
    page.into_iter().map(|event| event.id).collect()
}

/// A transaction that began to write before others and commits after them: a reader must not have gone past its place.
pub(crate) async fn a_late_commit_is_never_skipped() {
    let bed = Bed::new(Dialect::Postgres).await;
    let Place::Postgres(database) = &bed.place else { unreachable!("made above") };
    let slow = client(&database.url).await;
    let early = bed.event(bed.transaction(), 1, START);
    store(&bed, &early).await;
    assert_eq!(read(&bed, None).await, [], "before its round is closed");
    assert!(bed.shown().await);
    let late = bed.event(bed.transaction(), 1, START);
    slow.batch_execute("BEGIN").await.unwrap();
    let insert = "INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body) \
                  VALUES ($1, $2, $3, 1, $4, 0, 0, '{}')";
    let texts = [late.company_id.to_string(), late.id.to_string(), late.transaction_id.to_string(), late.method_id.to_string()];
    slow.execute(insert, &[&texts[0], &texts[1], &texts[2], &texts[3]]).await.unwrap();
    let meanwhile = bed.event(bed.transaction(), 1, START);
    store(&bed, &meanwhile).await;
    assert!(!bed.shown().await, "a writer has not ended");
    assert_eq!(read(&bed, None).await, std::slice::from_ref(&early.id), "what came after an open transaction is not shown yet");
    assert_eq!(read(&bed, Some(&early.id)).await, []);
    slow.batch_execute("COMMIT").await.unwrap();
    assert!(bed.shown().await);
    assert_eq!(read(&bed, Some(&early.id)).await, [late.id, meanwhile.id], "both, the late one included");
}

/// Transactions that have written nothing of ours, here and in another database of the cluster, hold nothing back; neither does
/// one that only reads.
pub(crate) async fn what_others_leave_open_does_not_matter() {
    let bed = Bed::new(Dialect::Postgres).await;
    let Place::Postgres(database) = &bed.place else { unreachable!("made above") };
    let elsewhere = testkit::postgres::database().await;
    let mut open = Vec::new();
    for (url, statement) in [
        (&elsewhere.url, "CREATE TABLE foreign_to_us (a INT)"),
        (&elsewhere.url, "CREATE TABLE webhook_events (a INT); INSERT INTO webhook_events VALUES (1)"),
        (&database.url, "CREATE TABLE beside (a INT)"),
        (&database.url, "SELECT pg_current_xact_id(), count(*) FROM webhook_events"),
        (&database.url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM webhook_events"),
    ] {
        let client = client(url).await;
        client.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        open.push(client);
    }
    let event = bed.event(bed.transaction(), 1, START);
    store(&bed, &event).await;
    assert!(bed.shown().await);
    assert_eq!(read(&bed, None).await, [event.id]);
}

/// What was numbered in another cluster: transaction ids and sequences there were further on. Cursors from before go on, and what
/// is new comes after them.
pub(crate) async fn old_cursors_go_on_in_a_younger_cluster() {
    let bed = Bed::new(Dialect::Postgres).await;
    let Place::Postgres(database) = &bed.place else { unreachable!("made above") };
    let old: Vec<_> = (0..3).map(|_| bed.event(bed.transaction(), 1, START)).collect();
    for event in &old {
        store(&bed, event).await;
        assert!(bed.shown().await);
    }
    // As a logical copy leaves it: the rows as they were, the state of the copy as a new schema has it; and a clock that is two
    // hours behind.
    let copy = client(&database.url).await;
    copy.batch_execute("UPDATE feed_state SET round = 1, closed = 0; UPDATE webhook_events SET position = position + 7200000000")
        .await
        .unwrap();
    feed::begin(bed.db.as_ref()).await.unwrap();
    let new = bed.event(bed.transaction(), 1, START);
    store(&bed, &new).await;
    // What the copy brought is closed first, what is new in the next round.
    assert!(bed.shown().await && bed.shown().await);
    let all: Vec<_> = old.iter().chain([&new]).map(|event| event.id.clone()).collect();
    assert_eq!(read(&bed, None).await, all);
    assert_eq!(read(&bed, Some(&old[2].id)).await, std::slice::from_ref(&new.id));
    copy.batch_execute("DELETE FROM feed_state").await.unwrap();
    feed::begin(bed.db.as_ref()).await.unwrap();
    assert!(bed.shown().await);
    assert_eq!(read(&bed, Some(&old[0].id)).await, all[1..]);
}

pub(crate) async fn old_events_go_with_their_deliveries(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let mut all = Vec::new();
    for n in 0..10 {
        all.push(bed.announce(bed.transaction(), 1, START.plus_ms(n)).await);
    }
    for claimed in bed.claim(START.plus_ms(60_000)).await {
        bed.record(&claimed, START, deliveries::DeliveryState::Delivered, None).await.unwrap();
    }
    let cut = START.plus_ms(7);
    assert_eq!(events::purge(bed.db.as_ref(), cut, 4).await.unwrap().events, 4, "so many at once");
    assert_eq!(events::purge(bed.db.as_ref(), cut, 4).await.unwrap().events, 3);
    assert_eq!(events::purge(bed.db.as_ref(), cut, 4).await.unwrap().events, 0);
    assert!(bed.shown().await);
    assert_eq!(events::after(bed.db.as_ref(), bed.company, None, 100).await.unwrap().unwrap().len(), 3);
    let left = deliveries::list(bed.db.as_ref(), bed.company, &deliveries::Filter::default(), 100).await.unwrap();
    assert_eq!(left.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [all[9], all[8], all[7]]);
    assert_eq!(deliveries::attempts(bed.db.as_ref(), bed.company, &all).await.unwrap().len(), 3);
}
