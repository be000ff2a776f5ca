"""Bank transfers, crypto and vouchers: the bodies as the providers' pages print them, to the byte, and what must come back."""

import re

from merchant import CHECK, ID, UUID
from walk import Walk

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
PAYONE_PAYOUT = PAYONE_PAYIN.replace('"PAYIN"', '"PAYOUT"')
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
GIGADAT_PAYIN = (
    '{"pspType":"GIGADAT","type":"PAYIN","name":"John Test","email":"merchant-user@example.com","phone":"15551234567","baseamount":10.00,'
    '"currency":"CAD","userId":"user_123","userIp":"1.2.3.4"}'
)
GIGADAT_ETO = (
    '{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ETO","isTestMode":false,"name":"John Test","email":"merchant-user@example.com",'
    '"baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","mobile":"07700900000"}'
)
GIGADAT_ACH = (
    '{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ACH","name":"John Test","email":"merchant-user@example.com","baseamount":10.00,'
    '"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","bank":{"institution":"001","transit":"12345","account":"1234567"}}'
)
NEOSURF_PAYIN = (
    '{"pspType":"NEOSURF","type":"PAYIN","baseamount":50.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}'
)
CLEO_PAYIN = """{"pspType":"CLEO","type":"PAYIN","baseamount":10000.00,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com",
 "firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,
 "isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15",
 "address":{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"}}"""
CLEO_PAYOUT = """{"pspType":"CLEO","type":"PAYOUT","baseamount":500.00,"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX",
 "beneficiary":{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}"""
BRITE_PAYIN = (
    '{"pspType":"BRITE","type":"PAYIN","baseamount":50.00,"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}'
)

DECIMAL = re.compile(r"\d+\.\d+")
PAYONE_PAGE = re.compile(r"https?://[^/]+/(?:[^/]+/)?webflow-payment/([^/]+)/([^/]+)")
PAYONE_ID = re.compile(r"[A-Z]{2}\d{6}[A-Z]{2}")
WALLET = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"
TOKEN = "<payment-token>"


def generic_pay_in(url, status, **more):
    """The generic published Pay-In shape; `url` is the hosted page's pattern."""

    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
        CHECK.members(f"{what}: members of data", answer.at("data"), ["status", "sessionId", *(["url"] if url else [])])
        CHECK.equal(f"{what}: data.status", answer.at("data", "status"), "PENDING")
        CHECK.matches(f"{what}: data.sessionId", answer.at("data", "sessionId"), UUID)
        wanted = {"sessionId": answer.at("data", "sessionId"), "status": status, **more}
        if url:
            CHECK.matches(f"{what}: data.url", answer.at("data", "url"), re.compile(url))
            wanted["redirectUrl"] = answer.at("data", "url")
        return wanted

    return answered


def payone_data(what, request, answer, names, sentence):
    CHECK.members(f"{what}: members of data", answer.at("data"), ["success", "message", "transactionId", "merchantReference", "amount", *names])
    CHECK.equal(f"{what}: data.success", answer.at("data", "success"), True)
    CHECK.equal(f"{what}: data.message", answer.at("data", "message"), sentence)
    CHECK.matches(f"{what}: data.transactionId", answer.at("data", "transactionId"), ID)
    CHECK.equal(f"{what}: data.merchantReference", answer.at("data", "merchantReference"), "")
    CHECK.number(f"{what}: data.amount", answer, ["data", "amount"], request.amount_number)


def payone_pay_in(what, request, answer):
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction successfully processed")
    payone_data(what, request, answer, ["redirect_url"], "Transaction successfully Ongoing Process ")
    page = answer.at("data", "redirect_url")
    CHECK.matches(f"{what}: data.redirect_url", page, PAYONE_PAGE)
    found = PAYONE_PAGE.fullmatch(page or "")
    return {"status": "Pending", "redirectUrl": page, "transactionId": answer.at("data", "transactionId"), "pspTransactionId": found and found.group(1)}


