//! Every request that a provider makes, for each task, as it goes out (header values apart).

use crate::testing::tasks;
use crate::{Call, all};
use std::fmt::Write as _;

fn show(call: &Call) -> String {
    let mut text = format!("{} {}\n", call.method, call.url);
    for (name, value) in &call.headers {
        let value = if *name == "content-type" { value.expose() } else { "[redacted]" };
        writeln!(text, "{name}: {value}").unwrap();
    }
    writeln!(text, "(step {}, doubt {:?}, shown {})", call.step, call.doubt, call.shown).unwrap();
    if let Some(memo) = &call.memo {
        writeln!(text, "(memo {})", memo.to_text()).unwrap();
    }
    if !call.body.is_empty() {
        writeln!(text, "\n{}", String::from_utf8_lossy(&call.body)).unwrap();
    }
    text
}

#[test]
fn requests() {
    for provider in all() {
        let mut text = String::new();
        for (task, mut world) in tasks(*provider) {
            let (calls, _) = world.run(task);
            writeln!(text, "== {} of a {} ==", task.as_str(), world.order.operation.as_str()).unwrap();
            for call in &calls {
                writeln!(text, "{}", show(call)).unwrap();
            }
        }
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(provider.descriptor().name, text);
        });
    }
}
