//! What a configuration chooses of the model and of the training.

use serde::Serialize;
use steerable_train::models::{ModelError, NetworkConfig, NetworkKind, check_width};
use steerable_train::tasks::Task;
use steerable_train::{Schedule, TrainError, TrainingConfig};

use crate::config::{
    ConfigError, EdgeKind, HeadSection, LossSection, RunConfig, TaskKind, keys, overlay, taken,
};
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
        check_keys(config, &network, &head)?;
        check_network(config, &network, &head)?;
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

/// Refuses keys that the task, or the model that is chosen, does not read.
fn check_keys(
    config: &RunConfig,
    network: &NetworkConfig,
    head: &HeadSection,
) -> Result<(), ConfigError> {
    let refused = |key: &str, value: &toml::Value, why: &str| {
        Err(config.refuse(
            key,
            value,
            &format!("nothing {why}, which does not read it"),
        ))
    };
    let point_net = config.task == TaskKind::Shapes && !head.point_net.is_empty();
    for (key, value) in &config.model {
        let read = match key.as_str() {
            "point_net" => config.task == TaskKind::Shapes,
            _ if point_net => {
                return refused(&format!("model.{key}"), value, "beside model.point_net");
            }
            "width" => config.task != TaskKind::Vectors,
            "pooling" => config.task == TaskKind::Qm9,
            "bonds" => config.task != TaskKind::Shapes,
            _ => true,
        };
        if !read {
            let why = format!("for the task {}", toml_of(config.task));
            return refused(&format!("model.{key}"), value, &why);
        }
        let read = match key.as_str() {
            "heads" => network.kind == NetworkKind::Transformer,
            "neighbours" => network.kind != NetworkKind::Transformer,
            _ => true,
        };
        if !read {
            let why = format!("with kind = {}", toml_of(network.kind));
            return refused(&format!("model.{key}"), value, &why);
        }
        if key == "radial_functions" && network.cutoff.is_none() {
            return refused("model.radial_functions", value, "with cutoff = \"none\"");
        }
    }
    for (key, value) in &config.training {
        let read = match key.as_str() {
            "force_loss" | "energy_weight" | "force_weight" | "force_step" => {
                config.task == TaskKind::Potential
            }
            "loss" => config.task != TaskKind::Shapes,
            _ => true,
        };
        if !read {
            let why = format!("for the task {}", toml_of(config.task));
            return refused(&format!("training.{key}"), value, &why);
        }
    }
    Ok(())
}

/// Refuses sizes of nothing, and edges shorter than the kernels reach, where an energy would jump.
fn check_network(
    config: &RunConfig,
    network: &NetworkConfig,
    head: &HeadSection,
) -> Result<(), ConfigError> {
    if let Err(ModelError::Value {
        key,
        value,
        allowed,
    }) = check_width(head.width)
    {
        return Err(config.refuse(&format!("model.{key}"), &value, allowed));
    }
    if head.point_net.contains(&0) {
        let value = format!("{:?}", head.point_net);
        return Err(config.refuse("model.point_net", &value, "widths of at least 1"));
    }
    let (graph, cutoff) = (&config.graph, network.cutoff);
    if let (TaskKind::Potential, EdgeKind::Radius, Some(cutoff)) =
        (config.task, graph.edges, cutoff)
        && graph.radius < cutoff
    {
        let allowed = format!(
            "at least model.cutoff = {cutoff} for the task \"potential\": the energy fades to its end there, and would \
             jump where an edge comes or goes before"
        );
        return Err(config.refuse("graph.radius", &graph.radius, &allowed));
    }
    Ok(())
}

/// A choice by its name in a configuration.
fn toml_of(choice: impl Serialize) -> toml::Value {
    toml::Value::try_from(choice).expect("a name")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn chosen(text: &str) -> Result<Choices, String> {
        let config = RunConfig::parse(Path::new("a.toml"), text.into());
        let chosen = config.and_then(|config| Choices::of(&config));
        chosen.map_err(|error| error.to_string())
    }

    /// A configuration of a task with lines of `[model]` and `[training]`.
    fn text(task: &str, model: &str, training: &str) -> String {
        let data = match task {
            "qm9" => "target = \"homo\"\ntrain = 1\nvalidation = 1\ntest = 1",
            "vectors" => "vectors = \"forces\"\ntrain = 1\nvalidation = 1",
            "potential" => "train = 1\nvalidation = 1",
            _ => "",
        };
        format!(
            "task = \"{task}\"\n[data]\nfile = \"x\"\n{data}\n[model]\n{model}\n[training]\n{training}\n"
        )
    }

    #[test]
    fn keys_that_nothing_reads_are_refused() {
        for (task, model, training, told) in [
            ("potential", "point_net = [8]", "", "model.point_net = [8]"),
            (
                "potential",
                "pooling = \"sum\"",
                "",
                "model.pooling = \"sum\"",
            ),
            ("vectors", "width = 8", "", "model.width = 8"),
            ("shapes", "bonds = true", "", "model.bonds = true"),
            (
                "shapes",
                "point_net = [8]\nlayers = 2",
                "",
                "model.layers = 2",
            ),
            ("qm9", "heads = 2", "", "model.heads = 2"),
            (
                "qm9",
                "kind = \"transformer\"\nneighbours = 9",
                "",
                "model.neighbours = 9",
            ),
            (
                "qm9",
                "cutoff = \"none\"\nradial_functions = 9",
                "",
                "model.radial_functions = 9",
            ),
            (
                "qm9",
                "",
                "energy_weight = 1.0",
                "training.energy_weight = 1.0",
            ),
            (
                "vectors",
                "",
                "force_loss = \"huber\"",
                "training.force_loss = \"huber\"",
            ),
            (
                "shapes",
                "",
                "loss = \"huber\"",
                "training.loss = \"huber\"",
            ),
        ] {
            let error = chosen(&text(task, model, training)).unwrap_err();
            assert!(
                error.contains(told) && error.contains("does not read it"),
                "{task}: {error}"
            );
        }
    }

    #[test]
    fn sizes_of_nothing_and_edges_shorter_than_the_kernels_are_refused() {
        for (task, model, told) in [
            ("qm9", "width = 0", "model.width = 0: at least 1"),
            (
                "shapes",
                "point_net = [8, 0]",
                "model.point_net = [8, 0]: widths of at least 1",
            ),
            (
                "potential",
                "cutoff = 5.5",
                "graph.radius = 5: at least model.cutoff = 5.5 for the task \"potential\"",
            ),
        ] {
            let error = chosen(&text(task, model, "")).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        chosen(&text("vectors", "cutoff = 5.5", "")).unwrap();
        chosen(&text("potential", "cutoff = 5.0", "force_step = 0.01")).unwrap();
    }

    #[test]
    fn the_configurations_that_come_with_the_program_are_good() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                Choices::of(&RunConfig::read(&file).unwrap()).unwrap();
                read += 1;
            }
        }
        assert!(read >= 9, "{read}");
    }
}
