//! Datasets of ours, opened by the programs that others use.

use std::path::{Path, PathBuf};

use keiko_data::{Dataset, check};
use keiko_testkit as testkit;
use serde_json::{Value, json};

use crate::support::{TempDir, action, image, length, record, record_to, spec, state, task};

/// Reads all tables of a dataset with pyarrow and pandas.
const READ: &str = r#"
import json, pathlib, sys
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq

root = pathlib.Path(sys.argv[1])
files = sorted((root / "data").glob("*/*.parquet"))
data = pa.concat_tables([pq.read_table(f, page_checksum_verification=True) for f in files])
episodes = pa.concat_tables([pq.read_table(f, page_checksum_verification=True)
                             for f in sorted((root / "meta/episodes").glob("*/*.parquet"))])
tasks = pd.read_parquet(root / "meta/tasks.parquet")
stats = json.loads((root / "meta/stats.json").read_text())
state = np.array(data["observation.state"].to_pylist(), dtype=np.float64)
kept = stats["observation.state"]
q = {f"q{p:02d}": np.average([np.quantile(state[e["dataset_from_index"]:e["dataset_to_index"]], p / 100, axis=0)
        for e in episodes.to_pylist()], axis=0, weights=episodes["length"].to_numpy()) for p in (1, 10, 50, 90, 99)}
apart = max(np.abs(np.array(kept[name]) - value).max() for name, value in
            {"min": state.min(0), "max": state.max(0), "mean": state.mean(0), "std": state.std(0), **q}.items())
first = episodes.to_pylist()[0]
print(json.dumps({
    "schema": {f.name: str(f.type) for f in data.schema},
    "huggingface": json.loads(data.schema.metadata[b"huggingface"])["info"]["features"],
    "state": data["observation.state"].to_pylist(), "action": data["action"].to_pylist(),
    "index": data["index"].to_pylist(), "frame": data["frame_index"].to_pylist(),
    "episode": data["episode_index"].to_pylist(), "task": data["task_index"].to_pylist(),
    "timestamp": data["timestamp"].to_pylist(), "success": data["next.success"].to_pylist(),
    "png": [row["bytes"].hex() for row in data["observation.images.wrist"].to_pylist()],
    "nulls": sum(column.null_count for column in data.columns + episodes.columns),
    "tasks": tasks.index.tolist(), "task_index": tasks.task_index.tolist(),
    "lengths": episodes["length"].to_pylist(), "of": episodes["tasks"].to_pylist(),
    "count": first["stats/observation.images.front/count"],
    "nested": np.array(first["stats/observation.images.front/mean"]).shape,
    "names": len(episodes.schema.names), "apart": float(apart),
}))
"#;

#[test]
fn pyarrow_and_pandas_read_our_tables() {
    let dir = TempDir::new("pyarrow");
    record(dir.path(), 6);
    let Some(read) = testkit::available(testkit::run_pyarrow(READ, &[dir.path()])) else { return };
    let frames: Vec<(usize, usize)> = (0..6).flat_map(|e| (0..length(e)).map(move |t| (e, t))).collect();
    let each = |of: &dyn Fn(usize, usize) -> Value| frames.iter().map(|(e, t)| of(*e, *t)).collect::<Value>();
    let vectors = |of: &dyn Fn(usize, usize) -> Vec<f32>| -> Vec<f32> {
        frames.iter().flat_map(|(e, t)| of(*e, *t)).collect()
    };
    assert_eq!(numbers(&read["state"]), vectors(&state));
    assert_eq!(numbers(&read["action"]), vectors(&action));
    assert_eq!(read["frame"], each(&|_, t| json!(t)));
    assert_eq!(read["episode"], each(&|e, _| json!(e)));
    assert_eq!(read["task"], each(&|e, _| json!(e / 2 % 2)));
    assert_eq!(read["index"], (0..frames.len()).collect::<Value>());
    assert_eq!(read["success"], each(&|e, t| json!(e % 3 != 1 && t + 1 == length(e))));
    assert_eq!(read["tasks"], json!([task(0), task(2)]));
    assert_eq!(read["task_index"], json!([0, 1]));
    assert_eq!(read["lengths"], (0..6).map(length).collect::<Value>());
    assert_eq!(read["of"], (0..6).map(|e| json!([task(e)])).collect::<Value>());
    let hex = |png: Vec<u8>| png.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(read["png"], each(&|e, t| json!(hex(image(e, t, 1).to_png()))));
    assert_eq!(
        (&read["nulls"], &read["count"], &read["nested"]),
        (&json!(0), &json!([3]), &json!([3, 1, 1]))
    );
    assert!(read["apart"].as_f64().unwrap() < 1e-9, "statistics are {} from numpy's", read["apart"]);
    let schema = &read["schema"];
    assert_eq!(schema["next.success"], "bool");
    assert_eq!(schema["timestamp"], "float");
    assert_eq!(schema["task_index"], "int64");
    assert_eq!(schema["observation.images.front"], "struct<bytes: binary, path: string>");
    assert_eq!(schema["action"], "list<element: float>");
    assert_eq!(read["huggingface"]["observation.images.front"], json!({"_type": "Image"}));
    assert_eq!(read["huggingface"]["action"]["length"], 2);
}

