//! A small world for the tests: an account, an order and a provider whose answers are the files of its `fixtures` folder.
//!
//! `settings.json` is the account; `<step>.json` (`.xml`, `.html`) the good answer to a step, `<step>.<task>.json` and
//! `<step>.<operation>.json` where they differ, `<step>.404.json` one that comes with another HTTP status; `callback.http` a good
//! callback (header lines, an empty line, the body); `reference.json` which calls need not name our reference (`unnamed`: those
//! that ask by an id of the provider's, or about no payment), which tasks' answers show the transaction's id (`shows`), and what
//! a callback names (`callback`: `our reference` or `nothing of ours`; left out without callbacks).

use crate::api::{Account, Answer, Call, Callback, Context, Doubt, Order, Remember, Reply, Sent, Standing, Step, Task};
use crate::card::Card;
use crate::fields::{self, BrowserHeaders, Request};
use crate::pages::{Opening, PageUrls};
use crate::settings::{self, SettingContext};
use crate::{Memo, Provider};
use domain::urls::Environment;
use domain::{Json, Operation, Secret, Settings, Timestamp, TransactionStatus};
use std::path::PathBuf;

pub(crate) const TRANSACTION: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
pub(crate) const SESSION: &str = "60a74038-5b94-427e-8cff-abc123000000";
pub(crate) const COMPANY: &str = "64a1f2b3c4d5e6f7a8b9c000";
pub(crate) const CALLER: &str = "203.0.113.42";
pub(crate) const CALLS_MAX: usize = domain::limits::CALLS_PER_FLOW_MAX;

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-05-17T09:32:57Z").unwrap()
}

pub(crate) fn folder(provider: &dyn Provider) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(provider.descriptor().name)
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer(Answer::received(status, Vec::new(), body.into(), now()))
}

pub(crate) fn sandbox() -> SettingContext {
    SettingContext { environment: Environment::Sandbox, now: now(), may_set_base_url: true, accept_assumed_protocol: false }
}

pub(crate) struct World {
    pub(crate) provider: &'static dyn Provider,
    pub(crate) settings: Settings,
    pub(crate) order: Order,
    pub(crate) memo: Memo,
    pub(crate) psp_transaction_id: Option<String>,
    pub(crate) status: TransactionStatus,
    pub(crate) hint: Option<Json>,
    pub(crate) card: Option<Card>,
    pub(crate) now: Timestamp,
    pub(crate) random: [u8; 16],
    pub(crate) inquiry: u32,
    pub(crate) time_scale: u32,
    pub(crate) environment: Environment,
    pub(crate) account_cache: Option<Secret>,
}

impl World {
    /// The published example, not sent yet.
    pub(crate) fn new(provider: &'static dyn Provider, operation: Operation) -> Self {
        let example = provider.descriptor().operation(operation).unwrap().example;
        Self::ordering(provider, operation, example)
    }

    pub(crate) fn ordering(provider: &'static dyn Provider, operation: Operation, body: &str) -> Self {
        let spec = provider.descriptor().operation(operation).unwrap();
        let body = json(body);
        let request = Request {
            body: &body,
            claims: None,
            caller_ip: Some(CALLER.parse().unwrap()),
            browser: BrowserHeaders::default(),
            environment: Environment::Sandbox,
            now: now(),
        };
        let checked = fields::check(spec, &request).unwrap();
        let configured = std::fs::read(folder(provider).join("fixtures/settings.json")).unwrap();
        let configured = Json::parse(&configured).unwrap();
        Self {
            provider,
            settings: settings::apply(provider.descriptor(), &Settings::default(), &configured, &sandbox()).unwrap(),
            order: Order {
                transaction_id: TRANSACTION.parse().unwrap(),
                reference: TRANSACTION.parse().unwrap(),
                session_id: SESSION.parse().unwrap(),
                operation,
                amount: checked.amount,
                merchant_reference: checked.merchant_reference,
                created_at: now(),
                fields: checked.fields,
            },
            memo: Json::object::<String>([]),
            psp_transaction_id: None,
            status: TransactionStatus::Created,
            hint: None,
            card: checked.card,
            now: now(),
            random: [0x5a; 16],
            inquiry: 1,
            time_scale: 1,
            environment: Environment::Sandbox,
            account_cache: None,
        }
    }

    /// The same under these ids: the transaction's, and our reference at the provider.
    pub(crate) fn named(mut self, transaction: &str, reference: &str) -> Self {
        self.order.transaction_id = transaction.parse().unwrap();
        self.order.reference = reference.parse().unwrap();
        self
    }

