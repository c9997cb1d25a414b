//! Predictions beside the truth, and their errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One quantity of all items or atoms of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Its name.
    pub name: String,
    /// Its unit; empty for classes.
    pub unit: String,
    /// What is true and what is predicted.
    pub values: Values,
}

/// True and predicted values of the same length.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers that rotations leave alone.
    Scalars {
        /// What is true; empty where it is not known.
        truth: Vec<f64>,
        /// What is predicted.
        predicted: Vec<f64>,
    },
    /// Vectors that turn with the item.
    Vectors {
        /// What is true; empty where it is not known.
        truth: Vec<[f64; 3]>,
        /// What is predicted.
        predicted: Vec<[f64; 3]>,
    },
    /// Classes.
    Classes {
        /// What is true; empty where it is not known.
        truth: Vec<u32>,
        /// Logits of all classes, row by row.
        logits: Vec<f64>,
        /// Number of classes.
        classes: usize,
    },
}

/// How errors of a quantity are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The mean of absolute errors, of vectors over their components.
    MeanAbsolute,
    /// The fraction of right classes.
    Accuracy,
}

impl Values {
    /// How its errors are told.
    pub fn measure(&self) -> Measure {
        match self {
            Self::Scalars { .. } | Self::Vectors { .. } => Measure::MeanAbsolute,
            Self::Classes { .. } => Measure::Accuracy,
        }
    }

    /// The sum of absolute errors or of right answers, and how many there are: 0 where the truth is not known.
    pub fn sum(&self) -> (f64, usize) {
        let pairs = self.pairs();
        let of = |[truth, predicted]: &[f64; 2]| match self.measure() {
            Measure::MeanAbsolute => (predicted - truth).abs(),
            Measure::Accuracy => f64::from(u8::from(predicted == truth)),
        };
        (pairs.iter().map(of).sum(), pairs.len())
    }

    /// Pairs of true and predicted numbers: components of vectors one by one, classes as numbers.
    pub fn pairs(&self) -> Vec<[f64; 2]> {
        let zip = |truth: &[f64], predicted: &[f64]| {
            let pairs = truth.iter().zip(predicted);
            pairs
                .map(|(&truth, &predicted)| [truth, predicted])
                .collect()
        };
        match self {
            Self::Scalars { truth, predicted } => zip(truth, predicted),
            Self::Vectors { truth, predicted } => {
                zip(truth.as_flattened(), predicted.as_flattened())
            }
            Self::Classes {
                truth,
                logits,
                classes,
            } => {
                let answers = logits.chunks(*classes).map(largest);
                let pairs = truth.iter().zip(answers);
                pairs
                    .map(|(&truth, answer)| [f64::from(truth), f64::from(answer)])
                    .collect()
            }
        }
    }
}

/// The first of the largest.
fn largest(logits: &[f64]) -> u32 {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u32
}

/// Errors of all quantities over many batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    of: BTreeMap<String, OfQuantity>,
    first: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct OfQuantity {
    unit: String,
    measure: Measure,
    sum: f64,
    count: usize,
}

impl Errors {
    /// Adds the errors of a batch. Quantities whose truth is not known have none.
    pub fn add(&mut self, predictions: &[Predicted]) {
        for predicted in predictions {
            let (sum, count) = predicted.values.sum();
            self.first.get_or_insert_with(|| predicted.name.clone());
            if count == 0 {
                continue;
            }
            let of = self.of.entry(predicted.name.clone()).or_insert(OfQuantity {
                unit: predicted.unit.clone(),
                measure: predicted.values.measure(),
                sum: 0.0,
                count: 0,
            });
            of.sum += sum;
            of.count += count;
        }
    }

    /// Name, unit, measure and mean of each quantity, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Measure, f64)> {
        self.of
            .iter()
            .map(|(name, of)| (name.as_str(), of.unit.as_str(), of.measure, of.mean()))
    }

    /// The mean of one quantity.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.of.get(name).map(OfQuantity::mean)
    }

    /// What models are chosen by: the mean error of the first quantity, or the fraction of wrong classes.
    /// Lower is better. `None` if its truth is not known.
    pub fn score(&self) -> Option<f64> {
        let of = self.of.get(self.first.as_ref()?)?;
        Some(match of.measure {
            Measure::MeanAbsolute => of.mean(),
            Measure::Accuracy => 1.0 - of.mean(),
        })
    }
}

impl OfQuantity {
    fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_means_over_all_batches_and_the_first_quantity_decides() {
        let energy = |truth: Vec<f64>, predicted: Vec<f64>| Predicted {
            name: "z".into(),
            unit: "eV".into(),
            values: Values::Scalars { truth, predicted },
        };
        let classes = Predicted {
            name: "a".into(),
            unit: String::new(),
            values: Values::Classes {
                truth: vec![1, 0, 1],
                logits: vec![0.0, 1.0, 2.0, 2.0, 5.0, 1.0],
                classes: 2,
            },
        };
        let mut errors = Errors::default();
        errors.add(&[energy(vec![1.0, 2.0], vec![1.5, 2.0]), classes]);
        errors.add(&[energy(vec![0.0], vec![-1.0])]);
        assert_eq!(errors.mean("z"), Some(0.5));
        assert_eq!(errors.mean("a"), Some(2.0 / 3.0));
        assert_eq!(errors.score(), Some(0.5));
    }

    #[test]
    fn what_is_not_known_is_no_error_of_zero() {
        let mut errors = Errors::default();
        for values in [
            Values::Scalars {
                truth: vec![],
                predicted: vec![1.0],
            },
            Values::Vectors {
                truth: vec![],
                predicted: vec![[1.0; 3]],
            },
            Values::Classes {
                truth: vec![],
                logits: vec![1.0, 2.0],
                classes: 2,
            },
        ] {
            assert_eq!(values.sum(), (0.0, 0));
            errors.add(&[Predicted {
                name: "a".into(),
                unit: String::new(),
                values,
            }]);
        }
        assert_eq!(errors.mean("a"), None);
        assert_eq!(errors.score(), None);
        assert_eq!(errors.iter().count(), 0);
    }
}
