//! One path or several.

use std::fmt;
use std::path::PathBuf;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Paths, written as one text or as a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Files(pub Vec<PathBuf>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Files;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a path or a list of paths")
            }

            fn visit_str<E>(self, text: &str) -> Result<Files, E> {
                Ok(Files(vec![text.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Files, A::Error> {
                let mut files = Vec::new();
                while let Some(file) = items.next_element()? {
                    files.push(file);
                }
                Ok(Files(files))
            }
        }

        from.deserialize_any(OneOrMany)
    }
}
