//! `steerable train`: a run from its configuration to its report.

pub mod interrupt;
mod progress;

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use steerable_data::{Loader, OverBudget, Sample, Turns};
use steerable_train::checkpoint::{Checkpoint, Group};
use steerable_train::models::ModelError;
use steerable_train::tasks::Task;
use steerable_train::{Outcome, Trainer, TrainingConfig, TrainingData};

use crate::CommandResult;
use crate::choices::Choices;
use crate::config::RunConfig;
use crate::dataset::DataSet;
use crate::evaluation::measure;
use crate::recipe::{Recipe, WithTask};
use crate::report::Report;
use crate::run_folder::{RunFolder, write_whole};
use crate::table::grouped;
use progress::Progress;

/// Arguments of `steerable train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The configuration.
    pub config: PathBuf,
    /// Go on from the last complete checkpoint of the run, if there is one.
    #[arg(long)]
    pub resume: bool,
    /// The folder of the run, in place of the configuration's.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// End after so many minutes of training; the learning rate falls accordingly.
    #[arg(long)]
    pub minutes: Option<f64>,
    /// Threads to compute on; by default all cores.
    #[arg(long)]
    pub threads: Option<usize>,
}

impl TrainArgs {
    /// The command that goes on with a run.
    fn to_resume(&self, run: &RunFolder) -> String {
        let mut command = format!(
            "steerable train {} --resume --out {}",
            self.config.display(),
            run.path().display()
        );
        if let Some(minutes) = self.minutes {
            command.push_str(&format!(" --minutes {minutes}"));
        }
        if let Some(threads) = self.threads {
            command.push_str(&format!(" --threads {threads}"));
        }
        command
    }
}

/// Trains, evaluates and reports.
///
/// # Errors
/// When configuration or data are not usable, the folder holds a run already, a checkpoint cannot be read or
/// written, or the training diverges.
pub fn run(args: &TrainArgs) -> CommandResult {
    crate::threads(args.threads)?;
    let config = RunConfig::read(&args.config)?;
    let choices = Choices::of(&config)?;
    let mut settings = choices.training.clone();
    if let Some(minutes) = args.minutes {
        if !(minutes > 0.0 && minutes.is_finite()) {
            return Err(format!("--minutes {minutes}: a positive number").into());
        }
        settings.max_minutes = args.minutes;
    }
    let run = RunFolder::at(args.out.clone().unwrap_or_else(|| config.directory()));
    if !args.resume && run.is_used() {
        return Err(format!(
            "{} holds a run already: --resume goes on with it, --out chooses another folder",
            run.path().display()
        )
        .into());
    }
    let data = DataSet::read(&config)?;
    let recipe = Recipe::new(&config, &choices, &data);
    println!(
        "{}: {} items to train on, {} to validate, {} to test",
        config.file.display(),
        grouped(data.train.len()),
        grouped(data.validation.len()),
        grouped(data.test.len())
    );
    let trivial = recipe.trivial(&data);
    let loaders = loaders(&config, &data)?;
    interrupt::listen()?;
    let device = Device::flex();
    device.seed(settings.seed);
    let sitting = Sitting {
        recipe: &recipe,
        loaders,
        test: data.test,
        trivial,
        settings,
        run: &run,
        config: config.text_with_paths(),
        resume: args.resume,
    };
    let outcome = recipe
        .build(&device, sitting)
        .map_err(|error| in_section(error, &config.file))?;
    if outcome == Outcome::Stopped {
        println!("stopped and saved; go on with: {}", args.to_resume(&run));
        return Ok(());
    }
    let report = Report::of_run(&run)?;
    if let Some(evaluation) = &report.evaluation {
        print!("{}", evaluation.to_table());
    }
    report.write(&run)?;
    println!(
        "model   {}\nreport  {}",
        run.model().display(),
        run.report().display()
    );
    Ok(())
}

