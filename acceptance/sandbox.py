#!/usr/bin/env python3
"""Walks through the sandbox as a merchant would who has read the published pages, and checks every answer field by field.

    mozarto sandbox --auto-settle 50 --data DIR        (in another terminal)
    acceptance/sandbox.py < DIR/sandbox.json
    acceptance/sandbox.py --binary target/debug/mozarto [--database postgres://...]

It needs the Python standard library only, shares no code with the product, and knows nothing but the JSON line of the sandbox (`--auto-settle` on).
One line per check; the exit code is 1 if any failed.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid
from urllib.parse import urlsplit

WEBHOOK_LIMIT_S = 5.0
QUIET_S = 1.0
ANSWER_LIMIT_S = 60
REFUSAL_CALLS = 50
REFUSAL_MEDIAN_LIMIT_S = 0.050

# The bodies as the published pages print them, to the byte.
FORUMPAY_PAYIN = """{
  "pspType": "FORUMPAY",
  "type": "PAYIN",
  "baseamount": 100.00,
  "currency": "EUR",
  "userId": "user_123",
  "email": "player@example.com",
  "country": "DE"
}"""
FORUMPAY_PAYOUT = """{
  "pspType": "FORUMPAY",
  "type": "PAYOUT",
  "baseamount": 200.00,
  "currency": "EUR",
  "userId": "user_123",
  "email": "player@example.com",
  "country": "DE",
  "preferredCrypto": "BTC",
  "walletAddress": "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"
}"""
PAYONE_PAYIN = """{
  "pspType": "PAYONE",
  "type": "PAYIN",
  "baseamount": 100.00,
  "currency": "CAD",
  "currencyCode": "CAD",
  "userId": "user_123",
  "email": "player@example.com",
  "firstName": "John",
  "lastName": "Doe",
  "phone": "4915112345678"
}"""
FLEXEPIN_PAYIN = """{
  "pspType": "FLEXEPIN",
  "type": "PAYIN",
  "voucherPin": "1234567890123456",
  "baseamount": 25.00,
  "currency": "EUR",
  "currencyCode": "EUR",
  "userId": "user_123",
  "email": "player@example.com"
}"""

ID = re.compile(r"[0-9a-f]{24}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DECIMAL = re.compile(r"\d+\.\d+")
PAYONE_PAGE = re.compile(r"https?://[^/]+/(?:[^/]+/)?webflow-payment/([^/]+)/([^/]+)")


class Checks:
    """Counts, and prints a line for each."""

    def __init__(self):
        self.done = 0
        self.failed = 0

    def that(self, what, right, seen=""):
        self.done += 1
        if right:
            print(f"ok    {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {what}: {seen}", flush=True)
        return bool(right)

    def equal(self, what, seen, wanted):
        # 1 == True in Python, and 100 == 100.0: types are part of the contract.
        return self.that(what, type(seen) is type(wanted) and seen == wanted, f"{seen!r} instead of {wanted!r}")

    def matches(self, what, seen, pattern):
        return self.that(what, isinstance(seen, str) and pattern.fullmatch(seen), f"{seen!r} does not match {pattern.pattern}")

    def number(self, what, seen, wanted):
        right = isinstance(seen, (int, float)) and not isinstance(seen, bool) and seen == wanted
        return self.that(what, right, f"{seen!r} instead of the number {wanted}")

    def members(self, what, seen, wanted):
        names = sorted(seen) if isinstance(seen, dict) else seen
        return self.that(what, names == sorted(wanted), f"{names} instead of {sorted(wanted)}")


CHECK = Checks()


class Answer:
    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw
        try:
            self.body = json.loads(raw)
        except ValueError:
            self.body = None

    def at(self, *names):
        here = self.body
        for name in names:
            if not isinstance(here, dict) or name not in here:
                return None
            here = here[name]
        return here


def call(method, url, headers=None, body=None):
    """One HTTP exchange, on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_LIMIT_S)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Merchant:
    """The two APIs and the simulators' controls, with the sandbox's tokens."""

    def __init__(self, line):
        self.line = line
        self.admin = f"{line['baseUrl']}/v1/api/mozarto/admin"

    def pay(self, body, key=None, user_token=None):
        headers = {
            "Authorization": f"Bearer {self.line['companyToken']}",
            "x-user-token": f"Bearer {self.line['userToken']}" if user_token is None else user_token,
            "Content-Type": "application/json",
        }
        if key:
            headers["Idempotency-Key"] = key
        return call("POST", self.line["cashierUrl"], headers, body.encode())

    def status(self, either_id):
        url = f"{self.line['baseUrl']}/v1/api/mozarto/transactions/{either_id}"
        return call("GET", url, {"Authorization": f"Bearer {self.line['companyToken']}"})

    def manage(self, method, path, document=None):
        headers = {"Authorization": f"Bearer {self.line['managementToken']}", "Content-Type": "application/json"}
        return call(method, self.admin + path, headers, None if document is None else json.dumps(document).encode())

    def ledger(self, provider, reference):
        answer = call("GET", f"{self.line['simulatorUrl']}/control/{provider}/ledger?reference={reference}")
        return answer.at("transfers")

    def wait(self, either_id, wanted, limit_s=10.0):
        until = time.monotonic() + limit_s
        while True:
            answer = self.status(either_id)
            if answer.at("data", "transaction_status") in wanted or time.monotonic() > until:
                return answer
            time.sleep(0.02)


