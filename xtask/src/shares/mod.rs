//! `cargo xtask shares`: one company, provider, peer or callback address at its worst, the attacker pinned to one core; what
//! everybody else notices of it, against a baseline with an equal idle burner on that core. Ends with a table, and with an error
//! when a bar is missed.

mod attack;
mod others;

pub(crate) use attack::{AttackArgs, attack};

use crate::bench;
use crate::install;
use anyhow::{Context, Result, ensure};
use attack::{Attack, Attacker, Callbacks, Tally, Target};
use clap::Args;
use others::{Others, Seen};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};

/// The p99 of the others may be so many times the baseline's.
const RATIO_MAX: u128 = 2;
/// Memory of the sandbox's process, in which the simulators are as well, KiB.
const MEMORY_MAX_KIB: u64 = 512 * 1024;
/// The core of the attacker.
const CORE: &str = "0";
/// The simulators press Pay after this long, milliseconds.
const AUTO_SETTLE_MS: u64 = 200;
const WARM_UP: Duration = Duration::from_secs(3);
/// An attack has reached what it is after by then.
const HEAD_START: Duration = Duration::from_secs(2);
/// Whose callbacks come in masses: each has the provider asked.
const BRITE: &str = concat!(
    r#"{"pspType":"BRITE","type":"PAYIN","baseamount":100.00,"currency":"EUR","#,
    r#""country":"FI","userId":"user_123","email":"player@example.com"}"#
);
/// An attack that has not made its calls by then is none.
const LONGEST: Duration = Duration::from_secs(90);

/// The command's settings.
#[derive(Debug, Args)]
pub(crate) struct SharesArgs {
    /// How long the others are measured without and under each attack, seconds; under it until its calls are made, too.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Only these attacks.
    #[arg(long, value_enum)]
    only: Vec<Attack>,
    /// Hang-ups and callbacks as fast as the attacker's core can, instead of the attack's number spread over the time.
    #[arg(long)]
    flood: bool,
    /// `postgres://...` of an empty database instead of the embedded store; with one attack only.
    #[arg(long)]
    database: Option<String>,
    /// The program to attack; without it one is built for release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A row of the table.
struct Row {
    attack: Attack,
    before: Seen,
    during: Seen,
    tally: Tally,
    memory_kib: u64,
}

/// Builds for release and runs itself from there; every attack on a fresh sandbox.
pub(crate) fn run(args: &SharesArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        install::run(
            "cargo",
            &["build", "--release", "--bin", "mozarto", "--bin", "xtask", "--package", "xtask", "--package", "mozarto"],
        )?;
        let status = Command::new(bench::release().join("xtask")).args(std::env::args_os().skip(1)).status()?;
        ensure!(status.success(), "it ended with {status}");
        return Ok(());
    }
    let binary = args.binary.clone().unwrap_or_else(|| bench::release().join("mozarto"));
    let attacks = if args.only.is_empty() { Attack::ALL.to_vec() } else { args.only.clone() };
    ensure!(args.database.is_none() || attacks.len() == 1, "--database is for one attack: name it with --only");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    for attack in attacks {
        match runtime.block_on(one(attack, &binary, args)) {
            Ok(row) => {
                broken.extend(row.missed().into_iter().map(|what| format!("{}: {what}", attack.name())));
                println!("{}", row.line());
                rows.push(row);
            }
            Err(error) => broken.push(format!("{}: {error:#}", attack.name())),
        }
    }
    print_table(&rows);
    ensure!(broken.is_empty(), "missed:\n  {}", broken.join("\n  "));
    Ok(())
}

/// A process on the attacker's core; killed with the value.
struct Burner(Child);

impl Burner {
    fn start() -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE, "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
        Ok(Self(command.spawn().context("taskset (Debian's util-linux)")?))
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn one(attack: Attack, binary: &Path, args: &SharesArgs) -> Result<Row> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(binary, data.path()).auto_settle(AUTO_SETTLE_MS).variable("MOZARTO_LOG", "error");
    let other = match &args.database {
        Some(url) => {
            options = options.database(url.clone());
            // The sandbox makes the schema first.
            let mut sandbox = Sandbox::start(options.clone()).await?;
            sandbox.terminate().await?;
            another_company(binary, data.path(), Some(url))?
        }
        None => another_company(binary, data.path(), None)?,
    };
    let sandbox = Sandbox::start(options).await?;
    let demo = Client::of(&sandbox);
    let other = others::with_account(&demo, &other).await?;
    // Of two companies one is at its worst and the other is not to notice; where a provider is the worst, its company's other
    // provider is not to notice either.
    let (worst, at_payone) = if attack == Attack::SilentProvider { (&demo, other.clone()) } else { (&other, demo.clone()) };
    let others = Others { forumpay: demo.clone(), payone: at_payone };
    let length = Duration::from_secs(args.seconds);
    others.measure(|| false, WARM_UP).await.context("warming up")?;
    let callbacks = match attack {
        Attack::Callbacks | Attack::StrangeCallbacks => Some(callback_address(&demo).await?),
        Attack::AccountCallbacks => Some(account_address(&demo).await?),
        _ => None,
    };
    let burner = Burner::start()?;
    tokio::time::sleep(HEAD_START).await;
    let before = others.measure(|| false, length).await.context("the baseline")?;
    // Where the attacker does not need all of its core, that is no relief to anybody.
    let burner = if args.flood { None } else { Some(burner) };

