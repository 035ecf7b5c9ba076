//! Where in a document something stands, worked out only once there is something to say about it.

use std::fmt::Write as _;

use super::Node;

impl Node<'_> {
    /// The way to this value from the top, such as `packages[3].name`, or `document` for the top.
    #[must_use]
    pub fn path(&self) -> String {
        path_to(self.text, self.start)
    }

    /// The line on which this value starts, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        line_of(self.text, self.start)
    }
}

/// The way to whatever contains the byte at `offset`. `text` need only be JSON as far as that.
pub(super) fn path_to(text: &str, offset: usize) -> String {
    let mut path = String::new();
    let mut node = Node::of(text);
    while offset > node.start {
        let inside = |child: &Node<'_>| offset < child.end;
        let next = if node.is_object() {
            let found = node.members().find(|(_, child)| inside(child));
            // A key, or the space around it, belongs to the object.
            found.filter(|(_, child)| offset >= child.start).map(|(key, child)| {
                step(&mut path, &key);
                child
            })
        } else {
            let found = node.items().enumerate().find(|(_, child)| inside(child));
            found.filter(|(_, child)| offset >= child.start).map(|(index, child)| {
                // Writing to a string cannot fail.
                let _ = write!(path, "[{index}]");
                child
            })
        };
        match next {
            Some(child) => node = child,
            None => break,
        }
    }
    if path.is_empty() { "document".into() } else { path }
}

/// The line that the byte at `offset` is on, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Adds a member's name; in brackets where a dot would be read as a step.
pub(super) fn step(path: &mut String, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | '$');
    if !name.is_empty() && name.chars().all(plain) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        let _ = write!(path, "[{name:?}]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_way_and_the_line() {
        let text = "{\"a\": [1, {\"b.c\":\n [true]}],\n\"@id\": \"x\"}";
        for (needle, path, line) in [
            ("1,", "a[0]", 1),
            ("true", "a[1][\"b.c\"][0]", 2),
            ("\"x\"", "@id", 3),
            ("{", "document", 1),
            ("\"b.c\"", "a[1]", 1),
        ] {
            let offset = text.find(needle).unwrap();
            assert_eq!((path_to(text, offset).as_str(), line_of(text, offset)), (path, line), "{needle}");
        }
    }
}
