//! Training with burn's own learner.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn::train::metric::LearningRateMetric;
use burn::train::{InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use steerable_train::AdamConfig;

use super::checkpoint::{CheckpointFolder, KeepLastAndBest, PARTS};
use super::data::{Batch, Loader, Order, Sample};
use super::error::NbodyError;
use super::evaluation::equivariance_error;
use super::models::{Forecaster, ModelKind, Prediction};
use super::progress::{
    EQUIVARIANCE_ERROR, History, HistoryLogger, LOSS, MeanMetric, POSITION_ERROR, PlainLines,
    StepOutput, VELOCITY_ERROR,
};
use super::settings::Settings;

/// The mean of all squares.
pub fn mean_square(error: Tensor<2>) -> Tensor<1> {
    (error.clone() * error).mean()
}

/// The number in a tensor of one number.
pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

struct Losses {
    total: Tensor<1>,
    x_mse: Tensor<1>,
    v_mse: Tensor<1>,
}

impl Losses {
    fn new(prediction: &Prediction, batch: &Batch, velocity_weight: f64) -> Self {
        let x_mse = mean_square(prediction.displacement.clone() - batch.displacement.clone());
        let v_mse = mean_square(prediction.velocity_change.clone() - batch.velocity_change.clone());
        Self {
            total: x_mse.clone() + v_mse.clone() * velocity_weight,
            x_mse,
            v_mse,
        }
    }

    fn output(self, systems: usize, delta_eq: f64) -> StepOutput {
        StepOutput {
            loss: scalar(self.total),
            x_mse: scalar(self.x_mse),
            v_mse: scalar(self.v_mse),
            delta_eq,
            systems,
        }
    }
}

impl TrainStep for Forecaster {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
        let losses = Losses::new(&self.forward(&batch), &batch, self.velocity_weight());
        let gradients = losses.total.clone().backward();
        TrainOutput::new(
            self,
            gradients,
            losses.output(batch.num_systems(), f64::NAN),
        )
    }
}

impl InferenceStep for Forecaster {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        let prediction = self.forward(&batch);
        let delta_eq = equivariance_error(&prediction, &self.forward(&batch.rotated()), &batch);
        Losses::new(&prediction, &batch, self.velocity_weight())
            .output(batch.num_systems(), delta_eq.displacement)
    }
}

/// Where a training starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From random parameters.
    Afresh,
    /// From the last complete checkpoint, if there is one.
    LastCheckpoint,
}

/// What to train, on what, where.
pub struct Training<'a> {
    /// The model.
    pub kind: ModelKind,
    /// The choices.
    pub settings: &'a Settings,
    /// Samples to train on.
    pub train: Arc<[Sample]>,
    /// Samples to choose the best epoch by.
    pub valid: Arc<[Sample]>,
    /// Folder of this model's files.
    pub directory: PathBuf,
    /// How many of the last checkpoints to keep, beside the best.
    pub keep: usize,
    /// Where to start.
    pub start: Start,
    /// The device, without autodiff.
    pub device: Device,
}

/// A trained model.
pub struct Trained {
    /// The model of the epoch with the lowest validation loss among those kept.
    pub model: Forecaster,
    /// That epoch.
    pub epoch: usize,
    /// Losses of all epochs.
    pub history: History,
}

