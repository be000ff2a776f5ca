//! XML: answers as a tree (local names, prefixes ignored; nothing is expanded but the five entities of XML and character
//! references), requests in a buffer that never grows.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 64;
/// Most elements of one document.
const ELEMENTS_MAX: usize = 4_096;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name without a prefix.
    pub(crate) name: String,
    /// Its attributes, names without a prefix; namespaces are left out.
    pub(crate) attributes: Vec<(String, String)>,
    /// All text directly in it, joined.
    pub(crate) text: String,
    /// The elements in it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first element of that name, itself included, in the order of the document.
    pub(crate) fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// All texts in it, its own first.
    pub(crate) fn texts(&self, into: &mut Vec<String>) {
        into.push(self.text.clone());
        into.extend(self.attributes.iter().map(|(_, value)| value.clone()));
        self.children.iter().for_each(|child| child.texts(into));
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The elements of that name directly in it.
    pub(crate) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element of that name directly in it.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element of that name directly in it, without the white space around it; `None` when it is empty, and when
    /// there are several that differ.
    pub(crate) fn text_in(&self, name: &str) -> Option<&str> {
        let mut named = self.children.iter().filter(|child| child.name == name);
        let first = named.next()?;
        let text = first.text.trim();
        (!text.is_empty() && named.all(|other| first.says_the_same(other))).then_some(text)
    }

    /// The text of the first element of that name, without the white space around it; `None` also when it is empty.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }

    /// Whether two elements of one name say the same, white space around texts apart.
    fn says_the_same(&self, other: &Element) -> bool {
        self.text.trim() == other.text.trim()
            && self.attributes == other.attributes
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, two)| one.name == two.name && one.says_the_same(two))
    }

    /// Whether something is said twice and otherwise the second time.
    fn contradicts(&self, once: &Once<'_>) -> bool {
        match once {
            Once::InEach(names) => {
                let differs = |name: &&str| {
                    let mut named = self.children_named(name);
                    named.next().is_some_and(|first| !named.all(|other| first.says_the_same(other)))
                };
                names.iter().any(differs) || self.children.iter().any(|child| child.contradicts(once))
            }
            Once::Anywhere(names) => names.iter().any(|name| self.find(name).is_some_and(|first| !self.all_say(first))),
        }
    }

    /// Whether every element of that name says the same, this one included.
    fn all_say(&self, first: &Element) -> bool {
        (self.name != first.name || self.says_the_same(first)) && self.children.iter().all(|child| child.all_say(first))
    }
}

/// What a document says once. Where it stands twice and differs, the document contradicts itself: nobody knows which of the two
/// is meant, so that it is no better than one that cannot be read.
pub(crate) enum Once<'a> {
    /// Directly within one element, whichever.
    InEach(&'a [&'a str]),
    /// In the whole document.
    Anywhere(&'a [&'a str]),
}

/// [`parse`]; `None` also when the document contradicts itself.
pub(crate) fn parse_once(body: &[u8], once: &Once<'_>) -> Option<Element> {
    parse(body).filter(|root| !root.contradicts(once))
}

/// Reads a whole document; `None` when it is cut off, malformed, too deep, too long, or declares entities of its own.
pub(crate) fn parse(body: &[u8]) -> Option<Element> {
    // Whoever receives a body has skipped the mark that may stand before it; one more is content, which the reader would pass
    // over.
    let text = std::str::from_utf8(body).ok().filter(|text| !text.starts_with('\u{feff}'))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                elements += 1;
                if root.is_some() || open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return None;
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                elements += 1;
                if root.is_some() || elements > ELEMENTS_MAX {
                    return None;
                }
                close(element(&start)?, &mut open, &mut root);
            }
            // The reader has compared its name with the one that is open.
            Event::End(_) => {
                let closed = open.pop()?;
                close(closed, &mut open, &mut root);
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text),
                None if text.trim().is_empty() => {}
                None => return None,
            },
            Event::CData(text) => open.last_mut()?.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().ok()? {
                    Some(letter) => letter.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)?.to_owned(),
                };
                open.last_mut()?.text.push_str(&resolved);
            }
            Event::DocType(declared) if declared.contains('[') => return None,
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return if open.is_empty() { root } else { None },
        }
    }
}

