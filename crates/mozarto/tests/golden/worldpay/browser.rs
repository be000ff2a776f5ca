//! The payer's browser, step by step.

use super::act::Act;
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testkit::client::Answer;
use testkit::forms::Form;

/// The card that is typed on Worldpay's page.
pub(super) fn typed(pan: &str, holder: &str) -> Vec<(String, String)> {
    let cvc = if pan.starts_with("34") { "1234" } else { "123" };
    let fields = [
        ("action", "pay"),
        ("cardNumber", pan),
        ("expiryMonth", "11"),
        ("expiryYear", "2035"),
        ("cardHolderName", holder),
        ("cvc", cvc),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub(super) fn button(name: &str) -> Vec<(String, String)> {
    vec![("action".to_owned(), name.to_owned())]
}

/// Where an answer sends the browser.
fn way(answer: &Answer) -> String {
    let to = answer.header("location").map(|to| format!("location: {to}"));
    to.unwrap_or_else(|| String::from_utf8_lossy(&answer.bytes).into_owned())
}

impl Act<'_, '_> {
    async fn get(&self, url: &str) -> Result<Answer> {
        self.client().send("GET", url, &[], None).await
    }

    /// Presses a button of the hosted page; where that sends the browser.
    pub(super) async fn press(&mut self, page: &str, fields: Vec<(String, String)>) -> Result<String> {
        let shown = self.get(page).await?;
        ensure!(shown.status == 200, "{} {}", shown.status, String::from_utf8_lossy(&shown.bytes));
        let more: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let there = Form::of(&shown.bytes)?.post(self.client(), page, &more).await?;
        let to = there.header("location").context("no way on")?.to_owned();
        self.notes("pressed on Worldpay's page", there.status, way(&there));
        Ok(to)
    }

    /// The hosted page sends the browser on by itself.
    pub(super) async fn sent_on(&mut self, page: &str) -> Result<String> {
        let shown = self.get(page).await?;
        let to = shown.header("location").context("no way on")?.to_owned();
        self.notes("opened Worldpay's page", shown.status, way(&shown));
        Ok(to)
    }

    /// The browser at our return address.
    pub(super) async fn back(&mut self, url: &str) -> Result<()> {
        let came = self.get(url).await?;
        self.notes("back at us", came.status, way(&came));
        Ok(())
    }

    /// Our page with the challenge's form.
    pub(super) async fn challenge_page(&mut self, ours: &str) -> Result<Option<Form>> {
        let page = self.get(ours).await?;
        if page.status != 200 {
            self.notes("our page of the challenge", page.status, way(&page));
            return Ok(None);
        }
        let headers = ["content-type", "cache-control", "content-security-policy", "referrer-policy", "x-frame-options"];
        let headers: Vec<String> =
            headers.iter().map(|name| format!("{name}: {}\n", page.header(name).unwrap_or_default())).collect();
        let form = Form::of(&page.bytes)?;
        let jwt = form.all("JWT").first().copied().unwrap_or_default().to_owned();
        let parts: Vec<String> = jwt.split('.').take(2).map(decoded).collect();
        let html = String::from_utf8_lossy(&page.bytes).into_owned();
        let html = html.split_once("<main>").map_or(html.as_str(), |(_, main)| main);
        self.notes("our page of the challenge", page.status, format!("{}\n{html}\n{}", headers.concat(), parts.join("\n")));
        Ok(Some(form))
    }

    /// From our page to the challenge, a button there, and the form that comes back.
    pub(super) async fn at_the_challenge(&mut self, ours: &str, button: &str) -> Result<Form> {
        let form = self.challenge_page(ours).await?.context("no challenge")?;
        let action = form.action.clone();
        let there = form.post(self.client(), ours, &[]).await?;
        ensure!(there.status == 200, "the challenge: {} {}", there.status, String::from_utf8_lossy(&there.bytes));
        let pressed = Form::of(&there.bytes)?.post(self.client(), &action, &[("action", button)]).await?;
        if !String::from_utf8_lossy(&pressed.bytes).contains("<form") {
            self.notes(format!("pressed {button}"), pressed.status, "");
            return Ok(form);
        }
        Form::of(&pressed.bytes)
    }

    /// The browser comes back from the challenge with that.
    pub(super) async fn challenge_returned(&mut self, ours: &str, form: &Form) -> Result<Answer> {
        let came = form.post(self.client(), ours, &[]).await?;
        self.notes("back from the challenge", came.status, way(&came));
        Ok(came)
    }

    /// The whole of it.
    pub(super) async fn challenged(&mut self, ours: &str, button: &str) -> Result<()> {
        let form = self.at_the_challenge(ours, button).await?;
        self.challenge_returned(ours, &form).await.map(drop)
    }

    /// Back without having been anywhere.
    pub(super) async fn returns(&mut self, ours: &str) -> Result<()> {
        let came = self.client().send("POST", &format!("{ours}/return"), &[], Some(Vec::new())).await?;
        self.notes("back from the challenge", came.status, way(&came));
        Ok(())
    }
}

fn decoded(part: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
