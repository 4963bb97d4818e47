//! The results as JSON: written after every row, and read by the next run, which goes on where this
//! one ended.

use crate::compare::{Contender, Row};
use crate::peer::PEERS;
use crate::report::Setting;
use crate::workload::{DTYPES, OPS, cases};
use serde_json::{Value, json};

/// Everything: the setting, and for each row every contender.
pub(crate) fn json(setting: &Setting, rows: &[Row]) -> String {
    let contender = |c: &Contender| {
        json!({
            "peer": c.peer,
            "variant": c.variant,
            "ms": c.seconds * 1e3,
            "passes": c.passes,
            "foreign": c.foreign,
        })
    };
    let row = |r: &Row| {
        json!({
            "op": r.op,
            "case": r.label,
            "dtype": r.dtype,
            "threads": r.threads,
            "measuring_s": r.cost,
            "contenders": r.contenders.iter().map(contender).collect::<Vec<_>>(),
            "failures": r.failures,
        })
    };
    let all = json!({
        "key": key(setting),
        "present": setting.present,
        "absent": setting.absent,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

/// What two runs must share for one to go on with the other's table: the machine, this very
/// program, the effort and the peers asked for.
fn key(setting: &Setting) -> Value {
    json!({
        "machine": setting.machine,
        "program": setting.program,
        "passes": setting.passes,
        "slice_ms": setting.slice * 1e3,
        "peers": setting.asked,
    })
}

/// The rows of an earlier run that this one need not measure again; its peers are added to the
/// setting's. Nothing if that run was another one, or the text is not such a record.
pub(crate) fn read(text: &str, setting: &mut Setting) -> Vec<Row> {
    let record: Value = serde_json::from_str(text).unwrap_or_default();
    if record["key"] != key(setting) {
        return Vec::new();
    }
    let words = |value: &Value| -> Vec<String> {
        let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.map(str::to_string).collect()
    };
    (setting.present, setting.absent) = (words(&record["present"]), words(&record["absent"]));
    let rows = record["rows"].as_array().into_iter().flatten();
    rows.filter_map(|r| read_row(r, words(&r["failures"]))).collect()
}

fn read_row(row: &Value, failures: Vec<String>) -> Option<Row> {
    let known = |names: &[&'static str], value: &Value| {
        names.iter().copied().find(|&name| value.as_str() == Some(name))
    };
    let op = known(&OPS, &row["op"])?;
    let case = cases(op).into_iter().find(|c| row["case"].as_str() == Some(c.label))?;
    let contender = |c: &Value| {
        let own = ["ours", "limits"];
        Some(Contender {
            peer: known(&own, &c["peer"]).or_else(|| known(&PEERS, &c["peer"]))?,
            variant: c["variant"].as_str()?.to_string(),
            seconds: c["ms"].as_f64()? / 1e3,
            passes: c["passes"].as_u64()? as usize,
            foreign: c["foreign"].as_f64()?,
        })
    };
    Some(Row {
        op,
        label: case.label,
        dtype: known(&DTYPES, &row["dtype"])?,
        threads: row["threads"].as_u64()? as usize,
        work: case.work,
        contenders: row["contenders"].as_array()?.iter().map(contender).collect::<Option<_>>()?,
        failures,
        cost: row["measuring_s"].as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(passes: usize) -> Setting {
        Setting {
            machine: "a \"machine\"".into(),
            program: "7".into(),
            passes,
            slice: 0.05,
            asked: vec!["ort"],
            present: vec!["ort".into()],
            absent: Vec::new(),
        }
    }

    #[test]
    fn a_record_is_read_back_by_the_same_run_only() {
        let case = &cases("sdpa")[0];
        let contender = Contender {
            peer: "ort",
            variant: "mha".into(),
            seconds: 0.0425,
            passes: 3,
            foreign: 0.01,
        };
        let row = Row {
            op: case.op,
            label: case.label,
            dtype: "bf16",
            threads: 2,
            work: case.work,
            contenders: vec![contender],
            failures: vec!["mlx: too slow".into()],
            cost: 4.0,
        };
        let text = json(&setting(3), &[row]);
        let mut next = setting(3);
        next.present.clear();
        let rows = read(&text, &mut next);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].label, rows[0].dtype, rows[0].threads), (case.label, "bf16", 2));
        assert_eq!(rows[0].contenders[0].variant, "mha");
        assert!((rows[0].contenders[0].seconds - 0.0425).abs() < 1e-12);
        assert_eq!(rows[0].failures, ["mlx: too slow"]);
        assert_eq!(next.present, ["ort"]);
        assert!(read(&text, &mut setting(7)).is_empty());
        assert!(read("not json", &mut setting(3)).is_empty());
    }
}
