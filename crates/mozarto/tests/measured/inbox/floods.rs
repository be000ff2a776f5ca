//! A flood of callbacks does no harm, nor does what is no callback.

use super::*;

fn store(path: &Path) -> Result<Connection> {
    let db = Connection::open(path.join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(10))?;
    Ok(db)
}

fn number(db: &Connection, sql: &str, id: &str) -> Result<i64> {
    Ok(db.query_row(sql, [id], |row| row.get(0))?)
}

const KEPT: &str = "SELECT COUNT(*) FROM callbacks WHERE transaction_id = ?1";

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_does_no_harm() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20).variable("MOZARTO_LOG", "error")).await;
    let world = world.expect("a sandbox");
    over_the_cap(&world).await.expect("over the cap");
    folded(&world).await.expect("identical bodies");
    over_the_rate(&world).await.expect("over the rate");
    at_an_accounts_address(&world).await.expect("at an account's address");
    browser_tokens(&world).await.expect("tokens that a browser sees");
    let mut table = Table::new("the address");
    table.row("a trailing slash", trailing_slash(world.hands()));
    table.row("another method", other_methods(world.hands()));
    table.row("another method, where GET is taken", other_methods_of_worldpay(world.hands()));
    for provider in ["brite", "cleo", "forumpay", "emerchantpay", "payone", "trust"] {
        table.row(format!("{provider}: without readable content"), unreadable(world.hands(), provider));
    }
    table.end().await;
}

