//! Errors of a model on held-out data, turned and not.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable::irreps::Rotation;
use steerable_data::{Loader, Sample, Turns};
use steerable_train::tasks::{Measure, Task, Values};
use steerable_train::{evaluate, rotation_error};

use crate::config::GraphSection;
use crate::run_folder::{Evaluation, Quantity};
use crate::table::{grouped, table};

/// Pairs of true and foretold numbers that are kept of each quantity.
const PAIRS: usize = 4000;

/// Seeds how items are turned.
const SEED: u64 = 1;

/// Errors of a model, turned at random and not; `trivial` are those to compare with, by name.
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
    let device = Device::flex();
    if test.is_empty() {
        return Ok(Evaluation::default());
    }
    let loader = Loader::in_memory(test.to_vec(), graph.loader(Turns::None))?;
    let order: Vec<usize> = (0..test.len()).collect();
    let start = Instant::now();
    let errors = evaluate(task, model, &loader, &device)?;
    let seconds = start.elapsed().as_secs_f64();
    let turned = Loader::in_memory(test.to_vec(), graph.loader(Turns::All))?;
    let lengths = [
        error_lengths(task, model, &loader, &order)?,
        error_lengths(task, model, &turned, &order)?,
    ];
    let turned = evaluate(task, model, &turned, &device)?;

    let mut pairs: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    let mut rotation = None;
    for batch in loader.batches(&order, SEED)? {
        let batch = batch?;
        if rotation.is_none() {
            let by = Rotation::random(&mut StdRng::seed_from_u64(SEED));
            rotation = Some(rotation_error(task, model, &batch, &by, &device)?);
        }
        let mut open = false;
        for predicted in task.predict(model, &batch, &device)? {
            let kept = pairs.entry(predicted.name).or_default();
            let room = PAIRS - kept.len();
            kept.extend(predicted.values.pairs().into_iter().take(room));
            open |= kept.len() < PAIRS;
        }
        if !open {
            break;
        }
    }
    let quantities = errors.iter().map(|(name, unit, measure, value)| Quantity {
        name: name.into(),
        unit: unit.into(),
        measure: match measure {
            Measure::MeanAbsolute => "mae".into(),
            Measure::Accuracy => "accuracy".into(),
        },
        value,
        rotated: turned.mean(name),
        trivial: trivial
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| *value),
        pairs: pairs.remove(name).unwrap_or_default(),
    });
    let mut quantities: Vec<Quantity> = quantities.collect();
    for (name, (unit, length)) in &lengths[0] {
        quantities.push(Quantity {
            name: format!("{name}, length of error"),
            unit: unit.clone(),
            measure: "mean".into(),
            value: *length,
            rotated: lengths[1].get(name).map(|(_, length)| *length),
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

/// Of vectors their unit and the mean length of `predicted - true`: components depend on the axes, lengths do
/// not.
fn error_lengths<T: Task>(
    task: &T,
    model: &T::Model,
    loader: &Loader,
    order: &[usize],
) -> Result<BTreeMap<String, (String, f64)>, Box<dyn Error>> {
    let mut sums: BTreeMap<String, (String, f64, usize)> = BTreeMap::new();
    for batch in loader.batches(order, SEED)? {
        for found in task.predict(model, &batch?, &Device::flex())? {
            let Values::Vectors { truth, predicted } = &found.values else {
                continue;
            };
            let of = sums.entry(found.name).or_insert((found.unit, 0.0, 0));
            for (truth, predicted) in truth.iter().zip(predicted) {
                let square = |axis: usize| (predicted[axis] - truth[axis]).powi(2);
                of.1 += (square(0) + square(1) + square(2)).sqrt();
                of.2 += 1;
            }
        }
    }
    let means = sums
        .into_iter()
        .map(|(name, (unit, sum, count))| (name, (unit, sum / count.max(1) as f64)));
    Ok(means.collect())
}

impl Evaluation {
    /// The errors as a table.
    pub fn to_table(&self) -> String {
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
                "predictions for turned inputs against turned predictions: {error:.1e}, relative\n"
            ));
        }
        text
    }
}