fn element(start: &BytesStart<'_>) -> Option<Element> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = quick_xml::escape::unescape(&attribute.value).ok()?;
        attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
    }
    let name = start.local_name().into_inner().to_owned();
    Some(Element { name, attributes, ..Element::default() })
}

fn close(closed: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(closed),
        None => *root = Some(closed),
    }
}

/// What a document is written from.
pub(crate) enum Part<'a> {
    /// `<name>`.
    Open(&'static str),
    /// `</name>`.
    Close(&'static str),
    /// `<name>text</name>`.
    Leaf(&'static str, &'a str),
    /// `<name attribute="value">`.
    With(&'static str, Vec<(&'static str, &'a str)>),
    /// `<name attribute="value"/>`.
    Empty(&'static str, Vec<(&'static str, &'a str)>),
    /// Markup as it stands.
    Raw(&'static str),
}

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
/// The longest escape of one byte: `&amp;`.
const ESCAPE_MAX_BYTES: usize = 5;
/// `<`, `>`, `</`, `>`.
const BRACKETS_BYTES: usize = 5;
/// The longest escape of one byte in an attribute: `&quot;`.
const ATTRIBUTE_ESCAPE_MAX_BYTES: usize = 6;
/// A space, `="`, `"`.
const ATTRIBUTE_BYTES: usize = 4;

/// Writes a document. The buffer is made large enough first: a document may hold a card, and growing would leave copies of it
/// behind.
pub(crate) fn write(parts: &[Part<'_>]) -> Vec<u8> {
    let length = |part: &Part<'_>| match part {
        Part::Open(name) | Part::Close(name) => name.len() + BRACKETS_BYTES,
        Part::Leaf(name, text) => 2 * name.len() + BRACKETS_BYTES + ESCAPE_MAX_BYTES * text.len(),
        Part::With(name, attributes) | Part::Empty(name, attributes) => {
            let attribute =
                |(name, value): &(&str, &str)| name.len() + ATTRIBUTE_BYTES + ATTRIBUTE_ESCAPE_MAX_BYTES * value.len();
            name.len() + BRACKETS_BYTES + attributes.iter().map(attribute).sum::<usize>()
        }
        Part::Raw(markup) => markup.len(),
    };
    let mut xml = String::with_capacity(DECLARATION.len() + parts.iter().map(length).sum::<usize>());
    xml.push_str(DECLARATION);
    for part in parts {
        match part {
            Part::Open(name) => tag(&mut xml, "<", name),
            Part::Close(name) => tag(&mut xml, "</", name),
            Part::Leaf(name, text) => {
                tag(&mut xml, "<", name);
                escape(&mut xml, text);
                tag(&mut xml, "</", name);
            }
            Part::With(name, attributes) => tag_with(&mut xml, name, attributes, ">"),
            Part::Empty(name, attributes) => tag_with(&mut xml, name, attributes, "/>"),
            Part::Raw(markup) => xml.push_str(markup),
        }
    }
    xml.into_bytes()
}

fn tag_with(xml: &mut String, name: &str, attributes: &[(&'static str, &str)], end: &str) {
    xml.push('<');
    xml.push_str(name);
    for (name, value) in attributes {
        xml.push(' ');
        xml.push_str(name);
        xml.push_str("=\"");
        // Quotes would end the value; readers make a space of other white space.
        let mut pieces = value.split('"');
        escape(xml, pieces.next().unwrap_or_default());
        for piece in pieces {
            xml.push_str("&quot;");
            escape(xml, piece);
        }
        xml.push('"');
    }
    xml.push_str(end);
}

fn tag(xml: &mut String, bracket: &str, name: &str) {
    xml.push_str(bracket);
    xml.push_str(name);
    xml.push('>');
}

/// Text as XML 1.0 allows it; what no document may hold (control characters) is left out.
pub(crate) fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' => xml.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_by_local_names() {
        let text = "<?xml version=\"1.0\"?>\n<!DOCTYPE a PUBLIC \"-//x\" \"http://x/dtd\">\n<s:a xmlns:s=\"u\" s:k=\"1 &lt; 2\"><!-- c --><b> x &amp; &#121; </b><n:c/><d><![CDATA[<z>]]></d></s:a>\n";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.attributes.as_slice()), ("a", &[("k".to_owned(), "1 < 2".to_owned())][..]));
        assert_eq!(
            (root.text_of("b"), root.text_of("c"), root.text_of("d"), root.text_of("e")),
            (Some("x & y"), None, Some("<z>"), None)
        );
        for length in 0..text.trim_end().len() {
            assert_eq!(parse(&text.as_bytes()[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = "<a>".repeat(DEPTH_MAX + 1) + &"</a>".repeat(DEPTH_MAX + 1);
        let long = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        for bad in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "<a x=1/>",
            "<a x='1' x='2'/>",
            "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
            "{\"a\":1}",
            &deep,
            &long,
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{}", &bad[..bad.len().min(40)]);
        }
        assert_eq!(parse(b"<a>\xff</a>"), None);
    }

    #[test]
    fn one_element_directly_within() {
        let root = parse(b"<r><a> x </a><b><c>deep</c></b><d/><e>1</e><e>2</e></r>").unwrap();
        assert_eq!(root.text_in("a"), Some("x"));
        for none in ["b", "c", "d", "e", "r"] {
            assert_eq!(root.text_in(none), None, "{none}");
        }
        assert_eq!(parse(b"<r><a>1</a><a> 1 </a></r>").unwrap().text_in("a"), Some("1"));
    }

    #[test]
    fn what_is_said_twice_and_otherwise_contradicts() {
        let within = Once::InEach(&["a", "b"]);
        let anywhere = Once::Anywhere(&["a", "b"]);
        for (text, in_each, in_all) in [
            ("<r><a>1</a><b/><c>1</c><c>2</c></r>", true, true),
            ("<r><a>1</a><a> 1\n</a></r>", true, true),
            ("<r><a>1</a><a>2</a></r>", false, false),
            ("<r><a>1</a><a/></r>", false, false),
            ("<r><a>1</a><a>1</a><a>2</a></r>", false, false),
            ("<r><x:a>1</x:a><y:a>2</y:a></r>", false, false),
            ("<r><b v='1'/><b v='2'/></r>", false, false),
            ("<r><b><c>1</c></b><b><c>2</c></b></r>", false, false),
            ("<r><d><a>1</a></d><d><a>2</a></d></r>", true, false),
            ("<r><d><a>1</a><e/><a>2</a></d></r>", false, false),
            ("<r><a>1</a><d><a>2</a></d></r>", true, false),
        ] {
            assert_eq!(parse_once(text.as_bytes(), &within).is_some(), in_each, "within one: {text}");
            assert_eq!(parse_once(text.as_bytes(), &anywhere).is_some(), in_all, "anywhere: {text}");
        }
    }

    #[test]
    fn written_texts_come_back_and_nothing_is_moved() {
        let text = "a&b<c>\"d\"'é\u{0}\u{1b}\u{ffff}\n&&&&&&&&";
        let xml = write(&[Part::Open("r"), Part::Leaf("a", text), Part::Leaf("b", ""), Part::Close("r")]);
        let length = xml.len();
        assert!(length <= xml.capacity());
        let worst = write(&[Part::Leaf("a", &"&".repeat(500))]);
        assert!(worst.capacity() <= DECLARATION.len() + 7 + 2_500, "made once, as large as it can get");
        assert_eq!(worst.len(), worst.capacity());
        assert_eq!(parse(&xml).unwrap().text_in("a"), Some("a&b<c>\"d\"'é\n&&&&&&&&"));
    }

    #[test]
    fn written_attributes_come_back() {
        let parts =
            [Part::With("r", vec![("a", "\"x\" <&>'"), ("b", "")]), Part::Empty("e", vec![("c", "\"\"\"")]), Part::Close("r")];
        let xml = write(&parts);
        let root = parse(&xml).unwrap();
        assert_eq!((root.attribute("a"), root.attribute("b"), root.attribute("c")), (Some("\"x\" <&>'"), Some(""), None));
        assert_eq!(root.child("e").unwrap().attribute("c"), Some("\"\"\""));
        assert_eq!(root.children_named("e").count(), 1);
        let worst = write(&[Part::Empty("e", vec![("a", &"\"".repeat(500))])]);
        assert!(worst.len() <= worst.capacity() && worst.capacity() <= DECLARATION.len() + 3_016, "made once");
    }
}
