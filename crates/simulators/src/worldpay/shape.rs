//! Which elements may stand where, as far as the sheet names them ("Order of children in `order`", `browser`,
//! `address`, `FraudSightData`). Anything unknown, misordered or missing is error 2, as validation against
//! Worldpay's DTD would say.

use super::xml::Element;

/// One place in a sequence: the names that may stand there, and how often.
struct Slot(&'static [&'static str], usize, usize);

struct Shape {
    name: &'static str,
    children: &'static [Slot],
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const MANY: usize = usize::MAX;

const fn one(names: &'static [&'static str]) -> Slot {
    Slot(names, 1, 1)
}

const fn perhaps(names: &'static [&'static str]) -> Slot {
    Slot(names, 0, 1)
}

const fn node(name: &'static str, children: &'static [Slot], required: &'static [&'static str]) -> Shape {
    Shape { name, children, required, optional: &[] }
}

/// The name under which the order of a second submit is looked up: it has children of its own.
const SECOND_ORDER: &str = "order/info3DSecure";

static SHAPES: &[Shape] = &[
    node("paymentService", &[one(&["submit", "inquiry"])], &["version", "merchantCode"]),
    node("submit", &[one(&["order"])], &[]),
    node("inquiry", &[one(&["orderInquiry"])], &[]),
    node("orderInquiry", &[], &["orderCode"]),
    Shape {
        name: "order",
        children: &[
            one(&["description"]),
            one(&["amount"]),
            perhaps(&["orderContent"]),
            one(&["paymentMethodMask", "paymentDetails"]),
            perhaps(&["shopper"]),
            perhaps(&["shippingAddress"]),
            perhaps(&["billingAddress"]),
            perhaps(&["createToken"]),
            perhaps(&["additional3DSData"]),
            perhaps(&["FraudSightData"]),
        ],
        required: &["orderCode"],
        optional: &["installationId", "captureDelay", "shopperLanguageCode"],
    },
    node(SECOND_ORDER, &[one(&["info3DSecure"]), one(&["session"])], &["orderCode"]),
    node("info3DSecure", &[one(&["completedAuthentication"])], &[]),
    node("completedAuthentication", &[], &[]),
    node("amount", &[], &["value", "currencyCode", "exponent"]),
    node("paymentMethodMask", &[Slot(&["include", "exclude"], 0, MANY)], &[]),
    node("include", &[], &["code"]),
    node("exclude", &[], &["code"]),
    Shape {
        name: "paymentDetails",
        children: &[one(&["CARD-SSL"]), perhaps(&["session"])],
        required: &[],
        optional: &["action"],
    },
    node(
        "CARD-SSL",
        &[one(&["cardNumber"]), one(&["expiryDate"]), one(&["cardHolderName"]), perhaps(&["cvc"]), perhaps(&["cardAddress"])],
        &[],
    ),
    node("expiryDate", &[one(&["date"])], &[]),
    Shape { name: "date", children: &[], required: &["month", "year"], optional: &["dayOfMonth"] },
    Shape { name: "session", children: &[], required: &[], optional: &["shopperIPAddress", "id"] },
    node("cardAddress", &[one(&["address"])], &[]),
    node("shippingAddress", &[one(&["address"])], &[]),
    node("billingAddress", &[one(&["address"])], &[]),
    node("shopperAddress", &[one(&["address"])], &[]),
    node(
        "address",
        &[
            perhaps(&["firstName"]),
            perhaps(&["lastName"]),
            perhaps(&["address1"]),
            perhaps(&["address2"]),
            perhaps(&["address3"]),
            one(&["postalCode"]),
            perhaps(&["city"]),
            perhaps(&["state"]),
            one(&["countryCode"]),
            perhaps(&["telephoneNumber"]),
        ],
        &[],
    ),
    node("shopper", &[perhaps(&["shopperEmailAddress"]), perhaps(&["authenticatedShopperID"]), perhaps(&["browser"])], &[]),
    node(
        "browser",
        &[
            perhaps(&["acceptHeader"]),
            perhaps(&["userAgentHeader"]),
            perhaps(&["httpAcceptLanguage"]),
            perhaps(&["httpReferer"]),
            perhaps(&["timeZone"]),
            perhaps(&["browserLanguage"]),
            perhaps(&["browserJavaEnabled"]),
            perhaps(&["browserJavaScriptEnabled"]),
            perhaps(&["browserColourDepth"]),
            perhaps(&["browserScreenHeight"]),
            perhaps(&["browserScreenWidth"]),
        ],
        &[],
    ),
    Shape {
        name: "createToken",
        children: &[perhaps(&["tokenEventReference"]), perhaps(&["tokenReason"])],
        required: &["tokenScope"],
        optional: &[],
    },
    Shape {
        name: "additional3DSData",
        children: &[],
        required: &["dfReferenceId"],
        optional: &["javaScriptEnabled", "challengeWindowSize", "challengePreference"],
    },
    node(
        "FraudSightData",
        &[perhaps(&["customStringFields"]), perhaps(&["customNumericFields"]), perhaps(&["shopperFields"])],
        &[],
    ),
    node(
        "customStringFields",
        &[
            perhaps(&["customStringField1"]),
            perhaps(&["customStringField2"]),
            perhaps(&["customStringField3"]),
            perhaps(&["customStringField4"]),
            perhaps(&["customStringField5"]),
            perhaps(&["customStringField6"]),
            perhaps(&["customStringField7"]),
            perhaps(&["customStringField8"]),
            perhaps(&["customStringField9"]),
            perhaps(&["customStringField10"]),
        ],
        &[],
    ),
    node(
        "customNumericFields",
        &[
            perhaps(&["customNumericField1"]),
            perhaps(&["customNumericField2"]),
            perhaps(&["customNumericField3"]),
            perhaps(&["customNumericField4"]),
            perhaps(&["customNumericField5"]),
            perhaps(&["customNumericField6"]),
            perhaps(&["customNumericField7"]),
            perhaps(&["customNumericField8"]),
            perhaps(&["customNumericField9"]),
            perhaps(&["customNumericField10"]),
        ],
        &[],
    ),
    node(
        "shopperFields",
        &[perhaps(&["shopperName"]), perhaps(&["shopperId"]), perhaps(&["birthDate"]), perhaps(&["shopperAddress"])],
        &[],
    ),
    node("birthDate", &[one(&["date"])], &[]),
];

