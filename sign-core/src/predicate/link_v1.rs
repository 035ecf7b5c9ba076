//! In-toto links as in-toto itself has them, which is what cosign attests.
//!
//! Source: in-toto specification 1.0, section 4.4 (link metadata).

use super::PredicateType;
use super::document::{Document, Node};
use super::resource::{digest_set, object};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "link1"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["link"]
    }

    fn title(&self) -> &'static str {
        "in-toto link"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/Link/v1"
    }

    fn reads(&self, uri: &str) -> bool {
        uri.starts_with("https://in-toto.io/Link/")
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        let object = |name| document.get(name).is_some_and(|node: Node<'_>| node.is_object());
        document.string("_type").is_some_and(|text| text == "link")
            || (document.has("name") && object("materials") && object("products"))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("_type")?.one_of(&["link"])?;
        document.require("name")?.text()?;
        document.require("command")?.elements()?.try_for_each(|word| word.any_text().map(|_| ()))?;
        for name in ["materials", "products"] {
            for (_, digests) in document.require(name)?.object()?.members() {
                digest_set(digests)?;
            }
        }
        for name in ["byproducts", "environment"] {
            object(Some(document.require(name)?))?;
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!("{} of the step {:?}", self.title(), document.string("name").unwrap_or_default())
    }
}
