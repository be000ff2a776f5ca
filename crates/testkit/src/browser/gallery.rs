//! Looking at a page: four pictures of it, and what is wrong with it in any of them.

use super::Browser;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// CSS pixels. The narrow one is the smallest telephone in use.
const WIDTHS: [(&str, u32); 2] = [("wide", 1280), ("narrow", 360)];
/// CSS pixels; pictures are as high as the page.
const HEIGHT: u32 = 800;
const SCHEMES: [&str; 2] = ["light", "dark"];
/// What a script can find wrong with a page: answers one sentence each.
const INSPECTION: &str = include_str!("inspection.js");

/// Where the pictures go, and every fault found so far.
#[derive(Debug)]
pub struct Gallery {
    folder: PathBuf,
    faults: Vec<String>,
    pages: usize,
}

impl Gallery {
    /// An empty gallery: pictures of an earlier run are removed.
    ///
    /// # Errors
    /// When the folder cannot be made or emptied.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        for entry in std::fs::read_dir(folder)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "png") {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder: folder.to_owned(), faults: Vec::new(), pages: 0 })
    }

    /// Looks at the page that the browser shows: light and dark, wide and narrow.
    ///
    /// # Errors
    /// When a picture cannot be taken; faults of the page are kept for [`Gallery::verdict`].
    pub async fn look(&mut self, browser: &Browser, name: &str) -> Result<()> {
        self.look_at(browser, name, None).await
    }

    /// The same for a page that came with an HTTP status of 400 or more, about which the browser complains.
    ///
    /// # Errors
    /// As [`Gallery::look`].
    pub async fn look_at_refusal(&mut self, browser: &Browser, name: &str, status: u16) -> Result<()> {
        self.look_at(browser, name, Some(status)).await
    }

    async fn look_at(&mut self, browser: &Browser, name: &str, status: Option<u16>) -> Result<()> {
        self.pages += 1;
        let name = format!("{:02}-{name}", self.pages);
        for scheme in SCHEMES {
            dress(browser, scheme).await?;
            for (width_name, width) in WIDTHS {
                size(browser, width).await?;
                let view = format!("{name}-{scheme}-{width_name}");
                let found = browser.run(INSPECTION, json!([])).await.with_context(|| format!("inspecting {view}"))?;
                for fault in found.as_array().context("the inspection answers a list")? {
                    self.faults.push(format!("{view}: {}", fault.as_str().unwrap_or_default()));
                }
                self.take(browser, &view, width).await?;
            }
        }
        dress(browser, SCHEMES[0]).await?;
        size(browser, WIDTHS[0].1).await?;
        let expected = status.map(|status| format!("status of {status}"));
        for (source, message) in browser.complaints().await? {
            let is_expected = source == "network" && expected.as_ref().is_some_and(|expected| message.contains(expected));
            if !is_expected {
                self.faults.push(format!("{name}: the browser complains ({source}): {message}"));
            }
        }
        Ok(())
    }

    async fn take(&self, browser: &Browser, view: &str, width: u32) -> Result<()> {
        let height = browser.run("return document.documentElement.scrollHeight", json!([])).await?;
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let taken = browser.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip})).await?;
        let picture = STANDARD.decode(taken["data"].as_str().context("a picture")?).context("a picture in base64")?;
        std::fs::write(self.folder.join(format!("{view}.png")), picture).with_context(|| format!("keeping {view}"))
    }

    /// How many pages were looked at.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Everything that was wrong with them.
    ///
    /// # Errors
    /// When there was anything.
    pub fn verdict(self) -> Result<()> {
        anyhow::ensure!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
        Ok(())
    }
}

/// `prefers-color-scheme`. Transitions are off, so that no colour is caught on its way.
async fn dress(browser: &Browser, scheme: &str) -> Result<Value> {
    let features = json!([
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]);
    browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await
}

/// The width of the view.
async fn size(browser: &Browser, width: u32) -> Result<Value> {
    let metrics = json!({"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await
}
