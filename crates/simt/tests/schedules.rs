//! Random race-free kernels give the same result under every schedule.
//!
//! A generated kernel has a few variables per thread, nested control flow whose conditions differ
//! between lanes, operations across lanes and barriers anywhere, and calls. Nothing but the
//! meaning of "together" decides what the operations across lanes see, so equal results mean that
//! the masks of lockstep and the positions of single lanes agree.

#[path = "../../../tests/random.rs"]
mod random;

use std::fmt::Write;

use anymetal_msl::ir::{parse, verify_canonical};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Schedule};
use fastrand::Rng;

use crate::random::cases;

struct Generator {
    rng: Rng,
    value: u32,
    region: u32,
    text: String,
    /// Open regions that an exit may name, innermost last: number, and whether it is a loop's.
    open: Vec<u32>,
    /// Threadgroup barriers only where no other function is involved.
    barriers: bool,
    budget: u32,
}

/// Variables of a function.
const VARS: u32 = 3;

impl Generator {
    fn below(&mut self, n: u32) -> u32 {
        self.rng.u32(..n)
    }

    fn fresh(&mut self) -> u32 {
        self.value += 1;
        self.value
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    fn constant(&mut self, x: u32) -> u32 {
        let v = self.fresh();
        self.line(&format!("%{v}: u32 = const {x}"));
        v
    }

    /// Variable `n`'s address is `%9n`.
    fn load(&mut self) -> u32 {
        let (var, v) = (self.below(VARS), self.fresh());
        self.line(&format!("%{v}: u32 = load %{}", 90 + var));
        v
    }

    fn store(&mut self, v: u32) {
        let var = self.below(VARS);
        self.line(&format!("store %{}, %{v}", 90 + var));
    }

    fn expression(&mut self) -> u32 {
        let (a, b) = (self.load(), self.load());
        let v = self.fresh();
        match self.below(10) {
            0 => {
                let op = ["reduce.sum.simd", "reduce.xor.simd", "scan.exclusive_sum.simd"];
                let op = op[self.below(3) as usize];
                self.line(&format!("%{v}: u32 = {op} %{a}"));
            }
            1 => self.line(&format!("%{v}: u32 = reduce.max.quad %{a}")),
            2 => self.line(&format!("%{v}: u32 = shuffle.xor.simd %{a}, %{b}")),
            3 => self.line(&format!("%{v}: u32 = broadcast_first.simd %{a}")),
            4 => self.line(&format!("%{v}: u32 = call 1 (%{a})")),
            n => {
                let op = ["add", "sub", "mul", "xor", "max"][n as usize % 5];
                self.line(&format!("%{v}: u32 = {op} %{a}, %{b}"));
            }
        }
        v
    }

    fn condition(&mut self) -> u32 {
        let a = self.load();
        let modulus = 2 + self.below(3);
        let (m, zero) = (self.constant(modulus), self.constant(0));
        let (r, c) = (self.fresh(), self.fresh());
        self.line(&format!("%{r}: u32 = rem %{a}, %{m}"));
        self.line(&format!("%{c}: bool = cmp.eq %{r}, %{zero}"));
        c
    }

    fn block(&mut self, depth: u32) {
        for _ in 0..1 + self.below(3) {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.statement(depth);
        }
        // Now and then the block ends by leaving some region.
        if depth > 0 && self.below(5) == 0 {
            let which = self.below(self.open.len() as u32) as usize;
            let region = self.open[which];
            self.line(&format!("exit ^{region}"));
        }
    }

    fn statement(&mut self, depth: u32) {
        let kind = if depth >= 4 { 0 } else { self.below(9) };
        match kind {
            3 => {
                let c = self.condition();
                let region = self.next_region();
                self.line(&format!("if ^{region} %{c} {{"));
                self.inside(&[region], depth);
                self.line("} else {");
                self.inside(&[region], depth);
                self.line("}");
            }
            4 => self.bounded_loop(depth),
            5 => {
                let region = self.next_region();
                self.line(&format!("block ^{region} {{"));
                self.inside(&[region], depth);
                self.line("}");
            }
            6 => {
                let a = self.load();
                let four = self.constant(4);
                let s = self.fresh();
                self.line(&format!("%{s}: u32 = rem %{a}, %{four}"));
                let region = self.next_region();
                self.line(&format!("switch ^{region} %{s} {{"));
                for case in ["case 1", "case default", "case 0, 2"] {
                    self.line(&format!("{case} {{"));
                    self.inside(&[region], depth);
                    self.line("}");
                }
                self.line("}");
            }
            7 if self.barriers && self.below(2) == 0 => {
                self.line("barrier threadgroup {threadgroup} threadgroup");
            }
            _ => {
                let v = self.expression();
                self.store(v);
            }
        }
    }

    fn next_region(&mut self) -> u32 {
        self.region += 1;
        self.region
    }

    fn inside(&mut self, regions: &[u32], depth: u32) {
        self.open.extend(regions);
        self.block(depth + 1);
        self.open.truncate(self.open.len() - regions.len());
    }

    /// A loop of at most five rounds; the counter is its own variable.
    fn bounded_loop(&mut self, depth: u32) {
        let (outer, body) = (self.next_region(), self.next_region());
        let limit = self.load();
        let six = self.constant(6);
        let n = self.fresh();
        self.line(&format!("%{n}: u32 = rem %{limit}, %{six}"));
        let counter = self.fresh();
        self.line(&format!("%{counter}: ptr<thread, u32> = var \"i\""));
        self.line(&format!("loop ^{outer} ^{body} for {{"));
        let (now, more) = (self.fresh(), self.fresh());
        self.line(&format!("%{now}: u32 = load %{counter}"));
        self.line(&format!("%{more}: bool = cmp.lt %{now}, %{n}"));
        self.line(&format!("test %{more}"));
        self.line("} body {");
        self.inside(&[outer, body], depth);
        self.line("} next {");
        let one = self.constant(1);
        let (now, next) = (self.fresh(), self.fresh());
        self.line(&format!("%{now}: u32 = load %{counter}"));
        self.line(&format!("%{next}: u32 = add %{now}, %{one}"));
        self.line(&format!("store %{counter}, %{next}"));
        self.line("}");
    }

    /// A kernel and the function it may call, which may leave from anywhere.
    fn module(rng: &mut Rng) -> String {
        let mut g = Generator {
            rng: rng.fork(),
            value: 100,
            region: 0,
            text: String::new(),
            open: Vec::new(),
            barriers: true,
            budget: 14,
        };
        g.line("fn 0 \"k\" (%0: ptr<device, u32> \"out\") {");
        g.line("%1: u32 = attribute thread_index_in_threadgroup");
        g.variables(1);
        g.line("block ^9999 {");
        g.open.push(9999);
        g.block(0);
        g.open.pop();
        g.line("}");
        let four = g.constant(4);
        let at = g.fresh();
        g.line(&format!("%{at}: u32 = mul %1, %{four}"));
        for var in 0..VARS {
            let (v, k, i, p) = (g.fresh(), g.constant(var), g.fresh(), g.fresh());
            g.line(&format!("%{v}: u32 = load %{}", 90 + var));
            g.line(&format!("%{i}: u32 = add %{at}, %{k}"));
            g.line(&format!("%{p}: ptr<device, u32> = element %0, u32, %{i}"));
            g.line(&format!("store %{p}, %{v}"));
        }
        g.line("}");
        // The callee calls function 2, which only computes.
        g.value = 100;
        g.region = 0;
        g.barriers = false;
        g.budget = 8;
        let start = g.text.len();
        g.line("fn 1 \"f\" (%0: u32 \"x\") -> u32 {");
        g.variables(0);
        g.line("block ^9999 {");
        g.open.push(9999);
        g.block(0);
        g.open.pop();
        g.line("}");
        let result = g.load();
        g.line(&format!("exit ^0, %{result}"));
        g.line("}");
        let callee = g.text.split_off(start).replace("call 1 (", "call 2 (");
        g.text.push_str(&callee);
        g.line("fn 2 \"g\" (%0: u32 \"x\") -> u32 {\n%1: u32 = reduce.sum.simd %0\nexit ^0, %1\n}");
        g.line("kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable)");
        g.text
    }

    fn variables(&mut self, from: u32) {
        for var in 0..VARS {
            let (k, v) = (self.constant(var * 7 + 1), self.fresh());
            self.line(&format!("%{}: ptr<thread, u32> = var \"v{var}\"", 90 + var));
            self.line(&format!("%{v}: u32 = mul %{from}, %{k}"));
            self.line(&format!("store %{}, %{v}", 90 + var));
        }
    }
}

#[test]
fn schedules_agree() {
    let mut compared = 0;
    cases(800, |rng| {
        let text = Generator::module(rng);
        let module = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if let Err(error) = verify_canonical(&module) {
            // An exit in the middle of a generated block is the only thing that may be wrong.
            assert!(error.message.contains("terminator"), "{error}\n{text}");
            return;
        }
        let program = Program::new(&module, "k").expect("flattens");
        let seed = rng.u64(..);
        let run = |schedule| {
            let mut out = vec![0u8; 45 * 16];
            let mut launch =
                Launch::new(&program, vec![Data::Write(&mut out)], [45, 1, 1], [45, 1, 1]);
            (launch.schedule, launch.seed) = (schedule, seed);
            launch.limits.steps = 1_000_000;
            let result = launch.run();
            (out, result.map(|report| (report.findings, report.lane_steps)))
        };
        let expected = run(Schedule::Lockstep);
        assert!(expected.1.is_ok(), "{:?}\n{text}", expected.1);
        for schedule in [Schedule::LaneByLane, Schedule::Reverse, Schedule::Random] {
            let got = run(schedule);
            assert!(got.0 == expected.0, "differs under {schedule:?}\n{text}");
            assert_eq!(got.1, expected.1, "under {schedule:?}\n{text}");
        }
        compared += 1;
    });
    assert!(compared > 500, "only {compared} kernels were valid");
}
