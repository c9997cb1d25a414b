//! The training loop: it learns, averages and validates as it says, and a training that was stopped and resumed
//! takes the same steps to the last bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use steerable_data::Sample;
use steerable_testkit::Precision;
use steerable_tests::molecules::{RADIUS, SPECIES, loader, molecules};
use steerable_tests::parameters::{drawn, of_parameters, read};
use steerable_tests::{device, dtype};
use steerable_train::checkpoint::{CheckpointFolder, ModelDescription};
use steerable_train::models::{
    AtomInput, BondInput, NetworkConfig, NetworkKind, Potential, PotentialConfig, PropertyConfig,
    Scaling,
};
use steerable_train::tasks::{EnergyAndForcesTask, ForceStep, PropertyTask, Task};
use steerable_train::{
    Ema, EpochReport, Loss, Observer, Outcome, Schedule, StepReport, TrainError, Trainer,
    TrainingConfig, TrainingData, clip_global_norm, evaluate, global_norm,
};
use tempfile::{TempDir, tempdir};

/// What a training told; it asks to stop after some step.
#[derive(Default)]
struct Heard {
    losses: Vec<f64>,
    epochs: Vec<EpochReport>,
    stop_after: Option<u64>,
    stop: Arc<AtomicBool>,
}

impl Observer for Heard {
    fn step(&mut self, report: &StepReport) {
        self.losses.push(report.loss);
        let asks = self.stop_after == Some(report.step);
        self.stop.store(asks, Ordering::Relaxed);
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.epochs.push(report.clone());
    }
}

impl Heard {
    fn run<T: Task>(
        &mut self,
        trainer: &mut Trainer<T>,
        data: &TrainingData,
    ) -> Result<Outcome, TrainError> {
        let stop = Arc::clone(&self.stop);
        stop.store(false, Ordering::Relaxed);
        trainer.run(data, self, &stop)
    }
}

fn network() -> NetworkConfig {
    NetworkConfig {
        kind: NetworkKind::ChannelWise,
        hidden: "8x0e + 8x1o".parse().unwrap(),
        layers: 2,
        cutoff: Some(RADIUS),
        radial_hidden: vec![16],
        neighbours: 4.0,
        ..NetworkConfig::default()
    }
}

fn input() -> AtomInput {
    AtomInput::of_species(SPECIES, BondInput::None)
}

fn scaling(samples: &[Sample]) -> Scaling {
    let energies: Vec<f64> = samples.iter().map(|s| s.targets.scalars[0]).collect();
    Scaling::of_mean(&energies)
}

fn potential(samples: &[Sample]) -> (EnergyAndForcesTask, Potential) {
    let config = PotentialConfig {
        network: network(),
        input: input(),
        width: 16,
        scaling: scaling(samples),
    };
    let task = EnergyAndForcesTask {
        energy_unit: "eV".into(),
        energy_loss: Loss::Huber,
        energy_weight: 1.0,
        force_loss: Loss::Huber,
        force_weight: 1.0,
        step: ForceStep::default(),
    };
    let model = config.init(&device()).unwrap();
    (task, drawn(model, Precision::F32, 1))
}

fn config(epochs: usize) -> TrainingConfig {
    TrainingConfig {
        epochs,
        schedule: Schedule {
            learning_rate: 1e-2,
            warm_up_steps: 5,
            ..Schedule::default()
        },
        ema_decay: 0.9,
        ..TrainingConfig::default()
    }
}

fn trainer<T: Task>(
    (task, model): (T, T::Model),
    config: TrainingConfig,
    scratch: &TempDir,
) -> Trainer<T> {
    let description = ModelDescription::of_kind("test");
    let place = (scratch.path().to_path_buf(), &device());
    Trainer::new(task, model, description, config, place).unwrap()
}

/// Eight molecules to learn, four to validate with; three molecules or so in a batch.
fn data(seed: u64) -> (Vec<Sample>, TrainingData) {
    let samples = molecules(12, seed);
    let (train, validation) = samples.split_at(8);
    let data = TrainingData {
        train: loader(train.to_vec(), 14),
        validation: loader(validation.to_vec(), 14),
    };
    (samples, data)
}

