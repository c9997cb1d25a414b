//! Reading a configuration.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Table;

use super::error::{ConfigError, told};
use super::paths::with_paths;
use super::sections::{
    DataConfig, EdgeKind, GraphSection, OutputSection, Qm9Data, ShapeData, StructureData, TaskKind,
};

/// The most threads that make batches: far more than keep a training busy, and no more than a machine can start.
const MOST_WORKERS: usize = 256;

/// The configuration of a run. What `[model]` and `[training]` may hold is the model's and the trainer's
/// matter: these are tables still ([`super::overlay`]).
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// What is learned.
    pub task: TaskKind,
    /// The data.
    pub data: DataConfig,
    /// Edges and batches.
    pub graph: GraphSection,
    /// The model.
    pub model: Table,
    /// The training.
    pub training: Table,
    /// Where results go.
    pub output: OutputSection,
}

/// The sections, with the data of a task.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections<D> {
    #[serde(rename = "task")]
    _task: TaskKind,
    data: D,
    #[serde(default)]
    graph: GraphSection,
    #[serde(default)]
    model: Table,
    #[serde(default)]
    training: Table,
    #[serde(default)]
    output: OutputSection,
}

impl RunConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or a key or value is not known: with the line, what is allowed
    /// and the nearest name.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Io {
            file: file.to_path_buf(),
            source,
        })?;
        Self::parse(file, text)
    }

    /// Of a text; the file serves to name it and to find data beside it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(file: &Path, text: String) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct TaskOnly {
            task: TaskKind,
        }
        let TaskOnly { task } = parsed(file, &text)?;
        match task {
            TaskKind::Qm9 => Self::of(file, text, task, |data: Qm9Data| DataConfig::Qm9(data)),
            TaskKind::Potential | TaskKind::Vectors => {
                Self::of(file, text, task, |data: StructureData| {
                    DataConfig::Structures(data)
                })
            }
            TaskKind::Shapes => {
                Self::of(file, text, task, |data: ShapeData| DataConfig::Shapes(data))
            }
        }
    }

    fn of<D: DeserializeOwned>(
        file: &Path,
        text: String,
        task: TaskKind,
        data: impl FnOnce(D) -> DataConfig,
    ) -> Result<Self, ConfigError> {
        let sections: Sections<D> = parsed(file, &text)?;
        let config = Self {
            file: file.to_path_buf(),
            text,
            task,
            data: data(sections.data),
            graph: sections.graph,
            model: sections.model,
            training: sections.training,
            output: sections.output,
        };
        config.check()?;
        Ok(config)
    }

    /// A value that is not allowed.
    pub fn refuse(&self, key: &str, value: &dyn std::fmt::Display, allowed: &str) -> ConfigError {
        ConfigError::Value {
            file: self.file.clone(),
            key: key.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let graph = &self.graph;
        if !(graph.radius > 0.0 && graph.radius.is_finite()) {
            return Err(self.refuse("graph.radius", &graph.radius, "a positive length"));
        }
        for (key, value) in [
            ("graph.batch_nodes", graph.batch_nodes),
            ("graph.batch_edges", graph.batch_edges),
        ] {
            if value == 0 {
                return Err(self.refuse(key, &value, "at least 1"));
            }
        }
        if !(1..=MOST_WORKERS).contains(&graph.workers) {
            let allowed = format!("from 1 to {MOST_WORKERS}");
            return Err(self.refuse("graph.workers", &graph.workers, &allowed));
        }
        if graph.edges == EdgeKind::Nearest && graph.neighbours == 0 {
            let allowed = "at least 1 with edges = \"nearest\"";
            return Err(self.refuse("graph.neighbours", &graph.neighbours, allowed));
        }
        self.check_edges()?;
        match &self.data {
            DataConfig::Qm9(data) => self.check_sizes(data.train, data.validation),
            DataConfig::Structures(data) => {
                self.check_sizes(data.train, data.validation)?;
                match (self.task, data.vectors) {
                    (TaskKind::Vectors, None) => Err(self.refuse(
                        "data.vectors",
                        &"nothing",
                        "\"forces\" or \"dipole\" for the task \"vectors\"",
                    )),
                    (TaskKind::Potential, Some(_)) => Err(self.refuse(
                        "data.vectors",
                        &"given",
                        "nothing for the task \"potential\", which learns energies and forces",
                    )),
                    _ => Ok(()),
                }
            }
            DataConfig::Shapes(data) if data.points == Some(0) => {
                Err(self.refuse("data.points", &0, "at least 1"))
            }
            DataConfig::Shapes(data) => match data.validation {
                part if part > 0.0 && part < 1.0 => Ok(()),
                part => Err(self.refuse("data.validation", &part, "a part between 0 and 1")),
            },
        }
    }

    /// Refuses keys of `[graph]` that the edges do not read, and edges over which an energy would jump.
    fn check_edges(&self) -> Result<(), ConfigError> {
        const JUMPS: &str = "with others an energy jumps where an edge comes or goes";
        let graph = &self.graph;
        let edges = toml::Value::try_from(graph.edges).expect("a name");
        let reads: &[&str] = match graph.edges {
            EdgeKind::Bonds | EdgeKind::Complete => &[],
            EdgeKind::Radius => &["radius", "neighbours"],
            EdgeKind::Nearest => &["neighbours"],
        };
        for key in ["radius", "neighbours"] {
            if let Some(value) = self.given("graph", key)
                && !reads.contains(&key)
            {
                let allowed = format!("nothing with edges = {edges}, which do not read it");
                return Err(self.refuse(&format!("graph.{key}"), &value, &allowed));
            }
        }
        if self.task != TaskKind::Potential {
            return Ok(());
        }
        match graph.edges {
            EdgeKind::Bonds | EdgeKind::Nearest => {
                let allowed =
                    format!("\"radius\" or \"complete\" for the task \"potential\": {JUMPS}");
                Err(self.refuse("graph.edges", &edges, &allowed))
            }
            EdgeKind::Radius if graph.neighbours > 0 => {
                let allowed =
                    format!("0, all within the radius, for the task \"potential\": {JUMPS}");
                Err(self.refuse("graph.neighbours", &graph.neighbours, &allowed))
            }
            EdgeKind::Radius | EdgeKind::Complete => Ok(()),
        }
    }

    /// What the text gives for a key, if it does.
    pub fn given(&self, section: &str, key: &str) -> Option<toml::Value> {
        let table: Table = self.text.parse().ok()?;
        table.get(section)?.get(key).cloned()
    }

    /// The key, with its value, by which the model is told to read bonds, if there is one.
    pub fn reads_bonds(&self) -> Option<(&'static str, &'static str)> {
        let told = self.model.get("bonds").and_then(toml::Value::as_bool);
        match self.graph.edges {
            EdgeKind::Bonds => Some(("graph.edges", "\"bonds\"")),
            _ if told == Some(true) => Some(("model.bonds", "true")),
            _ => None,
        }
    }

    fn check_sizes(&self, train: usize, validation: usize) -> Result<(), ConfigError> {
        for (key, value) in [("data.train", train), ("data.validation", validation)] {
            if value == 0 {
                return Err(self.refuse(key, &value, "at least 1"));
            }
        }
        Ok(())
    }

    /// A path of the configuration: as it stands if it is absolute, else from the configuration's folder if
    /// something is there, else from the working directory.
    pub fn path(&self, path: &Path) -> PathBuf {
        let beside = self.file.parent().unwrap_or(Path::new("")).join(path);
        match beside.exists() {
            true => beside,
            false => path.to_path_buf(),
        }
    }

    /// A path of the configuration where something is.
    ///
    /// # Errors
    /// When nothing is there, with the key.
    pub fn found(&self, key: &str, path: &Path) -> Result<PathBuf, ConfigError> {
        let found = self.path(path);
        match found.exists() {
            true => Ok(found),
            false => {
                let hint = match self.task {
                    TaskKind::Qm9 => "; `steerable data fetch qm9` makes data/qm9.npz",
                    _ => "",
                };
                let told = format!("not there, neither beside the configuration nor here{hint}");
                Err(self.refuse(key, &format!("{:?}", path.display().to_string()), &told))
            }
        }
    }

    /// The text with the paths of the data as they were found, so that a copy of it elsewhere means the same.
    pub fn text_with_paths(&self) -> String {
        with_paths(&self.text, |path| {
            let found = self.path(path).canonicalize().ok()?;
            Some(found.display().to_string())
        })
    }

    /// The folder of the run.
    pub fn directory(&self) -> PathBuf {
        let name = self.file.file_stem().unwrap_or_default();
        self.output
            .directory
            .clone()
            .unwrap_or_else(|| Path::new("runs").join(name))
    }
}