    /// The published example, taken by the provider: `Pending`, or `OnHold`.
    pub(crate) fn created(provider: &'static dyn Provider, operation: Operation) -> Self {
        Self::new(provider, operation).taken()
    }

    /// The order, taken by the provider.
    pub(crate) fn taken(mut self) -> Self {
        let world = &mut self;
        let operation = world.order.operation;
        let (_, end) = world.run(create_task(operation));
        let Step::Found(finding) = end else { panic!("{end:?}") };
        world.status = match finding.standing {
            Standing::OnHold => TransactionStatus::OnHold,
            _ => TransactionStatus::Pending,
        };
        self
    }

    /// As far as an inquiry makes sense: a held pay-out is approved and confirmed, a page of ours is opened.
    pub(crate) fn open(provider: &'static dyn Provider, operation: Operation) -> Self {
        Self::new(provider, operation).opened()
    }

    /// The order, as far as an inquiry makes sense.
    pub(crate) fn opened(self) -> Self {
        let provider = self.provider;
        let mut world = self.taken();
        if provider.descriptor().pages.pay {
            let Opening::Form(form) = world.with_context(|cx| provider.open_page(cx)) else { panic!("the page does not open") };
            world.memo = form.memo.unwrap_or(world.memo);
        }
        if world.status == TransactionStatus::OnHold {
            world.status = TransactionStatus::Pending;
            world.run(Task::Finalise);
        }
        world
    }

    pub(crate) fn account(&self) -> (Settings, String) {
        let base_url = settings::base_url(self.provider.descriptor(), &self.settings, Environment::Sandbox).unwrap();
        (self.settings.clone(), base_url)
    }

    /// Our pages of the transaction, where the provider has them.
    pub(crate) fn pages(&self) -> PageUrls {
        let (pages, name) = (self.provider.descriptor().pages, self.provider.descriptor().name);
        let url = |has: bool, url: String| if has { url } else { String::new() };
        PageUrls {
            pay: url(pages.pay, "https://gw.example/pay/p4y".to_owned()),
            challenge: url(pages.challenge, "https://gw.example/3ds/t0k".to_owned()),
            back: url(pages.back, format!("https://gw.example/return/{name}/t0k")),
            device_check: url(pages.device_check, format!("https://gw.example/callbacks/{name}/m3th0d/threeds")),
        }
    }

    pub(crate) fn with_context<T>(&self, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let (settings, base_url) = self.account();
        let callback_url = format!("https://gw.example/callbacks/{}/token", self.provider.descriptor().name);
        act(&Context {
            account: Account { settings: &settings, base_url: &base_url, environment: self.environment },
            company_id: COMPANY.parse().unwrap(),
            order: &self.order,
            memo: &self.memo,
            psp_transaction_id: self.psp_transaction_id.as_deref(),
            public_url: "https://gw.example",
            callback_url: &callback_url,
            pages: &self.pages(),
            card: self.card.as_ref(),
            now: self.now,
            random: self.random,
            inquiry: self.inquiry,
            hint: self.hint.as_ref(),
            status: self.status,
            time_scale: self.time_scale,
            account_cache: self.account_cache.as_ref(),
        })
    }

    /// Keeps what the engine would keep.
    fn keep(&mut self, step: Step) -> Step {
        let memo = match &step {
            Step::Call(call) => call.memo.clone(),
            Step::Found(finding) => {
                self.psp_transaction_id = finding.psp_transaction_id.clone().or(self.psp_transaction_id.take());
                finding.memo.clone()
            }
            _ => None,
        };
        self.memo = memo.unwrap_or_else(|| self.memo.clone());
        step
    }

    pub(crate) fn begin(&mut self, task: Task) -> Step {
        let step = self.with_context(|cx| self.provider.begin(task, cx));
        self.keep(step)
    }

    pub(crate) fn resume(&mut self, task: Task, call: &Call, reply: &Reply) -> Step {
        let sent = Sent { step: call.step.to_owned(), scratch: call.scratch.clone() };
        match self.with_context(|cx| self.provider.remember(cx, &sent, reply)) {
            Some(Remember::Keep { value, until }) => self.account_cache = (until > self.now).then_some(value),
            Some(Remember::Forget) => self.account_cache = None,
            None => {}
        }
        let step = self.with_context(|cx| self.provider.resume(task, cx, &sent, reply));
        self.keep(step)
    }

