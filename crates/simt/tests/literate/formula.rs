//! Formulas of the literate tests: the oracle, in f64.
//!
//! A formula gives one element of an array. It knows `i` (the element), arrays by name with an
//! index (0 outside of them), numbers (also hexadecimal), C's operators with `?:`, functions of
//! one or two numbers, and folds `sum(j, n, e)`, `prod`, `max`, `min`, `count` of an expression
//! over `j` below `n`.

use std::collections::BTreeMap;

/// Arrays by name.
pub(crate) type Arrays = BTreeMap<String, Vec<f64>>;

#[derive(Clone, Debug)]
enum Node {
    Number(f64),
    Variable(usize),
    Element(String, Box<Node>),
    Length(String),
    Call(String, Vec<Node>),
    Fold(String, Box<Node>, Box<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
}

/// A parsed formula.
#[derive(Clone, Debug)]
pub(crate) struct Formula(Node);

impl Formula {
    /// Parses a formula.
    pub(crate) fn parse(text: &str) -> Result<Formula, String> {
        let chars = text.chars().collect();
        let mut parser = Parser { chars, at: 0, variables: vec!["i".to_string()] };
        let node = parser.choose()?;
        parser.space();
        if parser.at < parser.chars.len() {
            let rest: String = parser.chars[parser.at..].iter().collect();
            return Err(format!("unexpected `{rest}` in formula `{text}`"));
        }
        Ok(Formula(node))
    }

    /// The element `i`.
    pub(crate) fn at(&self, i: usize, arrays: &Arrays) -> f64 {
        eval(&self.0, &mut vec![i as f64], arrays)
    }
}

fn eval(node: &Node, variables: &mut Vec<f64>, arrays: &Arrays) -> f64 {
    match node {
        Node::Number(x) => *x,
        Node::Variable(slot) => variables[*slot],
        Node::Element(name, index) => {
            let index = eval(index, variables, arrays);
            let array = arrays.get(name);
            let inside = index >= 0.0;
            array.filter(|_| inside).and_then(|array| array.get(index as usize)).map_or(0.0, |x| *x)
        }
        Node::Length(name) => arrays.get(name).map_or(0.0, |array| array.len() as f64),
        Node::Call(name, args) => {
            let args: Vec<f64> = args.iter().map(|arg| eval(arg, variables, arrays)).collect();
            call(name, &args, variables[0])
        }
        Node::Fold(name, n, each) => {
            let n = eval(n, variables, arrays) as usize;
            let mut total: Option<f64> = None;
            variables.push(0.0);
            let slot = variables.len() - 1;
            for j in 0..n {
                variables[slot] = j as f64;
                let x = eval(each, variables, arrays);
                total = Some(match (name.as_str(), total) {
                    ("count", total) => total.unwrap_or(0.0) + f64::from(x != 0.0),
                    (_, None) => x,
                    ("sum", Some(total)) => total + x,
                    ("prod", Some(total)) => total * x,
                    ("max", Some(total)) => total.max(x),
                    (_, Some(total)) => total.min(x),
                });
            }
            variables.pop();
            total.unwrap_or(if name == "prod" { 1.0 } else { 0.0 })
        }
        Node::Binary("&&", a, b) => {
            let both = eval(a, variables, arrays) != 0.0 && eval(b, variables, arrays) != 0.0;
            f64::from(both)
        }
        Node::Binary("||", a, b) => {
            let any = eval(a, variables, arrays) != 0.0 || eval(b, variables, arrays) != 0.0;
            f64::from(any)
        }
        Node::Binary(op, a, b) => {
            let (a, b) = (eval(a, variables, arrays), eval(b, variables, arrays));
            let truth = |x: bool| f64::from(x);
            match *op {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "%" => a % b,
                "<" => truth(a < b),
                "<=" => truth(a <= b),
                ">" => truth(a > b),
                ">=" => truth(a >= b),
                "==" => truth(a == b),
                "!=" => truth(a != b),
                "&" => (a as i64 & b as i64) as f64,
                "|" => (a as i64 | b as i64) as f64,
                "^" => (a as i64 ^ b as i64) as f64,
                "<<" => ((a as i64) << (b as i64 & 63)) as f64,
                _ => (a as i64 >> (b as i64 & 63)) as f64,
            }
        }
        Node::Choose(c, a, b) => {
            let chosen = if eval(c, variables, arrays) != 0.0 { a } else { b };
            eval(chosen, variables, arrays)
        }
    }
}

fn call(name: &str, args: &[f64], i: f64) -> f64 {
    match (name, args) {
        ("exp", [x]) => x.exp(),
        ("log", [x]) => x.ln(),
        ("sqrt", [x]) => x.sqrt(),
        ("sin", [x]) => x.sin(),
        ("cos", [x]) => x.cos(),
        ("tanh", [x]) => x.tanh(),
        ("abs", [x]) => x.abs(),
        ("floor", [x]) => x.floor(),
        ("trunc", [x]) => x.trunc(),
        ("round", [x]) => x.round_ties_even(),
        ("min", [a, b]) => a.min(*b),
        ("max", [a, b]) => a.max(*b),
        ("pow", [a, b]) => a.powf(*b),
        ("f32", [x]) => f64::from(*x as f32),
        ("popcount", [x]) => (*x as i64 as u64).count_ones().into(),
        // Uniform in [0, 1), one stream per seed.
        ("rand", [seed]) => {
            // What neighbouring seeds draw is related; what their forks draw is not.
            fastrand::Rng::with_seed((*seed as u64) << 32 | i as u64).fork().f64()
        }
        _ => f64::NAN,
    }
}

const FUNCTIONS: [&str; 15] = [
    "exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "floor", "trunc", "round", "pow", "f32",
    "popcount", "rand", "min",
];

struct Parser {
    chars: Vec<char>,
    at: usize,
    variables: Vec<String>,
}

impl Parser {
    fn space(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        self.space();
        let found = text.chars().enumerate().all(|(k, c)| self.chars.get(self.at + k) == Some(&c));
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.eat(text) { Ok(()) } else { Err(format!("expected `{text}` at {}", self.at)) }
    }

