//! What an inquiry finds again at each asking is told once.

use crate::api::{Context, Finding, Step, Task};
use domain::Json;

/// In the memo: what was told.
const TOLD: &str = "told";
/// Most texts that are remembered; what comes after them is told again and again rather than not at all.
const TOLD_MAX: usize = 32;

/// [`told`] for the end of an inquiry; other steps stay as they are.
pub(crate) fn step(task: Task, cx: &Context<'_>, step: Step) -> Step {
    match step {
        Step::Found(finding) if task == Task::Inquire => told(cx, *finding).step(),
        other => other,
    }
}

/// Leaves out of a finding what was told of this transaction before, and remembers what is told now.
pub(crate) fn told(cx: &Context<'_>, mut finding: Finding) -> Finding {
    let mut known: Vec<Json> = cx.memo.get(TOLD).and_then(Json::as_array).map(<[Json]>::to_vec).unwrap_or_default();
    let before = known.len();
    let mut is_new = |text: &String| {
        let is_new = !known.iter().any(|told| told.as_str() == Some(text));
        if is_new && known.len() < TOLD_MAX {
            known.push(Json::text(text.as_str()));
        }
        is_new
    };
    finding.anomalies.retain(&mut is_new);
    finding.notes.retain(&mut is_new);
    if known.len() == before {
        return finding;
    }
    let mut memo = finding.memo.take().unwrap_or_else(|| cx.memo.clone());
    memo.remove(TOLD);
    memo.set(TOLD, Json::Array(known));
    finding.memo(memo)
}
