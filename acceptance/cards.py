"""The card providers: the bodies as their pages print them, and what must come back, on hosted pages and with the card in the request."""

import re
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from merchant import CHECK, ID, TIME, UUID, WORD, call
from walk import Walk

EMERCHANTPAY_PAYIN = """{"pspType":"EMERCHANTPAY","type":"PAYIN","baseamount":100.00,"currency":"EUR","firstName":"John","lastName":"Doe","email":"player@example.com","phone":"4915112345678",
 "card":{"pan":"4918190000000002","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"},"usage":"Card deposit","countryCode":"DE",
 "address":{"line1":"Hauptstr. 1","postalCode":"10115","city":"Berlin"},"userIp":"198.51.100.7",
 "browser":{"userAgent":"Mozilla/5.0","acceptHeader":"text/html","language":"de-DE","javaEnabled":false,"colorDepth":24,"screenHeight":900,"screenWidth":1440,"timeZoneOffset":-60},
 "hppSuccessUrl":"https://shop.example/ok","hppFailureUrl":"https://shop.example/failed","merchantReference":"ORDER-REF-001"}"""
TRUST_PAYIN = (
    '{"pspType":"TRUST","type":"PAYIN","currency":"EUR","baseamount":100,"merchantReference":"ORDER-REF-001","userId":"64a1f2b3c4d5e6f7a8b9c0d2",'
    '"phone":"+447911123456"}'
)
WORLDPAY_PAYIN = """{"pspType":"WORLDPAY_EU","type":"PAYIN","baseamount":150.00,"currency":"EUR","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe",
 "phone":"4915112345678","gender":"M","dob":"1990-01-15","countryCode":"DE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"3","userBalance":20.50,
 "partnerName":"brand-one","emailVerification":"player@example.com","verificationDate":"2026-01-10",
 "address":{"line1":"Hauptstr. 1","city":"Berlin","postalCode":"10115","country":"DE"},"merchantReference":"ORDER-REF-001"}"""
WORLDPAY_CARD = ',"card":{"pan":"4444333322221111","expMonth":"11","expYear":"2035","cvv":"123","cardHolderName":"%s"}}'

UNIQUE_ID = re.compile("[0-9a-f]{32}")
TOKEN = "[A-Za-z0-9_-]{43}"
GONE = b"This payment link has expired or has already been used."


def card_of(pan, month, year):
    return {"brand": "VISA", "first6": pan[:6], "last4": pan[-4:], "expMonth": month, "expYear": year}


def check_data(what, request, answer, literals, others):
    """Both ids, amount and reference, as all card providers answer them."""
    common = {"transactionId": ID, "sessionId": UUID, "merchantReference": request.reference}
    CHECK.members(f"{what}: members of data", answer.at("data"), ["amount", *common, *literals, *others])
    for name, value in {**common, **literals}.items():
        CHECK.meets(f"{what}: data.{name}", answer.at("data", name), value)
    CHECK.number(f"{what}: data.amount", answer, ["data", "amount"], request.amount_number)
    return {"transactionId": answer.at("data", "transactionId"), "sessionId": answer.at("data", "sessionId")}


def check_refusal(what, answer, literals):
    """A refusal at once: no `errorCode`."""
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction declined")
    CHECK.equal(f"{what}: errors", answer.at("errors"), [])
    CHECK.members(f"{what}: members of data", answer.at("data"), literals)
    for name, value in literals.items():
        CHECK.meets(f"{what}: data.{name}", answer.at("data", name), value)
    return {"transactionId": answer.at("transactionId"), "transaction_status": "Declined", "status": literals["status"], "redirectUrl": None}


# --- eMerchantPay ------------------------------------------------------------------------------


def emerchantpay_approved(pan):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "Transaction approved")
        literals = {"status": "approved", "transaction_status": "Approved", "uniqueId": UNIQUE_ID, "card": card_of(pan, "12", "2030")}
        ids = check_data(what, request, answer, literals, [])
        return {**ids, "transaction_status": "Approved", "status": "approved", "redirectUrl": None, "pspTransactionId": answer.at("data", "uniqueId")}

    return answered


def emerchantpay_challenge(pan, page):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "3-D Secure authentication required")
        literals = {"status": "pending_async", "transaction_status": "Pending", "uniqueId": UNIQUE_ID, "card": card_of(pan, "12", "2030"),
                    "url": re.compile(page % (answer.at("data", "uniqueId") or "?") if "%s" in page else page)}
        ids = check_data(what, request, answer, literals, [])
        return {**ids, "status": "pending_async", "redirectUrl": answer.at("data", "url"), "pspTransactionId": answer.at("data", "uniqueId")}

    return answered


def emerchantpay_declined(what, request, answer):
    literals = {"status": "declined", "transaction_status": "Declined", "uniqueId": UNIQUE_ID, "code": "500", "responseCode": "05",
                "merchantReference": request.reference}
    return {**check_refusal(what, answer, literals), "pspTransactionId": answer.at("data", "uniqueId")}


def emerchantpay(tour):
    def walk(name, pan, answered, **more):
        body = EMERCHANTPAY_PAYIN.replace("4918190000000002", pan)
        tour.walk(Walk(f"eMerchantPay {name}", "emerchantpay", body, answered, **{"status": "approved", **more}, psp_id=UNIQUE_ID, nowhere=pan))

    ours = re.escape(tour.merchant.line["baseUrl"]) + f"/3ds/{TOKEN}"
    walk("approved at once", "4200000000000000", emerchantpay_approved("4200000000000000"))
    walk("declined at once", "4111111111111111", emerchantpay_declined, status="declined", transaction_status="Declined", http=400, moved=False)
    walk("challenge", "4918190000000002", emerchantpay_challenge("4918190000000002", r"https?://\S+/threeds/authentication/%s"))
    walk("device check and challenge", "4938730000000001", emerchantpay_challenge("4938730000000001", ours))


