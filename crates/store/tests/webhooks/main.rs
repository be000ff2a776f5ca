//! Events, deliveries, callbacks and jobs, on both engines: the order of a transaction, leases, replays, the feed, the inbox,
//! retention.

mod bed;
mod feed;
mod inbox;
mod jobs;
mod work;

macro_rules! on_both {
    ($($module:ident :: $name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$module::$name(mozarto_store::Dialect::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$module::$name(mozarto_store::Dialect::Postgres).await;
            })*
        }
    };
}

on_both! {
    work::a_later_event_waits_for_the_earlier_ones,
    work::what_ends_or_fails_moves_those_behind_it,
    work::a_lease_that_passed_on_records_nothing,
    work::two_claimants_never_get_the_same,
    work::deferred_work_is_due_when_said,
    work::what_dead_processes_held_is_released,
    work::an_endpoint_is_switched_off_once_and_on_again,
    work::replays_keep_ids_and_neither_wait_nor_are_waited_for,
    work::all_since_in_chunks,
    work::lists_are_filtered_and_paged,
    feed::in_commit_order_without_samples,
    feed::old_events_go_with_their_deliveries,
    inbox::identical_callbacks_are_one_row,
    inbox::the_first_and_the_newest_are_kept,
    inbox::what_proves_something_never_goes_without_a_question,
    inbox::old_callbacks_and_keys_go,
    jobs::what_is_due_is_stored_as_it_was,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_never_skipped() {
    feed::a_late_commit_is_never_skipped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_leave_open_does_not_matter() {
    feed::what_others_leave_open_does_not_matter().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_cursors_go_on_in_a_younger_cluster() {
    feed::old_cursors_go_on_in_a_younger_cluster().await;
}