/// The items to train on and to validate with as batches.
///
/// # Errors
/// When an item, of those to test too, gets no edges or has no room in a batch: before an hour is spent on the others.
fn loaders(config: &RunConfig, data: &DataSet) -> Result<TrainingData, Box<dyn Error>> {
    let graph = &config.graph;
    let loader = |samples: &[Sample], purpose: &str| -> Result<Loader, Box<dyn Error>> {
        let loader =
            Loader::in_memory(samples.to_vec(), graph.loader(Turns::None)).map_err(|error| {
                format!("{}: of those to {purpose}, {error}", config.file.display())
            })?;
        let Some(OverBudget { item, size, budget }) = graph.budget().exceeded_by(loader.sizes())
        else {
            return Ok(loader);
        };
        let (key, value, needed) = match size.nodes > budget.nodes {
            true => ("graph.batch_nodes", budget.nodes, size.nodes),
            false => ("graph.batch_edges", budget.edges, size.edges),
        };
        let allowed = format!(
            "at least {needed}: item {item} of those to {purpose} has {} nodes and {} edges",
            size.nodes, size.edges
        );
        Err(config.refuse(key, &value, &allowed).into())
    };
    loader(&data.test, "test")?;
    Ok(TrainingData {
        train: loader(&data.train, "train on")?,
        validation: loader(&data.validation, "validate with")?,
    })
}

/// An error of a model that cannot be built, with the section that tells how it should be.
fn in_section(error: Box<dyn Error>, config: &Path) -> Box<dyn Error> {
    match error.downcast_ref() {
        Some(ModelError::Build(_)) => format!("{}: [model]: {error}", config.display()).into(),
        Some(ModelError::Value {
            key,
            value,
            allowed,
        }) => {
            let key = key.strip_prefix("network.").unwrap_or(key);
            format!(
                "{}: model.{key} = {value}: expected {allowed}",
                config.display()
            )
            .into()
        }
        _ => error,
    }
}

struct Sitting<'a> {
    recipe: &'a Recipe,
    loaders: TrainingData,
    test: Vec<Sample>,
    /// The errors to compare those on the test set with, by name.
    trivial: Vec<(String, f64)>,
    settings: TrainingConfig,
    run: &'a RunFolder,
    /// The text of the configuration that the run keeps.
    config: String,
    resume: bool,
}

impl WithTask for Sitting<'_> {
    type Output = Outcome;

    fn with<T: Task>(self, task: T, model: T::Model) -> Result<Outcome, Box<dyn Error>> {
        let Self {
            recipe,
            loaders,
            test,
            trivial,
            settings,
            run,
            config,
            resume,
        } = self;
        println!(
            "{}: {} parameters",
            recipe.description().kind,
            grouped(model.num_params())
        );
        let device = Device::flex();
        // Only now: what cannot be trained leaves no folder.
        run.create()?;
        let mut progress = Progress::new(run, settings.epochs);
        let place = (run.checkpoints(), &device);
        let mut trainer = Trainer::new(task, model, recipe.description(), settings, place)?;
        if resume {
            match trainer.resume(&loaders)? {
                None => {
                    progress.tell("no checkpoint to go on from: starting afresh");
                    run.rewind(0)?;
                }
                Some((step, skipped)) => {
                    for reason in skipped {
                        progress.tell(&format!("passed over and set aside: {reason}"));
                    }
                    progress.tell(&format!("going on after step {step}"));
                    run.rewind(step)?;
                }
            }
        }
        // Only now: what cannot be resumed leaves the run as it was.
        write_whole(&run.config(), config.as_bytes())?;
        let outcome = trainer.run(&loaders, &mut progress, &interrupt::STOP)?;
        progress.finish()?;
        if outcome == Outcome::Finished {
            let best = trainer.best()?;
            let mut checkpoint = Checkpoint::new(trainer.best_header()?);
            checkpoint.insert_module(Group::Model, &best);
            checkpoint.save(&run.model())?;
            let evaluation = measure(trainer.task(), &best, &test, &recipe.graph, &trivial)?;
            run.save_evaluation(&evaluation)?;
        }
        Ok(outcome)
    }
}