#[test]
fn energies_and_forces_of_few_molecules_are_learned_by_heart() {
    let scratch = tempdir().expect("a temporary folder");
    let samples = molecules(4, 7);
    let data = TrainingData {
        train: loader(samples.clone(), 14),
        validation: loader(samples.clone(), 14),
    };
    let (task, model) = potential(&samples);
    let before = evaluate(&task, &model, &data.validation, &device()).unwrap();
    let mut trainer = trainer((task, model), config(300), &scratch);
    let mut heard = Heard::default();
    assert_eq!(heard.run(&mut trainer, &data).unwrap(), Outcome::Finished);

    let best = trainer.best().unwrap();
    let after = evaluate(trainer.task(), &best, &data.validation, &device()).unwrap();
    for name in ["energy", "forces"] {
        let [before, after] = [&before, &after].map(|errors| errors.mean(name).unwrap());
        println!("{name}: {before:.4} -> {after:.4}");
        assert!(after < 0.05 * before, "{name}: {before} -> {after}");
    }
    for report in &heard.epochs {
        let error = report.rotation_error;
        assert!(error.is_some_and(|error| error < 1e-4), "{error:?}");
    }
}

#[test]
fn validation_and_best_model_are_of_the_averaged_parameters() {
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(2);
    let mut trainer = trainer(potential(&samples), config(6), &scratch);
    let mut heard = Heard::default();
    heard.run(&mut trainer, &data).unwrap();

    let best = trainer.best().unwrap();
    let errors = evaluate(trainer.task(), &best, &data.validation, &device()).unwrap();
    let scores = heard.epochs.iter().map(|report| report.validation.score());
    let lowest = scores.flatten().fold(f64::INFINITY, f64::min);
    assert_eq!(errors.score(), Some(lowest));
    let of_best = heard.epochs.iter().rfind(|report| report.is_best);
    let header = trainer.best_header().unwrap();
    assert_eq!(Some(header.step), of_best.map(|report| report.step));
    // JSON may lose the last bit.
    let score = header.score.unwrap();
    assert!((score - lowest).abs() <= 1e-12 * lowest, "{score} {lowest}");
    let raw = trainer.model().clone().valid();
    let raw = evaluate(trainer.task(), &raw, &data.validation, &device()).unwrap();
    assert_ne!(raw.score(), heard.epochs[5].validation.score());
}

/// Trains without a stop, and with stops after the given steps; the two must not differ in a bit.
fn assert_resumes_exactly<T: Task>(name: &str, make: impl Fn() -> (T, T::Model), stops: &[u64]) {
    let (_, data) = data(3);
    let whole = tempdir().expect("a temporary folder");
    let mut uninterrupted = trainer(make(), config(3), &whole);
    let mut expected = Heard::default();
    expected.run(&mut uninterrupted, &data).unwrap();

    let parts = tempdir().expect("a temporary folder");
    let mut heard = Heard::default();
    let mut outcome = None;
    for sitting in 0..=stops.len() {
        let mut trainer = trainer(make(), config(3), &parts);
        let resumed = trainer.resume(&data).unwrap().map(|(step, _)| step);
        assert_eq!(resumed, sitting.checked_sub(1).map(|last| stops[last]));
        heard.stop_after = stops.get(sitting).copied();
        outcome = Some(heard.run(&mut trainer, &data).unwrap());
        if sitting == stops.len() {
            assert_eq!(read(trainer.model()), read(uninterrupted.model()), "{name}");
            let best = [&trainer, &uninterrupted].map(|trainer| read(&trainer.best().unwrap()));
            assert_eq!(best[0], best[1], "{name}");
        }
    }
    assert_eq!(outcome, Some(Outcome::Finished));
    assert_eq!(heard.losses, expected.losses, "{name}");
    let scores = |heard: &Heard| -> Vec<_> {
        let epochs = heard.epochs.iter();
        epochs
            .map(|report| (report.step, report.validation.score(), report.is_best))
            .collect()
    };
    assert_eq!(scores(&heard), scores(&expected), "{name}");
}

