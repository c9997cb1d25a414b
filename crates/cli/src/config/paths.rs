//! The paths of a configuration, as they stand in its text.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of `[data]` that hold a path or a list of paths.
const KEYS: [&str; 4] = ["file", "test_file", "labels", "test_labels"];

/// The text with each path of `[data]` replaced by what `found` makes of it; all else, quotes and comments too,
/// stays as it is.
pub(super) fn with_paths(text: &str, found: impl Fn(&Path) -> Option<String>) -> String {
    let mut replaced = text.to_owned();
    // From the last to the first, so that places before them stay right.
    for (place, path) in places(text).into_iter().rev() {
        if let Some(path) = found(Path::new(&path)) {
            replaced.replace_range(place, &toml::Value::String(path).to_string());
        }
    }
    replaced
}

/// Where the paths stand, with their quotes, and what they are; in the order of the text.
fn places(text: &str) -> Vec<(Range<usize>, String)> {
    let mut places = Vec::new();
    let table = DeTable::parse(text).ok();
    let data = table.as_ref().and_then(|table| table.get_ref().get("data"));
    if let Some(DeValue::Table(data)) = data.map(Spanned::get_ref) {
        for value in KEYS.iter().filter_map(|&key| data.get(key)) {
            match value.get_ref() {
                DeValue::String(path) => places.push((value.span(), path.to_string())),
                DeValue::Array(items) => {
                    for item in items {
                        if let DeValue::String(path) = item.get_ref() {
                            places.push((item.span(), path.to_string()));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    places.sort_by_key(|(place, _)| place.start);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_replaced_in_any_quotes_and_nothing_else_is() {
        let text = "task = \"shapes\"  # 'a.h5' here stays\n\
                    [data]\n\
                    file = ['a.h5', \"b.h5\"] # \"b.h5\"\n\
                    test_file = '''c\\d.h5'''\n\
                    classes = [\"a.h5\"]\n\
                    [output]\n\
                    directory = 'a.h5'\n";
        let found = |path: &Path| Some(format!("/x/{}", path.display()));
        let expected = "task = \"shapes\"  # 'a.h5' here stays\n\
                        [data]\n\
                        file = [\"/x/a.h5\", \"/x/b.h5\"] # \"b.h5\"\n\
                        test_file = '/x/c\\d.h5'\n\
                        classes = [\"a.h5\"]\n\
                        [output]\n\
                        directory = 'a.h5'\n";
        assert_eq!(with_paths(text, found), expected);
        assert_eq!(with_paths(text, |_| None), text);
    }
}
