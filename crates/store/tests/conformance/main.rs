//! The one suite that both drivers must pass: the same functions, run against SQLite and PostgreSQL.

mod bed;
mod commits;
mod concurrency;
mod labels;
mod migrations;
mod queries;

macro_rules! conformance {
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

conformance! {
    commits::a_failed_guard_takes_everything_back,
    commits::guards_count_rows_of_every_kind_of_statement,
    commits::constraints_name_the_statement,
    commits::returned_rows_come_in_the_order_of_the_batch,
    commits::statements_see_those_before_them,
    commits::nulls_fit_everywhere,
    commits::large_and_extreme_values_survive,
    commits::text_is_left_alone,
    commits::nul_characters_are_refused_alike,
    commits::broken_sql_hurts_nobody_else,
    commits::limits_hold,
    concurrency::one_of_64_wins,
    concurrency::every_increment_counts,
    concurrency::failing_batches_among_many,
    concurrency::opposite_orders_all_succeed,
    concurrency::what_was_answered_is_there_after_reopening,
    concurrency::dropped_callers_do_not_cancel,
    concurrency::answers_are_visible_at_once,
    labels::a_refusal_names_the_very_statement,
    migrations::each_is_applied_once,
    migrations::an_edited_one_is_refused,
    migrations::a_failed_one_leaves_nothing,
    migrations::gaps_and_newer_ones_are_refused,
    migrations::several_nodes_may_start_at_once,
    migrations::the_schema_of_the_program_applies,
    queries::aggregates_and_truth_values_are_integers,
    queries::dynamic_queries,
    queries::queries_cannot_write,
    queries::too_many_rows_are_an_error,
    queries::errors_quote_no_values,
    queries::ping_and_close,
}
