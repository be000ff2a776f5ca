//! What a payer's browser does: the device check, the challenge, the way back. The gateway's notifications are dropped, so that
//! one thing alone tells an end.

use super::*;
use testkit::forms::Form;

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for card in [CHALLENGE, "4901170000000003", "4711100000000000", CHECK_THEN_CHALLENGE, "4901164281364345"] {
        row(stage, book, &format!("browser, {card}"), async |scene| goes_the_way(scene, "112.00", card, "pay").await).await;
    }
    for digits in ["01", "02", "03", "09"] {
        for card in [CHALLENGE, CHECK_THEN_CHALLENGE] {
            let amount = format!("112.{digits}");
            let work = async |scene: &mut Scene<'_>| goes_the_way(scene, &amount, card, "pay").await;
            row(stage, book, &format!("browser, {digits} with {card}"), work).await;
        }
    }
    for button in ["decline", "cancel"] {
        let work = async |scene: &mut Scene<'_>| goes_the_way(scene, "112.00", CHALLENGE, button).await;
        row(stage, book, &format!("browser, presses {button}"), work).await;
    }
    for digits in ["00", "01", "10"] {
        let amount = format!("116.{digits}");
        row(stage, book, &format!("browser, {CHECK} {digits}"), async |scene| is_checked(scene, &amount).await).await;
    }
    row(stage, book, "browser, the device check is never told", async |scene| is_never_told(scene).await).await;
    row(stage, book, "browser, the page is never opened", async |scene| is_never_opened(scene).await).await;
    row(stage, book, "browser, only navigation", async |scene| only_navigates(scene).await).await;
    row(stage, book, "browser, tokens of others", async |scene| has_other_tokens(scene).await).await;
    for (name, form) in checks() {
        let work = async |scene: &mut Scene<'_>| {
            let unique_id = opened(scene, "117.00", CHECK_THEN_CHALLENGE).await?;
            opens(scene).await?;
            told_check(scene, &form(&unique_id)).await?;
            looks(scene).await
        };
        row(stage, book, &format!("device check told: {name}"), work).await;
    }
}

/// The gateway's page after its device check, where there is one: answers it.
async fn goes_the_way(scene: &mut Scene<'_>, amount: &str, card: &str, button: &str) -> Result<()> {
    let unique_id = opened(scene, amount, card).await?;
    let url = match card {
        CHECK_THEN_CHALLENGE | "4901164281364345" => {
            opens(scene).await?;
            told_check(scene, &check(&unique_id, "completed")).await?;
            next(scene).await?
        }
        _ => scene.client().status(scene.id()).await?.text("/data/redirectUrl").to_owned(),
    };
    let back = presses(scene, &url, button).await?;
    returns(scene, &back).await
}

/// Our page of the device check: its form, posted to the gateway as the hidden frame does.
pub(super) async fn opens(scene: &mut Scene<'_>) -> Result<()> {
    let url = page_of(scene).await?;
    let page = scene.client().send("GET", &url, &[], None).await?;
    ensure!(page.status == 200, "our page: {}", page.status);
    let form = Form::of(&page.bytes)?;
    let policy = page.header("content-security-policy").unwrap_or_default();
    let fields: Vec<String> = form.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    scene.did("our page", shown(page.status, format!("{policy}\n{}\n{}", form.action, fields.join("\n"))));
    let there = past_the_recorder(scene, &form.action);
    let fields = form.fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let done = posted(scene, &there, &fields).await?;
    scene.did("the frame posts", shown(done.status, ""));
    Ok(())
}

async fn page_of(scene: &Scene<'_>) -> Result<String> {
    Ok(scene.client().status(scene.id()).await?.text("/data/redirectUrl").to_owned())
}

/// The gateway's pages are not part of what we say to it.
fn past_the_recorder(scene: &Scene<'_>, url: &str) -> String {
    match url.split_once("/emerchantpay/") {
        Some((_, path)) => format!("{}/emerchantpay/{path}", scene.client().simulator),
        None => url.to_owned(),
    }
}

pub(super) async fn posted(scene: &Scene<'_>, url: &str, form: &str) -> Result<Answer> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    scene.client().send("POST", url, &headers, Some(form.as_bytes().to_vec())).await
}

/// What the gateway says of a device check.
pub(super) fn check(unique_id: &str, word: &str) -> String {
    let signature = hash(&digest::SHA512, &[unique_id, word, PASSWORD]);
    format!("unique_id={unique_id}&threeds_method_status={word}&signature={signature}")
}

pub(super) async fn told_check(scene: &mut Scene<'_>, form: &str) -> Result<()> {
    let url = told_to_gateway(scene, "callback_url").await?;
    let answer = posted(scene, &url, form).await?;
    scene.did(format!("device check {form}"), answer);
    Ok(())
}