class Receiver:
    """A merchant's webhook endpoint, verifying with code of its own."""

    def __init__(self, secret, bearer):
        self.key = base64.b64decode(secret.removeprefix("whsec_"))
        self.bearer = bearer
        self.received = []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                outer.take(self.headers, body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks/mozarto"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        one = {
            "at": time.monotonic(),
            "id": headers.get("webhook-id", ""),
            "sequence": headers.get("webhook-sequence", ""),
            "type": headers.get("Content-Type", ""),
            "bearer": headers.get("Authorization") == f"Bearer {self.bearer}",
            "signed": self.is_signed(headers, body),
            "body": json.loads(body),
        }
        with self.lock:
            self.received.append(one)

    def is_signed(self, headers, body):
        stamp = headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
            return False
        message = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(self.key, message, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(wanted, one) for one in headers.get("webhook-signature", "").split(" "))

    def about(self, transaction_id):
        with self.lock:
            return [one for one in self.received if one["body"].get("transaction_id") == transaction_id]

    def wait(self, transaction_id, count=1):
        until = time.monotonic() + WEBHOOK_LIMIT_S
        while len(self.about(transaction_id)) < count and time.monotonic() < until:
            time.sleep(0.01)


def check_transaction(what, transaction, wanted):
    """TransactionData: every member with its type, and the values that are known."""
    if not CHECK.that(f"{what}: `transaction` is there", isinstance(transaction, dict), transaction):
        return
    CHECK.matches(f"{what}: transaction.transactionId", transaction.get("transactionId"), ID)
    CHECK.matches(f"{what}: transaction.sessionId", transaction.get("sessionId"), UUID)
    CHECK.matches(f"{what}: transaction.createdAt", transaction.get("createdAt"), TIME)
    CHECK.matches(f"{what}: transaction.updatedAt", transaction.get("updatedAt"), TIME)
    for name, value in {"merchantReference": "", "userId": "user_123", **wanted}.items():
        CHECK.equal(f"{what}: transaction.{name}", transaction.get(name), value)


def forumpay_pay_in(merchant):
    what = "ForumPay pay-in"
    answer = merchant.pay(FORUMPAY_PAYIN)
    CHECK.equal(f"{what}: HTTP", answer.status, 200)
    CHECK.matches(f"{what}: Content-Type", answer.headers.get("content-type"), re.compile(r"application/json(;.*)?"))
    CHECK.equal(f"{what}: status", answer.at("status"), "success")
    CHECK.equal(f"{what}: isSuccess", answer.at("isSuccess"), True)
    CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
    CHECK.members(f"{what}: members of data", answer.at("data"), ["status", "url", "sessionId"])
    CHECK.equal(f"{what}: data.status", answer.at("data", "status"), "PENDING")
    CHECK.matches(f"{what}: data.url", answer.at("data", "url"), re.compile(r"https?://\S+/invoice/\S+"))
    CHECK.matches(f"{what}: data.sessionId", answer.at("data", "sessionId"), UUID)
    wanted = {"pspType": "FORUMPAY", "type": "PAYIN", "brandId": "", "transaction_status": "Pending", "status": "waiting", "amount": "100.00", "currency": "EUR",
              "redirectUrl": answer.at("data", "url"), "sessionId": answer.at("data", "sessionId")}
    check_transaction(what, answer.at("transaction"), wanted)
    return answer