/// Writes the tables of a dataset anew with pyarrow, in other ways that the format allows.
const REWRITE: &str = r#"
import json, pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq

root = pathlib.Path(sys.argv[1])
options = json.loads(sys.argv[2])
files = sorted((root / "data").glob("*/*.parquet"))
table = pa.concat_tables([pq.read_table(f) for f in files])
rows = options.pop("rows")
for f in files[1:]:
    f.unlink()
pq.write_table(table, files[0], row_group_size=rows, **options)
for f in sorted((root / "meta/episodes").glob("*/*.parquet")):
    table = pq.read_table(f)
    zeros = pa.array([0] * len(table), pa.int64())
    table = table.set_column(table.schema.get_field_index("data/file_index"), "data/file_index", zeros)
    pq.write_table(table, f, **options)
tasks = root / "meta/tasks.parquet"
pq.write_table(pq.read_table(tasks), tasks, **options)
print(json.dumps(len(files)))
"#;

#[test]
fn tables_that_pyarrow_wrote_are_read() {
    let ways = [
        json!({"rows": 5, "compression": "snappy"}),
        json!({"rows": 1000, "compression": "none", "use_dictionary": false}),
        json!({"rows": 3, "compression": "gzip", "data_page_version": "2.0"}),
        json!({"rows": 7, "compression": "snappy", "data_page_version": "2.0", "write_page_checksum": true}),
        json!({"rows": 100, "compression": "snappy", "data_page_size": 64, "version": "1.0"}),
    ];
    for way in ways {
        let dir = TempDir::new("rewritten");
        record(dir.path(), 6);
        let before = Dataset::open(dir.path()).unwrap();
        let before: Vec<_> = (0..before.len()).map(|index| before.frame(index).unwrap()).collect();
        let args = [dir.path().to_str().unwrap().to_owned(), way.to_string()];
        let Some(files) = testkit::available(testkit::run_pyarrow(REWRITE, &args)) else { return };
        assert_eq!(files, json!(6));
        let after = Dataset::open(dir.path()).unwrap();
        let after: Vec<_> = (0..after.len()).map(|index| after.frame(index).unwrap()).collect();
        assert_eq!(before, after, "{way}");
        assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new(), "{way}");
    }
    // What is not read says so.
    let dir = TempDir::new("zstd");
    record(dir.path(), 2);
    let way = json!({"rows": 5, "compression": "zstd"}).to_string();
    let args = [dir.path().to_str().unwrap().to_owned(), way];
    let Some(_) = testkit::available(testkit::run_pyarrow(REWRITE, &args)) else { return };
    let error = Dataset::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("compression zstd"), "{error}");
}

/// Opens a dataset with lerobot's own class, adds an episode with it, and says what was read.
const LEROBOT: &str = r#"
import json, sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

