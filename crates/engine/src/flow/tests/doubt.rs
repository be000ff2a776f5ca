//! Answers that are not believed, and browsers that ask too often.

use super::store::Act;
use super::*;
use crate::flow::calls::Ended;
use crate::flow::jobs::Asked;
use domain::ErrorCode;
use domain::TransactionStatus;
use providers::{Doubt, Refusal, Step, Task};

const ANOMALY: &str = "the answer has another amount";

fn not_believed() -> Step {
    Step::Silence(Refusal { anomaly: Some(ANOMALY.to_owned()), ..Refusal::of(ErrorCode::UnknownPspError) })
}

fn ended(doubt: Doubt) -> Ended {
    Ended { step: not_believed(), doubt: Some(doubt), calls: Vec::new(), sent_at: None, arrived: false, lost: None }
}

async fn anomalies(world: &World, id: TransactionId) -> usize {
    world.events(id).await.iter().filter(|event| *event == "anomaly").count()
}

#[tokio::test]
async fn why_the_answer_to_a_page_call_was_not_believed_is_shown() {
    for word in [None, Some("Pending")] {
        let world = World::new(false).await;
        world.db.at("UPDATE transactions SET status", Act::Corrupt);
        world.pay(&world.a, Operation::PayIn, None).await;
        let id = world.transaction().await.id;
        world.psp.knows(word);
        let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
        world.a.finish_creation(&mut work, Task::PayIn, ended(Doubt::Page), false).await.unwrap();
        let expected = if word.is_some() { TransactionStatus::Pending } else { TransactionStatus::Failed };
        assert_eq!((world.transaction().await.status, anomalies(&world, id).await), (expected, 1));
    }
}

#[tokio::test]
async fn why_the_answer_to_an_approved_pay_out_was_not_believed_is_shown() {
    let world = World::new(true).await;
    world.pay(&world.a, Operation::PayOut, None).await;
    let id = world.transaction().await.id;
    world.a.approve(&world.approver(&world.a).await, &id.to_string(), None).await.unwrap();
    let job = world.job(id).await.unwrap();
    let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
    world.a.finish_approved(&mut work, &job, Task::PayOut, ended(Doubt::Money)).await.unwrap();
    assert_eq!((world.transaction().await.psp_status.as_str(), anomalies(&world, id).await), ("unknown", 1));
}

#[tokio::test]
async fn browsers_that_come_back_have_the_provider_asked_only_so_often() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    for _ in 0..110 {
        world.a.ask_for_browser(world.company, id, 1, None).await.unwrap();
    }
    assert_eq!(world.psp.count("GET"), 100);
    // The schedule goes on.
    let job = world.job(id).await.unwrap();
    let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
    world.a.inquire(&mut work, Some(&job), Asked::Schedule).await.unwrap();
    assert_eq!(world.psp.count("GET"), 101);
}
