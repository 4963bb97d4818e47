//! Speed of the interpreter: IR instructions (counted per lane) per second on one core.
//!
//! `cargo run --release -p anymetal-simt --example interp_speed`

use std::time::Instant;

use anymetal_msl::ir::parse;
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::Data;

/// `out[t] = sum over i < 256 of x[(t + i) % n] * i`, with a divergent `if` if asked for.
fn kernel(divergent: bool) -> String {
    let inner = "      %20: u32 = add %1, %9
      %21: u32 = rem %20, %2
      %22: ptr<device, f32> = element %0, f32, %21
      %23: f32 = load %22
      %24: f32 = convert %9
      %25: f32 = load %3
      %26: f32 = fma %23, %24, %25
      store %3, %26";
    let body = if divergent {
        format!(
            "    %30: u32 = const 3\n    %31: u32 = and %20, %30\n    %32: u32 = const 0
    %33: bool = cmp.eq %31, %32\n    if ^3 %33 {{\n{inner}\n    }}"
        )
        .replace("and %20", "and %9")
    } else {
        inner.to_string()
    };
    format!(
        "fn 0 \"k\" (%0: ptr<device, f32> \"x\", %50: ptr<device, f32> \"out\") {{
  %100: u32x3 = attribute thread_position_in_grid
  %1: u32 = extract %100, 0
  %101: u32x3 = attribute threads_per_grid
  %2: u32 = extract %101, 0
  %3: ptr<thread, f32> = var \"sum\"
  %4: ptr<thread, u32> = var \"i\"
  %5: u32 = const 0
  store %4, %5
  loop ^1 ^2 for {{
    %6: u32 = load %4
    %7: u32 = const 256
    %8: bool = cmp.lt %6, %7
    test %8
  }} body {{
    %9: u32 = load %4
{body}
  }} next {{
    %40: u32 = load %4
    %41: u32 = const 1
    %42: u32 = add %40, %41
    store %4, %42
  }}
  %51: ptr<device, f32> = element %50, f32, %1
  %52: f32 = load %3
  store %51, %52
}}
kernel \"k\" fn 0 (buffer 0 \"x\" f32, buffer 1 \"out\" f32 writable)"
    )
}

fn main() {
    const N: usize = 16384;
    for divergent in [false, true] {
        let module = parse(&kernel(divergent)).expect("parses");
        let program = Program::new(&module, "k").expect("flattens");
        let x: Vec<u8> = (0..N).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let mut best = f64::MAX;
        let mut steps = 0;
        for _ in 0..5 {
            let mut out = vec![0u8; N * 4];
            let buffers = vec![Data::Read(&x), Data::Write(&mut out)];
            let mut launch = Launch::new(&program, buffers, [N as u32, 1, 1], [256, 1, 1]);
            launch.workers = 1;
            let start = Instant::now();
            steps = launch.run().expect("runs").lane_steps;
            best = best.min(start.elapsed().as_secs_f64());
        }
        let rate = steps as f64 / best / 1e6;
        println!("divergent {divergent}: {rate:.0} million flat instructions per lane and second");
    }
}