def payone_pay_in(merchant):
    what = "PayOne pay-in"
    answer = merchant.pay(PAYONE_PAYIN)
    CHECK.equal(f"{what}: HTTP", answer.status, 200)
    CHECK.equal(f"{what}: status", answer.at("status"), "success")
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction successfully processed")
    CHECK.equal(f"{what}: isSuccess", answer.at("isSuccess"), True)
    names = ["success", "message", "redirect_url", "transactionId", "merchantReference", "amount"]
    CHECK.members(f"{what}: members of data (redirect_url, not url)", answer.at("data"), names)
    CHECK.equal(f"{what}: data.success", answer.at("data", "success"), True)
    CHECK.equal(f"{what}: data.message", answer.at("data", "message"), "Transaction successfully Ongoing Process ")
    page = answer.at("data", "redirect_url")
    CHECK.matches(f"{what}: data.redirect_url", page, PAYONE_PAGE)
    CHECK.matches(f"{what}: data.transactionId", answer.at("data", "transactionId"), ID)
    CHECK.equal(f"{what}: data.merchantReference", answer.at("data", "merchantReference"), "")
    CHECK.number(f"{what}: data.amount", answer.at("data", "amount"), 100)
    CHECK.that(f"{what}: data.amount without trailing zeros", b'"amount":100,' in answer.raw or b'"amount":100}' in answer.raw, answer.raw)
    found = PAYONE_PAGE.fullmatch(page or "")
    wanted = {"pspType": "PAYONE", "type": "PAYIN", "brandId": "", "transaction_status": "Pending", "status": "Pending", "amount": "100.00", "currency": "CAD",
              "redirectUrl": page, "transactionId": answer.at("data", "transactionId"), "pspTransactionId": found and found.group(1)}
    check_transaction(what, answer.at("transaction"), wanted)
    return answer


def flexepin_pay_in(merchant):
    what = "Flexepin pay-in"
    answer = merchant.pay(FLEXEPIN_PAYIN)
    CHECK.equal(f"{what}: HTTP", answer.status, 200)
    CHECK.equal(f"{what}: status", answer.at("status"), "success")
    CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
    CHECK.equal(f"{what}: isSuccess", answer.at("isSuccess"), True)
    CHECK.members(f"{what}: members of data", answer.at("data"), ["status", "sessionId"])
    CHECK.equal(f"{what}: data.status", answer.at("data", "status"), "PENDING")
    CHECK.matches(f"{what}: data.sessionId", answer.at("data", "sessionId"), UUID)
    wanted = {"pspType": "FLEXEPIN", "type": "PAYIN", "brandId": "", "transaction_status": "Approved", "status": "USED", "amount": "25.00", "currency": "EUR",
              "message": "Success", "sessionId": answer.at("data", "sessionId")}
    check_transaction(what, answer.at("transaction"), wanted)
    CHECK.that(f"{what}: the PIN is in no answer", b"1234567890123456" not in answer.raw, answer.raw)
    return answer


def forumpay_pay_out(merchant, what="ForumPay pay-out"):
    answer = merchant.pay(FORUMPAY_PAYOUT)
    CHECK.equal(f"{what}: HTTP", answer.status, 200)
    CHECK.equal(f"{what}: status", answer.at("status"), "success")
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction is on hold")
    CHECK.equal(f"{what}: isSuccess", answer.at("isSuccess"), True)
    decimals = ["network_processing_fee", "rate", "amount_exchange", "fast_transaction_fee"]
    literals = {"invoice_currency": "EUR", "invoice_amount": "200.00", "currency": "BTC", "payment_source": "cash", "wait_time": "20 minutes",
                "fast_transaction_fee_currency": "BTC/kB", "merchantReference": "", "transaction_status": "Pending"}
    others = ["amount", "payment_id", "reference_no", "address", "access_token", "transactionId"]
    CHECK.members(f"{what}: members of data", answer.at("data"), [*decimals, *literals, *others])
    for name, value in literals.items():
        CHECK.equal(f"{what}: data.{name}", answer.at("data", name), value)
    for name in decimals:
        CHECK.matches(f"{what}: data.{name}", answer.at("data", name), DECIMAL)
    CHECK.number(f"{what}: data.amount", answer.at("data", "amount"), 200)
    CHECK.matches(f"{what}: data.payment_id", answer.at("data", "payment_id"), UUID)
    CHECK.matches(f"{what}: data.transactionId", answer.at("data", "transactionId"), ID)
    CHECK.equal(f"{what}: data.reference_no is the transactionId", answer.at("data", "reference_no"), answer.at("data", "transactionId"))
    for name in ["address", "access_token"]:
        CHECK.matches(f"{what}: data.{name}", answer.at("data", name), re.compile(r"\S+"))
    wanted = {"pspType": "FORUMPAY", "type": "PAYOUT", "brandId": "", "transaction_status": "OnHold", "status": "on_hold", "amount": "200.00", "currency": "EUR",
              "transactionId": answer.at("data", "transactionId"), "pspTransactionId": answer.at("data", "payment_id")}
    check_transaction(what, answer.at("transaction"), wanted)
    CHECK.that(f"{what}: access_token is nowhere else", json.dumps(answer.at("transaction")).find(answer.at("data", "access_token") or "?") < 0)
    return answer


