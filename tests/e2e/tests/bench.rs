//! The bench of a model, through the command line.

use pickup_e2e::Bench;

#[test]
fn a_bench_runs_every_time_and_leaves_no_takes() {
    let bench = Bench::new();
    let arguments = [
        "bench",
        "--size",
        "96x64",
        "--frames",
        "5",
        "--steps",
        "2",
        "--runs",
        "2",
        "--provider",
        "cpu",
        "--json",
    ];
    let measured = bench.pickup(&arguments).json();
    let runs = measured["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let timing = |phase: &str| run["record"]["timing"][phase].as_f64().unwrap();
        assert!(timing("denoise") > 0.0 && timing("decode") > 0.0, "{run}");
        let (per_step, steps) = (run["per_step"].as_f64().unwrap(), run["record"]["steps"].as_f64().unwrap());
        assert!((per_step * steps - timing("denoise")).abs() < 1e-9, "{run}");
        assert_eq!(run["record"]["provider"], "cpu");
    }
    assert_ne!(runs[0]["record"]["id"], runs[1]["record"]["id"], "the second take was the first");
    assert!(measured["estimate"]["memory"]["phases"]["denoise"].as_u64().unwrap() > 0);
    let graphs = measured["inspection"]["graphs"].as_array().unwrap();
    for graph in graphs {
        let counts = graph["counts"].as_array().unwrap();
        assert!(counts.len() == 1 && counts[0]["provider"] == "cpu", "{graph}");
    }
    let transformer = graphs.iter().find(|graph| graph["graph"] == "transformer").unwrap();
    assert!(transformer["counts"][0]["operators"]["MultiHeadAttention"].as_u64().unwrap() > 0);
    assert!(bench.store().takes().is_empty(), "a bench leaves nothing in the user's store");
}