# --- Trust -------------------------------------------------------------------------------------


def trust_created(merchant):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
        literals = {"status": "PENDING", "transaction_status": "Pending", "expiresAt": TIME,
                    "paymentUrl": re.compile(re.escape(merchant.line["baseUrl"]) + f"/pay/{TOKEN}")}
        ids = check_data(what, request, answer, literals, [])
        times = [answer.at("transaction", "createdAt"), answer.at("data", "expiresAt")]
        life = [datetime.fromisoformat(time).timestamp() for time in times if time]
        CHECK.that(f"{what}: data.expiresAt is 300 s from the answer", len(life) == 2 and 299 <= life[1] - life[0] <= 305, times)
        return {**ids, "status": WORD, "redirectUrl": answer.at("data", "paymentUrl"), "pspTransactionId": None}

    return answered


def trust(tour):
    merchant = tour.merchant
    what = "Trust pay-in"
    answer = tour.walk(Walk(what, "trust", TRUST_PAYIN, trust_created(merchant), status=re.compile(r"0/(0|1|10|100)"), psp_id=re.compile(r"\d+-\d+-\d+")))
    page = answer.at("data", "paymentUrl") or merchant.line["baseUrl"]
    used = call("GET", page)
    CHECK.equal(f"{what}: the page a second time: HTTP", used.status, 410)
    CHECK.that(f"{what}: the page a second time: what it says", GONE in used.raw, used.raw[:300])
    CHECK.that(f"{what}: the page a second time: no form", b"<form" not in used.raw, used.raw[:300])
    unknown = call("GET", f"{merchant.line['baseUrl']}/pay/{'A' * 43}")
    CHECK.equal(f"{what}: an unknown page: HTTP", unknown.status, 404)
    CHECK.that(f"{what}: an unknown page: what it says", GONE in unknown.raw, unknown.raw[:300])


# --- Worldpay ----------------------------------------------------------------------------------


def worldpay_hosted(merchant):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
        literals = {"status": "PENDING", "transaction_status": "Pending", "orderCode": answer.at("data", "transactionId")}
        ids = check_data(what, request, answer, literals, ["paymentUrl"])
        page = answer.at("data", "paymentUrl") or ""
        CHECK.matches(f"{what}: data.paymentUrl", page, re.compile(r"https?://\S+/app/hpp/integration/wpg/corporate\?OrderKey=\S+&Ticket=\S+"))
        query = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
        CHECK.that(f"{what}: OrderKey of data.paymentUrl", query.get("OrderKey", "").endswith(f"^{ids['transactionId']}"), page)
        for name in ["success", "failure", "pending", "cancel", "error"]:
            ours = re.compile(re.escape(merchant.line["baseUrl"]) + f"/return/worldpay/{TOKEN}/{name}")
            CHECK.matches(f"{what}: {name}URL of data.paymentUrl", query.get(f"{name}URL"), ours)
        return {**ids, "status": "PENDING", "redirectUrl": page}

    return answered


def worldpay_approved(what, request, answer):
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction approved")
    literals = {"status": "AUTHORISED", "transaction_status": "Approved", "orderCode": answer.at("data", "transactionId"),
                "card": card_of("4444333322221111", "11", "2035")}
    ids = check_data(what, request, answer, literals, [])
    return {**ids, "transaction_status": "Approved", "status": "AUTHORISED", "redirectUrl": None}


def worldpay_challenge(merchant):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "3-D Secure authentication required")
        literals = {"transaction_status": "Pending", "orderCode": answer.at("data", "transactionId"),
                    "paymentUrl": re.compile(re.escape(merchant.line["baseUrl"]) + f"/3ds/{TOKEN}")}
        ids = check_data(what, request, answer, literals, ["status"])
        return {**ids, "status": WORD, "redirectUrl": answer.at("data", "paymentUrl")}

    return answered


def worldpay_refused(what, request, answer):
    literals = {"status": "REFUSED", "transaction_status": "Declined", "returnCode": "5", "returnMessage": WORD, "merchantReference": request.reference}
    return check_refusal(what, answer, literals)


def worldpay(tour):
    # The word of the payment may go on to CAPTURED; the webhook has the word of the approval.
    authorised = re.compile("AUTHORISED|CAPTURED")

    def walk(name, holder, answered, **more):
        body = WORLDPAY_PAYIN if holder is None else WORLDPAY_PAYIN[:-1] + WORLDPAY_CARD % holder
        nowhere = None if holder is None else "4444333322221111"
        tour.walk(Walk(f"Worldpay {name}", "worldpay", body, answered, **{"status": authorised, **more}, nowhere=nowhere))

    modes = sorted(one["config"].get("integrationMode", "hpp") for one in tour.merchant.methods_of("WORLDPAY_EU"))
    CHECK.equal("Worldpay: the demo company's accounts", modes, ["direct", "hpp"])
    walk("hosted page", None, worldpay_hosted(tour.merchant))
    walk("card approved at once", "John Doe", worldpay_approved, psp_id=None)
    refused = {"status": "REFUSED", "transaction_status": "Declined", "http": 400, "moved": False}
    walk("card refused at once", "REFUSED", worldpay_refused, psp_id=None, **refused)
    walk("card with a challenge", "3DS_V2_CHALLENGE_IDENTIFIED", worldpay_challenge(tour.merchant), psp_id=None)
