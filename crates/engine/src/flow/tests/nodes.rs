//! Who is dead: only who has not beaten while others looked.

use super::*;
use std::sync::atomic::Ordering;
use tokio::task::AbortHandle;

/// Two processes: the first one beats and is in the middle of a call, the other one works on whatever is due. Answers what became
/// of the call.
async fn in_the_middle_of_a_call(world: &World, meanwhile: impl AsyncFnOnce(&AbortHandle)) -> CashierAnswer {
    world.db.shared.store(true, Ordering::SeqCst);
    // The other one beats first, each second.
    world.b.run_workers().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.a.first_beat().await.unwrap();
    let beating = tokio::spawn(world.a.clone().keep_beating()).abort_handle();
    world.psp.holds_back(true);
    let (a, request) = (world.a.clone(), world.request(&world.a, Operation::PayIn, None).await);
    let paying = tokio::spawn(async move { a.pay(request).await });
    until("the provider is called", || async { world.psp.count("POST") == 1 }).await;
    // The other one's poll waits on a clock that stands still.
    let other = world.b.clone();
    let polling = tokio::spawn(async move {
        loop {
            other.inner.wake.jobs.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    meanwhile(&beating).await;
    polling.abort();
    world.psp.holds_back(false);
    let answer = paying.await.unwrap();
    beating.abort();
    world.b.inner.stop.cancel();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_slow_is_not_death() {
    let world = World::new(false).await;
    // The other one's clock is a minute ahead: by it, every heartbeat of the first is a minute old.
    world.b.clock().advance(60_000);
    let answer = in_the_middle_of_a_call(&world, async |_| tokio::time::sleep(Duration::from_secs(3)).await).await;
    let id = world.transaction().await.id;
    assert_eq!(answer.status, 200, "{} {:?}", body(&answer), world.events(id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_store_is_nobodys_death() {
    let world = World::new(false).await;
    let outage = async |_: &AbortHandle| {
        world.db.away.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(7)).await;
        // Moved on only now: with the store away nobody could have beaten.
        world.advance(7_000);
        world.db.away.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    };
    let answer = in_the_middle_of_a_call(&world, outage).await;
    let id = world.transaction().await.id;
    assert_eq!(answer.status, 200, "{} {:?}", body(&answer), world.events(id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_beating_is_dead_within_ten_seconds() {
    let world = World::new(false).await;
    let began = std::time::Instant::now();
    let a = world.a.clone();
    let dies = async |beating: &AbortHandle| {
        beating.abort();
        until("the intent is taken over", || async {
            world.job(world.transaction().await.id).await.is_none_or(|job| job.owner.as_deref() != Some(&*a.inner.node_id))
        })
        .await;
    };
    in_the_middle_of_a_call(&world, dies).await;
    assert!(began.elapsed() < Duration::from_secs(10), "after {:?}", began.elapsed());
}
