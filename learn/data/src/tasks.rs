//! `meta/tasks.parquet`: task texts by number, a table of pandas whose index is the text.

use std::path::Path;

use keiko_model::error::{ErrorKind, Result};
use serde_json::json;

use crate::parquet::{Column, Layout, ParquetFile, Values, to_bytes};
use crate::store::{refuse, replace};

const PATH: &str = "meta/tasks.parquet";
/// What pandas calls an index that has no name.
const UNNAMED: &str = "__index_level_0__";

/// Reads the texts, by number.
pub fn read(folder: &Path) -> Result<Vec<String>> {
    let path = &folder.join(PATH);
    let file = ParquetFile::open(path)?;
    let numbers = file.column("task_index", None)?;
    let name = if file.columns().any(|name| name == UNNAMED) { UNNAMED } else { "task" };
    let texts = file.column(name, None)?;
    let (Values::Int(numbers), Values::Bytes(texts)) = (&numbers.values, &texts.values) else {
        return Err(refuse(
            ErrorKind::Structure,
            path,
            format!("`task_index` and `{name}` are no numbers and texts"),
        ));
    };
    let mut tasks = vec![String::new(); texts.len()];
    if numbers.len() != texts.len() {
        return Err(refuse(
            ErrorKind::Structure,
            path,
            "a task without a number, or a number without a task",
        ));
    }
    for (row, (number, text)) in numbers.iter().zip(texts.iter()).enumerate() {
        // lerobot takes the row for the number.
        if usize::try_from(*number) != Ok(row) {
            let message =
                format!("row {row} has task_index {number}; rows must be in the order of their numbers");
            return Err(refuse(ErrorKind::Structure, path, message));
        }
        tasks[row] = String::from_utf8(text.to_vec())
            .map_err(|_| refuse(ErrorKind::Value, path, format!("the text of task {row} is not UTF-8")))?;
    }
    Ok(tasks)
}

/// Writes them.
pub fn write(folder: &Path, tasks: &[String]) -> Result<()> {
    let column = |name: &str, values| Column { name: name.into(), layout: Layout::Scalar, values };
    let columns = [
        column("task_index", Values::Int((0..tasks.len() as i64).collect())),
        column("task", Values::Text(tasks.iter().collect())),
    ];
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [{"name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
                "metadata": null},
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object",
                "metadata": null}],
        "creator": {"library": "keiko", "version": env!("CARGO_PKG_VERSION")},
        "pandas_version": "2.2.0",
    });
    replace(&folder.join(PATH), &to_bytes(&columns, tasks.len(), &[("pandas", pandas.to_string())]))
}
