//! The commands beside the servers: what they do, what they print where, and what they exit with.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::sink::Sink;
use testkit::table::Table;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(20);
/// 32 bytes in hex; of no other use.
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::test(flavor = "multi_thread")]
async fn commands() {
    let world = World::start(BINARY, &["PAYONE", "FORUMPAY"], |options| options.auto_settle(50)).await.expect("a sandbox");
    let data = world.data().to_str().expect("a path").to_owned();
    let mut table = Table::new("commands");
    table.row("help", blocking(help));
    table.row("usage", blocking(usage));
    table.row("transactions", transactions(world.hands(), data.clone()));
    table.row("approvals", approvals(world.hands(), data.clone()));
    table.row("deliveries", deliveries(world.hands(), data.clone()));
    table.row("listen", listen(world.hands(), data.clone(), world.sandbox.line.clone()));
    table.row("trigger", trigger(world.hands(), data.clone()));
    table.row("trigger: nobody pays", trigger_without_payer());
    table.row("url and token", url_and_token(world.hands()));
    table.row("nobody there", blocking(nobody_there));
    table.row("config check", blocking(config_check));
    table.row("migrate and company", blocking(store_commands));
    table.end().await;
}

async fn blocking(work: fn() -> Result<()>) -> Result<()> {
    tokio::task::spawn_blocking(work).await?
}

fn run(arguments: &[&str]) -> Result<Output> {
    Ok(command(arguments).output()?)
}

/// The binary without anything of ours in its environment.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null());
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command
}

async fn run_beside(arguments: Vec<String>) -> Result<Output> {
    tokio::task::spawn_blocking(move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())).await?
}

fn words(text: &str, data: &str) -> Vec<String> {
    let plain = text.split(' ').map(str::to_owned);
    plain.chain(["--data".to_owned(), data.to_owned()]).collect()
}

fn exits(output: &Output, code: i32) -> Result<(String, String)> {
    let (out, talk) =
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    ensure!(output.status.code() == Some(code), "exit code {:?} instead of {code}: {out}{talk}", output.status.code());
    ensure!(!talk.contains("panicked"), "a panic: {talk}");
    Ok((out, talk))
}

/// Runs with `--json`: data, and nothing but data, on standard output.
async fn json_of(text: &str, data: &str) -> Result<Value> {
    let output = run_beside(words(&format!("{text} --json"), data)).await?;
    let (out, _) = exits(&output, 0).with_context(|| text.to_owned())?;
    serde_json::from_str(&out).with_context(|| format!("{text}: not JSON: {out}"))
}

/// Runs for a person; what it prints on standard output.
async fn page_of(text: &str, data: &str) -> Result<String> {
    let output = run_beside(words(text, data)).await?;
    Ok(exits(&output, 0).with_context(|| text.to_owned())?.0)
}

/// Every command and subcommand: `--help` has an example, which is of that very command.
fn help() -> Result<()> {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let (text, _) = exits(&run(&arguments)?, 0)?;
        let name = path.join(" ");
        let example = text.lines().find_map(|line| line.split_once("Example:")).map(|(_, example)| example.trim().to_owned());
        let example = example.with_context(|| format!("{name} --help has no example: {text}"))?;
        ensure!(example.contains(format!("mozarto {name}").trim_end()), "{name}: the example is of something else: {example}");
        let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        for line in commands {
            let word = line.split_whitespace().next().unwrap_or_default();
            if word != "help" && line.starts_with("  ") && !line.starts_with("   ") {
                waiting.push(path.iter().cloned().chain([word.to_owned()]).collect());
            }
        }
        seen.push(name);
    }
    for name in [
        "sandbox",
        "serve",
        "migrate",
        "config check",
        "company create",
        "company list",
        "company suspend",
        "user create",
        "user reset-password",
        "keys rotate",
        "backup",
        "listen",
        "trigger",
        "transactions list",
        "transactions show",
        "transactions tail",
        "approvals list",
        "approvals approve",
        "approvals reject",
        "deliveries list",
        "deliveries replay",
    ] {
        ensure!(seen.iter().any(|seen| seen == name), "there is no command {name}: {seen:?}");
    }
    Ok(())
}

