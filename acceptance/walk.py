"""A payment from the Cashier call to its webhook and its ledger entry, and what is checked on the way, the same for all providers."""

import json
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Callable, Optional

from merchant import CHECK, ID, JSON_TYPE, TIME, UUID, WEBHOOK_LIMIT_S, WORD, user_token

CURRENCY_DIGITS = {"CLP": 0}
ALWAYS_THERE = ["transactionId", "sessionId", "pspType", "type", "brandId", "merchantReference", "userId", "transaction_status", "status", "amount",
                "currency", "createdAt", "updatedAt"]
ONCE_KNOWN = ["pspTransactionId", "redirectUrl", "message"]
LEDGER = ["reference", "providerReference", "direction", "amount", "currency", "at", "times", "state"]


class Request:
    """The body as the page prints it, and what follows from it."""

    def __init__(self, text, merchant):
        self.text = text
        said = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        self.said = said
        self.psp_type, self.type = said["pspType"], said["type"]
        self.currency = said.get("currency", "CAD")
        digits = CURRENCY_DIGITS.get(self.currency, 2)
        self.amount = f"{said['baseamount']:.{digits}f}"
        self.amount_number = re.sub(r"\.?0+$", "", self.amount) if "." in self.amount else self.amount
        self.reference = said.get("merchantReference", "")
        # Another user than the sandbox's has a token that says nothing else: then the body's profile counts.
        self.user_id = said.get("userId", merchant.claims["userId"])
        own = self.user_id == merchant.claims["userId"]
        self.claims = merchant.claims if own else {"userId": self.user_id}
        self.token = None if own else f"Bearer {user_token(self.claims)}"

    def of_user(self, name):
        """The claim, else the body's field."""
        return self.claims.get(name) or self.said.get(name)


@dataclass
class Walk:
    """`answered` checks the create's `data` and returns what TransactionData must say beside the common members."""

    what: str
    provider: str
    body: str
    answered: Callable
    # Of the final TransactionData and the webhook: patterns where the value is not known before.
    transaction_status: str = "Approved"
    status: object = WORD
    message: object = None
    # None: the provider has no id of its own, so that the member is left out.
    psp_id: object = WORD
    # HTTP status of the create.
    http: int = 200
    held: bool = False
    webhook: bool = True
    # One ledger entry, or none.
    moved: bool = True
    destination: object = None
    # What of the destination a person who approves does not see.
    account: Optional[str] = None
    # What no answer and no webhook may contain.
    nowhere: Optional[str] = None


def check_transaction(what, request, transaction, wanted):
    """TransactionData: every member with its type, and the values that are known."""
    if not CHECK.that(f"{what}: `transaction` is there", isinstance(transaction, dict), transaction):
        return
    CHECK.members(f"{what}: members of transaction", {name: 0 for name in transaction if name not in ONCE_KNOWN}, ALWAYS_THERE)
    CHECK.matches(f"{what}: transaction.transactionId", transaction.get("transactionId"), ID)
    CHECK.matches(f"{what}: transaction.sessionId", transaction.get("sessionId"), UUID)
    CHECK.matches(f"{what}: transaction.createdAt", transaction.get("createdAt"), TIME)
    CHECK.matches(f"{what}: transaction.updatedAt", transaction.get("updatedAt"), TIME)
    common = {"pspType": request.psp_type, "type": request.type, "brandId": "", "merchantReference": request.reference, "userId": request.user_id,
              "amount": request.amount, "currency": request.currency, "transaction_status": "Pending"}
    for name, value in {**common, **wanted}.items():
        if value is None:
            CHECK.that(f"{what}: no transaction.{name}", name not in transaction, transaction.get(name))
        else:
            CHECK.meets(f"{what}: transaction.{name}", transaction.get(name), value)


def check_envelope(what, answer, http):
    """The answer about a transaction that exists, as far as it is the same for all."""
    CHECK.equal(f"{what}: HTTP", answer.status, http)
    CHECK.matches(f"{what}: Content-Type", answer.headers.get("content-type"), JSON_TYPE)
    good = http == 200
    CHECK.equal(f"{what}: status", answer.at("status"), "success" if good else "error")
    CHECK.equal(f"{what}: isSuccess", answer.at("isSuccess"), good)
    names = ["status", "message", "isSuccess", "data", "transaction"]
    CHECK.members(f"{what}: members of the answer", answer.body, names if good else [*names, "errors", "transactionId"])