    fn choose(&mut self) -> Result<Node, String> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.choose()?;
        self.expect(":")?;
        let no = self.choose()?;
        Ok(Node::Choose(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn binary(&mut self, level: usize) -> Result<Node, String> {
        // Loosest first; within a level longer spellings first.
        const LEVELS: [&[&str]; 7] = [
            &["||"],
            &["&&"],
            &["<=", ">=", "==", "!=", "<", ">"],
            &["|", "^", "&"],
            &["<<", ">>"],
            &["+", "-"],
            &["*", "/", "%"],
        ];
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        'more: loop {
            for op in LEVELS[level] {
                self.space();
                let next: String = self.chars[self.at..].iter().take(2).collect();
                // `<` is not the start of `<<`, nor `&` of `&&`.
                let longer =
                    op.len() == 1 && ["<<", ">>", "<=", ">=", "&&", "||"].contains(&&*next);
                if !longer && self.eat(op) {
                    let right = self.binary(level + 1)?;
                    left = Node::Binary(op, Box::new(left), Box::new(right));
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn unary(&mut self) -> Result<Node, String> {
        if self.eat("-") {
            let inner = self.unary()?;
            return Ok(Node::Binary("-", Box::new(Node::Number(0.0)), Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Node, String> {
        if self.eat("(") {
            let inner = self.choose()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.space();
        let from = self.at;
        while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || "_.".contains(*c)) {
            let exponent = matches!(self.chars[self.at], 'e' | 'E')
                && self.chars[from].is_ascii_digit()
                && matches!(self.chars.get(self.at + 1), Some('-' | '+'));
            self.at += if exponent { 2 } else { 1 };
        }
        let word: String = self.chars[from..self.at].iter().collect();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = match word.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok().map(|x| x as f64),
                None => word.parse().ok(),
            };
            return number.map(Node::Number).ok_or_else(|| format!("bad number `{word}`"));
        }
        if let Some(slot) = self.variables.iter().rposition(|name| *name == word) {
            return Ok(Node::Variable(slot));
        }
        match word.as_str() {
            "inf" => return Ok(Node::Number(f64::INFINITY)),
            "nan" => return Ok(Node::Number(f64::NAN)),
            "" => return Err(format!("expected a value at {from}")),
            _ => {}
        }
        if self.eat("[") {
            let index = self.choose()?;
            self.expect("]")?;
            return Ok(Node::Element(word, Box::new(index)));
        }
        self.expect("(")?;
        if word == "len" {
            self.space();
            let from = self.at;
            while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                self.at += 1;
            }
            let name = self.chars[from..self.at].iter().collect();
            self.expect(")")?;
            return Ok(Node::Length(name));
        }
        if matches!(word.as_str(), "sum" | "prod" | "max" | "min" | "count") {
            let back = self.at;
            if let Some(fold) = self.fold(&word)? {
                return Ok(fold);
            }
            self.at = back;
        }
        if word != "max" && !FUNCTIONS.contains(&word.as_str()) {
            return Err(format!("unknown function `{word}`"));
        }
        let mut args = vec![self.choose()?];
        while self.eat(",") {
            args.push(self.choose()?);
        }
        self.expect(")")?;
        Ok(Node::Call(word, args))
    }

    /// `j, n, e)`, or nothing if it has another form.
    fn fold(&mut self, word: &str) -> Result<Option<Node>, String> {
        self.space();
        let from = self.at;
        while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
            self.at += 1;
        }
        let name: String = self.chars[from..self.at].iter().collect();
        let fresh = name.starts_with(|c: char| c.is_alphabetic());
        if !fresh || self.variables.contains(&name) || !self.eat(",") {
            return Ok(None);
        }
        let n = self.choose()?;
        self.expect(",")?;
        self.variables.push(name);
        let each = self.choose()?;
        self.variables.pop();
        self.expect(")")?;
        Ok(Some(Node::Fold(word.to_string(), Box::new(n), Box::new(each))))
    }
}
