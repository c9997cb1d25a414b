//! The loop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_data::{Batch, Loader, seed_of_part, shuffled};
use steerable_irreps::Rotation;

use super::rotation::TurnedPredictions;
use super::state::{self, Progress};
use super::{EpochReport, Observer, StepReport, TrainError, TrainingConfig};
use crate::checkpoint::{Checkpoint, CheckpointFolder, Group, Header, ModelDescription};
use crate::tasks::{Errors, Task};
use crate::{AdamConfig, Ema, clip_global_norm};

/// What to train on.
pub struct TrainingData {
    /// Items to learn from.
    pub train: Loader,
    /// Items to choose the best epoch by.
    pub validation: Loader,
}

/// How a sitting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done, or the minutes, or the patience.
    Finished,
    /// It was asked to stop. Everything is saved: a resumed training goes on with the next step.
    Stopped,
}

/// A training that can be stopped after any step and resumed as if it had not been.
///
/// Each epoch goes through the items in an order that seed and epoch decide; the model, its moving average,
/// the moments of Adam and the place in the epoch are in every checkpoint. So a resumed training takes the same
/// steps to the last bit, on the same number of threads, unless its end is set in minutes.
pub struct Trainer<T: Task> {
    task: T,
    config: TrainingConfig,
    device: Device,
    model: T::Model,
    ema: Ema<T::Model>,
    optimizer: ModuleOptimizer,
    description: ModelDescription,
    folder: CheckpointFolder,
    progress: Progress,
}

/// The most items of the validation data that the rotation error is measured on.
const TURNED_ITEMS: usize = 32;

/// Whether an epoch came to its end.
enum EpochEnd {
    Complete,
    OutOfTime,
    Asked,
}

impl<T: Task> Trainer<T> {
    /// A training from the start. `model` is on `device`, which is one without autodiff.
    ///
    /// # Errors
    /// When a value of the configuration is not allowed, or the folder cannot be made.
    pub fn new(
        task: T,
        model: T::Model,
        description: ModelDescription,
        config: TrainingConfig,
        (directory, device): (PathBuf, &Device),
    ) -> Result<Self, TrainError> {
        config.check()?;
        task.check()?;
        let folder = CheckpointFolder::create(directory, config.keep_checkpoints)?;
        let adam = AdamConfig::new().with_weight_decay(config.weight_decay as f32);
        let model = model.train();
        Ok(Self {
            task,
            ema: Ema::new(&model, config.ema_decay),
            optimizer: adam.init(),
            model,
            description,
            folder,
            progress: Progress::of_seed(config.seed),
            config,
            device: device.clone(),
        })
    }

    /// Goes on with the data from the last complete checkpoint of the folder, if there is one. Returns the step it goes
    /// on from, and what is wrong with later checkpoints, which are set aside: their steps will be taken again.
    ///
    /// # Errors
    /// When the last complete checkpoint is of another model, another seed or other data; then all is as it was.
    pub fn resume(
        &mut self,
        data: &TrainingData,
    ) -> Result<Option<(u64, Vec<String>)>, TrainError> {
        let Some(last) = self.folder.last_complete()? else {
            return Ok(None);
        };
        let checkpoint = last.checkpoint;
        state::same_model(&checkpoint.header.model, &self.description)?;
        let progress = serde_json::from_value(checkpoint.header.training.clone());
        let mut progress: Progress = progress.map_err(|error| TrainError::State {
            file: checkpoint.file().display().to_string(),
            reason: error.to_string(),
        })?;
        progress.expect_seed(self.config.seed)?;
        progress.expect_data(data)?;
        let model = checkpoint.apply(Group::Model, self.model.clone())?;
        let average = checkpoint.apply(Group::Ema, self.ema.average().clone())?;
        self.optimizer = checkpoint.apply_optimizer(self.optimizer.clone(), &model)?;
        self.folder.set_aside_after(progress.step)?;
        self.progress = progress;
        self.model = model;
        self.ema = Ema::from_average(average, self.config.ema_decay);
        Ok(Some((self.progress.step, last.skipped)))
    }

    /// Trains until the end, or until `stop` is set, which is looked at between steps.
    ///
    /// # Errors
    /// When data or checkpoints fail, the loss is no longer finite, or the items are others than before.
    pub fn run(
        &mut self,
        data: &TrainingData,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        for (loader, purpose) in [(&data.train, "train"), (&data.validation, "validate")] {
            if loader.sizes().is_empty() {
                return Err(TrainError::NoItems { purpose });
            }
        }
        self.progress.expect_data(data)?;
        while !self.is_finished() {
            match self.epoch(data, observer, stop)? {
                EpochEnd::Complete | EpochEnd::OutOfTime => {}
                EpochEnd::Asked => {
                    self.save_within_epoch()?;
                    return Ok(Outcome::Stopped);
                }
            }
        }
        Ok(Outcome::Finished)
    }

