//! XML as the gateway takes and gives it: no DOCTYPE, no entities but the five of XML itself.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesStart, Event};

use crate::kit::Reply;

const DEPTH_MAX: usize = 8;
const ELEMENTS_MAX: usize = 200;

/// A read document: the text of each element by its path below the root (`browser/language`).
#[derive(Debug)]
pub(super) struct Document {
    /// The name of the root element.
    pub(super) root: String,
    elements: HashMap<String, String>,
}

impl Document {
    /// The text of an element, trimmed; `None` when it is absent or empty.
    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.elements.get(path).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Whether the element is there, empty or not.
    pub(super) fn has(&self, path: &str) -> bool {
        self.elements.contains_key(path)
    }
}

/// Elements under way while a document is read.
#[derive(Default)]
struct Reading {
    /// Names and texts of the open elements.
    open: Vec<(String, String)>,
    root: Option<String>,
    elements: HashMap<String, String>,
    count: usize,
}

impl Reading {
    fn start(&mut self, tag: &BytesStart<'_>) -> Option<()> {
        if tag.attributes().any(|attribute| attribute.is_err()) || self.open.len() == DEPTH_MAX {
            return None;
        }
        self.count += 1;
        if self.count > ELEMENTS_MAX || (self.open.is_empty() && self.root.is_some()) {
            return None;
        }
        let name = tag.name().as_ref().to_owned();
        self.root.get_or_insert_with(|| name.clone());
        self.open.push((name, String::new()));
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let path: Vec<&str> = self.open.iter().skip(1).map(|(name, _)| name.as_str()).collect();
        let path = path.join("/");
        let (_, text) = self.open.pop()?;
        let twice = !path.is_empty() && self.elements.insert(path, text.trim().to_owned()).is_some();
        (!twice).then_some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if !text.chars().all(is_legal) {
            return None;
        }
        match self.open.last_mut() {
            Some((_, kept)) => kept.push_str(text),
            None if text.trim().is_empty() => {}
            None => return None,
        }
        Some(())
    }
}

/// Whether XML 1.0 allows the character.
fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

/// Reads a document; `None` when it is not well-formed UTF-8 XML of a modest size, names an element twice in
/// one place, or has a DOCTYPE or an entity of its own.
pub(super) fn read(body: &[u8]) -> Option<Document> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_comments = true;
    let mut reading = Reading::default();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => reading.start(&tag)?,
            Event::Empty(tag) => {
                reading.start(&tag)?;
                reading.end()?;
            }
            Event::End(_) => reading.end()?,
            Event::Text(text) => reading.text(&text.xml10_content())?,
            Event::CData(text) => {
                reading.open.last()?;
                reading.text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                reading.open.last()?;
                match reference.resolve_char_ref().ok()? {
                    Some(character) => reading.text(character.encode_utf8(&mut [0; 4]))?,
                    None => reading.text(entity(&reference.xml10_content())?)?,
                }
            }
            Event::Decl(declaration) => {
                let utf8 = match declaration.encoding() {
                    None => true,
                    Some(encoding) => encoding.ok()?.eq_ignore_ascii_case("utf-8"),
                };
                if !utf8 || reading.root.is_some() {
                    return None;
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return None,
            Event::Eof => break,
        }
    }
    if !reading.open.is_empty() {
        return None;
    }
    Some(Document { root: reading.root?, elements: reading.elements })
}

/// An answer under way: `<payment_response>` with its elements in order.
#[derive(Debug, Default)]
pub(super) struct Answer(String);

impl Answer {
    /// Adds an element with a text.
    pub(super) fn with(mut self, name: &str, text: &str) -> Self {
        self.0.push_str(&format!("<{name}>{}</{name}>", partial_escape(text)));
        self
    }

    /// Adds an element where there is a text for it.
    pub(super) fn with_some(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.with(name, text),
            None => self,
        }
    }

    /// Adds an element that has one element with a text.
    pub(super) fn with_inner(mut self, name: &str, inner: &str, text: &str) -> Self {
        self.0.push_str(&format!("<{name}><{inner}>{}</{inner}></{name}>", partial_escape(text)));
        self
    }

    /// The reply.
    pub(super) fn reply(self, status: u16) -> Reply {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<payment_response>{}</payment_response>", self.0);
        Reply::text(status, "application/xml; charset=utf-8", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_by_paths() {
        let document = read(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<p a=\"1\"><!-- c --><x> A&amp;B &#x21;</x><e/>\
              <in><x><![CDATA[<2>]]></x></in></p>\n",
        )
        .unwrap();
        assert_eq!(document.root, "p");
        assert_eq!(document.get("x"), Some("A&B !"));
        assert_eq!(document.get("in/x"), Some("<2>"));
        assert!(document.has("e") && document.has("in") && document.get("e").is_none() && !document.has("f"));
    }

    #[test]
    fn what_is_not_plain_xml_is_refused() {
        for bad in [
            "",
            "text",
            "<p>",
            "<p></q>",
            "<p/><p/>",
            "<p/>x",
            "<p><a>1</a><a>2</a></p>",
            "<!DOCTYPE p><p/>",
            "<!DOCTYPE p [<!ENTITY x \"y\">]><p>&x;</p>",
            "<p>&x;</p>",
            "<p>&#1;</p>",
            "<p a=1/>",
            "<p>\u{1}</p>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><p/>",
            "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>",
        ] {
            assert!(read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(read(b"<p>\xff</p>").is_none());
    }

    #[test]
    fn answers_escape_what_they_carry() {
        let reply = Answer::default().with("a", "<&>").with_some("b", None).with_inner("c", "d", "1").reply(200);
        let body = String::from_utf8(reply.body).unwrap();
        assert!(body.ends_with("<payment_response><a>&lt;&amp;&gt;</a><c><d>1</d></c></payment_response>"), "{body}");
    }
}
