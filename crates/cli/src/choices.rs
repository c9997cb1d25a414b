//! What a configuration chooses of the model and of the training.

use steerable_train::models::{ModelError, NetworkConfig};
use steerable_train::tasks::Task;
use steerable_train::{Schedule, TrainError, TrainingConfig};

use crate::config::{ConfigError, HeadSection, LossSection, RunConfig, keys, overlay, taken};
use crate::recipe::potential_task;

/// What `[model]` and `[training]` choose, over the defaults.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The network.
    pub network: NetworkConfig,
    /// What of the model is not its network.
    pub head: HeadSection,
    /// The training.
    pub training: TrainingConfig,
    /// What errors cost.
    pub losses: LossSection,
}

impl Choices {
    /// Of a configuration.
    ///
    /// # Errors
    /// When a key or a value is not allowed.
    pub fn of(config: &RunConfig) -> Result<Self, ConfigError> {
        let file = config.file.as_path();
        let mut section = config.model.clone();
        let head = HeadSection::default();
        let of_head = taken(&head, &mut section);
        let head = overlay(file, "model", &head, &of_head, &[])?;
        let network = overlay(
            file,
            "model",
            &NetworkConfig::default(),
            &section,
            &keys(&head),
        )?;

        let mut section = config.training.clone();
        let (schedule, losses) = (Schedule::default(), LossSection::default());
        let of_schedule = taken(&schedule, &mut section);
        let of_losses = taken(&losses, &mut section);
        let schedule = overlay(file, "training", &schedule, &of_schedule, &[])?;
        let losses = overlay(file, "training", &losses, &of_losses, &[])?;
        let others = [keys(&schedule), keys(&losses)].concat();
        let mut training = overlay(
            file,
            "training",
            &TrainingConfig::default(),
            &section,
            &others,
        )?;
        training.schedule = schedule;
        if let Err(TrainError::Value {
            key,
            value,
            allowed,
        }) = training.check()
        {
            return Err(config.refuse(&format!("training.{key}"), &value, allowed));
        }
        if let Err(ModelError::Value {
            key,
            value,
            allowed,
        }) = potential_task(&losses, "").check()
        {
            let key = if key == "step" { "force_step" } else { key };
            return Err(config.refuse(&format!("training.{key}"), &value, allowed));
        }
        Ok(Self {
            network,
            head,
            training,
            losses,
        })
    }
}
