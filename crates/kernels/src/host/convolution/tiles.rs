//! How the edges are cut: tiles that fit the caches, the same whatever the number of threads.

use std::ops::Range;

use super::lanes::LANES;

/// Consecutive edges and the rows they are summed into. A long row is cut into several tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) edges: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// The edges of one row inside a tile, counted from the tile's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) row: usize,
    pub(crate) edges: Range<usize>,
}

impl Tile {
    /// Number of runs of [`LANES`] edges, the last of which may be in part.
    pub(crate) fn runs(&self) -> usize {
        self.edges.len().div_ceil(LANES)
    }

    /// The rows that have edges in the tile.
    pub(crate) fn segments<'a>(
        &'a self,
        row_offsets: &'a [i32],
    ) -> impl Iterator<Item = Segment> + 'a {
        self.rows.clone().filter_map(|row| {
            let start = (row_offsets[row] as usize).max(self.edges.start);
            let end = (row_offsets[row + 1] as usize).min(self.edges.end);
            (start < end).then(|| Segment {
                row,
                edges: start - self.edges.start..end - self.edges.start,
            })
        })
    }

    /// The row of each edge.
    pub(crate) fn rows_of_edges<'a>(
        &'a self,
        row_offsets: &'a [i32],
    ) -> impl Iterator<Item = usize> + 'a {
        let segments = self.segments(row_offsets);
        segments.flat_map(|segment| segment.edges.map(move |_| segment.row))
    }
}

/// Cuts all edges into tiles of at most `edges` edges and `rows` rows that have edges.
pub(crate) fn tiles(row_offsets: &[i32], edges: usize, rows: usize) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = Vec::new();
    let mut open: Option<(Tile, usize)> = None;
    for (row, bounds) in row_offsets.windows(2).enumerate() {
        let (mut start, end) = (bounds[0] as usize, bounds[1] as usize);
        if start == end {
            continue;
        }
        if let Some((tile, count)) = &mut open {
            if tile.edges.len() + (end - start) <= edges && *count < rows {
                tile.edges.end = end;
                tile.rows.end = row + 1;
                *count += 1;
                continue;
            }
            tiles.push(tile.clone());
        }
        while end - start > edges {
            tiles.push(Tile {
                edges: start..start + edges,
                rows: row..row + 1,
            });
            start += edges;
        }
        let tile = Tile {
            edges: start..end,
            rows: row..row + 1,
        };
        open = Some((tile, 1));
    }
    tiles.extend(open.map(|(tile, _)| tile));
    tiles
}

/// Cuts the tiles into at most `parts` runs with about equal numbers of edges; no row is shared.
pub(crate) fn split_at_rows(tiles: &[Tile], parts: usize) -> Vec<Range<usize>> {
    let Some((first, last)) = tiles.first().zip(tiles.last()) else {
        return Vec::new();
    };
    let (start, edges) = (first.edges.start, last.edges.end - first.edges.start);
    let mut cuts = vec![0];
    for part in 1..parts {
        let target = start + edges * part / parts;
        let mut cut = tiles.partition_point(|tile| tile.edges.start < target);
        while cut < tiles.len() && cut > 0 && tiles[cut].rows.start < tiles[cut - 1].rows.end {
            cut += 1;
        }
        cuts.push(cut.max(cuts[part - 1]));
    }
    cuts.push(tiles.len());
    cuts.windows(2)
        .map(|pair| pair[0]..pair[1])
        .filter(|part| !part.is_empty())
        .collect()
}