def payone_pay_out(merchant):
    def answered(what, request, answer):
        sentence = "Withdraw request successfully processed"
        CHECK.equal(f"{what}: message", answer.at("message"), sentence)
        payone_data(what, request, answer, ["withdraw"], sentence)
        account = merchant.methods_of("PAYONE")[0]
        withdraw = answer.at("data", "withdraw") or {}
        wanted = {"client": account["accountName"], "brand": account["accountName"], "userId": "user_123", "transactionId": PAYONE_ID,
                  "first_name": request.of_user("firstName"), "last_name": request.of_user("lastName"), "email": request.of_user("email"),
                  "phone": request.of_user("phone"), "userIp": "127.0.0.1", "currency": "CAD", "siteUrl": account["config"]["siteUrl"],
                  "amount": "100.00", "date": re.compile(r"\d{4}-\d\d-\d\d"), "status": "Pending"}
        CHECK.members(f"{what}: members of data.withdraw", withdraw, wanted)
        for name, value in wanted.items():
            CHECK.meets(f"{what}: data.withdraw.{name}", withdraw.get(name), value)
        return {"status": "Pending", "redirectUrl": None, "transactionId": answer.at("data", "transactionId"),
                "pspTransactionId": withdraw.get("transactionId")}

    return answered


def forumpay_pay_out(what, request, answer):
    CHECK.equal(f"{what}: message", answer.at("message"), "Transaction is on hold")
    decimals = ["network_processing_fee", "rate", "amount_exchange", "fast_transaction_fee"]
    literals = {"invoice_currency": "EUR", "invoice_amount": "200.00", "currency": "BTC", "payment_source": "cash", "wait_time": "20 minutes",
                "fast_transaction_fee_currency": "BTC/kB", "merchantReference": "", "transaction_status": "Pending"}
    others = ["amount", "payment_id", "reference_no", "address", "access_token", "transactionId"]
    CHECK.members(f"{what}: members of data", answer.at("data"), [*decimals, *literals, *others])
    for name, value in literals.items():
        CHECK.equal(f"{what}: data.{name}", answer.at("data", name), value)
    for name in decimals:
        CHECK.matches(f"{what}: data.{name}", answer.at("data", name), DECIMAL)
    CHECK.number(f"{what}: data.amount", answer, ["data", "amount"], request.amount_number)
    CHECK.matches(f"{what}: data.payment_id", answer.at("data", "payment_id"), UUID)
    CHECK.matches(f"{what}: data.transactionId", answer.at("data", "transactionId"), ID)
    CHECK.equal(f"{what}: data.reference_no is the transactionId", answer.at("data", "reference_no"), answer.at("data", "transactionId"))
    for name in ["address", "access_token"]:
        CHECK.matches(f"{what}: data.{name}", answer.at("data", name), re.compile(r"\S+"))
    token = (answer.at("data", "access_token") or "?").encode()
    CHECK.equal(f"{what}: access_token is in the answer once", answer.raw.count(token), 1)
    return {"transaction_status": "OnHold", "status": "on_hold", "redirectUrl": None, "transactionId": answer.at("data", "transactionId"),
            "pspTransactionId": answer.at("data", "payment_id")}


def gigadat_data(what, request, answer, transaction_id, literals, others):
    literals = {"transactionId": transaction_id, "databaseTransactionId": transaction_id, "merchantReference": "", "transaction_status": "Pending",
                "data": {"gigadatTransactionId": transaction_id}, **literals}
    CHECK.matches(f"{what}: data.transactionId", transaction_id, ID)
    CHECK.members(f"{what}: members of data", answer.at("data"), [*literals, *others, "amount"])
    for name, value in literals.items():
        CHECK.equal(f"{what}: data.{name}", answer.at("data", name), value)
    CHECK.number(f"{what}: data.amount", answer, ["data", "amount"], request.amount_number)


