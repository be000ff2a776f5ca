//! The status query: one SOAP operation, read by local element names, prefixes ignored.

use http::Method;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use super::api::{authenticate, find, value};
use super::order::Order;
use crate::kit::{Call, Error, Reply, Tx};

const XML: &str = "text/xml; charset=utf-8";
const OPERATION: &str = "transactionGetDetails";
/// The operation's inner element is named after it.
const REQUEST: &str = "transactionGetDetailsRequest";
/// Elements in a query, at most.
const FIELDS_MAX: usize = 32;
const DEPTH: usize = 5;

/// Answers one query.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    if call.method != Method::POST {
        return Ok(fault(405, "Only POST is possible here").header("allow", "POST"));
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("text/xml")) {
        return Ok(fault(415, "The content type must be text/xml"));
    }
    let read = std::str::from_utf8(&call.body).ok().and_then(fields_of);
    let Some(fields) = read else {
        return Ok(fault(500, "The request is not understood"));
    };
    let (digest, account) = match authenticate(tx, &fields)? {
        Ok(known) => known,
        Err(refusal) => return Ok(refusal),
    };
    if value(&fields, "version") != "3" {
        return Ok(details(&told("2006", "The version is not correct", None)));
    }
    if !account.takes_test(value(&fields, "test")) {
        return Ok(details(&told("2002", "The test flag is not correct for this merchant", None)));
    }
    let order = find(tx, &digest, value(&fields, "merchantTransactionId"))?.map(|(_, order)| order);
    Ok(details(&match order.filter(|order| order.is_known) {
        Some(order) => told(&order.error_code, &order.error_message, Some(&order)),
        None => told("", "merchantTransactionId does not exist", None),
    }))
}

/// The values of `Envelope/Body/transactionGetDetails/transactionGetDetailsRequest`; `None` when the text is anything else.
fn fields_of(text: &str) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut operation = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                path.push(element.local_name().as_ref().to_owned());
                operation |= is_request(&path);
                if path.len() == DEPTH && is_request(&path[..DEPTH - 1]) {
                    fields.push((path[DEPTH - 1].clone(), String::new()));
                }
            }
            Event::Empty(element) if is_request(&path) => {
                fields.push((element.local_name().as_ref().to_owned(), String::new()));
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(piece) => add(&path, &mut fields, &piece.xml10_content()),
            Event::CData(piece) => add(&path, &mut fields, &piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().ok()? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference.xml10_content())?.to_owned(),
                };
                add(&path, &mut fields, &resolved);
            }
            // Entities of one's own have no place in a query.
            Event::DocType(_) => return None,
            Event::Eof => break,
            _ => {}
        }
        if path.len() > DEPTH || fields.len() > FIELDS_MAX {
            return None;
        }
    }
    (operation && path.is_empty()).then_some(fields)
}

fn is_request(path: &[String]) -> bool {
    path == ["Envelope", "Body", OPERATION, REQUEST]
}

/// Adds a piece of text to the field that is being read.
fn add(path: &[String], fields: &mut [(String, String)], piece: &str) {
    if path.len() == DEPTH
        && is_request(&path[..DEPTH - 1])
        && let Some((_, value)) = fields.last_mut()
    {
        value.push_str(piece);
    }
}

/// The elements of `opResponse`.
fn told(code: &str, message: &str, order: Option<&Order>) -> String {
    let mut body = String::new();
    if let Some(order) = order {
        body.push_str(&typed("amount", "int", &order.amount_minor.to_string()));
        body.push_str(&element("currency", &order.currency));
    }
    body.push_str(&element("errorCode", code));
    body.push_str(&element("errorMessage", message));
    if let Some(order) = order {
        body.push_str(&element("merchantTransactionId", &order.reference));
        body.push_str(&element("status", &order.status));
        body.push_str(&element("transactionId", &order.transaction_id));
    }
    body
}

fn element(name: &str, value: &str) -> String {
    typed(name, "string", value)
}

/// No prefix, and the type as an attribute.
fn typed(name: &str, kind: &str, value: &str) -> String {
    format!("<{name} xsi:type=\"xsd:{kind}\">{}</{name}>", escape(value))
}

fn details(response: &str) -> Reply {
    Reply::text(
        200,
        XML,
        format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:ns1=\"https://www.neosurf.info/soap/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soap:Body><ns1:{OPERATION}Response><opResponse>\
             {response}</opResponse></ns1:{OPERATION}Response></soap:Body></soap:Envelope>"
        ),
    )
}

fn fault(status: u16, text: &str) -> Reply {
    Reply::text(
        status,
        XML,
        format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
             <faultcode>soap:Client</faultcode><faultstring>{}</faultstring></soap:Fault></soap:Body></soap:Envelope>",
            escape(text)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neosurf::sign::is_signed;

    const QUERY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
        xmlns:ns1=\"https://www.neosurf.info/soap/\"><soap:Body><ns1:transactionGetDetails><transactionGetDetailsRequest><hash>\
        b34896ee4db11a00e0d19eecd583c491bb0dc9afda27d9204b32f559dd6a04553d4bdce41f23396ece3d66d0276d436c9d02b58b974a03b20613c74274b9b7d3\
        </hash><merchantId>24842</merchantId><merchantTransactionId>64a1f2b3c4d5e6f7a8b9c0d1</merchantTransactionId>\
        <subMerchantId>merchant.example</subMerchantId><test>yes</test><version>3</version></transactionGetDetailsRequest>\
        </ns1:transactionGetDetails></soap:Body></soap:Envelope>";

    #[test]
    fn the_query_of_the_sheet_is_read_and_its_hash_is_right() {
        let fields = fields_of(QUERY).unwrap();
        assert_eq!(fields.len(), 6);
        assert!(is_signed(&fields, "neosurfsecret"));
        let prefixed = QUERY
            .replace("soap:", "env:")
            .replace("xmlns:soap", "xmlns:env")
            .replace("transactionGetDetailsRequest", "x:transactionGetDetailsRequest");
        assert!(is_signed(&fields_of(&prefixed).unwrap(), "neosurfsecret"), "prefixes are ignored");
    }

    #[test]
    fn references_and_sections_are_read() {
        let text = QUERY.replace(">24842<", "><![CDATA[a<b]]>&amp;&#x41;<");
        assert_eq!(value(&fields_of(&text).unwrap(), "merchantId"), "a<b&A");
    }

    #[test]
    fn anything_else_is_not_understood() {
        for bad in [
            "",
            "<a/>",
            "no xml",
            &QUERY.replace("transactionGetDetails", "voucherGetDetails"),
            &QUERY.replace("transactionGetDetailsRequest", "opRequest"),
            &QUERY.replace("transactionGetDetailsRequest", "voucherGetDetailsRequest"),
            &QUERY.replace("</soap:Envelope>", ""),
            &QUERY.replace("<version>", "<version><x>").replace("</version>", "</x></version>"),
            &QUERY.replace("<soap:Envelope", "<!DOCTYPE a><soap:Envelope"),
        ] {
            assert!(fields_of(bad).is_none(), "{bad}");
        }
    }
}