    /// The model of the best epoch, with averaged parameters and without autodiff.
    ///
    /// # Errors
    /// When no epoch was validated, or its checkpoint cannot be read.
    pub fn best(&self) -> Result<T::Model, TrainError> {
        let average = self.ema.average().clone();
        match self.folder.best()? {
            Some(file) => Ok(Checkpoint::load(&file)?.apply(Group::Ema, average)?),
            None => Ok(average),
        }
    }

    /// What a checkpoint of [`Self::best`] says of itself: the step and the score of that epoch.
    ///
    /// # Errors
    /// When the folder of the checkpoints cannot be read.
    pub fn best_header(&self) -> Result<Header, TrainError> {
        let mut header = Header::new(self.description.clone());
        header.step = self.progress.step;
        if let Some(file) = self.folder.best()? {
            let of_epoch = Header::read(&file)?;
            (header.step, header.score) = (of_epoch.step, of_epoch.score);
        }
        Ok(header)
    }

    /// Steps so far.
    pub fn step(&self) -> u64 {
        self.progress.step
    }

    /// The model as the last step left it.
    pub fn model(&self) -> &T::Model {
        &self.model
    }

    /// The task.
    pub fn task(&self) -> &T {
        &self.task
    }

    fn is_finished(&self) -> bool {
        let progress = &self.progress;
        let impatient = |patience| progress.epochs_since_best >= patience;
        progress.epochs >= self.config.epochs
            || self.is_out_of_time()
            || self.config.patience.is_some_and(impatient)
    }

    fn is_out_of_time(&self) -> bool {
        let limit = self.config.max_minutes.map(|minutes| 60.0 * minutes);
        limit.is_some_and(|limit| self.progress.seconds >= limit)
    }

    /// How much of the training is behind, 0 to 1.
    fn done(&self, items_of_epoch: usize, seconds: f64) -> f64 {
        let epochs = self.progress.epochs as f64;
        let part = self.progress.items as f64 / items_of_epoch as f64;
        let by_epochs = (epochs + part) / self.config.epochs as f64;
        let by_time = self.config.max_minutes.map(|m| seconds / (60.0 * m));
        by_time.unwrap_or(0.0).max(by_epochs)
    }