/// What is typed wrong is 2, on standard error.
fn usage() -> Result<()> {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["sandbox", "--port", "many"],
        &["sandbox", "--time-scale", "0"],
        &["transactions"],
        &["transactions", "show"],
        &["transactions", "list", "--nonsense"],
        &["approvals", "reject", "64a1f2b3c4d5e6f7a8b9c0d1"],
        &["deliveries", "replay"],
        &["listen"],
        &["trigger"],
        &["trigger", "payone"],
        &["trigger", "nobody", "01"],
        &["trigger", "payone", "13"],
        &["trigger", "payone", "late"],
        &["trigger", "flexepin", "01", "--payout"],
        &["company", "create"],
        &["company", "suspend"],
    ] {
        let output = run(arguments)?;
        let (out, talk) = exits(&output, 2).with_context(|| format!("{arguments:?}"))?;
        ensure!(out.is_empty() && !talk.is_empty(), "{arguments:?}: {out}");
    }
    Ok(())
}

fn items(list: &Value) -> Result<&Vec<Value>> {
    list["items"].as_array().with_context(|| format!("no items: {list}"))
}

async fn transactions(hands: Hands, data: String) -> Result<()> {
    let paid = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    let id = paid.text("/data/transactionId");
    hands.ends_as(id, "Approved", "success", LIMIT).await?;
    let list = json_of("transactions list", &data).await?;
    ensure!(items(&list)?.iter().any(|item| item["transactionId"] == id), "it is not listed: {list}");
    let none = json_of("transactions list --status Reversed", &data).await?;
    ensure!(items(&none)?.is_empty(), "the filter does not hold: {none}");
    let some = json_of("transactions list --psp PAYONE --status Approved --limit 1", &data).await?;
    ensure!(items(&some)?.len() == 1, "{some}");
    let page = page_of("transactions list", &data).await?;
    ensure!(page.contains(id) && page.contains("Approved") && !page.contains("{\""), "{page}");
    for either in [id, paid.text("/transaction/sessionId")] {
        let shown = json_of(&format!("transactions show {either}"), &data).await?;
        ensure!(shown["transactionId"] == id && shown["events"].as_array().is_some_and(|events| events.len() >= 3), "{shown}");
    }
    let page = page_of(&format!("transactions show {id}"), &data).await?;
    ensure!(page.contains(id) && page.contains("100.00"), "{page}");
    let unknown = run_beside(words("transactions show 64a1f2b3c4d5e6f7a8b9c0d1", &data)).await?;
    let (out, talk) = exits(&unknown, 1)?;
    ensure!(out.is_empty() && talk.contains("Not found"), "{out} {talk}");
    let wrong = run_beside(words("transactions list --status Nonsense", &data)).await?;
    exits(&wrong, 1)?;
    Ok(())
}

