//! `GET /v1/api/mozarto/events`: the pull twin of the webhooks, in commit order.

use crate::app::{App, Seen, respond};
use crate::reply::{DONE, Refused};
use axum::extract::{Request, State};
use axum::response::Response;
use domain::EventId;
use engine::CashierAnswer;
use engine::admin::params::Params;
use http::request::Parts;

/// Longest `after` that is looked at, characters.
const AFTER_MAX_CHARS: usize = 64;

pub(crate) async fn list(State(app): State<App>, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = page(&app, &request.into_parts().0, &mut seen).await;
    respond(answer, seen)
}

async fn page(app: &App, parts: &Parts, seen: &mut Seen) -> Result<CashierAnswer, Refused> {
    let admitted = app.admit_reader(&parts.headers, seen).await?;
    let mut params = Params::list(parts.uri.query(), &["after"]);
    let after = params.text("after", AFTER_MAX_CHARS);
    let limit = params.limit();
    // This list is walked with `after`; who sends a cursor would otherwise get the first page for ever.
    params.cursor(|_| None::<()>);
    params.finish()?;
    // What is no event id is an unknown one.
    let after: Option<EventId> =
        after.map(|text| text.parse()).transpose().map_err(|_| Refused::from(CashierAnswer::not_found()))?;
    let page = app.engine.events_after(admitted.company_id(), after.as_ref(), limit).await?;
    let Some(page) = page else { return Err(CashierAnswer::not_found().into()) };
    Ok(CashierAnswer::success(Some(DONE), page.to_json(), None))
}