    /// What is left of an epoch, then its validation.
    fn epoch(
        &mut self,
        data: &TrainingData,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<EpochEnd, TrainError> {
        let items = data.train.sizes().len();
        let seed = seed_of_part(self.config.seed, self.progress.epochs as u64);
        let order = shuffled(items, seed);
        let (start, seconds_before) = (Instant::now(), self.progress.seconds);
        let first = self.progress.items;
        let pause = Duration::try_from_secs_f64(60.0 * self.config.checkpoint_minutes);
        let pause = pause.unwrap_or(Duration::MAX);
        let mut saved = Instant::now();
        let mut learning_rate = 0.0;
        let mut end = EpochEnd::Complete;
        for batch in data.train.batches(&order[first..], seed)? {
            let seconds = seconds_before + start.elapsed().as_secs_f64();
            self.progress.seconds = seconds;
            if stop.load(Ordering::Relaxed) {
                return Ok(EpochEnd::Asked);
            }
            if self.is_out_of_time() {
                end = EpochEnd::OutOfTime;
                break;
            }
            if saved.elapsed() >= pause {
                self.save_within_epoch()?;
                saved = Instant::now();
            }
            let progress = self.done(items, seconds);
            let report = self.train_on(&batch?, progress)?;
            learning_rate = report.learning_rate;
            observer.step(&StepReport { items, ..report });
        }
        self.progress.seconds = seconds_before + start.elapsed().as_secs_f64();
        if self.progress.items == 0 {
            return Ok(end);
        }
        let done = (self.progress.items - first) as f64;
        let report = self.validate(data, learning_rate, done / start.elapsed().as_secs_f64())?;
        // Told first: a kill in between makes an epoch be done and told again, and none be done and not told.
        observer.epoch(&report);
        self.save(report.validation.score())?;
        Ok(end)
    }

    fn train_on(&mut self, batch: &Batch, progress: f64) -> Result<StepReport, TrainError> {
        let autodiff = self.device.clone().autodiff();
        let learned = self.task.learn(&self.model, batch, &autodiff)?;
        let max = self.config.max_gradient_norm;
        let (gradients, norm) = clip_global_norm(&self.model, learned.gradients, max);
        let step = self.progress.step;
        if !(learned.loss.is_finite() && norm.is_finite()) {
            return Err(TrainError::Diverged {
                step,
                loss: learned.loss,
                norm,
                saved: self.has_checkpoint(),
            });
        }
        let learning_rate = self.config.schedule.rate(step, progress);
        self.model = self
            .optimizer
            .step(learning_rate, self.model.clone(), gradients);
        self.progress.step = step + 1;
        self.ema.update(&self.model, step + 1);
        self.progress.items += batch.items.len();
        self.progress.loss_sum += learned.loss * batch.items.len() as f64;
        Ok(StepReport {
            epoch: self.progress.epochs + 1,
            step: step + 1,
            items_done: self.progress.items,
            items: 0,
            loss: learned.loss,
            gradient_norm: norm,
            learning_rate,
            progress,
        })
    }

    /// Validates with the averaged parameters and counts the epoch as done.
    fn validate(
        &mut self,
        data: &TrainingData,
        learning_rate: f64,
        items_per_second: f64,
    ) -> Result<EpochReport, TrainError> {
        let average = self.ema.average();
        let validation = evaluate(&self.task, average, &data.validation, &self.device)?;
        let rotation = Rotation::random(&mut StdRng::seed_from_u64(self.config.seed));
        let few: Vec<usize> = (0..data.validation.sizes().len().min(TURNED_ITEMS)).collect();
        let mut turned = TurnedPredictions::default();
        for batch in data.validation.batches(&few, 0)? {
            turned.add(&self.task, average, &batch?, (&rotation, &self.device))?;
        }
        let rotation_error = turned.error();
        let broken = validation
            .iter()
            .map(|(_, _, _, mean)| mean)
            .find(|mean| !mean.is_finite());
        if let Some(score) = broken {
            return Err(TrainError::ValidationDiverged {
                step: self.progress.step,
                score,
                saved: self.has_checkpoint(),
            });
        }
        let progress = &mut self.progress;
        // Where the truth is not known no epoch is best.
        let score = validation.score().unwrap_or(f64::INFINITY);
        let is_best = score.is_finite() && progress.best.is_none_or(|best| score < best);
        match is_best {
            true => (progress.best, progress.epochs_since_best) = (Some(score), 0),
            false => progress.epochs_since_best += 1,
        }
        let train_loss = progress.loss_sum / progress.items.max(1) as f64;
        progress.epochs += 1;
        (progress.items, progress.loss_sum) = (0, 0.0);
        Ok(EpochReport {
            epoch: progress.epochs,
            step: progress.step,
            seconds: progress.seconds,
            learning_rate,
            items_per_second,
            train_loss,
            validation,
            rotation_error,
            is_best,
        })
    }

    fn has_checkpoint(&self) -> bool {
        self.folder.steps().is_ok_and(|steps| !steps.is_empty())
    }

    /// Saves what no epoch's checkpoint holds yet. (Before the first step of an epoch that checkpoint is of the
    /// same step, and has a score.)
    fn save_within_epoch(&self) -> Result<(), TrainError> {
        match self.progress.items {
            0 => Ok(()),
            _ => self.save(None),
        }
    }

    fn save(&self, score: Option<f64>) -> Result<(), TrainError> {
        let mut header = Header::new(self.description.clone());
        header.step = self.progress.step;
        header.score = score;
        header.training = serde_json::to_value(&self.progress).expect("numbers");
        let mut checkpoint = Checkpoint::new(header);
        checkpoint.insert_module(Group::Model, &self.model);
        checkpoint.insert_module(Group::Ema, self.ema.average());
        checkpoint.insert_optimizer(&self.optimizer, &self.model)?;
        self.folder.save(&checkpoint)?;
        Ok(())
    }
}

/// Errors of a model without autodiff on all items of a loader.
///
/// # Errors
/// When a batch cannot be made or taken.
pub fn evaluate<T: Task>(
    task: &T,
    model: &T::Model,
    loader: &Loader,
    device: &Device,
) -> Result<Errors, TrainError> {
    let order: Vec<usize> = (0..loader.sizes().len()).collect();
    let mut errors = Errors::default();
    for batch in loader.batches(&order, 0)? {
        errors.add(&task.predict(model, &batch?, device)?);
    }
    Ok(errors)
}
