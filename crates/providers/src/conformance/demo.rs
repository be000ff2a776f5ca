//! Demo requests: every scenario of every provider is a request that the provider's own table accepts.

use crate::demo::Demo;
use crate::fields::{self, Claims, Request};
use crate::testing::{CALLER, now};
use crate::{Provider, all};
use domain::urls::Environment;
use domain::{Json, Operation};

fn operations() -> impl Iterator<Item = (&'static dyn Provider, Operation)> {
    all().iter().flat_map(|provider| {
        let has = |operation: &Operation| provider.descriptor().operation(*operation).is_some();
        [Operation::PayIn, Operation::PayOut].into_iter().filter(has).map(|operation| (*provider, operation))
    })
}

fn problems(provider: &dyn Provider, operation: Operation, body: &Json, environment: Environment) -> Vec<String> {
    // What `mozarto trigger` says of the user.
    let claims = Claims { user_id: body.str_at("userId").unwrap_or_default().to_owned(), ..Claims::default() };
    let caller_ip = Some(CALLER.parse().unwrap());
    let request = Request { body, claims: Some(&claims), caller_ip, environment, now: now(), browser: Default::default() };
    let spec = provider.descriptor().operation(operation).unwrap();
    fields::check(spec, &request).err().map(|problems| [problems.missing, problems.invalid].concat()).unwrap_or_default()
}

#[test]
fn every_scenario_is_a_good_request() {
    for (provider, operation) in operations() {
        let name = provider.descriptor().name;
        for scenario in 0..=99 {
            let demo = Demo::of(provider, operation, scenario, 7).unwrap_or_else(|| panic!("{name}: the example has no amount"));
            assert_eq!(problems(provider, operation, &demo.body, Environment::Sandbox), Vec::<String>::new(), "{name}");
            assert_eq!(demo.amount.scenario_digits(), scenario, "{name}");
            assert_eq!(demo.body.get("baseamount").and_then(Json::as_number), Some(&*demo.amount.to_fixed()), "{name}");
            assert!(!demo.user_id().is_empty(), "{name}");
        }
    }
}

/// A demo request that reaches production by mistake is refused there: nobody is called.
#[test]
fn production_refuses_every_demo_request() {
    for (provider, operation) in operations() {
        let demo = Demo::of(provider, operation, 1, 7).unwrap();
        let problems = problems(provider, operation, &demo.body, Environment::Production);
        assert_eq!(problems, ["isTestMode is not allowed in production"], "{}", provider.descriptor().name);
    }
}

/// What can be spent once differs from request to request.
#[test]
fn single_use_values_are_fresh() {
    for (provider, operation) in operations() {
        let Some(single) = provider.descriptor().single_use_field else { continue };
        let value = |serial| Demo::of(provider, operation, 1, serial).unwrap().body.str_at(single.field).map(str::to_owned);
        assert!(value(1).is_some() && value(1) != value(2), "{}", provider.descriptor().name);
    }
}