def check_webhook(what, receiver, transaction_id, began, wanted):
    receiver.wait(transaction_id)
    time.sleep(QUIET_S)
    came = receiver.about(transaction_id)
    if not CHECK.equal(f"{what}: webhooks", len(came), 1):
        return
    one = came[0]
    CHECK.that(f"{what}: webhook within {WEBHOOK_LIMIT_S:.0f} s", one["at"] - began <= WEBHOOK_LIMIT_S, f"{one['at'] - began:.2f} s")
    CHECK.that(f"{what}: webhook bearer", one["bearer"])
    CHECK.that(f"{what}: webhook signature", one["signed"])
    CHECK.matches(f"{what}: webhook-id", one["id"], re.compile(r"\S+"))
    CHECK.equal(f"{what}: webhook-sequence", one["sequence"], "1")
    CHECK.equal(f"{what}: webhook Content-Type", one["type"], "application/json")
    wanted = {"transaction_id": transaction_id, "user_id": "user_123", "merchantReference": "", **wanted}
    CHECK.members(f"{what}: members of the webhook", one["body"], wanted)
    for name, value in wanted.items():
        CHECK.equal(f"{what}: webhook {name}", one["body"].get(name), value)


def check_status(what, merchant, transaction, wanted):
    """The status query by both ids tells the same."""
    answers = []
    for name in ["transactionId", "sessionId"]:
        answer = merchant.wait(transaction.get(name), [wanted["transaction_status"]])
        CHECK.equal(f"{what}: status query by {name}: HTTP", answer.status, 200)
        CHECK.equal(f"{what}: status query by {name}: envelope", [answer.at("status"), answer.at("isSuccess")], ["success", True])
        for member, value in wanted.items():
            CHECK.equal(f"{what}: status query by {name}: {member}", answer.at("data", member), value)
        events = answer.at("data", "events") or []
        right = events and all(sorted(event) == ["at", "detail", "event", "from", "to"] for event in events)
        CHECK.that(f"{what}: status query by {name}: events", right, events)
        answers.append(answer.body)
    CHECK.that(f"{what}: both queries answer the same", answers[0] == answers[1])


def pay_ins(merchant, receiver):
    began = time.monotonic()
    transaction = forumpay_pay_in(merchant).at("transaction") or {}
    final = {"transaction_status": "Approved", "status": "confirmed", "message": "Crypto payment confirmed and successfully processed",
             "amount": "100.00", "currency": "EUR"}
    check_status("ForumPay pay-in", merchant, transaction, final)
    known = merchant.status(transaction.get("transactionId")).at("data", "pspTransactionId")
    CHECK.matches("ForumPay pay-in: pspTransactionId once paid", known, UUID)
    webhook = {**final, "psp_transaction_id": known, "method": "FORUMPAY_PAYIN"}
    check_webhook("ForumPay pay-in", receiver, transaction.get("transactionId"), began, webhook)

    began = time.monotonic()
    transaction = payone_pay_in(merchant).at("transaction") or {}
    final = {"transaction_status": "Approved", "status": "success", "message": "Transaction approved and successfully processed",
             "amount": "100.00", "currency": "CAD"}
    check_status("PayOne pay-in", merchant, transaction, final)
    webhook = {**final, "psp_transaction_id": transaction.get("pspTransactionId"), "method": "PAYONE_PAYIN"}
    check_webhook("PayOne pay-in", receiver, transaction.get("transactionId"), began, webhook)

    transaction = flexepin_pay_in(merchant).at("transaction") or {}
    final = {"transaction_status": "Approved", "status": "USED", "message": "Success", "amount": "25.00", "currency": "EUR"}
    check_status("Flexepin pay-in", merchant, transaction, final)
    time.sleep(QUIET_S)
    CHECK.equal("Flexepin pay-in: no webhook", len(receiver.about(transaction.get("transactionId"))), 0)