/// Asks our page once how it goes on.
async fn looks(scene: &mut Scene<'_>) -> Result<()> {
    let way = scene.client().send("GET", &format!("{}/next", page_of(scene).await?), &[], None).await?;
    scene.did("next", way);
    Ok(())
}

/// Asks our page how it goes on, until it does; where the browser goes.
pub(super) async fn next(scene: &mut Scene<'_>) -> Result<String> {
    let url = page_of(scene).await?;
    for _ in 0..LOOKS_MAX {
        let way = scene.client().send("GET", &format!("{url}/next"), &[], None).await?;
        if way.body != json!({"wait": true}) {
            scene.did("next", way.clone());
            return Ok(way.text("/go").to_owned());
        }
    }
    anyhow::bail!("the page waits for ever")
}

/// A button of the gateway's page; the address of ours that it leads to.
async fn presses(scene: &mut Scene<'_>, url: &str, button: &str) -> Result<String> {
    let there = past_the_recorder(scene, url);
    let page = scene.client().send("GET", &there, &[], None).await?;
    ensure!(page.status == 200, "the gateway's page: {}", page.status);
    let back = posted(scene, &there, &format!("action={button}")).await?;
    let page = String::from_utf8_lossy(&back.bytes).into_owned();
    // Where the challenge has expired its page has a link.
    let link = || page.split_once("/return/").and_then(|(_, rest)| rest.split('"').next());
    let address = match back.header("location") {
        Some(address) => address.to_owned(),
        None => format!("{}/return/{}", scene.client().base, link().context("no way back")?),
    };
    scene.did(format!("presses {button}"), shown(back.status, address.clone()));
    Ok(address)
}

/// Our page for those who come back.
async fn returns(scene: &mut Scene<'_>, url: &str) -> Result<()> {
    let came = scene.client().send("GET", url, &[], None).await?;
    let to = came.header("location").unwrap_or_default().to_owned();
    scene.did(format!("GET {url}"), shown(came.status, to));
    Ok(())
}

/// A device check, then no challenge: the second call's answer is the outcome.
async fn is_checked(scene: &mut Scene<'_>, amount: &str) -> Result<()> {
    let unique_id = opened(scene, amount, CHECK).await?;
    opens(scene).await?;
    told_check(scene, &check(&unique_id, "completed")).await?;
    next(scene).await?;
    let url = page_of(scene).await?;
    let again = scene.client().send("GET", &url, &[], None).await?;
    let to = again.header("location").unwrap_or_default().to_owned();
    scene.did("our page again", shown(again.status, to));
    Ok(())
}

/// After the 6 s the payment goes on all the same, once.
async fn is_never_told(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, "118.00", CHECK_THEN_CHALLENGE).await?;
    opens(scene).await?;
    let challenge = next(scene).await?;
    next(scene).await?;
    let back = presses(scene, &challenge, "pay").await?;
    returns(scene, &back).await
}

async fn is_never_opened(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, "118.00", CHECK_THEN_CHALLENGE).await?;
    scene.control("decline").await?;
    scene.manage("inquire").await.map(drop)
}

/// A browser that comes back with success proves nothing.
async fn only_navigates(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, "118.00", CHALLENGE).await?;
    for element in ["return_success_url", "return_failure_url"] {
        let url = told_to_gateway(scene, element).await?;
        returns(scene, &url).await?;
    }
    let url = told_to_gateway(scene, "return_success_url").await?.replace("/success", "/sesame");
    returns(scene, &url).await
}

async fn has_other_tokens(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, "118.00", CHALLENGE).await?;
    let base = scene.client().base.clone();
    let other = "A".repeat(43);
    returns(scene, &format!("{base}/return/emerchantpay/{other}/success")).await?;
    returns(scene, &format!("{base}/3ds/{other}")).await?;
    returns(scene, &format!("{base}/3ds/{other}/next")).await?;
    returns(scene, &format!("{base}/callbacks/emerchantpay/{other}/threeds")).await?;
    let check = told_to_gateway(scene, "callback_url").await?;
    returns(scene, &check).await?;
    let answer = posted(scene, check.trim_end_matches("/threeds"), "a=b").await?;
    scene.did("a notification to the address of the device check", answer);
    Ok(())
}

/// Ends of a device check, by the gateway's id.
type Told = fn(&str) -> String;

fn checks() -> [(&'static str, Told); 7] {
    [
        ("in_progress", |id| check(id, "in_progress")),
        ("required", |id| check(id, "required")),
        ("completed, signed for another word", |id| check(id, "required").replace("=required", "=completed")),
        ("another id", |_| check(&"4".repeat(32), "completed")),
        ("unsigned", |id| format!("unique_id={id}&threeds_method_status=completed")),
        ("signed twice", |id| format!("{}&signature={}", check(id, "completed"), "0".repeat(128))),
        ("nothing", |_| String::new()),
    ]
}
