//! How far a training is, and whether a checkpoint is of the same one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TrainError, TrainingData};
use crate::checkpoint::ModelDescription;

/// How far a training is: the `training` of a checkpoint's header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Epochs that are done.
    pub epochs: usize,
    /// Items of the next epoch that are done.
    pub items: usize,
    pub step: u64,
    pub seconds: f64,
    #[serde(with = "bits_or_none")]
    pub best: Option<f64>,
    pub epochs_since_best: usize,
    /// Sum over the next epoch's items that are done.
    #[serde(with = "bits")]
    pub loss_sum: f64,
    /// Items of an epoch, once known.
    #[serde(default)]
    items_of_epoch: Option<usize>,
    /// That of the configuration.
    #[serde(default)]
    seed: Option<u64>,
    /// Checksums of the items to train on and of those to validate with, once known.
    #[serde(default)]
    checksums: Option<[String; 2]>,
}

impl Progress {
    pub(super) fn of_seed(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..Self::default()
        }
    }

    /// Refuses another seed than before.
    pub(super) fn expect_seed(&mut self, seed: u64) -> Result<(), TrainError> {
        match *self.seed.get_or_insert(seed) {
            before if before == seed => Ok(()),
            before => Err(other("the seed", before, seed)),
        }
    }

    /// Refuses other items than before.
    pub(super) fn expect_data(&mut self, data: &TrainingData) -> Result<(), TrainError> {
        let items = data.train.sizes().len();
        let before = *self.items_of_epoch.get_or_insert(items);
        if before != items {
            return Err(other("the number of training items", before, items));
        }
        if self.items > items {
            return Err(other("the number of items done", self.items, items));
        }
        if self.checksums.is_none() && self.items > 0 {
            let what = "the order of the items of an epoch that was begun";
            return Err(other(what, "an earlier version's", "this one's"));
        }
        let now = [&data.train, &data.validation].map(|part| part.checksum().to_owned());
        let before = self.checksums.get_or_insert_with(|| now.clone());
        let purposes = ["train on", "validate with"];
        for ((before, now), purpose) in before.iter().zip(&now).zip(purposes) {
            if before != now {
                let what = format!(
                    "the checksum of the items to {purpose} (their values, their split and their order)"
                );
                return Err(other(what, before, now));
            }
        }
        Ok(())
    }
}

/// Refuses another model than that of a checkpoint.
pub(super) fn same_model(
    saved: &ModelDescription,
    now: &ModelDescription,
) -> Result<(), TrainError> {
    if saved.kind != now.kind {
        return Err(other("the kind of model", &saved.kind, &now.kind));
    }
    if let Some((at, saved, now)) = difference("the model's config", &saved.config, &now.config) {
        return Err(other(at, saved, now));
    }
    let irreps = |of: &ModelDescription| -> Vec<String> {
        let named = of.irreps.iter();
        named
            .map(|(name, irreps)| format!("{name} {irreps}"))
            .collect()
    };
    match saved.irreps == now.irreps {
        true => Ok(()),
        false => Err(other(
            "the model's irreps",
            irreps(saved).join(", "),
            irreps(now).join(", "),
        )),
    }
}

/// Where two values first differ, and how. Numbers may by what JSON loses of them.
fn difference(at: &str, saved: &Value, now: &Value) -> Option<(String, String, String)> {
    match (saved, now) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let of = |map: &serde_json::Map<String, Value>, key| map.get(key).cloned();
            keys.find_map(|key| {
                let [saved, now] = [of(a, key), of(b, key)].map(Option::unwrap_or_default);
                difference(&format!("{at}.{key}"), &saved, &now)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            let mut found = pairs.filter_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b));
            found.next()
        }
        _ => {
            let close = match (saved.as_f64(), now.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
                _ => saved == now,
            };
            (!close).then(|| (at.to_owned(), saved.to_string(), now.to_string()))
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers have numbers and words"
)]
fn other(what: impl Into<String>, saved: impl ToString, now: impl ToString) -> TrainError {
    TrainError::OtherTraining {
        what: what.into(),
        saved: saved.to_string(),
        now: now.to_string(),
    }
}

/// A number as its bits, since JSON may lose the last. Numbers with a point are read as they are.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Number;

    pub(super) fn number(number: &Number) -> Option<f64> {
        number.as_u64().map(f64::from_bits).or(number.as_f64())
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let found = Number::deserialize(from)?;
        number(&found).ok_or_else(|| serde::de::Error::custom("not a number"))
    }
}

/// As [`bits`], of a number that may be missing.
mod bits_or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Number;

    #[allow(clippy::ref_option, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(f64::to_bits).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        let found = Option::<Number>::deserialize(from)?;
        Ok(found.as_ref().and_then(super::bits::number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_back_to_the_bit() {
        for n in 1..200_u32 {
            for k in 0..=n {
                let score = 1.0 - f64::from(k) / f64::from(n);
                let progress = Progress {
                    best: Some(score),
                    loss_sum: -score / 3.0,
                    ..Progress::of_seed(7)
                };
                let text = serde_json::to_value(&progress).unwrap().to_string();
                let value: Value = serde_json::from_str(&text).unwrap();
                let found: Progress = serde_json::from_value(value).unwrap();
                assert_eq!(found, progress);
            }
        }
    }

    #[test]
    fn other_models_are_told_by_what_differs() {
        let config = |width: usize, scale: f64| serde_json::json!({"a": [1, {"width": width}], "scale": scale});
        let model = |config| ModelDescription::of_kind("test").with_config(config);
        let saved = model(config(4, 0.3));
        same_model(&saved, &model(config(4, 0.1 + 0.2))).unwrap();
        let error = same_model(&saved, &model(config(5, 0.3))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the training in the folder is another one: the model's config.a[1].width was 4 and is now 5"
        );
        same_model(&saved, &ModelDescription::of_kind("test")).unwrap_err();
        same_model(&saved, &ModelDescription::of_kind("other")).unwrap_err();
    }
}