def approvals(merchant, receiver):
    transaction = forumpay_pay_out(merchant).at("transaction") or {}
    approved_id = transaction.get("transactionId")
    waiting = [one.get("transactionId") for one in merchant.manage("GET", "/approvals?status=waiting").at("data", "items") or []]
    CHECK.that("approvals: the pay-out is listed as waiting", approved_id in waiting, waiting)
    CHECK.equal("approvals: nothing moves before an approval", merchant.ledger("forumpay", approved_id), [])
    began = time.monotonic()
    answer = merchant.manage("POST", f"/approvals/{approved_id}/approve", {"reason": "known player"})
    CHECK.equal("approve: HTTP", answer.status, 200)
    CHECK.equal("approve: it answers the transaction", answer.at("data", "transactionId"), approved_id)
    final = {"transaction_status": "Approved", "status": "confirmed", "message": "Crypto payout confirmed and successfully processed",
             "amount": "200.00", "currency": "EUR"}
    check_status("approved pay-out", merchant, transaction, final)
    check_ledger("approve", merchant, approved_id)
    again = merchant.manage("POST", f"/approvals/{approved_id}/approve", {})
    CHECK.equal("approve again: HTTP", again.status, 409)
    CHECK.equal("approve again: status", again.at("status"), "error")
    CHECK.matches("approve again: the message names who and when", again.at("message"), re.compile(r".*approved.*\d{4}-\d\d-\d\dT.*"))
    webhook = {**final, "psp_transaction_id": transaction.get("pspTransactionId"), "method": "FORUMPAY_PAYOUT"}
    check_webhook("approved pay-out", receiver, approved_id, began, webhook)
    check_ledger("approve again", merchant, approved_id)

    transaction = forumpay_pay_out(merchant, "another ForumPay pay-out").at("transaction") or {}
    rejected_id = transaction.get("transactionId")
    began = time.monotonic()
    answer = merchant.manage("POST", f"/approvals/{rejected_id}/reject", {"reason": "unknown wallet"})
    CHECK.equal("reject: HTTP", answer.status, 200)
    final = {"transaction_status": "Rejected", "status": "rejected", "amount": "200.00", "currency": "EUR"}
    check_status("rejected pay-out", merchant, transaction, final)
    said = merchant.status(rejected_id).at("data", "message")
    webhook = {**final, "message": said, "psp_transaction_id": transaction.get("pspTransactionId"), "method": "FORUMPAY_PAYOUT"}
    check_webhook("rejected pay-out", receiver, rejected_id, began, webhook)
    CHECK.equal("reject: nothing in the ledger", merchant.ledger("forumpay", rejected_id), [])


def check_ledger(what, merchant, transaction_id):
    entries = merchant.ledger("forumpay", transaction_id) or []
    if not CHECK.equal(f"{what}: entries in the simulator's ledger", len(entries), 1):
        return
    wanted = {"reference": transaction_id, "direction": "out", "amount": "200.00", "currency": "EUR", "times": 1,
              "destination": "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"}
    for name, value in wanted.items():
        CHECK.equal(f"{what}: ledger {name}", entries[0].get(name), value)


def refusals(merchant):
    tokens = ["not-a-jwt", "Bearer not-a-jwt", "Bearer a.b.c", "Bearer ..", "", "Bearer eyJhbGciOiJIUzI1NiJ9.bm8ganNvbg.c2ln"]
    seconds, wrong = [], []
    for n in range(REFUSAL_CALLS):
        began = time.monotonic()
        answer = merchant.pay(FORUMPAY_PAYIN, user_token=tokens[n % len(tokens)])
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
    methods = merchant.manage("GET", "/payment-methods?limit=200")
    CHECK.equal("management: payment methods: HTTP", methods.status, 200)
    of = {one["pspType"]: one for one in methods.at("data", "items") or []}
    for psp_type in ["FORUMPAY", "PAYONE"]:
        if not CHECK.that(f"management: there is a {psp_type} method", psp_type in of, sorted(of)):
            continue
        answer = merchant.manage("PATCH", f"/payment-methods/{of[psp_type]['id']}", {"config": {"webhookUrl": receiver.url}})
        CHECK.equal(f"management: webhookUrl of {psp_type}: HTTP", answer.status, 200)
        CHECK.equal(f"management: webhookUrl of {psp_type}: the whole object comes back", answer.at("data", "config", "webhookUrl"), receiver.url)


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
        pay_ins(merchant, receiver)
        approvals(merchant, receiver)
        refusals(merchant)
        idempotency(merchant)
        health(merchant)
    finally:
        if child:
            stop(child)
    print(f"{CHECK.done} checks, {CHECK.failed} failed", flush=True)
    return 1 if CHECK.failed else 0


if __name__ == "__main__":
    sys.exit(main())