fn parsed<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Text {
        file: file.to_path_buf(),
        text: told(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "task = \"qm9\"\n[data]\nfile = \"qm9.npz\"\ntarget = \"homo\"\n\
                        train = 10\nvalidation = 2\ntest = 2\n[graph]\nedges = \"bonds\"\n";

    fn read(text: &str) -> Result<RunConfig, String> {
        RunConfig::parse(Path::new("a.toml"), text.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_configuration_is_read() {
        let config = read(GOOD).unwrap();
        assert_eq!(config.task, TaskKind::Qm9);
        assert_eq!(config.directory(), Path::new("runs/a"));
        assert_eq!(
            config.graph.batch_nodes,
            GraphSection::default().batch_nodes
        );
    }

    #[test]
    fn errors_name_line_key_value_what_is_allowed_and_the_nearest_name() {
        let error = read(&GOOD.replace("train", "trian")).unwrap_err();
        assert!(
            error.contains("a.toml") && error.contains("line 5") && error.contains("`trian`"),
            "{error}"
        );
        assert!(error.ends_with("did you mean `train`?"), "{error}");

        let error = read(&GOOD.replace("\"homo\"", "\"hommo\"")).unwrap_err();
        assert!(
            error.contains("unknown target `hommo`") && error.ends_with("did you mean `homo`?"),
            "{error}"
        );

        let error = read(&GOOD.replace("\"qm9\"\n", "\"qm8\"\n")).unwrap_err();
        assert!(
            error.contains("`potential`") && error.ends_with("did you mean `qm9`?"),
            "{error}"
        );

        let error = read(&GOOD.replace("[graph]", "[graph]\nradius = -1.0")).unwrap_err();
        assert_eq!(error, "a.toml: graph.radius = -1: a positive length");

        let error = read(&GOOD.replace("train = 10", "train = \"ten\"")).unwrap_err();
        assert!(error.contains("expected usize"), "{error}");

        let error = read(&GOOD.replace("[graph]", "[graph]\nworkers = 100000")).unwrap_err();
        assert_eq!(error, "a.toml: graph.workers = 100000: from 1 to 256");
    }

    #[test]
    fn edges_over_which_an_energy_would_jump_are_refused() {
        let text =
            "task = \"potential\"\n[data]\nfile = \"x.xyz\"\ntrain = 1\nvalidation = 1\n[graph]\n";
        for good in ["", "radius = 4.0", "edges = \"complete\"", "neighbours = 0"] {
            read(&format!("{text}{good}")).unwrap();
        }
        for (bad, told) in [
            (
                "edges = \"bonds\"",
                "graph.edges = \"bonds\": \"radius\" or",
            ),
            (
                "edges = \"nearest\"\nneighbours = 8",
                "graph.edges = \"nearest\": \"radius\" or",
            ),
            ("neighbours = 8", "graph.neighbours = 8: 0, all within"),
        ] {
            let error = read(&format!("{text}{bad}")).unwrap_err();
            assert!(error.contains(told) && error.contains("jumps"), "{error}");
        }
    }

    #[test]
    fn keys_that_do_not_go_with_the_task_are_refused() {
        let text = "task = \"vectors\"\n[data]\nfile = \"x.xyz\"\ntrain = 1\nvalidation = 1\n";
        let error = read(text).unwrap_err();
        assert!(
            error.contains("data.vectors") && error.contains("dipole"),
            "{error}"
        );
        let error = read(
            &text
                .replace("\"vectors\"", "\"potential\"")
                .replace("validation = 1", "validation = 1\nvectors = \"forces\""),
        );
        assert!(error.unwrap_err().contains("data.vectors"));

        for (edges, key, told) in [
            ("bonds", "radius = 4.0", "graph.radius = 4.0"),
            ("complete", "neighbours = 7", "graph.neighbours = 7"),
            (
                "nearest",
                "neighbours = 7\nradius = 4.0",
                "graph.radius = 4.0",
            ),
        ] {
            let text = GOOD.replace("\"bonds\"", &format!("\"{edges}\"\n{key}"));
            let error = read(&text).unwrap_err();
            let allowed = format!("nothing with edges = \"{edges}\"");
            assert!(error.contains(told) && error.contains(&allowed), "{error}");
        }

        let shapes = "task = \"shapes\"\n[data]\nfile = \"x.npz\"\npoints = 0\n";
        let error = read(shapes).unwrap_err();
        assert_eq!(error, "a.toml: data.points = 0: at least 1");
    }
}
