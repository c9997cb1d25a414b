//! A checkpoint in memory, and as a file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{BoolStore, DType, TensorData};
use safetensors::{Dtype, SafeTensors, View};
use steerable_irreps::Layout;

use super::conventions::Conversion;
use super::error::CheckpointError;
use super::header::{CHECKSUM, HEADER, Header, no_header};
use super::optimizer;
use super::parameters::{self, Group, Misfit};

/// A header and tensors by name.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The header.
    pub header: Header,
    tensors: BTreeMap<String, TensorData>,
    /// Where it came from, for errors.
    file: PathBuf,
    conversions: Vec<Conversion>,
}

impl Checkpoint {
    /// Without tensors.
    pub fn new(header: Header) -> Self {
        Self {
            header,
            tensors: BTreeMap::new(),
            file: "the checkpoint".into(),
            conversions: Vec::new(),
        }
    }

    /// Adds all parameters of a module, by their paths in it.
    pub fn insert_module<M: Module>(&mut self, group: Group, module: &M) {
        for (name, data) in parameters::collect(module) {
            self.insert(group, &name, data);
        }
    }

    /// Adds the state of the optimizer of a module: `PARAMETER.moment_1` and so on.
    ///
    /// # Errors
    /// When burn cannot take it apart.
    pub fn insert_optimizer<M: Module>(
        &mut self,
        optimizer: &ModuleOptimizer,
        module: &M,
    ) -> Result<(), CheckpointError> {
        let tensors = optimizer::tensors(optimizer, &parameters::identities(module));
        for (name, data) in tensors.map_err(|reason| self.optimizer_error(reason))? {
            self.insert(Group::Optimizer, &name, data);
        }
        Ok(())
    }

    /// Adds a tensor.
    pub fn insert(&mut self, group: Group, name: &str, data: TensorData) {
        self.tensors
            .insert(format!("{}{name}", group.prefix()), data);
    }

    /// A tensor.
    pub fn get(&self, group: Group, name: &str) -> Option<&TensorData> {
        self.tensors.get(&format!("{}{name}", group.prefix()))
    }

    /// The tensors of a group by name, in the order of the names.
    pub fn group(&self, group: Group) -> impl Iterator<Item = (&str, &TensorData)> {
        self.tensors
            .iter()
            .filter_map(move |(name, data)| Some((group.strip(name)?, data)))
    }

    /// Whether there are tensors of a group.
    pub fn has(&self, group: Group) -> bool {
        self.group(group).next().is_some()
    }

    /// Where it was loaded from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What was converted when it was loaded.
    pub fn conversions(&self) -> &[Conversion] {
        &self.conversions
    }

    /// Puts the tensors of a group into a module, which keeps its devices, types and identities.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape, or a tensor finds no parameter.
    pub fn apply<M: Module>(&self, group: Group, module: M) -> Result<M, CheckpointError> {
        let tensors = self
            .group(group)
            .map(|(name, data)| (name.to_string(), data.clone()));
        let (module, misfits, unexpected) = parameters::apply(module, tensors.collect());
        let file = || self.file.clone();
        let mut missing = Vec::new();
        for misfit in misfits {
            match misfit {
                Misfit::Missing(name) => missing.push(format!("{}{name}", group.prefix())),
                Misfit::Shape {
                    name,
                    found,
                    expected,
                } => {
                    return Err(CheckpointError::Shape {
                        file: file(),
                        name: format!("{}{name}", group.prefix()),
                        found,
                        expected,
                    });
                }
            }
        }
        if !missing.is_empty() {
            return Err(CheckpointError::Missing {
                file: file(),
                names: missing,
            });
        }
        if !unexpected.is_empty() {
            let names = unexpected.into_iter();
            return Err(CheckpointError::Unexpected {
                file: file(),
                names: names.map(|n| format!("{}{n}", group.prefix())).collect(),
            });
        }
        Ok(module)
    }

    /// Gives an optimizer the state it had for the parameters of the same names.
    ///
    /// # Errors
    /// When the state is of parameters that the module lacks, or burn cannot put it together.
    pub fn apply_optimizer<M: Module>(
        &self,
        optimizer: ModuleOptimizer,
        module: &M,
    ) -> Result<ModuleOptimizer, CheckpointError> {
        optimizer::restore(
            optimizer,
            self.group(Group::Optimizer),
            &parameters::identities(module),
        )
        .map_err(|reason| self.optimizer_error(reason))
    }

    fn optimizer_error(&self, reason: String) -> CheckpointError {
        CheckpointError::Optimizer {
            file: self.file.clone(),
            reason,
        }
    }

