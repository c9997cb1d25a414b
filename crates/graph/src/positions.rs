//! The one check every neighbour search makes of its points.

use crate::GraphError;

/// Largest coordinate whose squared distances stay finite.
const LARGEST: f64 = 1e150;

pub(crate) fn check(positions: &[[f64; 3]]) -> Result<(), GraphError> {
    check_num_nodes(positions.len())?;
    for (node, &position) in positions.iter().enumerate() {
        if !position.iter().all(|x| x.is_finite()) {
            return Err(GraphError::PositionNotFinite { node, position });
        }
        if position.iter().any(|x| x.abs() > LARGEST) {
            return Err(GraphError::PositionTooLarge {
                node,
                position,
                limit: LARGEST,
            });
        }
    }
    Ok(())
}

pub(crate) fn check_num_nodes(nodes: usize) -> Result<(), GraphError> {
    match u32::try_from(nodes) {
        Ok(_) => Ok(()),
        Err(_) => Err(GraphError::TooManyNodes { nodes }),
    }
}
