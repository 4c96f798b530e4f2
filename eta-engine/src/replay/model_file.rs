//! A learned model as one file in a folder, for `replay --model`. The live engine keeps its model in
//! the store instead.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use transit_model::timetable::LinkKey;

use crate::engine::{Holding, Lasting, Model};
use crate::learning::calibration::Calibration;
use crate::learning::halts::Halts;
use crate::learning::links::{LinkModel, LinkStats, ModelFrame};
use crate::learning::residual::Residual;

/// What the file calls itself; another name or version is refused.
pub const FORMAT: &str = "zupynka-model-5";
const NAME: &str = "model.json";

#[derive(Serialize, Deserialize)]
struct Kept {
    format: String,
    frame: ModelFrame,
    halts: Halts,
    residual: Residual,
    calibration: Calibration,
    start_lateness: f32,
    lasting: Lasting,
    holding: Holding,
    links: Vec<(LinkKey, LinkStats)>,
}

/// The model of a folder. Where there is none it begins afresh; so it does where the file is of
/// another version or truncated, which is then said by name and the file kept as `model.json.refused`.
#[must_use]
pub fn load(dir: &Path) -> Model {
    let path = dir.join(NAME);
    let file = match File::open(&path) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Model::default(),
        Err(e) => {
            tracing::warn!(path = %path.display(), error = %e, "cannot open the model; starting afresh");
            return Model::default();
        }
    };
    let refused = match serde_json::from_reader::<_, Kept>(BufReader::new(file)) {
        Ok(k) if k.format == FORMAT && k.calibration.is_whole() && k.residual.is_whole() && k.halts.is_whole() => {
            return Model {
                links: LinkModel::restore(k.frame, k.links),
                halts: k.halts,
                residual: k.residual,
                calibration: k.calibration,
                start_lateness: k.start_lateness,
                lasting: k.lasting,
                holding: k.holding,
            };
        }
        Ok(k) => format!("it is a `{}`, this is `{FORMAT}`", k.format),
        Err(e) => e.to_string(),
    };
    let aside = dir.join(format!("{NAME}.refused"));
    let kept = std::fs::rename(&path, &aside).is_ok();
    tracing::warn!(path = %path.display(), %refused, kept_aside = kept, "the model is refused; starting afresh");
    Model::default()
}

/// Keeps a model in a folder, in place of the one there, in one step.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn save(dir: &Path, model: &Model) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let kept = Kept {
        format: FORMAT.to_owned(),
        frame: model.links.frame(),
        halts: model.halts.clone(),
        residual: model.residual.clone(),
        calibration: model.calibration.clone(),
        start_lateness: model.start_lateness,
        lasting: model.lasting,
        holding: model.holding,
        links: model.links.all(),
    };
    let new = dir.join(format!("{NAME}.new"));
    let mut file = BufWriter::new(File::create(&new)?);
    serde_json::to_writer(&mut file, &kept)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    std::fs::rename(new, dir.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::links::{DayKind, When};

    #[test]
    fn a_kept_model_comes_back_and_a_broken_one_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).links.is_empty());
        let mut model = Model::default();
        model.links.learn(LinkKey(3), 80.0, 60.0, When { kind: DayKind::Workday, second: 30_000.0, unix: 30_000.0 });
        save(dir.path(), &model).unwrap();
        assert_eq!(load(dir.path()).links.len(), 1);
        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(load(dir.path()).links.is_empty());
        assert!(dir.path().join("model.json.refused").exists() && !path.exists());
        std::fs::write(&path, text.replace(FORMAT, "zupynka-model-9")).unwrap();
        assert!(load(dir.path()).links.is_empty());
    }
}
