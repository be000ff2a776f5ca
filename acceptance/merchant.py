"""A merchant's side of the contract: the calls, the webhook endpoint, and the counting of checks. Nothing here is the product's."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import re
import threading
import time
from urllib.parse import urlsplit

WEBHOOK_LIMIT_S = 5.0
SETTLE_LIMIT_S = 20.0
ANSWER_LIMIT_S = 60
POLL_S = 0.02

ID = re.compile(r"[0-9a-f]{24}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WORD = re.compile(r"\S+")
JSON_TYPE = re.compile(r"application/json(;.*)?")


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

    def meets(self, what, seen, wanted):
        """`wanted` is a pattern where the value is not known before."""
        return self.matches(what, seen, wanted) if isinstance(wanted, re.Pattern) else self.equal(what, seen, wanted)

    def number(self, what, answer, names, wanted):
        """A JSON number without trailing zeros: `wanted` is its literal."""
        seen = answer.at(*names)
        right = isinstance(seen, (int, float)) and not isinstance(seen, bool) and seen == json.loads(wanted)
        self.that(what, right, f"{seen!r} instead of the number {wanted}")
        bare = re.search(rb'"%s":%s[,}]' % (names[-1].encode(), re.escape(wanted).encode()), answer.raw)
        return self.that(f"{what}: written {wanted}", bare, answer.raw)

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


def base64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def user_token(claims):
    """A user token of our own: a company that stores no key for user tokens accepts any well-formed one."""
    return ".".join([base64url('{"alg":"HS256","typ":"JWT"}'), base64url(json.dumps(claims)), base64url("signed-by-the-merchant")])


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Merchant:
    """The two APIs and the simulators' controls, with the sandbox's tokens."""

    def __init__(self, line):
        self.line = line
        self.claims = claims_of(line["userToken"])
        self.admin = f"{line['baseUrl']}/v1/api/mozarto/admin"
        self.methods = []

    def pay(self, body, key=None, user=None):
        """`user`: the header's whole value, instead of the sandbox's user."""
        headers = {
            "Authorization": f"Bearer {self.line['companyToken']}",
            "x-user-token": f"Bearer {self.line['userToken']}" if user is None else user,
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

    def methods_of(self, psp_type):
        return [one for one in self.methods if one["pspType"] == psp_type]

    def ledger(self, provider, reference):
        answer = call("GET", f"{self.line['simulatorUrl']}/control/{provider}/ledger?reference={reference}")
        return answer.at("transfers")

    def wait(self, either_id, wanted):
        until = time.monotonic() + SETTLE_LIMIT_S
        while True:
            answer = self.status(either_id)
            if answer.at("data", "transaction_status") == wanted or time.monotonic() > until:
                return answer
            time.sleep(POLL_S)


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
                outer.take(self.path, self.headers, body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url_of(self, psp_type):
        """An address per provider, so that a webhook to the wrong one shows."""
        return f"{self.base}/hooks/{psp_type.lower()}"

    def take(self, path, headers, body):
        one = {
            "at": time.monotonic(),
            "path": path,
            "id": headers.get("webhook-id", ""),
            "sequence": headers.get("webhook-sequence", ""),
            "type": headers.get("Content-Type", ""),
            "bearer": headers.get("Authorization") == f"Bearer {self.bearer}",
            "signed": self.is_signed(headers, body),
            "raw": body,
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

    def wait(self, transaction_id, until):
        while not self.about(transaction_id) and time.monotonic() < until:
            time.sleep(0.01)