async fn held(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_out("200.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.text("/transaction/transactionId").to_owned())
}

async fn approvals(hands: Hands, data: String) -> Result<()> {
    let (one, two, three) = (held(&hands).await?, held(&hands).await?, held(&hands).await?);
    let list = json_of("approvals list", &data).await?;
    for id in [&one, &two, &three] {
        ensure!(items(&list)?.iter().any(|item| item["transactionId"] == **id), "{id} is not listed: {list}");
    }
    let page = page_of("approvals list", &data).await?;
    ensure!(page.contains(&one) && page.contains("200.00"), "{page}");
    let approved = json_of(&format!("approvals approve {one} --reason known"), &data).await?;
    ensure!(approved["transactionId"] == *one, "{approved}");
    hands.ends_as(&one, "Approved", "confirmed", LIMIT).await?;
    let again = run_beside(words(&format!("approvals approve {one}"), &data)).await?;
    let (_, talk) = exits(&again, 1)?;
    ensure!(talk.contains("already"), "{talk}");
    let page = page_of(&format!("approvals reject {two} --reason unknown-wallet"), &data).await?;
    ensure!(page.contains(&two) && page.contains("Rejected"), "{page}");
    hands.ends_as(&two, "Rejected", "rejected", LIMIT).await?;
    hands.nothing_moved("forumpay", &two).await?;
    let page = page_of(&format!("approvals approve {three}"), &data).await?;
    ensure!(page.contains(&three), "{page}");
    let list = json_of("approvals list --status rejected", &data).await?;
    ensure!(items(&list)?.iter().any(|item| item["transactionId"] == *two), "{list}");
    hands.moved_once("forumpay", &one, &json!({"direction": "out"})).await?;
    Ok(())
}

async fn deliveries(hands: Hands, data: String) -> Result<()> {
    let paid = hands.client.cashier(&bodies::payone("PAYIN", "101.00")).await?;
    let id = paid.text("/data/transactionId");
    let first = hands.sink.wait_for(id, 1, LIMIT).await?;
    let until = Instant::now() + LIMIT;
    let delivery = loop {
        let list = json_of(&format!("deliveries list --status delivered --transaction {id}"), &data).await?;
        if let [delivery] = items(&list)?.as_slice() {
            break delivery["id"].as_str().context("an id")?.to_owned();
        }
        ensure!(Instant::now() < until, "not delivered: {list}");
    };
    let page = page_of(&format!("deliveries list --transaction {id}"), &data).await?;
    ensure!(page.contains(&delivery) && page.contains("delivered"), "{page}");
    let again = json_of(&format!("deliveries replay {delivery}"), &data).await?;
    ensure!(again["id"] == *delivery, "{again}");
    let both = hands.sink.wait_for(id, 2, LIMIT).await?;
    ensure!(both[1].id == first[0].id && both[1].verified && both[1].body == first[0].body, "the replay is another event");
    let queued = json_of("deliveries replay --since 2020-01-01T00:00:00Z --status delivered", &data).await?;
    ensure!(queued["queued"].as_u64().is_some_and(|count| count >= 1), "{queued}");
    let all = hands.sink.wait_for(id, 3, LIMIT).await?;
    ensure!(all.iter().all(|one| one.id == first[0].id && one.verified), "a replay is another event");
    let unknown = run_beside(words("deliveries replay 64a1f2b3c4d5e6f7a8b9c0d1", &data)).await?;
    exits(&unknown, 1)?;
    let wrong = run_beside(words("deliveries replay --since yesterday", &data)).await?;
    exits(&wrong, 1)?;
    Ok(())
}

/// What comes while it listens is forwarded, signed the same: the receiver cannot tell it from a webhook.
async fn listen(hands: Hands, data: String, line: Value) -> Result<()> {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let local = Sink::start(&text("webhookSecret"), &text("webhookBearer")).await?;
    let mut process = tokio::process::Command::new(BINARY)
        .args(["listen", "--forward-to", &local.url, "--json", "--data", &data])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut talk = tokio::io::BufReader::new(process.stderr.take().context("its talk")?);
    let mut said = String::new();
    tokio::time::timeout(LIMIT, tokio::io::AsyncBufReadExt::read_line(&mut talk, &mut said)).await??;
    ensure!(said.contains(&local.url), "it says {said:?}");
    let paid = hands.client.cashier(&bodies::payone("PAYIN", "102.00")).await?;
    let id = paid.text("/data/transactionId");
    let webhook = hands.sink.wait_for(id, 1, LIMIT).await?.remove(0);
    let forwarded = local.wait_for(id, 1, LIMIT).await?.remove(0);
    ensure!(forwarded.verified, "it does not verify");
    ensure!(
        forwarded.id == webhook.id && forwarded.sequence == webhook.sequence && forwarded.body == webhook.body,
        "{forwarded:?} is not {webhook:?}"
    );
    process.kill().await?;
    let mut out = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut process.stdout.take().context("its output")?, &mut out).await?;
    for line in out.lines() {
        let told: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(told["id"].is_string() && told["result"] == "200", "{told}");
    }
    ensure!(!out.is_empty(), "it printed nothing");
    Ok(())
}