root = sys.argv[1]
steps = [t / 25 for t in range(4)]
dataset = LeRobotDataset("local/keiko", root=root, delta_timestamps={"action": steps})
frames = [{
    "state": item["observation.state"].tolist(), "chunk": item["action"].flatten().tolist(),
    "surroundings": item["observation.environment_state"].tolist(),
    "is_pad": item["action_is_pad"].tolist(), "task": item["task"], "index": item["index"].item(),
    "pixels": (item["observation.images.front"] * 255).round().int().permute(1, 2, 0).flatten().tolist(),
} for item in (dataset[i] for i in range(len(dataset)))]
stats = {name: np.asarray(value).tolist() for name, value in dataset.meta.stats["observation.images.wrist"].items()}
totals = [dataset.num_episodes, dataset.num_frames, dataset.fps, dataset.meta.robot_type]

more = LeRobotDataset("local/keiko", root=root)
for t in range(2):
    more.add_frame({"observation.state": np.full(3, t, np.float32), "action": np.full(2, t, np.float32),
        "observation.environment_state": np.array([t, -t], np.float32),
        "observation.images.front": np.full((4, 6, 3), 40 + t, np.uint8),
        "observation.images.wrist": np.full((3, 3, 3), 90 + t, np.uint8),
        "next.success": np.array([t == 1]), "task": "added by lerobot"})
more.save_episode()
more.finalize()
print()
print(json.dumps({"frames": frames, "stats": stats, "totals": totals}))
"#;

/// Needs lerobot 0.4.4 and torch, 3 GB of wheels: `pip install torch==2.7.1 torchvision==0.22.1 lerobot==0.4.4`, and
/// `KEIKO_LEROBOT_PYTHON` with the path of that Python.
#[test]
#[ignore = "needs a Python with lerobot and torch, named by KEIKO_LEROBOT_PYTHON"]
fn lerobots_own_class_opens_our_dataset_and_adds_to_it() {
    let python =
        PathBuf::from(std::env::var_os("KEIKO_LEROBOT_PYTHON").expect("KEIKO_LEROBOT_PYTHON is set"));
    let dir = TempDir::new("for-lerobot");
    record(dir.path(), 4);
    record_to(&mut keiko_data::Recorder::append(dir.path(), &spec()).unwrap(), 6);
    let read = testkit::available(testkit::run_interpreter(&python, LEROBOT, &[dir.path()])).unwrap();
    let before: usize = (0..6).map(length).sum();
    assert_eq!(read["totals"], json!([6, before, 25, "two-joint"]));
    assert_holds_in_both(dir.path(), &read, before);
    // And back: what lerobot added is read here.
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_eq!((dataset.len(), dataset.episodes().len()), (before + 2, 7));
    let last = dataset.frame(before + 1).unwrap();
    assert_eq!((&*last.task, last.state), ("added by lerobot", vec![1.0; 3]));
    assert_eq!(last.surroundings, [1.0, -1.0]);
    assert_eq!(last.images[1].pixels, [91; 27]);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}

fn assert_holds_in_both(folder: &Path, read: &Value, frames: usize) {
    let dataset = Dataset::open(folder).unwrap();
    for index in 0..frames {
        let (ours, theirs) = (dataset.frame(index).unwrap(), &read["frames"][index]);
        assert_eq!(ours.state, numbers(&theirs["state"]));
        assert_eq!(ours.surroundings, numbers(&theirs["surroundings"]));
        assert_eq!(json!(&*ours.task), theirs["task"]);
        assert_eq!(json!(ours.images[0].pixels), theirs["pixels"]);
        let chunk = dataset.chunk(index, 4);
        assert_eq!(
            (chunk.actions, json!(chunk.is_pad)),
            (numbers(&theirs["chunk"]), theirs["is_pad"].clone())
        );
    }
    assert_eq!(read["stats"]["mean"].as_array().unwrap().len(), 3);
}

/// Numbers of lists inside lists.
fn numbers(json: &Value) -> Vec<f32> {
    match json {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}