    let target = Target {
        base: demo.base.clone(),
        company_token: worst.company_token.clone(),
        user_token: worst.user_token.clone(),
        callbacks,
        spread: if args.flood { Duration::ZERO } else { length },
    };
    let attacker = Attacker::start(CORE, attack, &target)?;
    tokio::time::sleep(HEAD_START).await;
    let began = Instant::now();
    let goes_on = || attacker.tally().sent < attack.calls() && began.elapsed() < LONGEST;
    let during = others.measure(goes_on, length).await.context("under attack")?;
    let tally = attacker.stop()?;
    drop(burner);
    let memory_kib = high_water_kib(sandbox.process_id().context("it ended")?)?;
    Ok(Row { attack, before, during, tally, memory_kib })
}

/// Makes another company; answers its tokens.
fn another_company(binary: &Path, data: &Path, database: Option<&str>) -> Result<Value> {
    let mut command = Command::new(binary);
    command.args(["company", "create", "--name", "Other Ltd", "--country", "DE", "--json"]);
    match database {
        // As on a server: where the store is and what opens it is told by the environment.
        Some(url) => command
            .env("MOZARTO_ENVIRONMENT", "sandbox")
            .env("MOZARTO_PUBLIC_URL", "http://127.0.0.1:8080")
            .env("MOZARTO_DATABASE", url)
            .env("MOZARTO_MASTER_KEY_FILE", data.join("master.key")),
        None => command.arg("--data").arg(data),
    };
    let output = command.output()?;
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The address for callbacks of a new payment.
async fn callback_address(client: &Client) -> Result<Callbacks> {
    let made = client.cashier(BRITE).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let id = made.text("/transaction/transactionId");
    let calls = client.control("GET", "/brite/calls", None).await?;
    let start = format!("{}/callbacks/brite/", client.base);
    let token = |call: &Value| {
        let body = call["body"].as_str()?.replace("\\/", "/");
        let rest = body.contains(id).then(|| body.split_once(&start))??.1.to_owned();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).unwrap_or(rest.len());
        Some(format!("/callbacks/brite/{}", &rest[..end]))
    };
    let path =
        calls.body["calls"].as_array().into_iter().flatten().find_map(token).context("the provider was told no address")?;
    Ok(Callbacks { path, about: id.to_owned() })
}

/// The address for callbacks of an account, and a payment of it.
async fn account_address(client: &Client) -> Result<Callbacks> {
    let made = client.cashier(&bodies::gigadat_in("100.00")).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let method = client.manage("GET", &format!("/payment-methods/{}", client.method_of("GIGADAT").await?), None).await?;
    let url = method.body["data"]["callbackUrl"].as_str().context("the account has no address")?;
    let (_, path) = url.split_once("/callbacks/").context("the account's address is another")?;
    Ok(Callbacks { path: format!("/callbacks/{path}"), about: made.text("/transaction/transactionId").to_owned() })
}

fn high_water_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

impl Row {
    /// The bars that it misses.
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let most = self.before.p99 * u32::try_from(RATIO_MAX).unwrap_or(u32::MAX);
        if self.during.p99 > most {
            missed.push(format!("the others' p99 is {} ms instead of at most {}", ms(self.during.p99), ms(most)));
        }
        if self.memory_kib > MEMORY_MAX_KIB {
            missed.push(format!("{} MiB", self.memory_kib / 1024));
        }
        if self.tally.sent < self.attack.calls() {
            missed.push(format!("the attacker made {} calls instead of {}", self.tally.sent, self.attack.calls()));
        }
        if self.tally.refused() == 0 {
            missed.push(format!("nothing was refused: {}", self.tally));
        }
        if self.tally.without_retry_after > 0 {
            missed.push(format!("{} answers of 429 and 503 without Retry-After", self.tally.without_retry_after));
        }
        let strange = self.tally.others_than(self.attack.answers());
        if !strange.is_empty() {
            missed.push(format!("answers {strange:?}"));
        }
        missed
    }

    fn line(&self) -> String {
        let (before, during) = (&self.before, &self.during);
        format!(
            "| {} | {} | {} | {} | {} | {} -> {} | {} -> {} | {} | {} |",
            self.attack.what(),
            ms(before.p99),
            ms(during.p99),
            ratio(before.p99, during.p99),
            during.count,
            ms(before.p50),
            ms(during.p50),
            ms(before.managing_p99),
            ms(during.managing_p99),
            self.memory_kib / 1024,
            self.tally,
        )
    }
}

fn ms(time: Duration) -> String {
    let tenths = (time.as_micros() + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn ratio(before: Duration, during: Duration) -> String {
    let hundredths = during.as_micros() * 100 / before.as_micros().max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn print_table(rows: &[Row]) {
    println!(
        "\n| Attack | others' p99 before, ms | under attack | ratio (<= {RATIO_MAX}) | of | p50 | Management's p99 \
         | MiB (<= 512) | the attacker's answers |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!("{}", row.line());
    }
    let mut on = bench::describe();
    on["build"] =
        "release; platform, simulators and shop in one process; the others and the attacker in theirs, on the same cores".into();
    println!("\n{on}");
}
