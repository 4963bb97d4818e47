//! Running other programs so that a person watching always sees something move.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a finished program wrote to standard output, and whether it succeeded.
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) success: bool,
}

/// Runs a program under a title. Its output is passed on as it comes if `show`; after five silent
/// seconds a line with the time says that it still runs.
pub(crate) fn run(title: &str, command: &mut Command, show: bool) -> Result<Outcome, String> {
    println!("== {title}");
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let last = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            heartbeat(start, &last, &over);
        });
        let errors = scope.spawn(|| forward(err, start, &last, Some(std::io::stderr())));
        let output = forward(out, start, &last, show.then(std::io::stdout));
        let _ = errors.join();
        let status = child.wait().map_err(|e| e.to_string());
        over.store(true, Relaxed);
        ended.thread().unpark();
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(Outcome { output, success: status?.success() })
    })
}

/// As [`run`], shown, with failure an error.
pub(crate) fn must(title: &str, command: &mut Command) -> Result<(), String> {
    match run(title, command, true)?.success {
        true => Ok(()),
        false => Err(format!("{title}: failed")),
    }
}

/// Prints the time after each five silent seconds, until told that it is over.
pub(crate) fn heartbeat(start: Instant, last: &AtomicU64, over: &AtomicBool) {
    const SILENCE: u64 = 5000;
    while !over.load(Relaxed) {
        std::thread::park_timeout(Duration::from_millis(250));
        let now = start.elapsed().as_millis() as u64;
        if now >= last.load(Relaxed) + SILENCE && !over.load(Relaxed) {
            println!("   ... {} s", now / 1000);
            last.store(now, Relaxed);
        }
    }
}

fn forward(
    from: Option<impl Read>,
    start: Instant,
    last: &AtomicU64,
    mut to: Option<impl Write>,
) -> Vec<u8> {
    let (mut all, mut block) = (Vec::new(), [0; 4096]);
    let Some(mut from) = from else { return all };
    while let Ok(count @ 1..) = from.read(&mut block) {
        all.extend_from_slice(&block[..count]);
        if let Some(to) = &mut to {
            last.store(start.elapsed().as_millis() as u64, Relaxed);
            // A closed terminal is no reason to stop the work.
            let _ = to.write_all(&block[..count]).and_then(|()| to.flush());
        }
    }
    all
}
