//! What becomes of a good request, of a repeated one, and of the ways to say who the user is.

use super::super::{NotAdmitted, PATH};
use super::{BODY, Call, Way, World, user_token};
use crate::auth::AuthError;
use crate::directory::change::{Actor, CompanyPatch};
use crate::directory::tests::world::NOW;
use ::store::Batch;
use ::store::repository::idempotency;
use domain::{Operation, Timestamp, TransactionId};

const LONG_AGO: Timestamp = Timestamp::from_millis(1_500_000_000_000);

async fn refused(call: &Call) -> NotAdmitted {
    call.admit().await.outcome.err().expect("a fault was passed over")
}

/// With what can become wrong while a client tries again.
fn later(call: &Call) -> Call {
    Call { user_token: Ok(Some(user_token("user_1", Some(LONG_AGO)))), ..call.clone() }
}

#[tokio::test]
async fn a_good_request_is_a_payment_that_may_begin() {
    let world = World::new().await;
    let admission = Call { key: Ok(Some("\"k\"".into())), ..world.call() }.admit().await;
    assert_eq!(admission.company, Some(world.company));
    assert_eq!(admission.warning.as_deref(), Some("unknown fields were ignored: zzz"));
    let request = admission.outcome.unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!((request.provider.descriptor().psp_type, request.operation), ("TRUST", Operation::PayIn));
    assert_eq!((request.checked.user_id.as_str(), request.checked.amount.to_string().as_str()), ("user_1", "100.00 EUR"));
    let ticket = request.idempotency.as_ref().unwrap();
    assert_eq!((ticket.path, ticket.key.as_str()), (PATH, "k"));
    let company = &request.caller.company;
    assert_eq!(ticket.fingerprint, world.engine.idempotency_ticket(company, PATH, "k", BODY.as_bytes()).fingerprint);
    assert_eq!(world.transactions().await, 0, "nothing is stored until it is paid");
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_whatever_became_of_its_user() {
    let world = World::new().await;
    let call = Call { key: Ok(Some("k".into())), ..world.call() };
    let request = call.admit().await.outcome.unwrap_or_else(|why| panic!("{why:?}"));
    let first = world.engine.pay(request).await;
    let again = later(&call);
    let NotAdmitted::Replay(replay) = refused(&again).await else { panic!("not repeated") };
    assert_eq!((replay.body, replay.replayed), (first.body, true));
    // Without the key it is a call like any other.
    let expired = refused(&Call { key: Ok(None), ..again.clone() }).await;
    assert!(matches!(expired, NotAdmitted::Auth { error: AuthError::Unauthorized, challenge: Some(_) }), "{expired:?}");
    // The stored answer goes to who could have made the call, and in its turn.
    let other_scope = refused(&Call { token: world.payer_out.clone(), ..again.clone() }).await;
    assert!(matches!(other_scope, NotAdmitted::Auth { error: AuthError::Forbidden, .. }), "{other_scope:?}");
    let in_its_turn = refused(&Call { way: Way::Rate, ..again.clone() }).await;
    assert!(matches!(in_its_turn, NotAdmitted::Crowded(_)), "{in_its_turn:?}");
    assert_eq!(world.transactions().await, 1);
}

#[tokio::test]
async fn a_key_whose_first_request_runs_says_so() {
    let world = World::new().await;
    let call = Call { key: Ok(Some("k".into())), ..world.call() };
    let request = call.admit().await.outcome.unwrap_or_else(|why| panic!("{why:?}"));
    let fingerprint = request.idempotency.unwrap().fingerprint;
    let mut batch = Batch::new();
    idempotency::insert(&mut batch, world.company, PATH, "k", fingerprint, TransactionId::new(NOW, [1; 6]), NOW);
    world.engine.store().commit(batch).await.unwrap();
    assert!(matches!(refused(&later(&call)).await, NotAdmitted::KeyRunning));
    let other = Call { body: format!("{BODY} "), ..call };
    assert!(matches!(refused(&other).await, NotAdmitted::KeyOfAnotherBody), "the raw bytes count");
}

#[tokio::test]
async fn a_session_without_a_user_to_ask_about_is_told_with_the_other_fields() {
    let world = World::new().await;
    let patch = CompanyPatch { user_auth_url: Some(Some("http://127.0.0.1:1/".into())), ..CompanyPatch::default() };
    let session = Call { user_token: Ok(None), user_authorization: Some("session".into()), ..world.call() };
    let nowhere = refused(&session).await;
    assert!(matches!(nowhere, NotAdmitted::Auth { error: AuthError::Unauthorized, challenge: Some(_) }), "{nowhere:?}");
    world.engine.changes(Actor::operator()).update_company(world.company, &patch).await.unwrap();
    let unavailable = refused(&session).await;
    assert_eq!(unavailable.answer().status, 502);
    let nobody = session.body(r#""userId":"user_1","#, "").body(r#""baseamount":100,"#, "");
    let NotAdmitted::Fields(problems) = refused(&nobody).await else { panic!("no fields") };
    let mut missing = problems.missing;
    missing.sort();
    assert_eq!(missing, ["baseamount", "userId"]);
}

#[tokio::test]
async fn an_operation_that_the_provider_does_not_have() {
    let world = World::new().await;
    let why = refused(&world.call().body("PAYIN", "PAYOUT")).await;
    assert!(matches!(why, NotAdmitted::Unsupported { psp_type: "TRUST", operation: Operation::PayOut }), "{why:?}");
    let text = String::from_utf8(why.answer().body).unwrap();
    assert!(text.contains(r#""message":"TRUST does not support PAYOUT""#), "{text}");
}
