//! Errors of a model on held-out data, turned and not.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable::irreps::Rotation;
use steerable_data::{Loader, Sample, Turns};
use steerable_train::rotation_error;
use steerable_train::tasks::{Errors, Measure, Predicted, Task, Values};

use crate::config::GraphSection;
use crate::run_folder::{Evaluation, Quantity};
use crate::table::{grouped, table};

/// Pairs of true and foretold numbers that are kept of each quantity.
const PAIRS: usize = 4000;

/// Seeds how items are turned.
const SEED: u64 = 1;

/// Errors of a model, turned at random and not; `trivial` are those to compare with, by name. A batch has room for the
/// largest item, whatever budget the model was trained with.
///
/// # Errors
/// When a batch cannot be made or taken.
pub fn measure<T: Task>(
    task: &T,
    model: &T::Model,
    test: &[Sample],
    graph: &GraphSection,
    trivial: &[(String, f64)],
) -> Result<Evaluation, Box<dyn Error>> {
    if test.is_empty() {
        return Ok(Evaluation::default());
    }
    let loader = Loader::in_memory(test.to_vec(), graph.loader(Turns::None))?.with_room_for_all();
    let start = Instant::now();
    let mut found = Found::of(task, model, &loader)?;
    let seconds = start.elapsed().as_secs_f64();
    let turned = Loader::in_memory(test.to_vec(), graph.loader(Turns::All))?.with_room_for_all();
    let turned = Found::of(task, model, &turned)?;
    let first = loader.batches(&order(&loader), SEED)?.next();
    let rotation = match first {
        Some(batch) => {
            let by = Rotation::random(&mut StdRng::seed_from_u64(SEED));
            rotation_error(task, model, &batch?, &by, &Device::flex())?
        }
        None => None,
    };

    let quantities = found
        .errors
        .iter()
        .map(|(name, unit, measure, value)| Quantity {
            name: name.into(),
            unit: unit.into(),
            measure: match measure {
                Measure::MeanAbsolute => "mae".into(),
                Measure::Accuracy => "accuracy".into(),
            },
            value,
            rotated: turned.errors.mean(name),
            trivial: trivial
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| *value),
            pairs: found.pairs.remove(name).unwrap_or_default(),
        });
    let mut quantities: Vec<Quantity> = quantities.collect();
    for (name, lengths) in &found.lengths {
        quantities.push(Quantity {
            name: format!("{name}, length of error"),
            unit: lengths.unit.clone(),
            measure: "mean".into(),
            value: lengths.mean(),
            rotated: turned.lengths.get(name).map(Lengths::mean),
            ..Quantity::default()
        });
    }
    Ok(Evaluation {
        items: test.len(),
        seconds,
        quantities,
        rotation_error: rotation,
    })
}

fn order(loader: &Loader) -> Vec<usize> {
    (0..loader.sizes().len()).collect()
}

/// What one pass over a test set finds.
#[derive(Default)]
struct Found {
    errors: Errors,
    /// Of vectors, by name: components depend on the axes, lengths do not.
    lengths: BTreeMap<String, Lengths>,
    /// The first true and foretold numbers of each quantity.
    pairs: BTreeMap<String, Vec<[f64; 2]>>,
}

/// Lengths of `predicted - true`.
#[derive(Default)]
struct Lengths {
    unit: String,
    sum: f64,
    count: usize,
}

impl Lengths {
    fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl Found {
    fn of<T: Task>(task: &T, model: &T::Model, loader: &Loader) -> Result<Self, Box<dyn Error>> {
        let mut found = Self::default();
        for batch in loader.batches(&order(loader), SEED)? {
            let predictions = task.predict(model, &batch?, &Device::flex())?;
            found.errors.add(&predictions);
            for predicted in predictions {
                found.add(predicted);
            }
        }
        Ok(found)
    }

    fn add(&mut self, predicted: Predicted) {
        let kept = self.pairs.entry(predicted.name.clone()).or_default();
        let room = PAIRS - kept.len();
        kept.extend(predicted.values.pairs().into_iter().take(room));
        if let Values::Vectors {
            truth,
            predicted: vectors,
        } = &predicted.values
        {
            let lengths = self.lengths.entry(predicted.name).or_default();
            lengths.unit = predicted.unit;
            for (truth, vector) in truth.iter().zip(vectors) {
                let square = |axis: usize| (vector[axis] - truth[axis]).powi(2);
                lengths.sum += (square(0) + square(1) + square(2)).sqrt();
                lengths.count += 1;
            }
        }
    }
}

impl Evaluation {
    /// The errors as a table.
    pub fn to_table(&self) -> String {
        if self.items == 0 {
            return "no items to test\n".into();
        }
        let rows: Vec<Vec<String>> = self
            .quantities
            .iter()
            .map(|quantity| {
                let told = |value: f64| match quantity.measure.as_str() {
                    "accuracy" => format!("{:.1} %", 100.0 * value),
                    _ => format!("{value:.4} {}", quantity.unit),
                };
                let maybe = |value: Option<f64>| value.map_or("-".into(), told);
                vec![
                    quantity.name.clone(),
                    quantity.measure.clone(),
                    told(quantity.value),
                    maybe(quantity.rotated),
                    maybe(quantity.trivial),
                ]
            })
            .collect();
        let head = ["quantity", "measure", "test", "turned at random", "trivial"];
        let mut text = format!(
            "{} items, {:.0} for each second\n{}",
            grouped(self.items),
            self.items as f64 / self.seconds.max(1e-9),
            table(&head, &rows)
        );
        if let Some(error) = self.rotation_error {
            text.push_str(&format!(
                "predictions for the first batch turned against turned predictions: {error:.1e}, relative (root mean squares)\n"
            ));
        }
        text
    }
}
