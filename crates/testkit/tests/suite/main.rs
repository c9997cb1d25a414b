//! The test kit tested: honest layers pass, broken ones fail, and the kit keeps its own promises.

mod broken_layers_fail;
mod faulty_layers_fail;
mod gradients;
mod honest_layers_pass;
mod layers;
mod samples;
mod the_kit;
