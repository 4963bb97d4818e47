//! Compiles `.metal` files and says what is wrong with them, or prints their IR with `--ir`.
//! `-I DIR` makes the headers below a folder known; `--no-mlx` leaves MLX's own names out.

use std::path::Path;

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile, ir};

fn main() {
    let mut options = Options::default();
    let mut print = false;
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--ir" => print = true,
            "--no-mlx" => options.mlx = false,
            // INDEX=VALUE, of a function constant.
            "--constant" => {
                let given = args.next().unwrap_or_default();
                if let Some((index, value)) = given.split_once('=')
                    && let (Ok(index), Ok(value)) = (index.parse(), value.parse())
                {
                    let value = anymetal_msl::FunctionConstant::Int(value);
                    options.function_constants.push((index, value));
                }
            }
            "-I" => {
                let root = args.next().unwrap_or_default();
                headers(Path::new(&root), Path::new(&root), &mut options);
            }
            _ => files.push(arg),
        }
    }
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let piece = Piece { name: path.clone(), origin: Origin::Source, text: text.into() };
        let source = Source { pieces: vec![piece] };
        let start = std::time::Instant::now();
        let compilation = compile(&source, &options);
        let time = start.elapsed();
        print!("{}", compilation.report());
        let kernels = compilation.kernels.len();
        match &compilation.module {
            Some(module) if print => println!("{}", ir::print(module)),
            Some(module) => {
                let functions = module.functions.len();
                println!("{path}: {kernels} kernels, {functions} functions, {time:?}");
            }
            None => println!("{path}: FAILED with {kernels} kernels, {time:?}"),
        }
    }
}

fn headers(root: &Path, at: &Path, options: &mut Options) {
    let Ok(entries) = std::fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            headers(root, &path, options);
        } else if let (Ok(text), Ok(name)) =
            (std::fs::read_to_string(&path), path.strip_prefix(root))
        {
            let name = name.to_string_lossy().into_owned();
            options.preprocessing.headers.insert(name, text.into());
        }
    }
}