/// What `trigger --json` printed: the answer, the timeline, the transaction.
fn told(out: &str) -> Result<(Value, Vec<Value>, Value)> {
    let (mut answer, mut events, mut last) = (Value::Null, Vec::new(), Value::Null);
    for line in out.lines() {
        let mut told: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        if !told["event"].is_null() {
            events.push(told["event"].take());
        } else if told["transaction"].is_null() {
            answer = told;
        } else {
            last = told["transaction"].take();
        }
    }
    Ok((answer, events, last))
}

/// Every provider that the demo company has an account of, with a good amount and some bad ones.
async fn trigger(hands: Hands, data: String) -> Result<()> {
    let of = |text: String| {
        let data = data.clone();
        async move {
            let output = run_beside(words(&text, &data)).await?;
            let (out, talk) = exits(&output, 0).with_context(|| text.clone())?;
            let (answer, events, last) = told(&out).with_context(|| text.clone())?;
            ensure!(answer["http"].is_u64() && answer["answer"]["message"].is_string(), "{text}: {answer}");
            ensure!(events.first().is_some_and(|event| event["event"] == "created"), "{text}: {events:?}");
            ensure!(last["merchantReference"].as_str().is_some_and(|text| text.starts_with("trigger-")), "{text}: {last}");
            anyhow::Ok((answer, events, last, talk))
        }
    };
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?.body;
    let methods = items(&methods["data"])?.clone();
    ensure!(methods.len() >= 3, "{methods:?}");
    for method in methods {
        let psp_type = method["pspType"].as_str().context("a pspType")?;
        let descriptor = providers::by_psp_type(psp_type).context("a provider")?.descriptor();
        let name = descriptor.name;
        let (_, _, last, _) = of(format!("trigger {name} 00 --json")).await?;
        ensure!(last["transaction_status"] == "Approved" && last["pspType"] == descriptor.psp_type, "{name} 00: {last}");
        let (_, _, last, _) = of(format!("trigger {name} 01 --json")).await?;
        // Of a coin there is nobody who could decline: what is refused is called off.
        let refused = if name == "forumpay" { "Cancelled" } else { "Declined" };
        ensure!(last["transaction_status"] == refused, "{name} 01: {last}");
        ensure!(last["amount"].as_str().is_some_and(|amount| amount.ends_with("01")), "{name} 01: {last}");
        if let Some(spec) = &descriptor.pay_out {
            let (_, _, last, talk) = of(format!("trigger {name} 00 --payout --json")).await?;
            let id = last["transactionId"].as_str().context("an id")?;
            if spec.always_held {
                ensure!(
                    last["transaction_status"] == "OnHold" && talk.contains(&format!("approvals approve {id}")),
                    "{name}: {last} {talk}"
                );
                hands.nothing_moved(name, id).await?;
            } else {
                ensure!(last["transaction_status"] == "Approved", "{name} 00 --payout: {last}");
                hands.moved_once(name, id, &json!({"direction": "out"})).await?;
            }
        }
    }
    let (answer, _, last, _) = of("trigger payone 06 --json".to_owned()).await?;
    ensure!(answer["http"] == 429 && last["transaction_status"] == "Failed", "{answer} {last}");
    let (_, events, last, _) = of("trigger payone 09 --json".to_owned()).await?;
    let turns: Vec<&str> =
        events.iter().filter(|event| event["from"] != event["to"]).filter_map(|event| event["to"].as_str()).collect();
    ensure!(
        last["transaction_status"] == "Approved" && turns.ends_with(&["Declined", "Approved"]),
        "the late success is not waited for: {turns:?}"
    );
    let page = page_of("trigger payone 02", &data).await?;
    ensure!(page.contains("created") && page.contains("Declined (") && !page.contains("{\"event\""), "{page}");
    // With the company's token alone, and with a wrong one.
    let (base, token) = (hands.client.base.clone(), hands.client.company_token.clone());
    tokio::task::spawn_blocking(move || {
        let send =
            |token: &str| command(&["trigger", "payone", "00", "--json", "--url", &base]).env("MOZARTO_TOKEN", token).output();
        let (out, _) = exits(&send(&token)?, 0)?;
        ensure!(told(&out)?.2["transaction_status"] == "Approved", "{out}");
        let (_, talk) = exits(&send("nonsense")?, 1)?;
        ensure!(
            talk.contains("no transaction was made") && talk.contains("Unauthorized") && !talk.contains("nonsense"),
            "{talk}"
        );
        Ok(())
    })
    .await?
}

