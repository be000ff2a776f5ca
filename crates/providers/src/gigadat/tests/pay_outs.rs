//! Gigadat's pay-outs: the registration, the approval, the release and its doubts.

use super::*;

#[test]
fn a_pay_out_is_the_published_example_and_hides_its_token() {
    let mut world = World::new(&Gigadat, OUT);
    let (calls, end) = world.run(Task::PayOut);
    let [_, register] = calls.as_slice() else { panic!() };
    assert_eq!((register.method, register.body.len(), register.doubt), ("POST", 0, Doubt::Harmless));
    assert_eq!(register.url, format!("https://interac.express-connect.com/webflow?transaction={TRANSACTION}&token={JWT}"));
    assert!(header(register, "authorization").is_some() && !register.shown.contains(JWT));
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::OnHold, "STATUS_PENDING"));
    let Some(CashierAnswer::Success { message, data, redirect_url: None }) = finding.answer else { panic!() };
    assert_eq!(message, "Added to approvals table");
    let published = format!(
        r#"{{"transactionId":"{TRANSACTION}","databaseTransactionId":"{TRANSACTION}","payoutType":"ETO","method":"AWAITING_APPROVAL","webflowURL":"https://interac.express-connect.com/webflow?transaction={TRANSACTION}&token=<payment-token>","finalizationURL":"https://interac.express-connect.com/webflow/deposit?transaction={TRANSACTION}&token=<payment-token>","instructions":"Transaction created in Gigadat and added to approval queue. Finalization will occur after admin approval.","paymentToken":"<payment-token>","amount":10,"merchantReference":"","transaction_status":"Pending","data":{{"gigadatTransactionId":"{TRANSACTION}"}}}}"#
    );
    assert_eq!(data.to_text(), published);
    let mut ach = World::ordering(&Gigadat, OUT, ACH_EXAMPLE);
    let (_, end) = ach.run(Task::PayOut);
    let Some(CashierAnswer::Success { data, .. }) = found(end).answer else { panic!() };
    assert_eq!(data.to_text(), published.replace("ETO", "ACH"));
    assert_eq!(ach.provider.destination(&ach.order).unwrap().masked, "ACH 001-12345-***567");
    assert_eq!(world.provider.destination(&world.order).unwrap().masked, "m***@example.com ***00");
}