#[test]
fn a_resumed_training_takes_the_same_steps_to_the_last_bit() {
    let (samples, _) = data(3);
    // In the middle of the first epoch, twice in the second, and with the last step of an epoch.
    assert_resumes_exactly("potential", || potential(&samples), &[2, 5, 6]);
    let property = || {
        let config = PropertyConfig {
            network: NetworkConfig {
                kind: NetworkKind::Transformer,
                heads: 2,
                ..network()
            },
            input: input(),
            width: 16,
            pooling: steerable::nn::Pooling::Mean,
            scaling: scaling(&samples),
        };
        let task = PropertyTask {
            name: "energy".into(),
            unit: "meV".into(),
            per_target_unit: 1000.0,
            loss: Loss::Absolute,
        };
        let model = config.init(&device()).unwrap();
        (task, drawn(model, Precision::F32, 1))
    };
    assert_resumes_exactly("property", property, &[1, 7]);
}

/// Damaged checkpoints of later steps are not counted among the last, of which so many are kept.
#[test]
fn what_is_saved_after_damaged_checkpoints_is_kept() {
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(3);
    let keep = |keep_checkpoints| TrainingConfig {
        keep_checkpoints,
        ..config(3)
    };
    let mut heard = Heard::default();
    let mut first = trainer(potential(&samples), keep(3), &scratch);
    heard.run(&mut first, &data).unwrap();
    let folder = CheckpointFolder::create(scratch.path(), 1).unwrap();
    assert_eq!(folder.steps().unwrap(), [3, 6, 9]);
    for step in [6, 9] {
        std::fs::write(folder.file(step), b"cut").unwrap();
    }

    let mut second = trainer(potential(&samples), keep(1), &scratch);
    let (step, skipped) = second.resume(&data).unwrap().unwrap();
    assert_eq!((step, skipped.len()), (3, 2));
    heard.stop_after = Some(4);
    assert_eq!(heard.run(&mut second, &data).unwrap(), Outcome::Stopped);
    let last = folder.last_complete().unwrap().unwrap();
    assert_eq!(last.checkpoint.header.step, 4);
    assert!(last.skipped.is_empty(), "{:?}", last.skipped);
}

/// So a process that is killed in between tells an epoch twice, and the resumed one takes the first telling back; none is
/// saved and never told.
#[test]
fn an_epoch_is_told_before_its_checkpoint_is_there() {
    struct Watch(CheckpointFolder, Vec<u64>);
    impl Observer for Watch {
        fn epoch(&mut self, report: &EpochReport) {
            assert!(!self.0.steps().unwrap().contains(&report.step));
            self.1.push(report.step);
        }
    }
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(3);
    let mut trainer = trainer(potential(&samples), config(3), &scratch);
    let folder = CheckpointFolder::create(scratch.path(), 1).unwrap();
    let mut watch = Watch(folder, Vec::new());
    let never = AtomicBool::new(false);
    trainer.run(&data, &mut watch, &never).unwrap();
    assert_eq!(watch.1, [3, 6, 9]);
    assert!(watch.0.steps().unwrap().contains(&9));
}

#[test]
fn impatience_ends_a_training_and_a_loss_that_is_not_a_number_is_told() {
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(4);
    let impatient = TrainingConfig {
        patience: Some(1),
        // So small that no parameter changes in f32, and no epoch is better than the first.
        schedule: Schedule {
            learning_rate: 1e-30,
            ..Schedule::default()
        },
        ..config(50)
    };
    let mut calm = trainer(potential(&samples), impatient, &scratch);
    let mut heard = Heard::default();
    assert_eq!(heard.run(&mut calm, &data).unwrap(), Outcome::Finished);
    assert_eq!(heard.epochs.len(), 2);

    let scratch = tempdir().expect("a temporary folder");
    let mut broken = samples[..8].to_vec();
    broken[0].targets.scalars[0] = f64::NAN;
    let data = TrainingData {
        train: loader(broken, 14),
        validation: data.validation,
    };
    let mut trainer = trainer(potential(&samples), config(1), &scratch);
    let error = Heard::default().run(&mut trainer, &data).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { loss, .. } if loss.is_nan()));
}