/// Without `--auto-settle`: the page and what to press there; the wait is bounded.
async fn trigger_without_payer() -> Result<()> {
    let world = World::start(BINARY, &[], |options| options).await?;
    let data = world.data().to_str().context("a path")?.to_owned();
    let output = run_beside(words("trigger payone 01 --wait 4", &data)).await?;
    let (out, talk) = exits(&output, 0)?;
    ensure!(out.contains("Pending (") && talk.contains("press") && talk.contains("/payone/webflow-payment/"), "{out}{talk}");
    ensure!(talk.contains("Nobody has paid yet") && talk.contains("transactions show"), "{talk}");
    Ok(())
}

/// Without a sandbox's directory: address and token from flag and environment.
async fn url_and_token(hands: Hands) -> Result<()> {
    let (base, token) = (hands.client.base.clone(), hands.client.management_token.clone());
    tokio::task::spawn_blocking(move || {
        let list = |token: Option<&str>| -> Result<Output> {
            let mut command = command(&["transactions", "list", "--json", "--url", &base]);
            if let Some(token) = token {
                command.env("MOZARTO_TOKEN", token);
            }
            Ok(command.output()?)
        };
        let (out, _) = exits(&list(Some(&token))?, 0)?;
        items(&serde_json::from_str(&out)?)?;
        let (out, talk) = exits(&list(Some("mm_wrong"))?, 1)?;
        ensure!(out.is_empty() && talk.contains("Unauthorized") && !talk.contains("mm_wrong"), "{talk}");
        let (_, talk) = exits(&list(None)?, 1)?;
        ensure!(talk.contains("MOZARTO_TOKEN"), "{talk}");
        Ok(())
    })
    .await?
}

fn nobody_there() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let (_, talk) = exits(&run(&["transactions", "list", "--data", empty.path().to_str().context("a path")?])?, 1)?;
    ensure!(talk.contains("sandbox.json"), "{talk}");
    let mut command = command(&["transactions", "list", "--url", "http://127.0.0.1:9"]);
    let (_, talk) = exits(&command.env("MOZARTO_TOKEN", "mm_x").output()?, 1)?;
    ensure!(talk.contains("does not answer"), "{talk}");
    let (_, talk) = exits(&run(&["transactions", "list"])?, 1)?;
    ensure!(talk.contains("--url") && talk.contains("--data"), "{talk}");
    Ok(())
}

fn config_check() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("mozarto.toml");
    let path = file.to_str().context("a path")?;
    let check = |text: &str, key: bool| -> Result<Output> {
        std::fs::write(&file, text)?;
        let mut command = command(&["config", "check", "--config", path]);
        if key {
            command.env("MOZARTO_MASTER_KEY", MASTER_KEY);
        }
        Ok(command.output()?)
    };
    let good = "environment = \"production\"\npublic_url = \"https://pay.example\"\n";
    let (out, _) = exits(&check(good, true)?, 0)?;
    ensure!(out.contains("https://pay.example") && !out.contains(MASTER_KEY), "{out}");
    let bad: [(&str, bool, &str); 7] = [
        (good, false, "master key"),
        ("environment = \"production\"\npublic_url = \"http://pay.example\"\n", true, "https"),
        ("environment = \"staging\"\npublic_url = \"https://pay.example\"\n", true, "environment"),
        ("environment = \"sandbox\"\n", true, "public_url"),
        ("environment = \"production\"\npublic_url = \"https://pay.example\"\ntypo = 1\n", true, "typo"),
        (
            "environment = \"production\"\npublic_url = \"https://pay.example\"\n[providers.forumpay]\nbase_url = \"http://127.0.0.1:8081/forumpay\"\n",
            true,
            "forumpay",
        ),
        ("this is no TOML", true, path),
    ];
    for (text, key, sentence) in bad {
        let (out, talk) = exits(&check(text, key)?, 1)?;
        ensure!(out.is_empty() && talk.contains(sentence), "{sentence:?} is not said: {talk}");
    }
    let (_, talk) = exits(&run(&["config", "check", "--config", "no-such-file.toml"])?, 1)?;
    ensure!(talk.contains("no-such-file.toml"), "{talk}");
    Ok(())
}