#[test]
fn a_registration_that_fails_ends_the_pay_out() {
    let register = |reply: Reply| World::new(&Gigadat, OUT).script(Task::PayOut, &[(TOKEN, token()), (REGISTER, reply)]);
    for good in ["", "{}", r#"{"status":"STATUS_PENDING"}"#, "OK", "<html>", "[]", "true"] {
        assert_eq!(found(register(answer(204, good))).standing, Standing::OnHold);
        let good = answer(200, good);
        assert_eq!(found(register(good)).standing, Standing::OnHold);
    }
    // Whoever has the token can release the money.
    for echo in [err(400, &format!("Invalid token {JWT}")), answer(418, format!("no {JWT}"))] {
        let Step::Refused(refusal) = register(echo) else { panic!() };
        assert!(!refusal.data.unwrap().to_text().contains(JWT));
    }
    for (bad, code) in [
        (err(400, "Invalid token"), ErrorCode::UnknownPspError),
        (err(200, "Invalid token"), ErrorCode::UnknownPspError),
        (answer(500, ""), ErrorCode::PspUnavailable),
        // Cut, or it speaks of an error: nobody knows whether it is there.
        (answer(200, r#"{"status":"#), ErrorCode::UnknownPspError),
        (answer(200, r#" {"err":"Inv"#), ErrorCode::UnknownPspError),
        (answer(200, r#"[{"err":"x"}]"#), ErrorCode::UnknownPspError),
        (answer(200, "<html>Gateway Timeout"), ErrorCode::PspTimeout),
        (answer(302, ""), ErrorCode::UnknownPspError),
        (answer(200, r#"{"data":{"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2"}}"#), ErrorCode::UnknownPspError),
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::Broken), ErrorCode::PspUnavailable),
    ] {
        let Step::Refused(refusal) = register(bad) else { panic!() };
        assert_eq!(refusal.code, code);
    }
}

#[test]
fn an_approval_asks_first_and_releases_once() {
    let mut world = approved();
    let (calls, end) = world.run(Task::Finalise);
    let [ask, release] = calls.as_slice() else { panic!() };
    assert_eq!((ask.step, ask.doubt), (STATUS, Doubt::Harmless));
    assert_eq!((release.method, release.doubt), ("GET", Doubt::Money));
    assert_eq!(release.url, format!("https://interac.express-connect.com/webflow/deposit?transaction={TRANSACTION}&token={JWT}"));
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "STATUS_INITED"));
    // Not known there: step 3 says so itself.
    let end = approved().script(Task::Finalise, &[(STATUS, err(404, "x")), (RELEASE, answer(200, ""))]);
    assert_eq!(found(end).standing, Standing::Pending);
    for (word, standing) in
        [("STATUS_REJECTED", Standing::Declined), ("STATUS_EXPIRED", Standing::Expired), ("STATUS_ABORTED1", Standing::Cancelled)]
    {
        let finding = found(approved().script(Task::Finalise, &[(STATUS, said(word))]));
        assert_eq!((finding.standing, finding.status.as_str()), (standing, word), "nothing is released");
    }
    let paid = found(approved().script(Task::Finalise, &[(STATUS, said("STATUS_SUCCESS"))]));
    assert_eq!((paid.standing, paid.anomalies.len()), (Standing::Approved, 1));
    for strange in [said("STATUS_INITED"), said("STATUS_NEW"), answer(200, r#"{"status":"STATUS_PENDING","amount":11}"#)] {
        let finding = found(approved().script(Task::Finalise, &[(STATUS, strange)]));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Stuck, 1));
    }
    for silent in [
        answer(500, ""),
        answer(401, ""),
        answer(404, ""),
        answer(429, ""),
        Reply::Lost(Lost::NotConnected),
        Reply::Lost(Lost::TimedOut),
    ] {
        assert!(matches!(approved().script(Task::Finalise, &[(STATUS, silent)]), Step::TryLater(_)));
    }
}

fn release(reply: Reply) -> Step {
    approved().script(Task::Finalise, &[(STATUS, said("STATUS_PENDING")), (RELEASE, reply)])
}

#[test]
fn answers_to_the_release() {
    for accepted in [answer(200, ""), answer(202, "{}"), said("STATUS_INITED")] {
        let finding = found(release(accepted));
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "STATUS_INITED"));
    }
    for status in [200, 400, 404, 422] {
        let finding = found(release(err(status, &format!("Invalid token {JWT}"))));
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Declined, "release_refused"));
        assert_eq!(finding.message.as_deref(), Some("Invalid token ***"));
    }
    for doubtful in [
        err(500, "x"),
        err(408, "x"),
        err(302, "x"),
        err(400, "upstream Timeout"),
        answer(400, ""),
        answer(404, ""),
        answer(200, r#"{"status":"#),
        answer(200, r#"{"data":{"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2"}}"#),
        Reply::Lost(Lost::Broken),
        Reply::Lost(Lost::TimedOut),
    ] {
        assert!(matches!(release(doubtful), Step::Silence(_)));
    }
}

#[test]
fn a_release_that_was_certainly_not_taken_is_tried_later() {
    let untaken = || {
        [
            err(401, "Unauthorized"),
            answer(403, ""),
            answer(429, ""),
            Reply::Lost(Lost::NotConnected),
            Reply::Lost(Lost::ConnectTimeout),
        ]
    };
    for reply in untaken() {
        let mut world = approved();
        let replies = [(STATUS, said("STATUS_PENDING")), (RELEASE, reply), (STATUS, said("STATUS_PENDING"))];
        assert!(matches!(world.script(Task::Finalise, &replies), Step::TryLater(_)));
        assert_eq!(inquiry(&mut world, said("STATUS_PENDING")).standing, Standing::Unchanged, "nothing was released yet");
    }
    let replies = [(STATUS, said("STATUS_PENDING")), (RELEASE, answer(429, "")), (STATUS, said("STATUS_EXPIRED"))];
    assert_eq!(found(approved().script(Task::Finalise, &replies)).standing, Standing::Expired);
}

#[test]
fn pending_or_absent_after_the_release_proves_nothing() {
    for sent in [Reply::Lost(Lost::Broken), answer(200, ""), answer(500, "")] {
        let mut world = approved();
        world.script(Task::Finalise, &[(STATUS, said("STATUS_PENDING")), (RELEASE, sent)]);
        for absent in [said("STATUS_PENDING"), err(404, "Transaction not found")] {
            assert_eq!(inquiry(&mut world, absent).standing, Standing::NotReleased);
        }
        assert_eq!(inquiry(&mut world, said("STATUS_INITED")).standing, Standing::Unchanged);
        assert_eq!(inquiry(&mut world, said("STATUS_SUCCESS")).standing, Standing::Approved);
    }
}

#[test]
fn release_again_looks_and_sends_step_3_once_more() {
    let stuck = || {
        let mut world = approved();
        world.script(Task::Finalise, &[(STATUS, said("STATUS_PENDING")), (RELEASE, Reply::Lost(Lost::TimedOut))]);
        world
    };
    let end = stuck().script(Task::ReleaseAgain, &[(STATUS, said("STATUS_PENDING")), (RELEASE, said("STATUS_INITED"))]);
    assert_eq!(found(end).standing, Standing::Pending);
    // It had arrived after all: nothing is sent.
    let end = stuck().script(Task::ReleaseAgain, &[(STATUS, said("STATUS_INITED"))]);
    assert_eq!((found(end).standing), Standing::Pending);
    assert_eq!(found(stuck().script(Task::ReleaseAgain, &[(STATUS, said("STATUS_SUCCESS"))])).standing, Standing::Approved);
    // No error answer is an outcome.
    for reply in [err(400, "Invalid token"), answer(401, ""), answer(429, ""), answer(500, ""), Reply::Lost(Lost::NotConnected)] {
        let mut world = stuck();
        let end = world.script(Task::ReleaseAgain, &[(STATUS, said("STATUS_PENDING")), (RELEASE, reply)]);
        assert!(matches!(end, Step::Silence(_)));
        assert_eq!(inquiry(&mut world, said("STATUS_PENDING")).standing, Standing::NotReleased);
    }
    assert!(matches!(stuck().script(Task::ReleaseAgain, &[(STATUS, answer(500, ""))]), Step::Silence(_)));
}

#[test]
fn what_happens_on_hold_is_only_noted() {
    let mut world = World::created(&Gigadat, OUT);
    for word in ["STATUS_PENDING", "STATUS_INITED"] {
        let finding = inquiry(&mut world, said(word));
        assert_eq!((finding.standing, finding.status.as_str(), finding.notes.len()), (Standing::Unchanged, "", 0));
    }
    let expired = inquiry(&mut world, said("STATUS_EXPIRED"));
    assert_eq!((expired.standing, expired.notes), (Standing::Unchanged, vec!["Gigadat says STATUS_EXPIRED".to_owned()]));
    let paid = inquiry(&mut world, said("STATUS_SUCCESS"));
    assert_eq!((paid.standing, paid.anomalies.len()), (Standing::Unchanged, 1));
}

#[test]
fn test_connection() {
    for good in [err(404, "x"), answer(404, ""), said("STATUS_PENDING")] {
        assert!(found(World::new(&Gigadat, IN).script(Task::Test, &[("test", good)])).proven);
    }
    for bad in [answer(401, ""), answer(403, "")] {
        let Step::Refused(refusal) = World::new(&Gigadat, IN).script(Task::Test, &[("test", bad)]) else { panic!() };
        assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials);
    }
}
