//! XML in and out: a small tree read without ever resolving a DTD or an entity of the sender's.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};

/// The public id of the document type, compared without regard to case (replies spell `WorldPay`).
const PUBLIC_ID: &str = "-//Worldpay//DTD Worldpay PaymentService v1//EN";
const SYSTEM_ID: &str = "http://dtd.worldpay.com/paymentService_v1.dtd";
/// What every document of ours begins with.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE paymentService PUBLIC \"-//WorldPay//DTD WorldPay PaymentService v1//EN\" \"http://dtd.worldpay.com/paymentService_v1.dtd\">\n";
/// Elements within elements, and elements in all.
const DEPTH_MAX: usize = 24;
const ELEMENTS_MAX: usize = 1_000;

/// Why a document is not read; it never quotes the document, which may hold a card number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// One element with what is in it.
#[derive(Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// Text and CDATA of this element itself, trimmed.
    pub(super) text: String,
}

impl Element {
    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// An attribute, also when it is empty.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text at the end of a path, `None` when it is absent or empty.
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|element| element.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Reads a document: declaration, the one document type without an internal subset, one root element.
pub(super) fn read(bytes: &[u8]) -> Result<Element, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("the document is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut has_doctype = false;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| Unreadable("the document is not well-formed"))?;
        match event {
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) => {}
            Event::PI(_) => return Err(Unreadable("processing instructions are not accepted")),
            Event::DocType(declared) => {
                if has_doctype || root.is_some() || !open.is_empty() || !is_doctype(&declared) {
                    return Err(Unreadable("the document type is not the one expected"));
                }
                has_doctype = true;
            }
            Event::Start(start) => {
                open.push(element_of(&start, &mut elements)?);
                if open.len() > DEPTH_MAX {
                    return Err(Unreadable("the document is too deep"));
                }
            }
            Event::Empty(start) => close(element_of(&start, &mut elements)?, &mut open, &mut root)?,
            Event::End(_) => {
                let done = open.pop().ok_or(Unreadable("the document is not well-formed"))?;
                close(done, &mut open, &mut root)?;
            }
            Event::Text(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::CData(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => add_text(&referred(&reference)?, &mut open)?,
        }
    }
    match root {
        Some(root) if open.is_empty() && has_doctype => Ok(root),
        Some(_) if open.is_empty() => Err(Unreadable("the document has no document type")),
        _ => Err(Unreadable("the document is not well-formed")),
    }
}

/// `paymentService PUBLIC "..." "..."` and nothing else: an internal subset is refused.
fn is_doctype(declared: &str) -> bool {
    let mut quoted = declared.split('"');
    let head: Vec<&str> = quoted.next().unwrap_or_default().split_whitespace().collect();
    let rest: Vec<&str> = quoted.collect();
    let [public, between, system, after] = rest.as_slice() else {
        return false;
    };
    head == ["paymentService", "PUBLIC"]
        && public.eq_ignore_ascii_case(PUBLIC_ID)
        && between.trim().is_empty()
        && *system == SYSTEM_ID
        && after.trim().is_empty()
}

fn element_of(start: &BytesStart<'_>, elements: &mut usize) -> Result<Element, Unreadable> {
    *elements += 1;
    if *elements > ELEMENTS_MAX {
        return Err(Unreadable("the document has too many elements"));
    }
    let mut element = Element { name: start.name().into_inner().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Unreadable("an attribute is not well-formed"))?;
        // Only the five entities of XML itself and character references are known here; any other is an error.
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|_| Unreadable("an attribute refers to an unknown entity"))?;
        element.attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn close(mut done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), Unreadable> {
    done.text = done.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err(Unreadable("the document has two roots")),
    }
    Ok(())
}

fn add_text(text: &str, open: &mut [Element]) -> Result<(), Unreadable> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Unreadable("the document has text outside its root")),
    }
    Ok(())
}