/// First 20 and newest 20 are kept; what comes over the cap has the provider asked.
async fn over_the_cap(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    for n in 0..70 {
        taken(&hands, &url, JSON, format!(r#"{{"merchant_id":"m","session_id":"s","session_state":{n}}}"#)).await?;
    }
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    let set = |drop: bool| hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": drop})));
    set(true).await?;
    let paid = hands.client.control("POST", &format!("/brite/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    let last = r#"{"merchant_id":"m","session_id":"s","session_state":99}"#;
    taken(&hands, &url, JSON, last).await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    set(false).await?;
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    Ok(())
}

/// What a process does not remember having taken is not taken beyond the cap either.
#[tokio::test(flavor = "multi_thread")]
async fn the_cap_outlives_the_process() {
    let data = tempfile::tempdir().expect("a directory");
    let options = Options::new(BINARY, data.path()).time_scale(200).variable("MOZARTO_LOG", "error");
    let (mut id, mut url) = (String::new(), String::new());
    for restart in 0..4 {
        let mut sandbox = Sandbox::start(options.clone()).await.expect("a sandbox");
        let client = Client::of(&sandbox);
        if restart == 0 {
            id = id_of(&client.cashier(brite_in()).await.expect("an answer")).expect("a payment");
            url = address_told(&client, "brite", &id).await.expect("an address");
        }
        for n in 0..if restart == 0 { 41 } else { 1 } {
            let body = format!(r#"{{"merchant_id":"m","session_id":"s","session_state":{}}}"#, restart * 100 + n);
            let answer = client.send("POST", &url, &[("content-type", JSON)], Some(body.into())).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let db = store(data.path()).expect("the store");
        assert_eq!(number(&db, KEPT, &id).expect("a number"), 40, "after {restart} restarts");
        if restart == 0 {
            // Over this the transaction is no longer new.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        sandbox.kill().await.expect("killed");
    }
}

/// Identical bodies are one row, whatever the headers; a repeat of one that was worked off has the provider asked again.
async fn folded(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let body = r#"{"merchant_id":"m","session_id":"s","session_state":1}"#;
    for n in 0..30 {
        let number = n.to_string();
        let answer =
            hands.client.send("POST", &url, &[("content-type", JSON), ("x-request-id", &number)], Some(body.into())).await?;
        ensure!(answer.status == 200, "{}", answer.status);
    }
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? == 1, "{} are kept", number(&db, KEPT, &id)?);
    ensure!(number(&db, "SELECT copies FROM callbacks WHERE transaction_id = ?1", &id)? == 30);
    until("worked off", async || {
        Ok(number(&db, "SELECT COUNT(*) FROM callbacks WHERE transaction_id = ?1 AND due_at IS NOT NULL", &id)? == 0)
    })
    .await?;
    hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": true}))).await?;
    hands.client.control("POST", &format!("/brite/{id}/approve"), None).await?;
    taken(&hands, &url, JSON, body).await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": false}))).await?;
    Ok(())
}

async fn over_the_rate(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let asked_before = hands.client.control("GET", "/brite/calls", None).await?.body["total"].as_u64().unwrap_or_default();
    let began = Instant::now();
    let mut flood = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (hands, url) = (hands.clone(), url.clone());
        flood.spawn(async move {
            let (mut good, mut limited) = (0_u32, 0_u32);
            for n in 0..250 {
                let body = format!(r#"{{"merchant_id":"m","transaction_id":"flood-{client}-{n}","transaction_state":1}}"#);
                let answer = post(&hands, &url, JSON, body).await?;
                match answer.status {
                    200 => good += 1,
                    429 if answer.header("retry-after").is_some() => limited += 1,
                    other => anyhow::bail!("{other} {}", answer.body),
                }
            }
            Ok::<_, anyhow::Error>((good, limited))
        });
    }
    let (mut good, mut limited) = (0, 0);
    while let Some(one) = flood.join_next().await {
        let (some, over) = one??;
        good += some;
        limited += over;
    }
    let seconds = u32::try_from(began.elapsed().as_secs())? + 1;
    ensure!(limited > 0 && good <= 200 + 20 * seconds, "{good} taken, {limited} over the rate, in {seconds} s");
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? <= 40, "{} are kept", number(&db, KEPT, &id)?);
    // Another transaction of the same provider is not concerned.
    let other = id_of(&hands.client.cashier(brite_in()).await?)?;
    let told = told_address(&hands, "brite", &other).await?;
    taken(&hands, &told, JSON, r#"{"merchant_id":"m","session_id":"s","session_state":1}"#).await?;
    let asked =
        hands.client.control("GET", "/brite/calls", None).await?.body["total"].as_u64().unwrap_or_default() - asked_before;
    ensure!(asked < 200, "Brite was asked {asked} times because of {good} callbacks");
    Ok(())
}

/// A flood about one transaction at its account's address is refused; what the provider tells there of another one counts, and,
/// when the flood is over, what it tells of that one.
async fn at_an_accounts_address(world: &World) -> Result<()> {
    let hands = world.hands();
    let url = account_address(&hands, "GIGADAT", 0).await?;
    let [flooded, other] = [
        id_of(&hands.client.cashier(&bodies::gigadat_in("100.00")).await?)?,
        id_of(&hands.client.cashier(&bodies::gigadat_in("100.00")).await?)?,
    ];
    let tell = async |id: &str, n: u32| {
        let body = json!({"transactionId": id, "type": "ETO", "n": n}).to_string();
        post(&hands, &url, JSON, body).await
    };
    let (mut good, mut limited, began) = (0, 0, Instant::now());
    for n in 0..1_000 {
        let answer = tell(&flooded, n).await?;
        match answer.status {
            200 => good += 1,
            429 if answer.header("retry-after").is_some() => limited += 1,
            status => anyhow::bail!("{status} {}", answer.body),
        }
    }
    let seconds = u32::try_from(began.elapsed().as_secs())? + 1;
    ensure!(limited > 0 && good <= 200 + 20 * seconds, "{good} taken, {limited} over the rate, in {seconds} s");
    let set = |drop: bool| hands.client.control("PUT", "/gigadat/settings", Some(json!({"dropCallbacks": drop})));
    set(true).await?;
    for id in [&other, &flooded] {
        let paid = hands.client.control("POST", &format!("/gigadat/{id}/approve"), None).await?;
        ensure!(paid.status == 200, "{}", paid.body);
        until("it is taken", async || Ok(tell(id, 0).await?.status == 200)).await?;
        hands.client.wait_for(id, &["Approved"], LIMIT).await?;
    }
    set(false).await?;
    // What names nothing of ours is taken more often, and is bounded as well; it holds nothing up.
    let (mut taken, mut limited) = (0, 0);
    let mut flood = tokio::task::JoinSet::new();
    for client in 0..8_u32 {
        let (hands, url) = (hands.clone(), url.clone());
        flood.spawn(async move {
            let mut answers = Vec::new();
            for n in 0..500_u32 {
                let strange = json!({"transactionId": format!("64a1f2b3c4d5{client:04x}{n:08x}")}).to_string();
                answers.push(post(&hands, &url, JSON, strange).await?.status);
            }
            anyhow::Ok(answers)
        });
    }
    while let Some(answers) = flood.join_next().await {
        for status in answers?? {
            match status {
                200 => taken += 1,
                429 => limited += 1,
                status => anyhow::bail!("{status}"),
            }
        }
    }
    ensure!(taken >= 2_000 && limited > 0, "{taken} taken, {limited} over the rate");
    let late = id_of(&hands.client.cashier(&bodies::gigadat_in("100.00")).await?)?;
    ensure!(tell(&late, 0).await?.status == 200, "it was held up");
    Ok(())
}

/// Addresses that nobody was given, of callbacks and of pages: one peer has only so many of them, and another is not concerned.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_addresses_is_bounded() {
    let world = World::start(BINARY, &["BRITE"], |options| {
        options.variable("MOZARTO_LOG", "error").variable("MOZARTO_LIMITS_TRUSTED_PROXIES", "127.0.0.1/32")
    });
    let world = world.await.expect("a sandbox");
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await.expect("an answer")).expect("a payment");
    let real = told_address(&hands, "brite", &id).await.expect("an address");
    for (guesser, path) in [("198.51.100.7", "/callbacks/brite/"), ("198.51.100.8", "/pay/"), ("198.51.100.9", "/3ds/")] {
        let from = [("x-forwarded-for", guesser), ("content-type", JSON)];
        let (mut unknown, mut refused) = (0, 0);
        for n in 0..260 {
            let url = format!("{}{path}64a1f2b3c4d5e6f7{n}", hands.client.base);
            let method = if path == "/callbacks/brite/" { "POST" } else { "GET" };
            let body = (method == "POST").then(|| b"{}".to_vec());
            let answer = hands.client.send(method, &url, &from, body).await.expect("an answer");
            match answer.status {
                404 => unknown += 1,
                429 if answer.header("retry-after").is_some() => refused += 1,
                status => panic!("{path}: {status} {}", answer.body),
            }
        }
        assert_eq!((unknown, refused), (200, 60), "{path}");
    }
    let body = r#"{"merchant_id":"m","session_id":"s","session_state":1}"#;
    for (peer, status) in [("198.51.100.7", 429), ("198.51.100.10", 200)] {
        let from = [("x-forwarded-for", peer), ("content-type", JSON)];
        let answer = hands.client.send("POST", &real, &from, Some(body.into())).await.expect("an answer");
        assert_eq!(answer.status, status, "{peer} {}", answer.body);
    }
}

fn is_token_of_callbacks(db: &Connection, url: &str) -> Result<bool> {
    let token = url.rsplit('/').next().unwrap_or_default();
    let hash = digest(&SHA256, token.as_bytes());
    let found: i64 =
        db.query_row("SELECT COUNT(*) FROM attempts WHERE callback_token_hash = ?1", [hash.as_ref()], |row| row.get(0))?;
    Ok(found > 0)
}

async fn browser_tokens(world: &World) -> Result<()> {
    let hands = world.hands();
    let db = store(world.data())?;
    let (id, url) = trust_posted(&hands, "EUR", "106.00").await?;
    ensure!(!is_token_of_callbacks(&db, &url)?, "Trust's form shows the callback token");
    taken(&hands, &url, FORM, "notificationreference=1-1&errorcode=0&requesttypedescription=AUTH").await?;
    until("it is read", async || Ok(told(&hands, &id, "notified unsigned").await? == 1)).await?;
    for n in 0..60 {
        taken(&hands, &url, FORM, format!("notificationreference=1-{n}&errorcode=7&requesttypedescription=AUTH")).await?;
    }
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    // The token of the device check opens nothing but its own address.
    let card = hands.client.cashier(&bodies::emerchantpay("107.00", DEVICE_CHECK)).await?;
    let id = id_of(&card)?;
    let calls = sent(&hands, "emerchantpay").await?.into_iter().find(|call| call.contains(&id)).context("no call")?;
    let check = calls.split_once("<callback_url>").and_then(|(_, rest)| rest.split('<').next()).context("no address")?.to_owned();
    ensure!(check.ends_with("/threeds"), "{check}");
    let bare = check.trim_end_matches("/threeds");
    ensure!(!is_token_of_callbacks(&db, bare)?);
    ensure!(post(&hands, bare, FORM, "a=b").await?.status == 404, "the device check's token takes notifications");
    for address in [check.clone(), format!("{check}/")] {
        ensure!(post(&hands, &address, FORM, b"a=\xe9".to_vec()).await?.status == 200, "{address}");
    }
    let wrong = hands.client.send("GET", &check, &[], None).await?;
    ensure!(wrong.status == 405 && wrong.header("allow") == Some("POST"), "{} {:?}", wrong.status, wrong.header("allow"));
    let mut limited = 0;
    for _ in 0..400 {
        limited += u32::from(post(&hands, &check, FORM, "a=b").await?.status == 429);
    }
    ensure!(limited > 0, "the device check's address has no rate");
    Ok(())
}

async fn trailing_slash(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    taken(&hands, &format!("{url}/"), JSON, r#"{"merchant_id":"m","transaction_id":"with-a-slash"}"#).await?;
    until("asked about", async || Ok(sent(&hands, "brite").await?.iter().any(|call| call.contains("with-a-slash")))).await
}

async fn other_methods(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    for address in [url.clone(), format!("{url}/")] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let answer = hands.client.send(method, &address, &[], None).await?;
            let allow = answer.header("allow").unwrap_or_default();
            ensure!(answer.status == 405 && allow == "POST", "{method}: {} Allow {allow:?}", answer.status);
        }
    }
    Ok(())
}

/// Of Worldpay a `GET` is taken as a notification that cannot be read, so that it is allowed.
async fn other_methods_of_worldpay(hands: Hands) -> Result<()> {
    for (method, status) in [("GET", 404), ("HEAD", 405), ("PUT", 405), ("DELETE", 405)] {
        let address = format!("{}/callbacks/worldpay/{}", hands.client.base, "x".repeat(43));
        let answer = hands.client.send(method, &address, &[], None).await?;
        let allow = answer.header("allow");
        let expected = (status == 405).then_some("GET,POST");
        ensure!(answer.status == status && allow == expected, "{method}: {} Allow {allow:?}", answer.status);
    }
    Ok(())
}

/// Somebody knows the address and says nothing that can be read: the provider is asked about that transaction.
async fn unreadable(hands: Hands, provider: &'static str) -> Result<()> {
    let body = match provider {
        "brite" => brite_in().to_owned(),
        "cleo" => cleo_in(),
        "forumpay" => bodies::forumpay_in("100.00"),
        "emerchantpay" => bodies::emerchantpay("108.00", "4918190000000002"),
        "payone" => bodies::payone("PAYIN", "109.00"),
        _ => bodies::trust("EUR", "109.00"),
    };
    for content in [&b""[..], b"\xff\xfe", b"[]"] {
        let (id, url) = if provider == "trust" {
            trust_posted(&hands, "EUR", "109.00").await?
        } else {
            let id = id_of(&hands.client.cashier(&body).await?)?;
            let url = told_address(&hands, provider, &id).await?;
            (id, url)
        };
        hands.client.control("PUT", &format!("/{provider}/settings"), Some(json!({"dropCallbacks": true}))).await?;
        let paid = hands.client.control("POST", &format!("/{provider}/{id}/approve"), None).await?;
        ensure!(paid.status == 200, "{}", paid.body);
        let signature = payone_signature(content);
        let headers = [("x-signature", signature.as_str())];
        let headers = if provider == "payone" { &headers[..] } else { &[] };
        let answer = hands.client.send("POST", &url, headers, Some(content.to_vec())).await?;
        ensure!(answer.status == 200, "{content:?}: {} {}", answer.status, answer.body);
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    hands.client.control("PUT", &format!("/{provider}/settings"), Some(json!({"dropCallbacks": false}))).await?;
    Ok(())
}
