//! The whole run: simulate, train, measure, draw, print.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::checkpoint::write_atomically;
use super::cli::Cli;
use super::data::{Batch, Loader, Order, Purpose, Sample, simulate};
use super::error::NbodyError;
use super::evaluation::{Scores, evaluate};
use super::models::{Forecaster, ModelKind, Prediction, linear_extrapolation};
use super::progress::History;
use super::settings::Settings;
use super::training::{Start, Trained, Training};
use crate::file_error::FileError;

/// One row of the table.
pub struct Row {
    /// The model.
    pub kind: ModelKind,
    /// What it reached on the test systems.
    pub scores: Scores,
    /// Seconds of training, over all sittings.
    pub seconds: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// Losses of all epochs.
    pub history: History,
    /// The trained model.
    pub model: Option<Forecaster>,
}

impl Row {
    /// What the model foretells.
    pub fn predict(&self, batch: &Batch, time: f64) -> Prediction {
        match &self.model {
            None => linear_extrapolation(batch, time),
            Some(model) => model.forward(batch),
        }
    }

    fn json(&self) -> String {
        serde_json::json!({
            "task": "nbody",
            "model": self.kind.slug(),
            "x_mse": self.scores.x_mse,
            "v_mse": self.scores.v_mse,
            "delta_eq": self.scores.equivariance.displacement,
            "delta_eq_v": self.scores.equivariance.velocity_change,
            "seconds": self.seconds,
            "parameters": self.parameters,
        })
        .to_string()
    }
}

/// Runs everything.
///
/// # Errors
/// Whatever keeps the run from its end; checkpoints made before stay.
pub fn run(cli: &Cli) -> Result<(), NbodyError> {
    let settings = &cli.settings;
    let device = Device::flex();
    // Built before anything takes time: flags that make no model show here.
    let mut models = Vec::new();
    for &kind in &settings.models {
        let model = Forecaster::new(kind, settings, &device);
        models.push((
            kind,
            model.map_err(|source| NbodyError::Model {
                model: kind.title(),
                source,
            })?,
        ));
    }
    prepare(cli)?;

    let start = Instant::now();
    let physics = settings.physics();
    let make = |purpose, count| -> Arc<[Sample]> {
        simulate(&physics, purpose, settings.seed, count).into()
    };
    let train = make(Purpose::Training, settings.train_size);
    let valid = make(Purpose::Validation, settings.valid_size);
    let test = make(Purpose::Testing, settings.test_size);
    println!(
        "simulated {} + {} + {} systems in {:.1} s; {} threads; seed {}; files in {}",
        train.len(),
        valid.len(),
        test.len(),
        start.elapsed().as_secs_f64(),
        rayon::current_num_threads(),
        settings.seed,
        cli.out.display(),
    );

    let test = Loader::new(test, 250, Order::Stored, &device);
    let mut rows = Vec::new();
    for (kind, model) in models {
        let parameters = model.as_ref().map_or(0, Module::num_params);
        let directory = cli.out.join(kind.slug());
        let trained = match model {
            None => None,
            Some(model) => {
                println!("{}: {parameters} parameters", kind.title());
                let training = Training {
                    kind,
                    settings,
                    train: train.clone(),
                    valid: valid.clone(),
                    directory: directory.clone(),
                    keep: usize::from(cli.keep),
                    start: if cli.resume {
                        Start::LastCheckpoint
                    } else {
                        Start::Afresh
                    },
                    device: device.clone(),
                };
                Some(training.run(model)?)
            }
        };
        let (model, history) = match trained {
            None => (None, History::default()),
            Some(Trained { model, history, .. }) => (Some(model), history),
        };
        let mut row = Row {
            kind,
            scores: Scores {
                x_mse: f64::NAN,
                v_mse: f64::NAN,
                equivariance: Default::default(),
            },
            seconds: history.seconds(),
            parameters,
            history,
            model,
        };
        row.scores = evaluate(&test, |batch| row.predict(batch, settings.time_ahead()));
        rows.push(row);
    }
    super::plots::draw(&cli.out, settings, &rows, &device)?;
    print_table(&rows);
    let lines: Vec<String> = rows.iter().map(Row::json).collect();
    let file = cli.out.join("results.jsonl");
    let text = format!("{}\n", lines.join("\n"));
    write_atomically(&file, &[text.as_bytes()]).map_err(FileError::on("write", &file))?;
    println!("results, curves and pictures are in {}", cli.out.display());
    if cli.json {
        print!("{text}");
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct RunFile {
    version: String,
    settings: Settings,
}

/// Makes the folder of a new run, or checks that of an old one.
fn prepare(cli: &Cli) -> Result<(), NbodyError> {
    let file = cli.out.join("settings.json");
    if cli.resume {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(NbodyError::NothingToResume {
                    directory: cli.out.clone(),
                    missing: file,
                });
            }
            Err(error) => return Err(FileError::on("read", &file)(error).into()),
        };
        let earlier: RunFile =
            serde_json::from_str(&text).map_err(|error| NbodyError::Corrupt {
                file: file.clone(),
                reason: error.to_string(),
                advice: "Start anew without --resume".into(),
            })?;
        return earlier.settings.expect_same(&cli.settings, &file);
    }
    if file.exists() {
        let aside = free_name(&cli.out);
        fs::rename(&cli.out, &aside).map_err(FileError::on("move aside", &cli.out))?;
        println!(
            "{} held an earlier run: it is now {}",
            cli.out.display(),
            aside.display()
        );
    }
    fs::create_dir_all(&cli.out).map_err(FileError::on("create", &cli.out))?;
    let run = RunFile {
        version: env!("CARGO_PKG_VERSION").into(),
        settings: cli.settings.clone(),
    };
    let text = serde_json::to_vec_pretty(&run).expect("plain data");
    Ok(write_atomically(&file, &[&text]).map_err(FileError::on("write", &file))?)
}

/// `runs/nbody` becomes `runs/nbody-1`, or the next number that is free.
fn free_name(path: &Path) -> PathBuf {
    (1..)
        .map(|number| {
            let mut name = path.file_name().unwrap_or_default().to_os_string();
            name.push(format!("-{number}"));
            path.with_file_name(name)
        })
        .find(|candidate| !candidate.exists())
        .expect("some number is free")
}

fn print_table(rows: &[Row]) {
    println!();
    println!(
        "{:<21} {:>9} {:>9} {:>9} {:>8} {:>10}   {:>11} {:>11}",
        "model",
        "MSE x",
        "MSE v",
        "delta_EQ",
        "seconds",
        "parameters",
        "paper MSE x",
        "paper MSE v"
    );
    for row in rows {
        let published = |index: usize| match row.kind.published() {
            None => "-".to_owned(),
            Some(values) => format!("{}", values[index]),
        };
        println!(
            "{:<21} {:>9.5} {:>9.5} {:>9.1e} {:>8.1} {:>10}   {:>11} {:>11}",
            row.kind.title(),
            row.scores.x_mse,
            row.scores.v_mse,
            row.scores.equivariance.displacement,
            row.seconds,
            row.parameters,
            published(0),
            published(1),
        );
    }
    println!(
        "{:<21} {:>50}   {:>11} {:>11}",
        "Set Transformer", "", 0.0139, 0.101
    );
    println!();
}