    /// Writes the file: its name stands for the whole content or for what it stood for before.
    ///
    /// # Errors
    /// When the file system refuses, or a tensor has a type that safetensors lacks.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.to_bytes(path)?;
        write_atomically(path, &bytes).map_err(CheckpointError::io("write", path))
    }

    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        let mut header = self.header.clone();
        header.parameters = self
            .group(Group::Model)
            .map(|(_, d)| d.num_elements())
            .sum();
        header.parameter_bytes = self
            .group(Group::Model)
            .map(|(_, d)| d.as_bytes().len())
            .sum();
        let header = serde_json::to_string(&header).expect("strings, numbers and maps of strings");
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, data) in &self.tensors {
            let dtype = to_safetensors(data.dtype()).ok_or_else(|| CheckpointError::Type {
                file: path.to_path_buf(),
                name: name.clone(),
                dtype: format!("{:?}", data.dtype()),
            })?;
            views.push((name.as_str(), Tensor { data, dtype }));
        }
        let sum = checksum(
            &header,
            views.iter().map(|(name, tensor)| {
                (*name, tensor.dtype, tensor.shape(), tensor.data.as_bytes())
            }),
        );
        // "pt" is what Python's readers expect to find.
        let metadata = HashMap::from([
            ("format".to_string(), "pt".to_string()),
            (HEADER.to_string(), header),
            (CHECKSUM.to_string(), sum),
        ]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| {
            CheckpointError::NotSafetensors {
                file: path.to_path_buf(),
                reason: error.to_string(),
            }
        })
    }

    /// Reads and checks a file, and converts it to the library's conventions.
    ///
    /// # Errors
    /// When it cannot be read, is no checkpoint, is damaged, of a later format or under conventions that
    /// cannot be converted.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path).map_err(CheckpointError::io("read", path))?;
        let not = |error: safetensors::SafeTensorError| CheckpointError::NotSafetensors {
            file: path.to_path_buf(),
            reason: error.to_string(),
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(not)?;
        let content = SafeTensors::deserialize(&bytes).map_err(not)?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let text = metadata.get(HEADER).ok_or_else(|| no_header(path))?;
        let header = Header::parse(path, text)?;
        let mut views = content.tensors();
        views.sort_by(|(a, _), (b, _)| a.cmp(b));
        let sum = checksum(
            text,
            views
                .iter()
                .map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data())),
        );
        if metadata.get(CHECKSUM) != Some(&sum) {
            let found = metadata.get(CHECKSUM).map_or("none", String::as_str);
            return Err(CheckpointError::Damaged {
                file: path.to_path_buf(),
                reason: format!("its content has checksum {sum}, written was {found}"),
            });
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in views {
            let dtype = from_safetensors(view.dtype()).ok_or_else(|| CheckpointError::Type {
                file: path.to_path_buf(),
                name: name.clone(),
                dtype: format!("{:?}", view.dtype()),
            })?;
            let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape(), dtype);
            tensors.insert(name, data);
        }
        let mut checkpoint = Self {
            header,
            tensors,
            file: path.to_path_buf(),
            conversions: Vec::new(),
        };
        checkpoint.convert()?;
        Ok(checkpoint)
    }

    fn convert(&mut self) -> Result<(), CheckpointError> {
        let conversions = self.header.conventions.conversions().map_err(|reason| {
            CheckpointError::Conventions {
                file: self.file.clone(),
                reason,
            }
        })?;
        if conversions.contains(&Conversion::Layout) {
            for (name, irreps) in &self.header.feature_rows {
                let Some(data) = self.tensors.get_mut(name) else {
                    continue;
                };
                let shape = data.shape().clone();
                if shape.to_vec().last() != Some(&irreps.dim()) {
                    return Err(CheckpointError::Damaged {
                        file: self.file.clone(),
                        reason: format!(
                            "\"{name}\" should hold rows of {irreps} and has shape {:?}",
                            shape.to_vec()
                        ),
                    });
                }
                let dtype = data.dtype();
                let items = data.as_bytes().chunks_exact(dtype.size());
                let items: Vec<&[u8]> = items.collect();
                let turned = irreps.convert_layout(Layout::MulIr, Layout::IrMul, &items);
                *data = TensorData::from_bytes_vec(turned.concat(), shape, dtype);
            }
            self.header.conventions.layout = "ir_mul".into();
        }
        self.conversions = conversions;
        Ok(())
    }
}

/// Writes a file so that its name only ever stands for the whole content.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(PART);
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The new name is on the disk when its folder is. Not every system can flush a folder.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(folder) = fs::File::open(folder.unwrap_or(Path::new("."))) {
            folder.sync_all().ok();
        }
        Ok(())
    })();
    if written.is_err() {
        // What is half written only takes room; the error to tell is the first one.
        fs::remove_file(&temporary).ok();
    }
    written
}

/// Ends the name of a file that is being written.
pub(super) const PART: &str = ".part";

/// CRC-32 of the header's text, then for each tensor in the order of the names: name, type, shape, data.
fn checksum<'a>(
    header: &str,
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
) -> String {
    let mut hash = crc32fast::Hasher::new();
    hash.update(header.as_bytes());
    for (name, dtype, shape, data) in tensors {
        hash.update(name.as_bytes());
        hash.update(format!("{dtype:?}{shape:?}").as_bytes());
        hash.update(data);
    }
    format!("crc32:{:08x}", hash.finalize())
}

struct Tensor<'a> {
    data: &'a TensorData,
    dtype: Dtype,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.data.as_bytes().into()
    }

    fn data_len(&self) -> usize {
        self.data.as_bytes().len()
    }
}

fn to_safetensors(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool(BoolStore::Native) => Dtype::BOOL,
        _ => return None,
    })
}

fn from_safetensors(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
