//! A section of a configuration over the defaults of a type.
//!
//! Configurations of models and trainings are types of the libraries, made for code: all fields there, and
//! what is unknown is passed over. Here a section names some of the fields, and each is checked by itself, so
//! that an error names the key.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ConfigError, nearest, suggestion};

/// The defaults with what a section gives in their place; `"none"` stands for no value. `others` are keys that
/// the section may have beside, which have been taken out of it.
///
/// # Errors
/// When a key is unknown or its value is not allowed: section, key, value, what is allowed, and the nearest
/// name.
pub fn overlay<T: Serialize + DeserializeOwned>(
    file: &Path,
    section: &str,
    defaults: &T,
    given: &toml::Table,
    others: &[String],
) -> Result<T, ConfigError> {
    let base = serde_json::to_value(defaults).map_err(|error| ConfigError::Text {
        file: file.to_path_buf(),
        text: format!("[{section}] cannot be told as JSON: {error}"),
    })?;
    let mut merged = base.clone();
    for (key, value) in given {
        let at = format!("{section}.{key}");
        let refused = |allowed: String| ConfigError::Value {
            file: file.to_path_buf(),
            key: at.clone(),
            value: value.to_string(),
            allowed,
        };
        let Some(fields) = base.as_object() else {
            return Err(refused("this section has no keys".into()));
        };
        if !fields.contains_key(key) {
            let names = fields.keys().chain(others).map(String::as_str);
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            let mut allowed = format!("unknown key; known are {}", names.join(", "));
            if let Some(name) = nearest(key, names.iter().copied()) {
                allowed.push_str(&format!("; did you mean {name}?"));
            }
            return Err(refused(allowed));
        }
        if value.as_float().is_some_and(|number| !number.is_finite()) {
            return Err(refused("expected a finite number".into()));
        }
        let value = json(value);
        let mut alone = base.clone();
        alone[key] = value.clone();
        if let Err(error) = serde_json::from_value::<T>(alone) {
            let message = error.to_string();
            let mut allowed = message.clone();
            if let Some(name) = suggestion(&message) {
                allowed.push_str(&format!("; did you mean {name}?"));
            }
            return Err(refused(allowed));
        }
        merged[key] = value;
    }
    serde_json::from_value(merged).map_err(|error| ConfigError::Text {
        file: file.to_path_buf(),
        text: format!("[{section}]: {error}"),
    })
}

/// The keys of a section that belong to a type, taken out of it.
pub fn taken<T: Serialize>(defaults: &T, section: &mut toml::Table) -> toml::Table {
    let known = keys(defaults);
    let (own, rest) = std::mem::take(section)
        .into_iter()
        .partition(|(key, _)| known.contains(key));
    *section = rest;
    own
}

/// The keys of a type.
pub fn keys<T: Serialize>(defaults: &T) -> Vec<String> {
    match serde_json::to_value(defaults) {
        Ok(Value::Object(fields)) => fields.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}

/// The same value as JSON; dates, which no configuration has, become text.
fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) if text == "none" => Value::Null,
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(yes) => (*yes).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            let fields = table.iter().map(|(key, value)| (key.clone(), json(value)));
            Value::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Bonds,
        Complete,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        layers: usize,
        rate: f64,
        edges: Kind,
    }

    const DEFAULTS: Example = Example {
        layers: 4,
        rate: 1e-3,
        edges: Kind::Bonds,
    };

    fn read(text: &str) -> Result<Example, String> {
        let table = text.parse().expect("TOML");
        overlay(Path::new("x.toml"), "model", &DEFAULTS, &table, &[]).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_given_stands_in_place_of_the_defaults() {
        let read = read("layers = 7\nedges = \"complete\"").unwrap();
        let expected = Example {
            layers: 7,
            rate: 1e-3,
            edges: Kind::Complete,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn errors_name_key_value_what_is_allowed_and_the_nearest_name() {
        let error = read("layer = 7").unwrap_err();
        assert_eq!(
            error,
            "x.toml: model.layer = 7: unknown key; known are edges, layers, rate; did you mean layers?"
        );
        let error = read("edges = \"bond\"").unwrap_err();
        assert!(
            error.starts_with("x.toml: model.edges = \"bond\": unknown variant `bond`")
                && error.ends_with("did you mean bonds?"),
            "{error}"
        );
        let error = read("rate = nan").unwrap_err();
        assert_eq!(error, "x.toml: model.rate = nan: expected a finite number");
        let error = read("layers = -1").unwrap_err();
        assert!(error.contains("model.layers = -1"), "{error}");
    }
}