def check_final(walk, request, merchant, transaction):
    """The status query by both ids tells the same. Answers its data, and when it was first seen."""
    what = walk.what
    first = merchant.wait(transaction.get("transactionId"), walk.transaction_status)
    seen_at = time.monotonic()
    data = first.at("data") or {}
    CHECK.equal(f"{what}: status query: HTTP", first.status, 200)
    CHECK.equal(f"{what}: status query: envelope", [first.at("status"), first.at("isSuccess")], ["success", True])
    CHECK.members(f"{what}: status query: members", first.body, ["status", "message", "isSuccess", "data", "transaction"])
    events = data.get("events") or []
    CHECK.that(f"{what}: status query: events", events and all(sorted(one) == ["at", "detail", "event", "from", "to"] for one in events), events)
    changes = [(one["from"], one["to"]) for one in events if one["to"] and one["to"] != one["from"]]
    linked = all(earlier[1] == later[0] for earlier, later in zip(changes, changes[1:]))
    CHECK.that(f"{what}: status query: events end in {walk.transaction_status}", changes and linked and changes[-1][1] == walk.transaction_status, changes)
    wanted = {"transaction_status": walk.transaction_status, "status": walk.status, "pspTransactionId": transaction.get("pspTransactionId", walk.psp_id)}
    if walk.message is not None:
        wanted["message"] = walk.message
    query = {name: value for name, value in data.items() if name != "events"}
    CHECK.that(f"{what}: status query: `transaction` is `data` without events", first.at("transaction") == query, first.at("transaction"))
    check_transaction(f"{what}: status query", request, query, wanted)
    if walk.psp_id is not None:
        CHECK.meets(f"{what}: pspTransactionId", data.get("pspTransactionId"), walk.psp_id)
    # A raw word may still follow without a change; the two queries are about one moment only if nothing did.
    for _ in range(3):
        answers = [merchant.status(transaction.get(name)) for name in ["transactionId", "sessionId"]]
        if answers[0].raw == answers[1].raw:
            break
    CHECK.that(f"{what}: by sessionId the query answers the same", answers[0].status == 200 and answers[0].raw == answers[1].raw, answers[1].raw)
    if walk.nowhere:
        CHECK.that(f"{what}: status query without what is secret", walk.nowhere.encode() not in answers[0].raw, answers[0].raw)
    return data, seen_at


def check_webhook(walk, request, receiver, data, seen_at):
    what, transaction_id = walk.what, data.get("transactionId")
    receiver.wait(transaction_id, seen_at + WEBHOOK_LIMIT_S)
    came = receiver.about(transaction_id)
    if not CHECK.that(f"{what}: a webhook within {WEBHOOK_LIMIT_S:.0f} s", came and came[0]["at"] <= seen_at + WEBHOOK_LIMIT_S, len(came)):
        return
    one = came[0]
    CHECK.equal(f"{what}: webhook at the address of its payment method", one["path"], f"/hooks/{request.psp_type.lower()}")
    CHECK.that(f"{what}: webhook bearer", one["bearer"])
    CHECK.that(f"{what}: webhook signature", one["signed"])
    CHECK.matches(f"{what}: webhook-id", one["id"], WORD)
    CHECK.equal(f"{what}: webhook-sequence", one["sequence"], "1")
    CHECK.equal(f"{what}: webhook Content-Type", one["type"], "application/json")
    wanted = {"transaction_id": transaction_id, "psp_transaction_id": data.get("pspTransactionId"), "user_id": request.user_id, "status": walk.status,
              "transaction_status": walk.transaction_status, "message": data.get("message", re.compile(r".+")), "amount": request.amount,
              "currency": request.currency, "merchantReference": request.reference, "method": f"{request.psp_type}_{request.type}"}
    if walk.psp_id is None:
        del wanted["psp_transaction_id"]
    CHECK.members(f"{what}: members of the webhook", one["body"], wanted)
    for name, value in wanted.items():
        CHECK.meets(f"{what}: webhook {name}", one["body"].get(name), value)
    if walk.nowhere:
        CHECK.that(f"{what}: webhook without what is secret", walk.nowhere.encode() not in one["raw"])


