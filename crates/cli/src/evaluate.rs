//! `steerable evaluate`: errors of a trained model on held-out data.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use steerable_train::tasks::Task;

use crate::CommandResult;
use crate::config::RunConfig;
use crate::dataset::DataSet;
use crate::evaluation::measure;
use crate::load::Trained;
use crate::recipe::WithTask;
use crate::run_folder::{Evaluation, write_whole};

/// Arguments of `steerable evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A checkpoint of `steerable train`, or the folder of a run.
    pub checkpoint: PathBuf,
    /// The configuration whose test set is used; by default the run's own.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Also write the errors and pairs of true and foretold numbers, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Threads to compute on; by default all cores.
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Prints a table of errors, of items as they stand and turned at random.
///
/// # Errors
/// When checkpoint, configuration or data cannot be read, or do not go together.
pub fn run(args: &EvaluateArgs) -> CommandResult {
    crate::threads(args.threads)?;
    let trained = Trained::load(&args.checkpoint)?;
    let config = args.config.clone().or_else(|| trained.config());
    let config = config.ok_or("no config.toml beside the checkpoint: --config names one")?;
    let data = DataSet::read(&RunConfig::read(&config)?)?;
    trained.recipe.expect(&data)?;
    let trivial = trained.recipe.trivial(&data);
    let evaluation = trained.recipe.build(
        &Trained::device(),
        Measured {
            trained: &trained,
            data: &data,
            trivial,
        },
    )?;
    print!("{}", evaluation.to_table());
    if let Some(file) = &args.json {
        write_whole(file, &serde_json::to_vec(&evaluation)?)?;
    }
    Ok(())
}

struct Measured<'a> {
    trained: &'a Trained,
    data: &'a DataSet,
    trivial: Vec<(String, f64)>,
}

impl WithTask for Measured<'_> {
    type Output = Evaluation;

    fn with<T: Task>(self, task: T, model: T::Model) -> Result<Evaluation, Box<dyn Error>> {
        let model = self.trained.fill(model)?;
        let graph = &self.trained.recipe.graph;
        measure(&task, &model, &self.data.test, graph, &self.trivial)
    }
}
