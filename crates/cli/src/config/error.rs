//! What can be wrong with a configuration, told so that it can be put right.

use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not TOML, or a key or a value is not known.
    #[error("{}: {text}", file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// The line and what is wrong with it, what is allowed, and what may have been meant.
        text: String,
    },
    /// A value is out of range or does not go with another.
    #[error("{}: {key} = {value}: {allowed}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The key with its section, `training.learning_rate`.
        key: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

/// The message of the parser, and the nearest of the names that it allows: "did you mean `epochs`?".
pub(super) fn told(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let text = text.trim_end();
    match suggestion(error.message()) {
        Some(name) => format!("{text}\ndid you mean `{name}`?"),
        None => text.to_owned(),
    }
}

/// From "unknown field `x`, expected one of `a`, `b`": the name nearest to x, if one is near.
pub(super) fn suggestion(message: &str) -> Option<&str> {
    let (found, allowed) = message.split_once(", expected ")?;
    let found = quoted(found).next()?;
    nearest(found, quoted(allowed))
}

/// The name that needs the fewest changes, if those are less than half of it.
pub(super) fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    names
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .min_by_key(|(changes, _)| *changes)
        .filter(|(changes, name)| 2 * changes < name.chars().count().max(found.chars().count()))
        .map(|(_, name)| name)
}

/// What stands between back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let message = "unknown field `epoch`, expected one of `epochs`, `seed`";
        assert_eq!(suggestion(message), Some("epochs"));
        let message = "unknown variant `Homo`, expected one of `mu`, `homo`";
        assert_eq!(suggestion(message), Some("homo"));
        let message = "unknown field `banana`, expected one of `epochs`, `seed`";
        assert_eq!(suggestion(message), None);
        assert_eq!(suggestion("invalid type: string"), None);
    }
}