def gigadat_pay_in(what, request, answer):
    CHECK.equal(f"{what}: message", answer.at("message"), "Gigadat CPI payment initiated successfully")
    transaction_id, token, page = (answer.at("data", name) for name in ["transactionId", "paymentToken", "webflowURL"])
    literals = {"method": "GET_REDIRECT", "formSubmissionURL": None, "instructions": "Use direct redirect to webflowURL"}
    gigadat_data(what, request, answer, transaction_id, literals, ["webflowURL", "paymentToken"])
    CHECK.matches(f"{what}: data.paymentToken", token, re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"))
    CHECK.matches(f"{what}: data.webflowURL", page, re.compile(rf"https?://\S+/webflow\?transaction={transaction_id}&token={re.escape(token or '?')}"))
    return {"status": "STATUS_PENDING", "redirectUrl": page, "transactionId": transaction_id, "pspTransactionId": transaction_id}


def gigadat_pay_out(kind):
    def answered(what, request, answer):
        CHECK.equal(f"{what}: message", answer.at("message"), "Added to approvals table")
        transaction_id = answer.at("data", "transactionId")
        instructions = "Transaction created in Gigadat and added to approval queue. Finalization will occur after admin approval."
        literals = {"payoutType": kind, "method": "AWAITING_APPROVAL", "instructions": instructions, "paymentToken": TOKEN}
        gigadat_data(what, request, answer, transaction_id, literals, ["webflowURL", "finalizationURL"])
        for name, path in {"webflowURL": "webflow", "finalizationURL": "webflow/deposit"}.items():
            pattern = re.compile(rf"https?://\S+/{path}\?transaction={transaction_id}&token={re.escape(TOKEN)}")
            CHECK.matches(f"{what}: data.{name} releases nothing", answer.at("data", name), pattern)
        return {"transaction_status": "OnHold", "status": "STATUS_PENDING", "redirectUrl": None, "transactionId": transaction_id,
                "pspTransactionId": transaction_id}

    return answered


def cleo_pay_out(what, request, answer):
    CHECK.equal(f"{what}: message", answer.at("message"), "Successfully")
    CHECK.members(f"{what}: members of data", answer.at("data"), ["status", "transactionId"])
    CHECK.equal(f"{what}: data.status", answer.at("data", "status"), "PENDING")
    return {"status": "PENDING", "redirectUrl": None, "transactionId": answer.at("data", "transactionId"), "pspTransactionId": re.compile("to_[0-9a-f]{6}")}


def forumpay(tour):
    tour.walk(Walk("ForumPay pay-in", "forumpay", FORUMPAY_PAYIN, generic_pay_in(r"https?://\S+/invoice/\S+", "waiting", pspTransactionId=None), psp_id=UUID,
                   status="confirmed", message="Crypto payment confirmed and successfully processed"))
    tour.walk(Walk("ForumPay pay-out", "forumpay", FORUMPAY_PAYOUT, forumpay_pay_out, psp_id=UUID, held=True, destination=WALLET, account=WALLET, status="confirmed",
                   message="Crypto payout confirmed and successfully processed"))


def payone(tour):
    final = {"status": "success", "message": "Transaction approved and successfully processed", "psp_id": PAYONE_ID}
    tour.walk(Walk("PayOne pay-in", "payone", PAYONE_PAYIN, payone_pay_in, **final))
    answered = payone_pay_out(tour.merchant)
    tour.walk(Walk("PayOne pay-out", "payone", PAYONE_PAYOUT, answered, **final, destination=tour.merchant.claims["email"]))


def flexepin(tour):
    answered = generic_pay_in(None, "USED", transaction_status="Approved", message="Success", redirectUrl=None, pspTransactionId=re.compile(r"\d+"))
    tour.walk(Walk("Flexepin pay-in", "flexepin", FLEXEPIN_PAYIN, answered, status="USED", message="Success", webhook=False, nowhere="1234567890123456"))


def gigadat(tour):
    final = {"status": "STATUS_SUCCESS", "psp_id": ID}
    tour.walk(Walk("Gigadat pay-in", "gigadat", GIGADAT_PAYIN, gigadat_pay_in, **final))
    payee, account = "merchant-user@example.com", "1234567"
    tour.walk(Walk("Gigadat ETO", "gigadat", GIGADAT_ETO, gigadat_pay_out("ETO"), **final, held=True, destination=payee, account=payee))
    tour.walk(Walk("Gigadat ACH", "gigadat", GIGADAT_ACH, gigadat_pay_out("ACH"), **final, held=True, account=account, nowhere=f'{account}"',
                   destination=re.compile(f"001.?12345.?{account}")))


def neosurf(tour):
    answered = generic_pay_in(None, "pending", redirectUrl=re.compile(r"https?://\S+/EN-[A-Z0-9]{17}"), pspTransactionId=None)
    tour.walk(Walk("Neosurf pay-in", "neosurf", NEOSURF_PAYIN, answered, status="ok", psp_id=re.compile(r"\d+")))


def cleo(tour):
    answered = generic_pay_in(r"https?://\S+/pay/\S+", "PENDING", pspTransactionId=re.compile("ti_[0-9a-f]{6}"))
    tour.walk(Walk("Cleo pay-in", "cleo", CLEO_PAYIN, answered, status="COMPLETED"))
    tour.walk(Walk("Cleo pay-out", "cleo", CLEO_PAYOUT, cleo_pay_out, status="COMPLETED", destination="032180000118359719", nowhere="032180000118359719"))


def brite(tour):
    # SETTLED follows CREDIT: whichever the inquiry saw first stays.
    answered = generic_pay_in(r"https?://\S+/[^/\s]+", "CREATED", pspTransactionId=None)
    tour.walk(Walk("Brite pay-in", "brite", BRITE_PAYIN, answered, status=re.compile("CREDIT|SETTLED")))
