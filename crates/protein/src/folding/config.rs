//! All choices of a folding model: a checkpoint holds them, and the model is built from them.

use burn::config::Config;
use burn::tensor::Device;
use steerable_nn::BuildError;

use super::model::{FoldingModel, RESIDUE_INPUTS};
use crate::structure::{LayerConfig, NeighbourConfig, StructureModuleConfig};
use crate::trunk::{ObservedDistances, ObservedOrientations, TrunkConfig};
use crate::{AminoAcid, DistanceBins, DistogramError};

/// Bins of distances of one width, and the two outside.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BinsConfig {
    /// Where the first inner bin begins, in angstrom.
    #[config(default = 2.0)]
    pub first: f64,
    /// Where the last inner bin ends, in angstrom.
    #[config(default = 20.0)]
    pub last: f64,
    /// The number of inner bins.
    #[config(default = 36)]
    pub inner: usize,
}

impl BinsConfig {
    /// The bins.
    ///
    /// # Errors
    /// [`DistogramError::Edges`].
    pub fn bins(&self) -> Result<DistanceBins, DistogramError> {
        DistanceBins::uniform(self.first, self.last, self.inner)
    }
}

/// Configuration of a [`FoldingModel`].
#[derive(Config, Debug)]
pub struct FoldingConfig {
    /// The structure module.
    pub structure: StructureModuleConfig,
    /// Its layers.
    pub layer: LayerConfig,
    /// Who hears whom.
    #[config(default = "NeighbourConfig::new()")]
    pub neighbours: NeighbourConfig,
    /// How often the module runs on its own output when the model is used.
    #[config(default = 1)]
    pub num_passes: usize,
    /// The bins of observed and of predicted distances.
    #[config(default = "BinsConfig::new()")]
    pub bins: BinsConfig,
    /// Bins around the circle of observed orientations, an even number, where the trunk reads them.
    pub orientation_bins: Option<usize>,
    /// The trunk of a model that starts from distances.
    pub trunk: Option<TrunkConfig>,
}

impl FoldingConfig {
    /// A model that refines backbones.
    pub fn refining(layer: LayerConfig) -> Self {
        Self::new(StructureModuleConfig::new(RESIDUE_INPUTS), layer)
    }

    /// A model that starts from observed distances and, where `orientation_bins` says in how many bins
    /// around the circle (an even number), orientations.
    ///
    /// # Errors
    /// [`DistogramError::Edges`].
    pub fn from_distances(
        layer: LayerConfig,
        bins: BinsConfig,
        orientation_bins: Option<usize>,
    ) -> Result<Self, DistogramError> {
        let table = bins.bins()?;
        let features = ObservedDistances::num_features(&table)
            + orientation_bins.map_or(0, |_| ObservedOrientations::NUM_FEATURES);
        let trunk = TrunkConfig::new(AminoAcid::COUNT, features, table.len());
        let structure =
            StructureModuleConfig::new(RESIDUE_INPUTS).with_num_pair_inputs(trunk.num_pair);
        Ok(Self::new(structure, layer)
            .with_bins(bins)
            .with_orientation_bins(orientation_bins)
            .with_trunk(Some(trunk)))
    }

    /// Makes the model.
    ///
    /// # Errors
    /// [`BuildError::BadValue`] for bins of angles that are not an even number, and as
    /// [`StructureModuleConfig::try_init_any`].
    pub fn try_init(&self, device: &Device) -> Result<FoldingModel, BuildError> {
        let bins_of_angles = [
            ("num_chi_bins", Some(self.structure.num_chi_bins)),
            ("orientation_bins", self.orientation_bins),
        ];
        for (name, count) in bins_of_angles {
            if let Some(count) = count.filter(|count| *count == 0 || count % 2 == 1) {
                return Err(BuildError::BadValue {
                    layer: "FoldingModel".into(),
                    name,
                    value: count,
                    expected: "there must be an even number of bins, at least 2",
                });
            }
        }
        let structure = self.structure.try_init_any(&self.layer, device)?;
        let trunk = self.trunk.as_ref().map(|trunk| trunk.init(device));
        Ok(FoldingModel::new(trunk, structure, self.clone()))
    }
}
