mod after;
mod browser;
mod sale;
mod settings;

use super::EMerchantPay;
use crate::api::{Reply, Step, Task};
use crate::testing::{World, answer, the_call};
use domain::Operation;

const UNIQUE_ID: &str = "44177a21403427eb96664a6d7e5d5d48";
const MONEY: &str = "<amount>10000</amount><currency>EUR</currency>";
const IDS: &str =
    "<transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id>";

fn world() -> World {
    World::new(&EMerchantPay, Operation::PayIn)
}

/// The published example with members changed; `null` takes one out.
fn example(changes: &[(&str, &str)]) -> String {
    let mut body = crate::testing::json(world().provider.descriptor().pay_in.as_ref().unwrap().example);
    for (name, value) in changes {
        match *value {
            "null" => drop(body.remove(name)),
            value => body.set(name, crate::testing::json(value)),
        }
    }
    body.to_text()
}

fn ordering(changes: &[(&str, &str)]) -> World {
    World::ordering(&EMerchantPay, Operation::PayIn, &example(changes))
}

/// An answer about our payment.
fn about(status: &str, rest: &str) -> String {
    format!("<payment_response><status>{status}</status>{IDS}{rest}{MONEY}</payment_response>")
}

/// An answer without ids.
fn bare(rest: &str) -> String {
    format!("<payment_response><status>error</status>{rest}</payment_response>")
}

fn sell(reply: &Reply) -> Step {
    let mut world = world();
    let call = the_call(world.begin(Task::PayIn));
    world.resume(Task::PayIn, &call, reply)
}

fn ask(world: &mut World, body: &str) -> Step {
    let call = the_call(world.begin(Task::Inquire));
    world.resume(Task::Inquire, &call, &answer(200, body))
}