/// On the store itself, without a server.
fn store_commands() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("store");
    let data = data.to_str().context("a path")?;
    let json = |arguments: &[&str]| -> Result<Value> {
        let (out, _) =
            exits(&run(&[arguments, &["--json", "--data", data]].concat())?, 0).with_context(|| format!("{arguments:?}"))?;
        serde_json::from_str(&out).with_context(|| format!("{arguments:?}: {out}"))
    };
    let applied = json(&["migrate"])?;
    ensure!(applied["applied"].as_u64().is_some_and(|count| count > 0), "{applied}");
    ensure!(json(&["migrate"])?["applied"] == 0, "migrations ran twice");
    let (page, _) = exits(&run(&["migrate", "--data", data])?, 0)?;
    ensure!(page.contains("up to date"), "{page}");
    let made = json(&["company", "create", "--name", "Shop Ltd", "--currency", "EUR", "--country", "DE"])?;
    let id = made["companyId"].as_str().context("an id")?;
    for secret in ["companyToken", "apiKey", "apiSecret", "managementToken"] {
        ensure!(made[secret].as_str().is_some_and(|text| text.len() > 20), "no {secret}: {made}");
    }
    let listed = json(&["company", "list"])?;
    let one = items(&listed)?.iter().find(|item| item["companyId"] == id).with_context(|| format!("not listed: {listed}"))?;
    ensure!(one["name"] == "Shop Ltd" && one["suspended"] == false, "{one}");
    ensure!(!listed.to_string().contains(made["apiSecret"].as_str().unwrap_or("?")), "the list has secrets");
    ensure!(json(&["company", "suspend", id])?["suspended"] == true, "not suspended");
    ensure!(items(&json(&["company", "list"])?)?[0]["suspended"] == true, "not shown as suspended");
    ensure!(json(&["company", "suspend", id, "--lift"])?["suspended"] == false, "not lifted");
    let of = ["--company", id, "--email", "Me@Example.com"];
    let password = |made: &Value| made["password"].as_str().map(str::to_owned).context("no password");
    let first = password(&json(&[&["user", "create"], &of[..]].concat())?)?;
    ensure!(password(&json(&[&["user", "reset-password"], &of[..]].concat())?)? != first, "the password is the old one");
    let nobody = ["user", "reset-password", "--company", id, "--email", "you@example.com", "--data", data];
    exits(&run(&nobody)?, 1)?;
    let key = || std::fs::read(directory.path().join("store/master.key"));
    let before = key()?;
    ensure!(json(&["keys", "rotate"])?["companies"] == 1 && key()? != before, "the master key is the old one");
    let (page, talk) = exits(&run(&["company", "create", "--name", "Two Ltd", "--country", "CA", "--data", data])?, 0)?;
    ensure!(page.contains("companyToken") && talk.contains("Two Ltd"), "{page}{talk}");
    for wrong in [
        &["company", "create", "--name", "X", "--country", "Germany"][..],
        &["company", "create", "--name", "X", "--country", "DE", "--currency", "EURO"],
        &["company", "suspend", "64a1f2b3c4d5e6f7a8b9c0d1"],
        &["company", "suspend", "x"],
    ] {
        let (out, talk) = exits(&run(&[wrong, &["--data", data]].concat())?, 1).with_context(|| format!("{wrong:?}"))?;
        ensure!(out.is_empty() && !talk.is_empty(), "{wrong:?}: {out}");
    }
    Ok(())
}