#[test]
fn wrong_values_are_refused_with_key_and_value() {
    for (config, text) in [
        (
            TrainingConfig {
                ema_decay: 1.5,
                ..config(1)
            },
            "ema_decay = 1.5: expected a number from 0 to 1",
        ),
        (config(0), "epochs = 0: expected at least 1"),
        (
            TrainingConfig {
                patience: Some(0),
                ..config(1)
            },
            "patience = 0: expected at least 1",
        ),
        (
            TrainingConfig {
                max_minutes: Some(f64::NAN),
                ..config(1)
            },
            "max_minutes = NaN: expected a positive number",
        ),
    ] {
        assert_eq!(config.check().unwrap_err().to_string(), text);
    }
}

#[test]
fn other_models_seeds_and_data_do_not_go_on_with_a_training() {
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(5);
    let mut heard = Heard {
        stop_after: Some(1),
        ..Heard::default()
    };
    let mut first = trainer(potential(&samples), config(2), &scratch);
    assert_eq!(heard.run(&mut first, &data).unwrap(), Outcome::Stopped);

    let other_seed = TrainingConfig {
        seed: 9,
        ..config(2)
    };
    let error = trainer(potential(&samples), other_seed, &scratch).resume(&data);
    let text = error.unwrap_err().to_string();
    assert!(text.ends_with("the seed was 1 and is now 9"), "{text}");

    let (task, model) = potential(&samples);
    let description = ModelDescription::of_kind("another");
    let place = (scratch.path().to_path_buf(), &device());
    let mut other = Trainer::new(task, model, description, config(2), place).unwrap();
    let text = other.resume(&data).unwrap_err().to_string();
    assert!(text.contains("test and is now another"), "{text}");

    let fewer = TrainingData {
        train: loader(samples[..2].to_vec(), 14),
        validation: loader(samples[8..].to_vec(), 14),
    };
    let mut resumed = trainer(potential(&samples), config(2), &scratch);
    let text = resumed.resume(&fewer).unwrap_err().to_string();
    assert!(text.contains("training items was 8 and is now 2"), "{text}");

    // As many, but others, to train on and to validate with.
    let (_, others) = self::data(6);
    for (data, purpose) in [
        (
            TrainingData {
                train: others.train,
                validation: loader(samples[8..].to_vec(), 14),
            },
            "train on",
        ),
        (
            TrainingData {
                train: loader(samples[..8].to_vec(), 14),
                validation: others.validation,
            },
            "validate with",
        ),
    ] {
        let text = resumed.resume(&data).unwrap_err().to_string();
        assert!(
            text.contains(&format!("checksum of the items to {purpose}")),
            "{text}"
        );
    }
    assert_eq!(resumed.resume(&data).unwrap().unwrap().0, 1);
    let text = heard.run(&mut resumed, &fewer).unwrap_err().to_string();
    assert!(text.contains("training items was 8 and is now 2"), "{text}");
}