    /// The good answer to a step.
    pub(crate) fn good(&self, task: Task, step: &str) -> (u16, Vec<u8>) {
        let operation = create_task(self.order.operation).as_str();
        let fixtures = folder(self.provider).join("fixtures");
        let named = [format!("{step}.{}", task.as_str()), format!("{step}.{operation}"), step.to_owned()];
        let named = named.into_iter().map(|name| (200, name)).chain([(404, format!("{step}.404"))]);
        for (status, name) in named {
            for kind in ["json", "xml", "html"] {
                if let Ok(body) = std::fs::read(fixtures.join(format!("{name}.{kind}"))) {
                    return (status, body.trim_ascii().to_vec());
                }
            }
        }
        panic!("{} has no fixture for {step}", self.provider.descriptor().name);
    }

    /// Runs a task to its end with good answers.
    pub(crate) fn run(&mut self, task: Task) -> (Vec<Call>, Step) {
        self.run_with(task, |world, call| {
            let (status, body) = world.good(task, call.step);
            answer(status, body)
        })
    }

    /// Runs a task to its end with these answers.
    pub(crate) fn run_with(&mut self, task: Task, mut reply: impl FnMut(&Self, &Call) -> Reply) -> (Vec<Call>, Step) {
        let mut calls = Vec::new();
        let mut step = self.begin(task);
        while let Step::Call(call) = step {
            assert!(calls.len() < CALLS_MAX, "the flow does not end");
            let reply = reply(self, &call);
            step = self.resume(task, &call, &reply);
            calls.push(*call);
        }
        (calls, step)
    }

    /// Runs a task with these answers, one after the other; the steps called, and the end.
    pub(crate) fn script(&mut self, task: Task, replies: &[(&str, Reply)]) -> Step {
        let mut replies = replies.iter();
        let (_, end) = self.run_with(task, |_, call| {
            let (step, reply) = replies.next().unwrap_or_else(|| panic!("no answer left for {}", call.step));
            assert_eq!(call.step, *step);
            reply.clone()
        });
        assert_eq!(replies.next().map(|(step, _)| step), None, "answers left over");
        end
    }

    pub(crate) fn callback(&self, headers: &[(String, String)], body: &[u8], per_transaction: bool) -> crate::CallbackReading {
        let (settings, base_url) = self.account();
        let account = Account { settings: &settings, base_url: &base_url, environment: Environment::Sandbox };
        let callback = Callback {
            method: "POST",
            query: "",
            headers,
            body,
            reference: per_transaction.then_some(self.order.reference),
            amount: per_transaction.then_some(self.order.amount),
            operation: per_transaction.then_some(self.order.operation),
        };
        self.provider.read_callback(&account, &callback)
    }
}

pub(crate) const fn create_task(operation: Operation) -> Task {
    match operation {
        Operation::PayIn => Task::PayIn,
        Operation::PayOut => Task::PayOut,
    }
}

/// Everything that a provider can be asked to do, each with a world in which it makes sense.
pub(crate) fn tasks(provider: &'static dyn Provider) -> Vec<(Task, World)> {
    tasks_of(provider, |operation| World::new(provider, operation))
}

/// The same of orders that are made so.
pub(crate) fn tasks_of(provider: &'static dyn Provider, new: impl Fn(Operation) -> World) -> Vec<(Task, World)> {
    let mut tasks = Vec::new();
    for operation in [Operation::PayIn, Operation::PayOut] {
        let Some(spec) = provider.descriptor().operation(operation) else { continue };
        tasks.push((create_task(operation), new(operation)));
        if spec.always_held {
            let mut world = new(operation).taken();
            world.status = TransactionStatus::Pending;
            tasks.push((Task::Finalise, world));
        }
        if operation == Operation::PayOut && provider.descriptor().release_again {
            tasks.push((Task::ReleaseAgain, new(operation).opened()));
        }
        if operation == Operation::PayIn && provider.descriptor().pages.device_check {
            tasks.push((Task::Continue, new(operation).opened()));
        }
        tasks.push((Task::Inquire, new(operation).opened()));
    }
    tasks.push((Task::Test, new(Operation::PayIn)));
    tasks
}

pub(crate) const fn is_final(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Approved | Standing::Declined | Standing::Cancelled | Standing::Expired | Standing::Failed | Standing::Reversed
    )
}

pub(crate) fn found(step: Step) -> crate::Finding {
    match step {
        Step::Found(finding) => *finding,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn the_call(step: Step) -> Call {
    match step {
        Step::Call(call) => *call,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.expose())
}

pub(crate) fn is_money(call: &Call) -> bool {
    call.doubt == Doubt::Money
}