/// Checks a whole document from its root on; the sentence names elements only, never what they hold.
pub(super) fn check(root: &Element) -> Result<(), String> {
    if root.name == "paymentService" { check_element(root) } else { Err("the root must be paymentService".to_owned()) }
}

fn shape_of(element: &Element) -> Option<&'static Shape> {
    let second = element.name == "order" && element.children.first().is_some_and(|child| child.name == "info3DSecure");
    let name = if second { SECOND_ORDER } else { element.name.as_str() };
    SHAPES.iter().find(|shape| shape.name == name)
}

fn check_element(element: &Element) -> Result<(), String> {
    let name = &element.name;
    let Some(shape) = shape_of(element) else {
        // Every other element that is allowed anywhere holds text and has no attributes.
        if let Some((key, _)) = element.attributes.first() {
            return Err(format!("attribute {key} of {name} is not declared"));
        }
        return element.children.first().map_or(Ok(()), |child| Err(format!("{} is not allowed in {name}", child.name)));
    };
    if let Some(missing) = shape.required.iter().find(|key| element.attribute(key).is_none()) {
        return Err(format!("attribute {missing} of {name} is missing"));
    }
    let declared = |key: &str| shape.required.contains(&key) || shape.optional.contains(&key);
    if let Some((key, _)) = element.attributes.iter().find(|(key, _)| !declared(key)) {
        return Err(format!("attribute {key} of {name} is not declared"));
    }
    if !element.text.is_empty() {
        return Err(format!("{name} must not hold text"));
    }
    check_children(element, shape.children)?;
    element.children.iter().try_for_each(check_element)
}

fn check_children(element: &Element, slots: &[Slot]) -> Result<(), String> {
    let mut children = element.children.iter().peekable();
    for Slot(names, least, most) in slots {
        let mut count = 0;
        while count < *most && children.next_if(|child| names.contains(&child.name.as_str())).is_some() {
            count += 1;
        }
        if count < *least {
            return Err(format!("{} must have {} here", element.name, names.join(" or ")));
        }
    }
    children.next().map_or(Ok(()), |child| Err(format!("{} is not allowed there in {}", child.name, element.name)))
}