impl Training<'_> {
    /// Trains, or finds that all is trained already.
    ///
    /// # Errors
    /// A missing or corrupt checkpoint, a file that cannot be written, an interrupted training.
    pub fn run(&self, model: Forecaster) -> Result<Trained, NbodyError> {
        let folder = CheckpointFolder::of_model(&self.directory);
        folder.create()?;
        let history_file = self.directory.join("history.json");
        let first = match self.start {
            Start::Afresh => None,
            Start::LastCheckpoint => folder.epochs()?.last().copied(),
        };
        let history = match first {
            None => History::default(),
            Some(epoch) => {
                folder.verify(epoch)?;
                History::load(&history_file, epoch)?
            }
        };
        let history = Arc::new(Mutex::new(history));
        if first.is_none_or(|epoch| epoch < self.num_epochs()) {
            self.learn(model.clone(), first, &folder, &history)?;
        }
        let history = history.lock().expect("no one panics with it").clone();
        history.save(&history_file)?;
        let kept = folder.epochs()?;
        let epoch = history.best(&kept).ok_or_else(|| NbodyError::Corrupt {
            file: history_file,
            reason: "it tells of none of the checkpoints".into(),
            advice: "Delete this model's folder to train it anew".into(),
        })?;
        let record: ModuleRecord = folder.load(PARTS[0], epoch)?;
        Ok(Trained {
            model: model.load_record(record).valid(),
            epoch,
            history,
        })
    }

    fn num_epochs(&self) -> usize {
        self.settings.epochs_of(self.kind)
    }

    fn learn(
        &self,
        model: Forecaster,
        first: Option<usize>,
        folder: &CheckpointFolder,
        history: &Arc<Mutex<History>>,
    ) -> Result<(), NbodyError> {
        let settings = self.settings;
        let autodiff = self.device.clone().autodiff();
        let order = Order::Shuffled {
            seed: settings.seed,
            first_epoch: first.unwrap_or(0) + 1,
        };
        let train = Loader::new(self.train.clone(), settings.batch_size, order, &autodiff);
        let valid = Loader::new(self.valid.clone(), 250, Order::Stored, &self.device);
        let schedule = learning_rate(settings, self.num_epochs() * train.num_batches());

        let [model_part, optimizer_part, schedule_part] =
            PARTS.map(|part| folder.checkpointer(part));
        let mut training =
            SupervisedTraining::new(&self.directory, Arc::new(train), Arc::new(valid))
                .num_epochs(self.num_epochs())
                .label(self.kind.title())
                .with_application_logger(None)
                .with_metric_logger(HistoryLogger::new(history.clone()))
                .metrics((
                    MeanMetric::new(LOSS, |output| output.loss),
                    MeanMetric::new(POSITION_ERROR, |output| output.x_mse),
                    MeanMetric::new(VELOCITY_ERROR, |output| output.v_mse),
                ))
                .metric_valid_numeric(MeanMetric::new(EQUIVARIANCE_ERROR, |output| {
                    output.delta_eq
                }))
                .metric_train_numeric(LearningRateMetric::new())
                .with_custom_checkpointers(model_part, optimizer_part, schedule_part);
        if let Some(epoch) = first {
            training = training.checkpoint(epoch);
        }
        if !std::io::stdout().is_terminal() {
            training = training.renderer(Box::new(PlainLines::new()));
        }
        let strategy = KeepLastAndBest {
            folder: folder.clone(),
            last: self.keep,
            history: history.clone(),
            history_file: self.directory.join("history.json"),
            interrupter: training.interrupter(),
        };
        let training = training.with_checkpointing_strategy(strategy);
        let interrupter = training.interrupter();
        let result = training.launch(Learner::new(
            model.train(),
            // burn's epsilon, under which the published figures were taken.
            AdamConfig::new().with_epsilon(1e-5).init(),
            schedule,
        ));
        drop(result);
        // Asked after the checkpointing threads have ended, so that their last words are heard.
        let reason = match (interrupter.error(), interrupter.interruption()) {
            (Some(error), _) => error.to_string(),
            (None, Some(interruption)) => interruption
                .reason
                .unwrap_or_else(|| "it was interrupted".into()),
            (None, None) => return Ok(()),
        };
        Err(stopped(&self.directory, folder, reason))
    }
}

fn stopped(directory: &Path, folder: &CheckpointFolder, reason: String) -> NbodyError {
    let advice = match folder.epochs() {
        Ok(epochs) if !epochs.is_empty() => {
            format!("Checkpoints of epochs {epochs:?} are complete: --resume goes on from the last")
        }
        _ => "There is no complete checkpoint yet".into(),
    };
    NbodyError::Training {
        directory: directory.to_path_buf(),
        reason,
        advice,
    }
}

/// A linear rise, then a cosine down to the last step.
fn learning_rate(settings: &Settings, steps: usize) -> ModuleLrScheduler {
    let rise = settings.warm_up.min(steps / 2);
    let fall = CosineAnnealingLrSchedulerConfig::new(settings.lr, (steps - rise).max(1))
        .with_min_lr(settings.final_lr.min(settings.lr));
    let schedule = if rise == 0 {
        fall.init()
    } else {
        let start = settings.lr / (rise + 1) as f64;
        let linear = LinearLrSchedulerConfig::new(start, settings.lr, rise);
        SequentialLrSchedulerConfig::new(vec![linear.into(), fall.into()], vec![rise]).init()
    };
    schedule.expect("the flags admit only rates that make a schedule")
}
