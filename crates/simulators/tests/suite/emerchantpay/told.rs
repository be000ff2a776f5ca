//! Notifications, and what is kept.

use super::*;

#[tokio::test]
async fn notifications_go_on_until_the_right_echo() {
    // 15 minutes last 300 ms.
    let world = ready(World::with(3_000, None).await).await;
    let answers: [BodyOf; 4] = [
        |_| ("text/xml", String::new()),
        |_| ("text/xml", "<notification_echo><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id></notification_echo>".into()),
        |received| ("text/html", echo(received).1),
        |received| ("text/xml", echo(received).1.replace("notification_echo", "echo")),
    ];
    sale(&world, "heard", "10000", "4918190000000002").await;
    world.receiver.answer_body(answers[0]);
    world.press("emerchantpay", "heard", "pay").await;
    for (count, next) in [(1, answers[1]), (2, answers[2]), (3, answers[3])] {
        eventually(|| async { (world.receiver.at("heard").len() >= count).then_some(()) }).await;
        world.receiver.answer_body(next);
    }
    eventually(|| async { (world.receiver.at("heard").len() >= 4).then_some(()) }).await;
    world.receiver.answer_body(echo);
    world.receiver.answer_with(201);
    eventually(|| async { (world.receiver.at("heard").len() >= 5).then_some(()) }).await;
    world.receiver.answer_with(200);
    eventually(|| async { (world.receiver.at("heard").len() >= 6).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let got = world.receiver.at("heard");
    assert_eq!(got.len(), 6);
    assert!(got.iter().all(|one| one.body == got[0].body && is_signed(one)));
    drop(world);

    let world = ready(World::with(60_000, None).await).await;
    world.receiver.answer_body(answers[0]);
    sale(&world, "never", "10000", "4918190000000002").await;
    world.press("emerchantpay", "never", "approve").await;
    eventually(|| async { (world.receiver.at("never").len() >= 10).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.receiver.at("never").len(), 10, "ten deliveries and no more");
}

#[tokio::test]
async fn the_digest_of_notifications_is_the_accounts() {
    let world = world().await;
    for (name, algorithm, digits) in
        [("sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY, 40), ("sha256", &digest::SHA256, 64), ("sha512", &digest::SHA512, 128)]
    {
        let account = json!({"username": USER, "password": PASSWORD, "currency": "EUR", "notificationDigest": name});
        set_account(&world, account).await;
        let xml = sale(&world, name, "10000", "4918190000000002").await;
        world.press("emerchantpay", name, "pay").await;
        let got = world.receiver.exactly(name, 1).await;
        let signature = form(&got[0], "signature");
        assert_eq!(signature.len(), digits);
        assert_eq!(signature, hex_of(algorithm, &format!("{}{PASSWORD}", tag(&xml, "unique_id").unwrap())));
    }
    for wrong in [
        json!({"username": "a:b", "password": "p", "currency": "EUR"}),
        json!({"username": "", "password": "p", "currency": "EUR"}),
        json!({"username": "u", "password": "", "currency": "EUR"}),
        json!({"username": "u", "password": "p", "currency": "EURO"}),
        json!({"username": "u", "password": "p"}),
        json!({"username": "u", "password": "p", "currency": "EUR", "notificationDigest": "md5"}),
        json!({"username": "u", "password": "p", "currency": "EUR", "digest": "sha1"}),
    ] {
        assert_eq!(world.put(&format!("/control/emerchantpay/accounts/{TOKEN}"), wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn neither_cards_nor_secrets_are_kept() {
    let world = world().await;
    let cards = [PLAIN, "4918190000000002", "4111111111111111"];
    for card in cards {
        let xml = sale_xml(&world, &format!("kept-{}", &card[..6]), "10000", card);
        let xml = xml
            .replace("Cards &amp;", &format!("{} or {}", card, [&card[..4], &card[4..8], &card[8..12], &card[12..]].join(" ")));
        assert_eq!(sent(posting(&world, "process", xml)).await.0, 200);
    }
    world.press("emerchantpay", "kept-491819", "pay").await;
    let bad = sale_xml(&world, "kept-bad", "10000", PLAIN).replace("</cvv>", "</cv>");
    assert_eq!(told(&sent(posting(&world, "process", bad)).await.1), of("error", "350"));
    let other = posting(&world, "process", format!("card_number={PLAIN}&cvv={CVV}"));
    assert_eq!(told(&sent(other).await.1), of("error", "350"));
    world.receiver.exactly("kept-491819", 1).await;

    let (_, calls) = world.get("/control/emerchantpay/calls").await;
    assert_eq!(calls["total"], 5);
    assert_eq!(calls["calls"][0]["path"], "/process/***/");
    let shown = calls.to_string();
    assert!(shown.contains("<card_number>***</card_number><cvv>***</cvv>") && shown.contains("401288...1881"), "{shown}");
    let kept = world.kept_bytes();
    let is_kept = |canary: &str| kept.windows(canary.len()).any(|window| window == canary.as_bytes());
    let cvvs = [format!("<cvv>{CVV}"), format!("cvv={CVV}")];
    for canary in cards.into_iter().chain(cvvs.iter().map(String::as_str)) {
        assert!(!shown.contains(canary), "{canary}");
    }
    for canary in cards.into_iter().chain(["4012 8888", TOKEN, USER, PASSWORD]) {
        assert!(!is_kept(canary), "{canary}");
    }
    assert!(!shown.contains(TOKEN) && !shown.contains(PASSWORD) && is_kept("401288...1881"));
    let got = world.receiver.at("kept-491819");
    assert_eq!(form(&got[0], "terminal_token"), TOKEN, "it is filled in at the sending");
}
