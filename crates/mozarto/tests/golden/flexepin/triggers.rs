//! Flexepin: the sheet's digits, the control's outcomes, the vouchers of the simulator.

use super::*;

/// Rows that the answer ends.
pub(super) async fn real(stage: &mut Stage, book: &mut Book) {
    for minor in [2500, 2501, 2502, 2503, 2506, 2507, 2508, 2510, 2511, 2512] {
        let row = async |scene: &mut Scene<'_>| scene.pay(&bodies::flexepin(1, minor)).await.map(drop);
        plays(stage, book, &format!("{:02}", minor % 100), row).await;
    }
    controlled(stage, book).await;
    vouchers(stage, book).await;
    in_flight(stage, book).await;
    nobody_calls(stage, book).await;
}

async fn controlled(stage: &mut Stage, book: &mut Book) {
    let all = ["decline", "expire", "used", "status/4019", "status/9999", "status/PARTLY", "approve", "pay", "reverse", "cancel"];
    for (serial, what) in (10..).zip(all) {
        let row = async |scene: &mut Scene<'_>| {
            press(scene, &pin(serial, 2500), what).await?;
            scene.pay(&bodies::flexepin(serial, 2500)).await?;
            press(scene, &pin(serial, 2500), what).await
        };
        plays(stage, book, &format!("control {what}"), row).await;
    }
}

async fn vouchers(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        let first = scene.pay(&bodies::flexepin(30, 2500)).await?;
        ensure!(first.status == 200, "{}", first.body);
        let first = first.text("/transaction/transactionId").to_owned();
        scene.know(&first, "first transaction");
        know_numbers_of(scene, &first, "first ").await?;
        scene.pay(&bodies::flexepin(30, 2500)).await.map(drop)
    };
    plays(stage, book, "used twice", row).await;
    let all = [
        ("invalid PIN", "9900-0000 0000-2500", "25.00", "EUR"),
        ("published PIN", "1234567890123456", "25.00", "EUR"),
        ("published PIN, with blanks and dashes", "1234 5678-9012 3456", "25.00", "EUR"),
        ("other currency", "1000003100002500", "25.00", "USD"),
        ("other amount", "1000003200002500", "24.99", "EUR"),
        ("CAD", "2000003300002500", "25.00", "CAD"),
        ("AUD", "3000003400002500", "25.00", "AUD"),
        ("USD", "4000003500002500", "25.00", "USD"),
        ("GBP", "5000003600002500", "25.00", "GBP"),
        ("with cents", "1000003700002599", "25.99", "EUR"),
    ];
    for (name, pin, amount, currency) in all {
        let row = async |scene: &mut Scene<'_>| scene.pay(&with_pin(pin, amount, currency)).await.map(drop);
        plays(stage, book, name, row).await;
    }
}

/// While nobody knows whether a voucher was redeemed, nobody else gets to redeem it.
async fn in_flight(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        next(scene, REDEEM, json!({"http": 500})).await?;
        scene.pay(&bodies::flexepin(40, 5000)).await?;
        next_about(scene, found()).await?;
        scene.manage("inquire").await.map(drop)
    };
    plays(stage, book, "in doubt, found by hand", row).await;
    let row = async |scene: &mut Scene<'_>| {
        next(scene, REDEEM, json!({"http": 500})).await?;
        let first = scene.pay(&bodies::flexepin(41, 5000)).await?.text("/transaction/transactionId").to_owned();
        scene.know(&first, "first transaction");
        know_numbers_of(scene, &first, "first ").await?;
        scene.pay(&bodies::flexepin(41, 5000)).await?;
        // Its own end, so that nobody asks about it in a later row.
        next(scene, INQUIRY, found()).await?;
        let asked = scene.client().manage("POST", &format!("/transactions/{first}/inquire"), Some(json!({}))).await?;
        ensure!(asked.status == 200, "{} {}", asked.status, asked.body);
        Ok(())
    };
    plays(stage, book, "in flight", row).await;
}

/// Neither side calls the other back.
async fn nobody_calls(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        for body in ["{}", r#"{"transaction_id":"64a1f2b3c4d5e6f7a8b9c0d1"}"#, r#"{"result":"0","status":"USED"}"#] {
            let url = format!("{}/callbacks/flexepin/pQ7v2LmX4c", scene.client().base);
            scene.callback(&url, &[("content-type", "application/json")], body.as_bytes().to_vec()).await?;
        }
        Ok(())
    };
    plays(stage, book, "nobody calls", row).await;
}

/// What only time ends. How often the schedule asks is nobody's promise here: all of its questions have one name.
pub(super) async fn fast(stage: &mut Stage, book: &mut Book) {
    let pays =
        |minor: u32| async move |scene: &mut Scene<'_>| -> Result<()> { scene.pay(&bodies::flexepin(1, minor)).await.map(drop) };
    plays(stage, book, "05", pays(2505)).await;
    let row = async |scene: &mut Scene<'_>| {
        know_questions(scene);
        scene.pay(&bodies::flexepin(1, 2504)).await?;
        scene.until("Failed").await
    };
    plays(stage, book, "04", row).await;
    let row = async |scene: &mut Scene<'_>| {
        know_questions(scene);
        scene.pay(&bodies::flexepin(1, 2509)).await?;
        scene.until("Failed").await?;
        // The simulator itself would tell of it much later.
        let used = inquiry(json!("0"), voucher("USED", json!({"value": 25.09})));
        next_about(scene, json!({"http": 200, "body": used})).await?;
        scene.manage("inquire").await?;
        scene.until("Approved").await
    };
    plays(stage, book, "09, found late", row).await;
    let row = async |scene: &mut Scene<'_>| {
        know_questions(scene);
        press(scene, &pin(2, 2600), "lost").await?;
        // However late the schedule is, its first question is not answered.
        let failing = json!({"result": "500", "result_description": "Internal error"});
        next(scene, INQUIRY, json!({"http": 500, "body": failing, "times": 4})).await?;
        scene.pay(&bodies::flexepin(2, 2600)).await?;
        scene.until("Failed").await
    };
    plays(stage, book, "control lost", row).await;
    plays(stage, book, "control lost, then good for another try", async |scene| {
        scene.pay(&bodies::flexepin(2, 2600)).await.map(drop)
    })
    .await;
}

fn know_questions(scene: &mut Scene<'_>) {
    for n in 1..200 {
        scene.know(&format!("<transaction>q{n:02}"), "question");
    }
}