def check_ledger(walk, request, merchant, transaction_id):
    what = walk.what
    entries = merchant.ledger(walk.provider, transaction_id)
    if not CHECK.equal(f"{what}: entries in the simulator's ledger", entries and len(entries), 1):
        return
    out = request.type == "PAYOUT"
    CHECK.members(f"{what}: members of the ledger entry", entries[0], [*LEDGER, "destination"] if out else LEDGER)
    wanted = {"reference": transaction_id, "providerReference": WORD, "direction": "out" if out else "in", "amount": request.amount,
              "currency": request.currency, "at": TIME, "times": 1, "state": re.compile("accepted|settled")}
    if out:
        wanted["destination"] = walk.destination
    for name, value in wanted.items():
        CHECK.meets(f"{what}: ledger {name}", entries[0].get(name), value)


def check_waiting(walk, request, merchant, transaction_id):
    """A held pay-out is listed for approval, and nothing has moved."""
    what = walk.what
    listed = merchant.manage("GET", "/approvals?status=waiting&limit=200").at("data", "items") or []
    one = next((one for one in listed if one.get("transactionId") == transaction_id), None)
    if CHECK.that(f"{what}: listed as waiting for approval", one, listed):
        wanted = {"pspType": request.psp_type, "amount": request.amount, "currency": request.currency, "userId": request.user_id,
                  "requestedAt": TIME, "expiresAt": TIME, "approvals": [], "required": 1, "status": "waiting"}
        CHECK.members(f"{what}: members of the approval", one, ["transactionId", "destination", *wanted])
        for name, value in wanted.items():
            CHECK.meets(f"{what}: approval {name}", one.get(name), value)
        shown = one.get("destination")
        CHECK.that(f"{what}: approval destination is masked", isinstance(shown, str) and shown and walk.account not in shown, shown)
    CHECK.equal(f"{what}: nothing moves before an approval", merchant.ledger(walk.provider, transaction_id), [])


def approve(walk, merchant, transaction_id):
    answer = merchant.manage("POST", f"/approvals/{transaction_id}/approve", {"reason": "known player"})
    CHECK.equal(f"{walk.what}: approve: HTTP", answer.status, 200)
    CHECK.equal(f"{walk.what}: approve: it answers the transaction", answer.at("data", "transactionId"), transaction_id)


def approve_again(walk, merchant, transaction_id):
    answer = merchant.manage("POST", f"/approvals/{transaction_id}/approve", {})
    CHECK.equal(f"{walk.what}: approve again: HTTP", answer.status, 409)
    CHECK.equal(f"{walk.what}: approve again: status", answer.at("status"), "error")
    CHECK.matches(f"{walk.what}: approve again: the message names who and when", answer.at("message"), re.compile(r".*approved.*\d{4}-\d\d-\d\dT.*"))


class Tour:
    """Walks, and remembers which webhooks may have come."""

    def __init__(self, merchant, receiver):
        self.merchant = merchant
        self.receiver = receiver
        self.webhooks = {}

    def walk(self, walk):
        """Answers the create's answer."""
        merchant, request = self.merchant, Request(walk.body, self.merchant)
        answer = merchant.pay(walk.body, user=request.token)
        check_envelope(walk.what, answer, walk.http)
        wanted = walk.answered(walk.what, request, answer)
        transaction = answer.at("transaction") or {}
        check_transaction(walk.what, request, transaction, wanted)
        transaction_id = transaction.get("transactionId")
        self.webhooks[transaction_id] = (walk.what, 1 if walk.webhook else 0)
        if walk.nowhere:
            CHECK.that(f"{walk.what}: answer without what is secret", walk.nowhere.encode() not in answer.raw, answer.raw)
        if walk.held:
            check_waiting(walk, request, merchant, transaction_id)
            approve(walk, merchant, transaction_id)
        data, seen_at = check_final(walk, request, merchant, transaction)
        if walk.held:
            approve_again(walk, merchant, transaction_id)
        if walk.webhook:
            check_webhook(walk, request, self.receiver, data, seen_at)
        if walk.moved:
            check_ledger(walk, request, merchant, transaction_id)
        else:
            CHECK.equal(f"{walk.what}: nothing in the simulator's ledger", merchant.ledger(walk.provider, transaction_id), [])
        return answer

    def count_webhooks(self):
        """At the end, so that a second one had its time."""
        for transaction_id, (what, wanted) in self.webhooks.items():
            CHECK.equal(f"{what}: webhooks at the end", len(self.receiver.about(transaction_id)), wanted)
