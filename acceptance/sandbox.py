#!/usr/bin/env python3
"""Walks through the sandbox as a merchant would who has read the published pages, and checks every answer field by field.

    mozarto sandbox --auto-settle 50 --data DIR        (in another terminal)
    acceptance/sandbox.py < DIR/sandbox.json
    acceptance/sandbox.py --binary target/debug/mozarto [--database postgres://...]

It needs the Python standard library only, shares no code with the product, and knows nothing but the JSON line of the sandbox (`--auto-settle` on).
One line per check; the exit code is 1 if any failed.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid

# Nothing of a run stays beside the sources.
sys.dont_write_bytecode = True

import accounts  # noqa: E402
import cards  # noqa: E402
from accounts import FORUMPAY_PAYIN, FORUMPAY_PAYOUT, PAYONE_PAYIN  # noqa: E402
from merchant import CHECK, Merchant, Receiver, call  # noqa: E402
from walk import Request, Tour, Walk, check_final, check_transaction, check_webhook  # noqa: E402

QUIET_S = 1.0
REFUSAL_CALLS = 50
REFUSAL_MEDIAN_LIMIT_S = 0.050

# Every provider of the published list, in its order.
PROVIDERS = {
    "FORUMPAY": accounts.forumpay,
    "GIGADAT": accounts.gigadat,
    "WORLDPAY_EU": cards.worldpay,
    "TRUST": cards.trust,
    "CLEO": accounts.cleo,
    "PAYONE": accounts.payone,
    "NEOSURF": accounts.neosurf,
    "FLEXEPIN": accounts.flexepin,
    "BRITE": accounts.brite,
    "EMERCHANTPAY": cards.emerchantpay,
}


def payments(tour):
    """Every provider: the demo company has accounts of all."""
    there = {one["pspType"] for one in tour.merchant.methods}
    CHECK.equal("management: the demo company's providers", sorted(there), sorted(PROVIDERS))
    for psp_type, walks in PROVIDERS.items():
        if psp_type in there:
            walks(tour)


def rejection(tour):
    """A held pay-out that a person rejects: nothing moves, and the merchant is told."""
    merchant = tour.merchant
    walk = Walk("rejected pay-out", "forumpay", FORUMPAY_PAYOUT, accounts.forumpay_pay_out, transaction_status="Rejected", status="rejected")
    request = Request(walk.body, merchant)
    answer = merchant.pay(walk.body)
    CHECK.equal(f"{walk.what}: HTTP", answer.status, 200)
    transaction = answer.at("transaction") or {}
    check_transaction(walk.what, request, transaction, walk.answered(walk.what, request, answer))
    transaction_id = transaction.get("transactionId")
    tour.webhooks[transaction_id] = (walk.what, 1)
    decided = merchant.manage("POST", f"/approvals/{transaction_id}/reject", {"reason": "unknown wallet"})
    CHECK.equal(f"{walk.what}: reject: HTTP", decided.status, 200)
    data, seen_at = check_final(walk, request, merchant, transaction)
    check_webhook(walk, request, tour.receiver, data, seen_at)
    CHECK.equal(f"{walk.what}: nothing in the simulator's ledger", merchant.ledger("forumpay", transaction_id), [])


def refusals(merchant):
    tokens = ["not-a-jwt", "Bearer not-a-jwt", "Bearer a.b.c", "Bearer ..", "", "Bearer eyJhbGciOiJIUzI1NiJ9.bm8ganNvbg.c2ln"]
    seconds, wrong = [], []
    for n in range(REFUSAL_CALLS):
        began = time.monotonic()
        answer = merchant.pay(FORUMPAY_PAYIN, user=tokens[n % len(tokens)])
        seconds.append(time.monotonic() - began)
        if (answer.status, answer.body) != (401, {"status": "error", "message": "Unauthorized", "isSuccess": False, "errors": []}):
            wrong.append((tokens[n % len(tokens)], answer.status, answer.raw))
    CHECK.that("an undecodable x-user-token is 401 Unauthorized", not wrong, wrong[:3])
    median = statistics.median(seconds)
    CHECK.that(f"... at once: median of {REFUSAL_CALLS} calls under 50 ms", median < REFUSAL_MEDIAN_LIMIT_S, f"{median * 1000:.1f} ms")


def idempotency(merchant):
    key = f"acceptance-{uuid.uuid4()}"
    first = merchant.pay(PAYONE_PAYIN, key)
    CHECK.equal("idempotency: first call: HTTP", first.status, 200)
    CHECK.that("idempotency: first call is no replay", "idempotent-replayed" not in first.headers, first.headers)
    for n in [1, 2]:
        again = merchant.pay(PAYONE_PAYIN, key)
        CHECK.that(f"idempotency: replay {n}: same status and bytes", (again.status, again.raw) == (first.status, first.raw), again.raw)
        CHECK.equal(f"idempotency: replay {n}: Idempotent-Replayed", again.headers.get("idempotent-replayed"), "true")
    other = merchant.pay(PAYONE_PAYIN.replace("100.00", "101.00"), key)
    CHECK.equal("idempotency: other body: HTTP", other.status, 422)
    wanted = {"status": "error", "message": "Idempotency-Key was used with another body", "isSuccess": False, "errors": []}
    CHECK.equal("idempotency: other body: answer", other.body, wanted)

    # The simulator says nothing to an amount that ends in 05, so that this call is still running when the next one comes.
    key = f"acceptance-{uuid.uuid4()}"
    silent = PAYONE_PAYIN.replace("100.00", "100.05")
    threading.Thread(target=lambda: merchant.pay(silent, key), daemon=True).start()
    running = None
    for _ in range(100):
        time.sleep(0.05)
        if merchant_has(merchant, "100.05"):
            running = merchant.pay(silent, key)
            break
    if CHECK.that("idempotency: the first call with the key is under way", running is not None):
        CHECK.equal("idempotency: still running: HTTP", running.status, 409)
        CHECK.equal("idempotency: still running: Retry-After", running.headers.get("retry-after"), "1")
        wanted = {"status": "error", "message": "A request with this Idempotency-Key is still running", "isSuccess": False, "errors": []}
        CHECK.equal("idempotency: still running: answer", running.body, wanted)


def merchant_has(merchant, amount):
    url = f"{merchant.line['baseUrl']}/v1/api/mozarto/transactions?pspType=PAYONE&limit=5"
    answer = call("GET", url, {"Authorization": f"Bearer {merchant.line['companyToken']}"})
    return any(item.get("amount") == amount for item in answer.at("data", "items") or [])


def health(merchant):
    for path in ["/healthz", "/readyz"]:
        CHECK.equal(f"{path}: HTTP", call("GET", merchant.line["baseUrl"] + path).status, 200)
    metrics = call("GET", merchant.line["baseUrl"] + "/metrics")
    CHECK.equal("/metrics: HTTP", metrics.status, 200)
    CHECK.matches("/metrics: Content-Type", metrics.headers.get("content-type"), re.compile(r"text/plain;.*version=0\.0\.4.*"))
    text = metrics.raw.decode()
    CHECK.that("/metrics: counts the transactions", re.search(r"(?m)^mozarto_transactions_total\{[^}]*\} [1-9]", text), text[:400])


def set_webhooks(merchant, receiver):
    """Every payment method of the demo company sends to our own address; a provider without webhooks takes none."""
    answer = merchant.manage("GET", "/payment-methods?limit=200")
    CHECK.equal("management: payment methods: HTTP", answer.status, 200)
    merchant.methods = answer.at("data", "items") or []
    for one in merchant.methods:
        psp_type = one["pspType"]
        CHECK.equal(f"management: {psp_type} is enabled", one.get("enabled"), True)
        # What a terminal of this one wants by default is told until the account says that it is asked for.
        warned = [text for text in one.get("warnings") or [] if not (psp_type == "EMERCHANTPAY" and "code 320" in text)]
        CHECK.equal(f"management: {psp_type} has no warnings", warned, [])
        if psp_type == "FLEXEPIN":
            continue
        url = receiver.url_of(psp_type)
        answer = merchant.manage("PATCH", f"/payment-methods/{one['id']}", {"config": {"webhookUrl": url}})
        CHECK.equal(f"management: webhookUrl of {psp_type}: HTTP", answer.status, 200)
        CHECK.equal(f"management: webhookUrl of {psp_type}: the whole object comes back", answer.at("data", "config", "webhookUrl"), url)


def check_line(line):
    texts = ["baseUrl", "cashierUrl", "backOfficeUrl", "simulatorUrl", "shopUrl", "companyId", "companyToken", "userToken", "managementToken",
             "apiKey", "apiSecret", "backOfficeEmail", "backOfficePassword", "webhookSecret", "webhookBearer", "demoWebhookUrl"]
    CHECK.equal("the JSON line: ready", line.get("ready"), True)
    missing = [name for name in texts if not isinstance(line.get(name), str) or not line[name]]
    CHECK.that("the JSON line: every published name is there", not missing, missing)
    CHECK.equal("the JSON line: cashierUrl", line.get("cashierUrl"), f"{line.get('baseUrl')}/v1/api/mozarto/cashier")


def start(options):
    """The sandbox as a child process, and its line."""
    command = [options.binary, "sandbox", "--auto-settle", "50", "--json", "--data", ":memory:",
               "--port", "0", "--simulator-port", "0", "--shop-port", "0"]
    if options.database:
        command += ["--database", options.database]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return child, child.stdout.readline()


def stop(child):
    """Asks it to stop, so that its temporary directory goes with it."""
    child.terminate()
    try:
        child.wait(timeout=15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="start this mozarto; without it the sandbox's JSON line is read from standard input")
    parser.add_argument("--database", help="postgres://... for the sandbox that is started")
    options = parser.parse_args()
    began = time.monotonic()
    child, text = start(options) if options.binary else (None, sys.stdin.buffer.readline())
    try:
        line = json.loads(text or b"null")
        if not isinstance(line, dict):
            print("FAIL  the sandbox printed no JSON line")
            return 1
        check_line(line)
        merchant = Merchant(line)
        receiver = Receiver(line["webhookSecret"], line["webhookBearer"])
        set_webhooks(merchant, receiver)
        tour = Tour(merchant, receiver)
        payments(tour)
        rejection(tour)
        refusals(merchant)
        idempotency(merchant)
        health(merchant)
        time.sleep(QUIET_S)
        tour.count_webhooks()
    finally:
        if child:
            stop(child)
    print(f"{CHECK.done} checks, {CHECK.failed} failed, {time.monotonic() - began:.1f} s", flush=True)
    return 1 if CHECK.failed else 0


if __name__ == "__main__":
    sys.exit(main())
