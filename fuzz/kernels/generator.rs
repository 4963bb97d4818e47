//! Programs that are mostly right: bytes choose the productions of a grammar, and a table of the
//! variables in scope keeps types together. About one program in ten is wrong on purpose.

use arbitrary::{Result, Unstructured};

const SCALARS: &[&str] = &[
    "int", "uint", "float", "half", "bfloat", "short", "uchar", "char", "ushort", "long", "ulong",
    "bool",
];
const VECTORS: &[&str] =
    &["float4", "half2", "int3", "uint2", "uchar4", "float2", "short4", "bool3"];

/// A program under construction.
pub(crate) struct Program<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    text: String,
    /// Names with their types, inner scopes last.
    scope: Vec<(String, &'static str)>,
    functions: usize,
    names: usize,
    depth: usize,
    loops: usize,
    /// Whether the kernel's own variables are in scope.
    in_kernel: bool,
}

impl<'a, 'b> Program<'a, 'b> {
    /// The text of a program with one kernel `k`.
    pub(crate) fn generate(bytes: &'a mut Unstructured<'b>) -> Result<String> {
        let mut program = Program {
            bytes,
            text: String::new(),
            scope: Vec::new(),
            functions: 0,
            names: 0,
            depth: 0,
            loops: 0,
            in_kernel: false,
        };
        program.unit()?;
        Ok(program.text)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Result<T> {
        Ok(*self.bytes.choose(from)?)
    }

    fn below(&mut self, n: u32) -> Result<u32> {
        self.bytes.int_in_range(0..=n - 1)
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn ty(&mut self) -> Result<&'static str> {
        if self.below(4)? == 0 { self.pick(VECTORS) } else { self.pick(SCALARS) }
    }

    fn unit(&mut self) -> Result<()> {
        self.push("#define SQ(x) ((x) * (x))\n#define TWICE(s) do { s; s; } while (0)\n");
        self.push("struct P { float a; int b; half2 c; int get() const { return b + int(a); } ");
        self.push("thread P& add(float x) thread { a += x; return *this; } };\n");
        self.push("template <typename T, int N> struct A { T v[N]; T sum() const { T s = T(0); ");
        self.push("for (int i = 0; i < N; ++i) s += v[i]; return s; } };\n");
        self.push("template <typename T> T tw(T x) { return x + x; }\n");
        self.push("constant int tab[4] = {3, 1, 4, 1};\n");
        for _ in 0..self.below(4)? {
            self.function()?;
        }
        self.push("kernel void k(device float* fo, device int* io, const device float* fi, device atomic_uint* at,\n");
        self.push("  constant int& n, uint i [[thread_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {\n");
        self.scope.clear();
        self.scope.extend([("i".into(), "uint"), ("lane".into(), "ushort"), ("n".into(), "int")]);
        self.push(
            "  threadgroup float tg[64];\n  float acc = 0; int loc[4] = {1, 2, 3}; P p = {1, 2};\n",
        );
        self.scope.push(("acc".into(), "float"));
        self.in_kernel = true;
        for _ in 0..1 + self.below(10)? {
            self.statement()?;
        }
        self.push("  fo[i % 8] = acc;\n}\n");
        Ok(())
    }

    fn function(&mut self) -> Result<()> {
        let (ret, a, b) = (self.ty()?, self.ty()?, self.ty()?);
        let template = self.below(4)? == 0;
        if template {
            self.push("template <typename U>\n");
        }
        self.functions += 1;
        let name = self.functions;
        self.scope.clear();
        self.scope.extend([("x".into(), a), ("y".into(), b)]);
        self.push(&format!("{ret} fn{name}({a} x, {b} y) {{\n"));
        for _ in 0..self.below(3)? {
            self.statement()?;
        }
        let value = self.value(ret)?;
        self.push(&format!("  return {value};\n}}\n"));
        if template {
            self.push(&format!("{ret} fn{name}({a} x, {b} y) {{ return {ret}(0); }}\n"));
        }
        Ok(())
    }

    fn block(&mut self) -> Result<()> {
        self.depth += 1;
        let mark = self.scope.len();
        self.push("{\n");
        if self.depth < 4 {
            for _ in 0..1 + self.below(3)? {
                self.statement()?;
            }
        }
        self.push("}\n");
        self.scope.truncate(mark);
        self.depth -= 1;
        Ok(())
    }

    fn statement(&mut self) -> Result<()> {
        // Above 9 come statements about what the kernel declares.
        let kinds = if self.in_kernel { 16 } else { 10 };
        match self.below(kinds)? {
            0..=3 => {
                let ty = self.ty()?;
                let (name, value) = (self.name(), self.value(ty)?);
                let form = self.pick(&["= ", "(", "{"])?;
                let close = match form {
                    "(" => ")",
                    "{" => "}",
                    _ => "",
                };
                let value = if form == "{" { format!("{ty}({value})") } else { value };
                let auto = self.below(5)? == 0 && form == "= ";
                let shown = if auto { "auto" } else { ty };
                let value = if auto { format!("{ty}({value})") } else { value };
                self.push(&format!("  {shown} {name}{form}{value}{close};\n"));
                self.scope.push((name, ty));
            }
            4 | 5 => {
                if let Some((name, ty)) = self.variable()? {
                    let value = self.value(ty)?;
                    let op = self.pick(&["=", "+=", "-=", "*="])?;
                    let value =
                        if ty == "bool" || op == "=" { value } else { format!("{ty}({value})") };
                    let assignable = !["i", "lane", "n"].contains(&&*name);
                    if assignable || self.below(10)? == 0 {
                        self.push(&format!("  {name} {op} {value};\n"));
                    }
                }
            }
            6 => {
                let cond = self.value("bool")?;
                self.push(&format!("  if ({cond}) "));
                self.block()?;
                if self.below(2)? == 0 {
                    self.push("else ");
                    self.block()?;
                }
            }
            7 => {
                let name = self.name();
                let limit = self.below(6)?;
                self.push(&format!("  for (int {name} = 0; {name} < {limit}; ++{name}) "));
                self.scope.push((name, "int"));
                self.loops += 1;
                self.block()?;
                self.loops -= 1;
                self.scope.pop();
            }
            8 => {
                let (value, cases) = (self.value("int")?, self.below(4)?);
                self.push(&format!("  switch ({value}) {{\n"));
                for case in 0..cases {
                    self.push(&format!("case {case}: "));
                    self.block()?;
                    if self.below(2)? == 0 {
                        self.push("break;\n");
                    }
                }
                self.push("default: break; }\n");
            }
            9 => {
                let name = self.name();
                self.push(&format!("  {{ int {name} = 0; while ({name}++ < 3) "));
                self.loops += 1;
                self.block()?;
                self.loops -= 1;
                self.push("}\n");
            }
            10 => {
                let value = self.value("float")?;
                self.push(&format!("  acc += {value};\n"));
            }
            11 => {
                let value = self.value("int")?;
                let text = self.pick(&[
                    "io[({}) & 7] = 1;",
                    "loc[({}) & 3] += 2;",
                    "tg[({}) & 63] = acc;",
                ])?;
                self.push(&format!("  {}\n", text.replace("{}", &value)));
            }
            12 => {
                let value = self.value("uint")?;
                let op = self.pick(&["add", "max", "xor", "sub"])?;
                self.push(&format!(
                    "  atomic_fetch_{op}_explicit(&at[0], {value}, memory_order_relaxed);\n"
                ));
            }
            13 if self.loops > 0 => {
                let word = self.pick(&["break", "continue"])?;
                let cond = self.value("bool")?;
                self.push(&format!("  if ({cond}) {word};\n"));
            }
            13 => self.push("  threadgroup_barrier(mem_flags::mem_threadgroup);\n"),
            14 => {
                let text = self.pick(&[
                    "p.add(acc).add(1);",
                    "{ A<float, 3> q = {{1, 2, acc}}; acc += q.sum(); }",
                    "auto lam = [&](auto z) { acc += float(z); return z; }; lam(1);",
                    "{ thread P* pp = &p; pp->b ^= 3; acc += pp->get(); }",
                    "{ const device float4* f4 = (const device float4*)fi; acc += f4[i & 1].y; }",
                    "{ float2x2 m = float2x2(acc); m *= m; acc += m[1][0] + (m * float2(1, 2)).x; }",
                    "TWICE(acc += 1);",
                    "{ uint u = as_type<uint>(acc); u = (u >> 16) | (u << 16); acc = as_type<float>(u); }",
                    "{ union { float f; ushort h[2]; } u; u.f = acc; acc += u.h[1]; }",
                    "if (i > 5) return;",
                ])?;
                self.push(&format!("  {text}\n"));
            }
            _ => {
                // What may not be there.
                let text = self.pick(&[
                    "unknown(acc);",
                    "acc = \"s\";",
                    "fi[0] = 1;",
                    "int& r = acc;",
                    "float f() { return 1; }",
                    "goto done;",
                    "acc.x = 1;",
                    "return 1;",
                    "double d = 1;",
                    "A<int> q;",
                ])?;
                if self.below(8)? == 0 {
                    self.push(&format!("  {text}\n"));
                }
            }
        }
        Ok(())
    }

    fn variable(&mut self) -> Result<Option<(String, &'static str)>> {
        if self.scope.is_empty() {
            return Ok(None);
        }
        let at = self.below(self.scope.len() as u32)?;
        Ok(Some(self.scope[at as usize].clone()))
    }

    /// An expression that converts to a type.
    fn value(&mut self, ty: &'static str) -> Result<String> {
        self.depth += 1;
        let text = self.value_inner(ty);
        self.depth -= 1;
        text
    }

    fn value_inner(&mut self, ty: &'static str) -> Result<String> {
        let vector = VECTORS.contains(&ty);
        if self.depth > 7 || self.bytes.is_empty() {
            let literal = self.pick(&["0", "1", "3", "2.5f", "-1", "255u", "1e20f"])?;
            return Ok(format!("{ty}({literal})"));
        }
        Ok(match self.below(12)? {
            0 | 1 => match self.variable()? {
                Some((name, own)) if own == ty => name,
                Some((name, own)) if !VECTORS.contains(&own) => format!("{ty}({name})"),
                _ => format!("{ty}(1)"),
            },
            2 | 3 => {
                let op = self.pick(&["+", "-", "*"])?;
                let (a, b) = (self.value(ty)?, self.value(ty)?);
                format!("{ty}({a} {op} {b})")
            }
            4 if !vector => {
                let op = self.pick(&["<", "==", "!=", ">=", "&&", "||"])?;
                let (a, b) = (self.value("int")?, self.value("float")?);
                format!("{ty}({a} {op} {b})")
            }
            5 if !vector => {
                let op = self.pick(&["/", "%", "&", "|", "^", "<<", ">>"])?;
                let from = self.pick(&["int", "uint", "long", "uchar", "short"])?;
                let (a, b) = (self.value(from)?, self.value(from)?);
                format!("{ty}({a} {op} {b})")
            }
            6 => {
                let cond = self.value("bool")?;
                let (a, b) = (self.value(ty)?, self.value(ty)?);
                format!("({cond} ? {a} : {b})")
            }
            7 if ty != "bool" && ty != "bool3" => {
                let call = self.pick(&["min", "max"])?;
                let (a, b) = (self.value(ty)?, self.value(ty)?);
                format!("{call}({ty}({a}), {ty}({b}))")
            }
            8 => {
                let call = self.pick(&[
                    "exp",
                    "sqrt",
                    "sin",
                    "log2",
                    "fast::tanh",
                    "precise::rsqrt",
                    "floor",
                    "abs",
                    "fract",
                    "SQ",
                    "tw",
                    "simd_sum",
                    "simd_max",
                    "simd_prefix_exclusive_sum",
                    "quad_sum",
                ])?;
                let inner = self.value("float")?;
                format!("{ty}({call}({inner}))")
            }
            9 => {
                let call = self.pick(&[
                    "popcount($)",
                    "clz($)",
                    "simd_shuffle_xor($, 1)",
                    "simd_broadcast($, 3)",
                    "tab[$ & 3]",
                    "reverse_bits($)",
                    "($ ? 1 : 2)",
                    "mulhi($, 3u)",
                    "uint(simd_any($ > 1))",
                    "extract_bits($, 1u, 3u)",
                    "$++ + 1",
                ])?;
                let (inner, name) = (self.value("uint")?, self.name());
                let call = call.replace('$', &name);
                format!("{ty}([&]() {{ uint {name} = {inner}; return {call}; }}())")
            }
            10 if self.functions > 0 => {
                let which = 1 + self.below(self.functions as u32)?;
                let (a, b) = (self.value("float")?, self.value("int")?);
                format!("{ty}(fn{which}({a}, {b}))")
            }
            _ => {
                let (from, value) = (self.pick(SCALARS)?, self.below(300)?);
                format!("{ty}({from}({value}))")
            }
        })
    }
}