#[test]
fn missing_targets_and_validations_that_are_not_numbers_are_told() {
    let (samples, whole) = data(6);
    let without = |forces: bool| {
        let mut samples = samples.clone();
        for sample in &mut samples {
            match forces {
                true => sample.targets.node_vectors.clear(),
                false => sample.targets.scalars.clear(),
            }
        }
        loader(samples, 14)
    };
    let scratch = tempdir().expect("a temporary folder");
    for (forces, text) in [
        (false, "energies, one of each item, are needed"),
        (true, "forces, one on each atom, are needed"),
    ] {
        let data = TrainingData {
            train: without(forces),
            validation: loader(samples.clone(), 14),
        };
        let mut trainer = trainer(potential(&samples), config(1), &scratch);
        let error = Heard::default().run(&mut trainer, &data).unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
    }
    let (task, model) = potential(&samples);
    let errors = evaluate(&task, &model, &without(false), &device()).unwrap();
    assert_eq!(errors.mean("energy"), None);
    assert!(errors.mean("forces").is_some_and(|mean| mean > 0.0));

    let mut broken = samples.clone();
    broken[0].targets.node_vectors[0][0] = f64::NAN;
    let data = TrainingData {
        train: whole.train,
        validation: loader(broken, 14),
    };
    let mut trainer = trainer(potential(&samples), config(1), &scratch);
    let error = Heard::default().run(&mut trainer, &data).unwrap_err();
    assert!(matches!(
        error,
        TrainError::ValidationDiverged { saved: false, .. }
    ));
    assert!(error.to_string().contains("there is no checkpoint yet"));
}

#[test]
fn tasks_with_wrong_values_are_refused() {
    let (task, _) = potential(&molecules(2, 1));
    task.check().unwrap();
    let mut wrong = task.clone();
    wrong.step = ForceStep(0.0);
    let text = wrong.check().unwrap_err().to_string();
    assert_eq!(text, "step = 0: expected a positive number");
    let mut wrong = task.clone();
    (wrong.energy_weight, wrong.force_weight) = (0.0, 0.0);
    wrong.check().unwrap_err();
    let mut wrong = task;
    wrong.force_weight = f64::NAN;
    wrong.check().unwrap_err();
}

#[test]
fn a_training_without_time_for_a_step_reports_no_epoch() {
    let scratch = tempdir().expect("a temporary folder");
    let (samples, data) = data(7);
    let short = TrainingConfig {
        max_minutes: Some(1e-12),
        checkpoint_minutes: 1e300,
        ..config(2)
    };
    let mut trainer = trainer(potential(&samples), short, &scratch);
    let mut heard = Heard::default();
    assert_eq!(heard.run(&mut trainer, &data).unwrap(), Outcome::Finished);
    assert!(heard.epochs.is_empty() && heard.losses.is_empty());
    trainer.best().unwrap();
}

fn linear(device: &Device, seed: u64) -> Linear {
    drawn(LinearConfig::new(3, 2).init(device), Precision::F64, seed)
}

#[test]
fn averages_are_those_of_the_formula() {
    let device = device().autodiff();
    let mut ema = Ema::new(&linear(&device, 0), 0.6);
    let mut expected = read(&linear(&device, 0));
    for step in 1..8_u64 {
        let module = linear(&device, step);
        ema.update(&module, step);
        let keep = 0.6_f64.min((1.0 + step as f64) / (10.0 + step as f64));
        for (average, new) in expected.iter_mut().zip(read(&module)) {
            *average = keep * *average + (1.0 - keep) * new;
        }
        for (found, expected) in read(ema.average()).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}

#[test]
fn clipping_keeps_the_direction_of_all_gradients_together() {
    let device = device().autodiff();
    let module = linear(&device, 1);
    let gradients = || {
        let x = Tensor::<2>::from_data(
            TensorData::new(vec![1.0, -2.0, 3.0], [1, 3]),
            (&device, dtype(Precision::F64)),
        );
        let loss = module.forward(x).powi_scalar(2).sum();
        GradientsParams::from_grads(loss.backward(), &module)
    };
    let whole = of_parameters(&module, &gradients());
    let norm = whole.iter().map(|g| g * g).sum::<f64>().sqrt();
    assert!((global_norm(&module, &gradients()) - norm).abs() < 1e-13 * norm);

    let (clipped, told) = clip_global_norm(&module, gradients(), 0.5 * norm);
    assert!((told - norm).abs() < 1e-13 * norm);
    for (clipped, whole) in of_parameters(&module, &clipped).iter().zip(&whole) {
        assert!((clipped - 0.5 * whole).abs() < 1e-13 * norm);
    }
    let (kept, _) = clip_global_norm(&module, gradients(), 2.0 * norm);
    assert_eq!(of_parameters(&module, &kept), whole);
}
