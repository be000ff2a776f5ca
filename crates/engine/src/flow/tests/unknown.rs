//! What is stored as due and was not written by this program: a word that it does not know, a member that is not there.

use super::attempts::{first_turns_out_paid, two_attempts};
use super::*;
use domain::{Attention, TransactionStatus};

/// Says of the one attempt what it does next, as another program may have written it.
async fn writes(world: &World, kind: &str, detail: &str) {
    let mut batch = Batch::new();
    batch.run(
        "UPDATE attempts SET next_kind = ?1, next_detail = ?2 WHERE next_kind IS NOT NULL",
        vec![kind.into(), detail.into()],
    );
    world.db.commit(batch).await.unwrap();
}

async fn written(world: &World) -> Option<(String, String)> {
    let sql = "SELECT next_kind, next_detail FROM attempts WHERE next_kind IS NOT NULL";
    let rows = world.db.query(sql, Vec::new()).await.unwrap();
    rows.first().map(|row| (row.text(0).unwrap(), row.text(1).unwrap()))
}

/// A pay-out that was let go after so long.
async fn let_go(after_ms: i64) -> (World, TransactionId) {
    let world = World::new(true).await;
    world.pay(&world.a, Operation::PayOut, None).await;
    let id = world.transaction().await.id;
    world.advance(after_ms);
    world.a.approve(&world.approver(&world.a).await, &id.to_string(), None).await.unwrap();
    (world, id)
}

/// Which call a person let go is not guessed: nothing is sent, the action stays as it is for a program that knows it, and a
/// person is named in the end.
#[tokio::test]
async fn what_was_let_go_by_an_unknown_word_is_not_sent() {
    for detail in [r#"{"task":"send_by_pigeon"}"#, r#"{"task":7}"#, "{}", "{"] {
        let (world, id) = let_go(0).await;
        writes(&world, "run", detail).await;
        assert_eq!(do_jobs(&world.a).await.len(), 1, "{detail}");
        assert_eq!(written(&world).await, Some(("run".into(), detail.into())));
        assert_eq!(world.transaction().await.status, TransactionStatus::Pending);
        let mut minutes = 0;
        while world.job(id).await.is_some() {
            world.advance(60_000);
            minutes += 1;
            do_jobs(&world.a).await;
            assert!(minutes < 80 * 60, "{detail}: no end");
        }
        assert_eq!(world.psp.count(""), 0, "{detail}: the provider was called");
        let stands = world.transaction().await;
        assert_eq!((stands.status, stands.attention), (TransactionStatus::Pending, Some(Attention::Stuck)), "{detail}");
    }
}

/// What may be about to send a pay-out is taken away where an earlier attempt was paid, also when it cannot be made out.
#[tokio::test]
async fn an_unknown_sending_is_stopped_where_the_money_is_paid() {
    let (world, _second) = two_attempts(Operation::PayOut).await;
    let id = world.transaction().await.id;
    let mut batch = Batch::new();
    // Due later than what finds out about the first one.
    let sql = "UPDATE attempts SET next_kind = 'run', next_detail = ?1, next_at = next_at + 86400000 WHERE n = 2";
    batch.run(sql, vec![r#"{"task":"send_by_pigeon"}"#.into()]);
    world.db.commit(batch).await.unwrap();
    first_turns_out_paid(&world).await;
    assert!(world.job_of(id, 2).await.is_none());
    assert!(world.events(id).await.contains(&"stuck".to_owned()), "{:?}", world.events(id).await);
}

/// What this program has no word for is not done, and keeps nobody: neither what is due beside it, nor those who ask, nor what
/// the provider says.
#[tokio::test]
async fn what_there_is_no_word_for_keeps_nobody() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    writes(&world, "rest", "until tomorrow").await;
    world.pay(&world.a, Operation::PayIn, None).await;
    world.advance(HOUR);
    assert_eq!(do_jobs(&world.a).await.len(), 1);
    assert_eq!(world.psp.count("GET"), 1, "what was due beside it is done");
    let shown = world.a.transaction(world.company, &id.to_string()).await.unwrap().unwrap();
    assert_eq!(shown.next_action.unwrap().0, "rest");
    let approver = world.approver(&world.a).await;
    let asked = world.a.inquire_now(&approver, &id.to_string()).await.unwrap();
    assert_eq!(asked.status, TransactionStatus::Pending);
    let sql = "SELECT COUNT(*) FROM attempts WHERE next_kind = 'rest' AND next_detail = 'until tomorrow'";
    assert_eq!(world.db.query(sql, Vec::new()).await.unwrap()[0].int(0).unwrap(), 1, "it stays as it is");
    world.psp.knows(Some("Approved"));
    let asked = world.a.inquire_now(&approver, &id.to_string()).await.unwrap();
    assert_eq!((asked.status, world.job(id).await.is_none()), (TransactionStatus::Approved, true));
}

/// Where it is not said when a call was sent, the provider may not know it for as long as since the inquiries began, not since
/// the order was made.
#[tokio::test]
async fn not_found_counts_from_the_inquiries_where_the_call_has_no_time() {
    for detail in ["{}", r#"{"sentAt":null,"notFound":0}"#, r#"{"sentAt":"then"}"#, "{"] {
        let (world, _) = let_go(30 * HOUR).await;
        assert!(do_jobs(&world.a).await.is_empty());
        writes(&world, "inquire", detail).await;
        world.psp.knows(None);
        for _ in 0..3 {
            world.advance(2 * HOUR);
            assert!(do_jobs(&world.a).await.is_empty(), "{detail}");
        }
        assert_eq!(world.psp.count("GET"), 3);
        assert_eq!(world.transaction().await.status, TransactionStatus::Pending, "{detail}: it was sent 6 hours ago");
        world.advance(24 * HOUR);
        for _ in 0..2 {
            world.advance(2 * HOUR);
            assert!(do_jobs(&world.a).await.is_empty(), "{detail}");
        }
        assert_eq!(world.transaction().await.status, TransactionStatus::Failed, "{detail}");
    }
}
