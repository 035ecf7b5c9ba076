//! A JSON document as it was written, looked at without a model of it: a 50 MB SBOM stays one text,
//! and what is kept beside it is offsets.

mod check;
mod locate;
mod scan;
mod strict;

use std::borrow::Cow;
use std::fmt;

use crate::error::Result;
use scan::{skip_space, skip_value};

/// A JSON object that no two readers can read differently: UTF-8, no key twice, nothing after it.
pub struct Document<'d> {
    root: Node<'d>,
    // Looked up by every type that is asked whether it recognises the document, so found only once.
    members: Vec<(Cow<'d, str>, Node<'d>)>,
}

impl<'d> Document<'d> {
    /// Reads `document` through, once, and keeps where its top-level members are.
    ///
    /// # Errors
    /// `invalid-json` with the place for what is not such an object; formats that are no JSON are
    /// told by their first bytes, with how to convert them.
    pub fn parse(document: &'d [u8]) -> Result<Self> {
        let text = strict::parse(document)?;
        let root = Node::of(text);
        Ok(Self { root, members: root.members().collect() })
    }

    /// The document itself.
    #[must_use]
    pub fn root(&self) -> Node<'d> {
        self.root
    }

    /// Whether there is a top-level member of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The top-level member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, node)| *node)
    }

    /// As [`Document::get`], but `null` counts as absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<Node<'d>> {
        self.get(name).filter(|node| !node.is_null())
    }

    /// The top-level member of that name.
    ///
    /// # Errors
    /// `predicate-mismatch` when there is none.
    pub fn require(&self, name: &str) -> Result<Node<'d>> {
        self.get(name).ok_or_else(|| self.root.lacks(name))
    }

    /// The top-level member, if it is a text.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<Cow<'d, str>> {
        self.get(name)?.string()
    }

    /// The names of the top-level members, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(key, _)| key.as_ref())
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.root.text.len()).finish_non_exhaustive()
    }
}

/// One value inside a [`Document`]: a view, as cheap to copy as a slice.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    /// The whole document, so that an error can say where in it this value stands.
    text: &'d str,
    start: usize,
    end: usize,
}

impl<'d> Node<'d> {
    /// The value that `text` is; `text` has been parsed.
    fn of(text: &'d str) -> Self {
        let start = skip_space(text.as_bytes(), 0);
        Self { text, start, end: skip_value(text.as_bytes(), start) }
    }

    /// The value as it was written.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    fn first(&self) -> u8 {
        self.text.as_bytes().get(self.start).copied().unwrap_or_default()
    }

    /// Whether this is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    /// Whether this is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.first() == b'['
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.first() == b'n'
    }

    /// The text, if this is one; borrowed from the document where nothing in it is escaped.
    #[must_use]
    pub fn string(&self) -> Option<Cow<'d, str>> {
        (self.first() == b'"').then(|| unquote(self.raw()))
    }

    /// The members in order; none if this is not an object.
    #[must_use]
    pub fn members(&self) -> Members<'d> {
        Members { text: self.text, at: if self.is_object() { self.start + 1 } else { self.text.len() } }
    }

    /// The elements in order; none if this is not an array.
    #[must_use]
    pub fn items(&self) -> Items<'d> {
        Items { text: self.text, at: if self.is_array() { self.start + 1 } else { self.text.len() } }
    }

    /// The member of that name, found by going through the object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        self.members().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// As [`Node::get`], but `null` counts as absent: protocol buffers and Go write it for "unset".
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<Node<'d>> {
        self.get(name).filter(|node| !node.is_null())
    }

    /// The members of these names, found in one go through the object.
    #[must_use]
    pub fn pick<const N: usize>(&self, names: [&str; N]) -> [Option<Node<'d>>; N] {
        let mut found = [None; N];
        for (key, node) in self.members() {
            if let Some(place) = names.iter().position(|name| *name == key).and_then(|i| found.get_mut(i)) {
                *place = Some(node);
            }
        }
        found
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}..{})", self.start, self.end)
    }
}

/// The members of an object.
#[derive(Debug, Clone)]
pub struct Members<'d> {
    text: &'d str,
    at: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (Cow<'d, str>, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = scan::next_element(bytes, self.at)?;
        let end = skip_value(bytes, start);
        let key = unquote(self.text.get(start..end)?);
        // Over the colon.
        let value = skip_space(bytes, skip_space(bytes, end) + 1);
        self.at = skip_value(bytes, value);
        Some((key, Node { text: self.text, start: value, end: self.at }))
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub struct Items<'d> {
    text: &'d str,
    at: usize,
}

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = scan::next_element(bytes, self.at)?;
        self.at = skip_value(bytes, start);
        Some(Node { text: self.text, start, end: self.at })
    }
}

/// What a JSON string says.
fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if inner.contains('\\') {
        // Parsed before, so it cannot fail; the escaped form would be as safe a text to compare.
        return serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned);
    }
    Cow::Borrowed(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_values_as_they_were_written() {
        let text = br#" { "a\n" : [ 1.0 , "x]\"}" , { } , [] , null ] , "b":{"c":1e5,"d":[[2],3]} } "#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.names().collect::<Vec<_>>(), ["a\n", "b"]);
        let items: Vec<_> = document.get("a\n").unwrap().items().map(|node| node.raw()).collect();
        assert_eq!(items, ["1.0", r#""x]\"}""#, "{ }", "[]", "null"]);
        let b = document.get("b").unwrap();
        let [d, none, c] = b.pick(["d", "e", "c"]);
        assert_eq!((d.unwrap().raw(), none.is_none(), c.unwrap().raw()), ("[[2],3]", true, "1e5"));
        assert_eq!(document.get("a\n").unwrap().items().nth(1).unwrap().string().unwrap(), "x]\"}");
        assert_eq!(b.items().count() + c.unwrap().members().count(), 0);
    }
}
