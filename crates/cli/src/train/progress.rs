//! What a training tells while it runs: a bar on a terminal, plain lines elsewhere, and the log.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use steerable_train::tasks::Measure;
use steerable_train::{EpochReport, Observer, StepReport};

use crate::run_folder::{EpochRecord, RunFileError, RunFolder};
use crate::table::duration;

/// Between plain lines within an epoch.
const PAUSE: Duration = Duration::from_secs(15);

/// Tells of a training and writes its log.
pub(super) struct Progress<'a> {
    run: &'a RunFolder,
    epochs: usize,
    bar: ProgressBar,
    terminal: bool,
    told: Instant,
    epoch: usize,
    /// A smooth loss, for the eye.
    loss: Option<f64>,
    /// The first line of the log that could not be written.
    failure: Option<RunFileError>,
}

impl<'a> Progress<'a> {
    /// Of a training of at most so many epochs.
    pub(super) fn new(run: &'a RunFolder, epochs: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = "{prefix} {bar:32.blue} {pos}/{len}  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self {
            run,
            epochs,
            bar,
            terminal,
            told: Instant::now(),
            epoch: 0,
            loss: None,
            failure: None,
        }
    }

    /// A line above the bar.
    pub(super) fn tell(&self, line: &str) {
        match self.terminal {
            true => self.bar.println(line),
            false => println!("{line}"),
        }
    }

    /// Takes the bar away.
    ///
    /// # Errors
    /// When the log could not be written.
    pub(super) fn finish(self) -> Result<(), RunFileError> {
        self.bar.finish_and_clear();
        self.failure.map_or(Ok(()), Err)
    }
}

impl Observer for Progress<'_> {
    fn step(&mut self, report: &StepReport) {
        const KEPT: f64 = 0.95;
        let smooth = self
            .loss
            .map_or(report.loss, |old| KEPT * old + (1.0 - KEPT) * report.loss);
        self.loss = Some(smooth);
        if self.epoch != report.epoch {
            self.epoch = report.epoch;
            self.bar
                .set_prefix(format!("epoch {}/{}", report.epoch, self.epochs));
            self.bar.set_length(report.items as u64);
            self.bar.reset();
        }
        self.bar.set_message(format!("loss {smooth:.4}"));
        self.bar.set_position(report.items_done as u64);
        if !self.terminal && self.told.elapsed() > PAUSE {
            self.told = Instant::now();
            println!(
                "epoch {}/{}  {}/{}  loss {smooth:.4}",
                report.epoch, self.epochs, report.items_done, report.items
            );
        }
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.told = Instant::now();
        let mut validation = BTreeMap::new();
        let mut line = format!(
            "epoch {}/{}  loss {:.4}",
            report.epoch, self.epochs, report.train_loss
        );
        for (name, unit, measure, mean) in report.validation.iter() {
            let (label, text) = match measure {
                Measure::MeanAbsolute => (format!("{name}, {unit}"), format!("{mean:.4} {unit}")),
                Measure::Accuracy => ("accuracy".into(), format!("{:.1} %", 100.0 * mean)),
            };
            line.push_str(&format!("  {name} {text}"));
            validation.insert(label, mean);
        }
        if let Some(error) = report.rotation_error {
            line.push_str(&format!("  rotation error {error:.1e}"));
        }
        line.push_str(&format!(
            "  {:.0} items/s  {}{}",
            report.items_per_second,
            duration(report.seconds),
            if report.is_best { "  best" } else { "" }
        ));
        self.tell(&line);
        let record = EpochRecord {
            epoch: report.epoch,
            step: report.step,
            seconds: report.seconds,
            learning_rate: report.learning_rate,
            items_per_second: report.items_per_second,
            train: BTreeMap::from([("loss".into(), report.train_loss)]),
            validation,
            rotation_error: report.rotation_error,
        };
        if let Err(error) = self.run.append(&record) {
            self.failure.get_or_insert(error);
        }
    }
}