fn referred(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, Unreadable> {
    match reference.resolve_char_ref() {
        Ok(Some(sign)) => Ok(sign.to_string()),
        Ok(None) => match &**reference {
            "lt" => Ok("<".to_owned()),
            "gt" => Ok(">".to_owned()),
            "amp" => Ok("&".to_owned()),
            "apos" => Ok("'".to_owned()),
            "quot" => Ok("\"".to_owned()),
            _ => Err(Unreadable("the document refers to an unknown entity")),
        },
        Err(_) => Err(Unreadable("a character reference is not well-formed")),
    }
}

/// Writes a document of ours.
pub(super) struct Out {
    text: String,
    open: Vec<&'static str>,
}

impl Out {
    /// `paymentService` of a merchant, opened.
    pub(super) fn of(merchant_code: &str) -> Self {
        let mut out = Self { text: HEAD.to_owned(), open: Vec::new() };
        out.open("paymentService", &[("version", "1.4"), ("merchantCode", merchant_code)]);
        out
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (key, value) in attributes {
            self.text.push(' ');
            self.text.push_str(key);
            self.text.push_str("=\"");
            self.text.push_str(&escape(*value));
            self.text.push('"');
        }
    }

    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.text.push('>');
        self.open.push(name);
        self
    }

    pub(super) fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push('>');
        }
        self
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.text.push_str("/>");
        self
    }

    pub(super) fn leaf(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) -> &mut Self {
        self.open(name, attributes);
        self.text.push_str(&escape(text));
        self.close()
    }

    /// A leaf whose text is a CDATA section.
    pub(super) fn cdata(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) -> &mut Self {
        self.open(name, attributes);
        self.text.push_str("<![CDATA[");
        self.text.push_str(&text.replace("]]>", "]]]]><![CDATA[>"));
        self.text.push_str("]]>");
        self.close()
    }

    /// The document, everything closed.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCTYPE: &str = "<!DOCTYPE paymentService PUBLIC \"-//Worldpay//DTD Worldpay PaymentService v1//EN\" \"http://dtd.worldpay.com/paymentService_v1.dtd\">";

    fn error(text: &str) -> &'static str {
        read(text.as_bytes()).err().map_or("read", |Unreadable(why)| why)
    }

    #[test]
    fn text_cdata_comments_and_references_are_read() {
        let text = format!(
            "<?xml version=\"1.0\"?>{DOCTYPE}<a k=\"1 &amp; &#50;\"><!-- c --><b> x<![CDATA[<y>]]>&lt;&#x7a; </b><c/><b>2</b></a>"
        );
        let root = read(text.as_bytes()).map_err(|_| ()).unwrap();
        assert_eq!(root.attribute("k"), Some("1 & 2"));
        assert_eq!(root.text_at(&["b"]), Some("x<y><z"));
        assert_eq!((root.children.len(), root.text_at(&["c"])), (3, None));
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        assert_eq!(error("<a/>"), "the document has no document type");
        assert_eq!(error(&format!("{DOCTYPE}<a><b></a>")), "the document is not well-formed");
        assert_eq!(error(&format!("{DOCTYPE}<a>")), "the document is not well-formed");
        assert_eq!(error(&format!("{DOCTYPE}<a/><a/>")), "the document has two roots");
        assert_eq!(error(&format!("{DOCTYPE}<a/>x")), "the document has text outside its root");
        assert_eq!(error(&format!("{DOCTYPE}<a>&evil;</a>")), "the document refers to an unknown entity");
        assert_eq!(error(&format!("{DOCTYPE}<a k=\"&evil;\"/>")), "an attribute refers to an unknown entity");
        assert_eq!(error(&format!("{DOCTYPE}<a k=\"1\" k=\"2\"/>")), "an attribute is not well-formed");
        let subset = DOCTYPE.replace("dtd\">", "dtd\" [<!ENTITY evil SYSTEM \"file:///etc/passwd\">]>");
        assert_eq!(error(&format!("{subset}<a/>")), "the document type is not the one expected");
        assert_eq!(error("<!DOCTYPE paymentService [<!ENTITY e \"x\">]><a/>"), "the document type is not the one expected");
        assert_eq!(error(&format!("{DOCTYPE}{DOCTYPE}<a/>")), "the document type is not the one expected");
        let deep = format!("{DOCTYPE}{}{}", "<a>".repeat(30), "</a>".repeat(30));
        assert_eq!(error(&deep), "the document is too deep");
    }

    #[test]
    fn what_is_written_is_escaped() {
        let mut out = Out::of("M&1");
        out.open("reply", &[]).leaf("x", &[("k", "\"<")], "a<b").cdata("y", &[], "a]]>b");
        let text = out.finish();
        assert!(text.ends_with("</reply></paymentService>"), "{text}");
        let root = read(text.as_bytes()).map_err(|_| ()).unwrap();
        assert_eq!(root.attribute("merchantCode"), Some("M&1"));
        assert_eq!((root.text_at(&["reply", "x"]), root.text_at(&["reply", "y"])), (Some("a<b"), Some("a]]>b")));
    }
}
