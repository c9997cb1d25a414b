//! A picture of each refined chain: its CA trace, its torsions, and how sure the model was of each
//! residue.

use std::error::Error;
use std::path::Path;

use nalgebra::{Matrix3, Vector3};
use plotters::coord::Shift;
use plotters::prelude::*;
use steerable_protein::{Backbone, Frame, Matched};

use super::data::{Target, ca};
use super::error::FoldError;
use super::evaluation::Refined;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const TRUE: RGBColor = RGBColor(90, 90, 90);
const START: RGBColor = RGBColor(230, 150, 130);
const REFINED: RGBColor = RGBColor(40, 80, 200);

/// Draws one chain.
///
/// # Errors
/// [`FoldError::Plot`] when the file cannot be written.
pub fn draw(file: &Path, target: &Target, refined: &Refined) -> Result<(), FoldError> {
    draw_chain(file, target, refined).map_err(|error| FoldError::Plot {
        file: file.to_path_buf(),
        reason: error.to_string(),
    })
}

fn draw_chain(file: &Path, target: &Target, refined: &Refined) -> Drawn {
    let canvas = SVGBackend::new(file, (1200, 1000)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let (upper, lower) = canvas.split_vertically(540);
    let (left, right) = upper.split_horizontally(600);
    traces(&left, target, refined)?;
    ramachandran(&right, target, refined)?;
    let (left, right) = lower.split_horizontally(740);
    confidences(&left, refined)?;
    calibration(&right, refined)?;
    canvas.present()?;
    Ok(())
}

/// True, start and refined CA, each superposed on the truth, seen along the direction in which the chain
/// is thinnest.
fn traces(area: &Area, target: &Target, refined: &Refined) -> Drawn {
    let truth = ca(&target.frames);
    let view = widest_view(&truth);
    let on_truth = |frames: &[Frame]| -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
        let model = ca(frames);
        let matched = Matched {
            model: &model,
            reference: &truth,
        };
        let motion = matched.superpose()?.motion;
        Ok(model
            .iter()
            .map(|x| view.project(&motion.apply(x)))
            .collect())
    };
    let lines = [
        ("start", START, 1, on_truth(&refined.start)?),
        (
            "true",
            TRUE,
            3,
            truth.iter().map(|x| view.project(x)).collect(),
        ),
        ("refined", REFINED, 2, on_truth(&refined.frames)?),
    ];
    // One scale for both axes: half the picture's longer side.
    let reach = lines.iter().flat_map(|line| &line.3);
    let reach = reach.fold(1.0_f64, |most, (x, y)| most.max(x.abs()).max(y.abs())) * 1.05;
    let title = format!(
        "{}: CA-RMSD {:.2} to {:.2} angstrom",
        target.name, refined.before.rmsd, refined.after.rmsd
    );
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(44)
        .build_cartesian_2d(-reach..reach, -reach..reach)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("angstrom")
        .y_desc("angstrom")
        .draw()?;
    for (name, color, width, points) in lines {
        let style = color.stroke_width(width);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart)
}

/// Phi and psi of the true chain, the start and the refined chain, in degrees.
fn ramachandran(area: &Area, target: &Target, refined: &Refined) -> Drawn {
    let angles = |backbone: &Backbone| -> Vec<(f64, f64)> {
        let torsions = backbone.torsions().into_iter();
        torsions
            .filter_map(|t| Some((t.phi?.to_degrees(), t.psi?.to_degrees())))
            .collect()
    };
    let mut chart = ChartBuilder::on(area)
        .caption("Ramachandran plot", ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(44)
        .build_cartesian_2d(-180.0..180.0, -180.0..180.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(7)
        .y_labels(7)
        .x_desc("phi in degrees")
        .y_desc("psi in degrees")
        .draw()?;
    let clouds = [
        (
            "start",
            START,
            angles(&target.ideal_backbone(&refined.start)),
        ),
        ("true", TRUE, angles(&target.backbone)),
        (
            "refined",
            REFINED,
            angles(&target.ideal_backbone(&refined.frames)),
        ),
    ];
    for (name, color, points) in clouds {
        let style = color.mix(0.7).filled();
        chart
            .draw_series(points.into_iter().map(|at| Circle::new(at, 3, style)))?
            .label(name)
            .legend(move |at| Circle::new(at, 3, style));
    }
    legend(&mut chart)
}

/// Predicted against reached lDDT.
fn calibration(area: &Area, refined: &Refined) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption("predicted against true lDDT", ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("true")
        .y_desc("predicted")
        .draw()?;
    let diagonal = [(0.0, 0.0), (1.0, 1.0)];
    chart.draw_series(LineSeries::new(diagonal, TRUE))?;
    let points = refined.reached.iter().copied();
    let points = points.zip(refined.confidence.iter().copied());
    let style = REFINED.mix(0.7).filled();
    chart.draw_series(points.map(|at| Circle::new(at, 3, style)))?;
    Ok(())
}

/// Predicted and reached lDDT along the chain.
fn confidences(area: &Area, refined: &Refined) -> Drawn {
    let residues = refined.frames.len().max(2) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("lDDT of each residue", ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(44)
        .build_cartesian_2d(1.0..residues, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("residue")
        .draw()?;
    let lines = [
        ("reached", TRUE, &refined.reached),
        ("predicted", REFINED, &refined.confidence),
    ];
    for (name, color, values) in lines {
        let style = color.stroke_width(2);
        let points = (1..).map(f64::from).zip(values.iter().copied());
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart)
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Drawn {
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::LowerRight)
        .draw()?;
    Ok(())
}

/// A projection onto a plane through the centre.
struct View {
    centre: Vector3<f64>,
    axes: [Vector3<f64>; 2],
}

impl View {
    fn project(&self, point: &Vector3<f64>) -> (f64, f64) {
        let [x, y] = self.axes.map(|axis| axis.dot(&(point - self.centre)));
        (x, y)
    }
}

/// The plane of the two directions in which the points are most spread.
fn widest_view(points: &[Vector3<f64>]) -> View {
    let centre = points.iter().sum::<Vector3<f64>>() / points.len() as f64;
    let spread: Matrix3<f64> = points
        .iter()
        .map(|point| (point - centre) * (point - centre).transpose())
        .sum();
    let eigen = spread.symmetric_eigen();
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
    let axis = |i: usize| eigen.eigenvectors.column(order[i]).into_owned();
    View {
        centre,
        axes: [axis(0), axis(1)],
    }
}
