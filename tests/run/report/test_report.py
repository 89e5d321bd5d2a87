"""Tables computed from results rows, and README blocks written from them."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.run.records.results import COLUMNS, put_row
from usb_negsamp.run.report.markdown import update_block
from usb_negsamp.run.report.measures import common_measure
from usb_negsamp.run.report.paired_statistics import paired_difference, spread

ON_TEST = "best on the evaluation images themselves"


def row(algorithm: str, split_seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "save_name": f"{algorithm}_{split_seed}",
        "algorithm": algorithm,
        "dataset": "digits",
        "net": "small_cnn",
        "num_classes": 10,
        "num_labels": 40,
        "batch_size": 8,
        "uratio": 2,
        "seed": split_seed,
        "split_seed": split_seed,
        "num_train_iter": 400,
        "selection": "best on validation",
        "eval_best_acc": accuracy,
        "test_acc_at_best": accuracy,
        "test_acc_last": accuracy - 0.1,
        "split_digest": f"split{split_seed}",
        "data_digest": "data",
    }
    return {**values, **changes}


@pytest.fixture
def results(work_dir: Path) -> str:
    """Three splits of a baseline and a method: errors 20, 30, 40 and 18, 27, 36."""
    write(Path("results.csv"), *[row("supervised", n, 0.8 - 0.1 * n) for n in range(3)])
    write(Path("results.csv"), *[row("vat_ns3l", n, 0.82 - 0.09 * n) for n in range(3)])
    return "results.csv"


def write(path: Path, *rows: dict[str, Any]) -> None:
    for one in rows:
        put_row(path, one)


def report(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = main(["report", *words])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return shown.out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["report", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("usb-negsamp: error: ")


def test_a_table_has_mean_spread_n_and_the_paired_difference(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = report(capsys, results, "--baseline", "supervised")
    half = 4.302653 * 1.0 / math.sqrt(3)
    assert "| algorithm | test error (%), best on validation | n | difference to supervised |" in shown
    assert "| supervised | 30.00 ± 10.00 | 3 |  |" in shown
    assert f"| vat_ns3l | 27.00 ± 9.00 | 3 | -3.00 [{-3 - half:+.2f}, {-3 + half:+.2f}] |" in shown


def test_the_caption_names_protocol_selection_splits_and_interval(
    results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    caption = report(capsys, results, "--baseline", "supervised").splitlines()[0]
    for words in (
        "digits, 40 labels, 10 classes, small_cnn, 400 iterations, batches of 8 labeled + 16 unlabeled.",
        "of the model that was best on validation; mean ± standard deviation over n label splits",
        "(split seeds 0, 1, 2)",
        "95% interval (paired t)",
    ):
        assert words in caption


def test_the_last_model_is_the_figure_where_a_run_had_no_validation(
    results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        Path(results),
        row("vat", 0, 0.9, selection=ON_TEST, test_acc_at_best=None, test_acc_last=None, eval_last_acc=0.7),
    )
    shown = report(capsys, results)
    assert "| algorithm | test error (%), last | n |" in shown
    assert "| vat | 30.00 | 1 |" in shown
    assert "| supervised | 40.00 ± 10.00 | 3 |" in shown
    shown = report(capsys, results, "--measure", "best")
    assert "| vat |" not in shown
    assert "1 run has no such figure and is left out." in shown


def test_the_best_on_the_test_images_is_never_a_figure() -> None:
    best_alone = row("vat", 0, 0.9, selection=ON_TEST, test_acc_at_best="", test_acc_last="", eval_last_acc="")
    with pytest.raises(ConfigError, match="no figure in common"):
        common_measure([best_alone])


def test_the_last_validation_accuracy_is_no_test_figure() -> None:
    validated = row("vat", 0, 0.9, test_acc_at_best="", test_acc_last="", eval_last_acc="0.8")
    with pytest.raises(ConfigError, match="no figure in common"):
        common_measure([validated])


def test_runs_of_different_protocols_never_share_a_mean(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(results), row("supervised", 0, 0.9, num_labels=100), row("supervised", 1, 0.9, num_labels=100))
    shown = report(capsys, results)
    assert shown.count("| algorithm |") == 2
    assert "digits, 100 labels" in shown
    shown = report(capsys, results, "--by", "algorithm,num-labels")
    assert shown.count("| algorithm | num_labels |") == 1
    assert "| supervised | 100 | 10.00 ± 0.00 | 2 |" in shown


def test_seeds_on_one_split_are_averaged_before_splits_are_counted(
    results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path(results), row("supervised", 0, 0.6, seed=9))
    shown = report(capsys, results)
    assert "| supervised | 33.33 ± 5.77 | 3 |" in shown
    assert "Runs on the same split were averaged first (7 runs)." in shown


def test_runs_that_a_table_could_not_tell_apart_are_refused(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(results), row("supervised", 0, 0.6, save_name="other"))
    message = refusal(capsys, results)
    assert "supervised has two runs of seed 0 and split_seed 0, supervised_0 and other" in message
    assert "| supervised | other |" in report(capsys, results, "--by", "algorithm,save_name")


def test_a_difference_is_made_over_common_splits_alone(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(results), row("vat", 2, 0.7), row("vat", 7, 0.7), row("fixmatch", 8, 0.7))
    shown = report(capsys, results, "--baseline", "supervised")
    assert "| vat | 30.00 ± 0.00 | 2 | -10.00 (n = 1) |" in shown
    assert "| fixmatch | 30.00 | 1 | no common split |" in shown


def test_other_images_under_the_same_seed_make_no_pair(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(results), *[row("vat", n, 0.7, split_digest="elsewhere") for n in range(3)])
    shown = report(capsys, results, "--baseline", "supervised")
    assert "| vat | 30.00 ± 0.00 | 3 | other splits |" in shown
    assert "the baseline had other splits under the same seeds" in shown


def test_what_a_sweep_varied_names_the_lines(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {**row("vat_ns3l", n, accuracy), "ns3l_weight": weight, "swept": "ns3l_weight seed"}
        for weight, accuracy in (("10.0", 0.5), ("2.0", 0.6))
        for n in range(2)
    ]
    Path("sweep").mkdir()
    write_csv(Path("sweep/results.csv"), ["ns3l_weight", "swept", *COLUMNS], rows)
    lines = report(capsys, "sweep", "--baseline", "ns3l_weight=10").splitlines()
    assert (
        lines[2] == "| algorithm | ns3l_weight | test error (%), best on validation | n | difference to vat_ns3l 10.0 |"
    )
    assert [line.split("|")[2].strip() for line in lines[4:]] == ["2.0", "10.0"]
    assert "| -10.00 [-10.00, -10.00] |" in lines[4]
    assert "the baseline: expected one line of the table, but 2 fit" in refusal(
        capsys, "sweep", "--baseline", "vat_ns3l"
    )


def test_further_columns_stand_beside_the_figure(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(results), *[row("vat", n, 0.7, open_auroc=0.5 + 0.1 * n, mismatch=0.3) for n in range(2)])
    lines = report(capsys, results, "--also", "open_auroc,mismatch", "--baseline", "supervised").splitlines()
    assert lines[2].endswith("| n | difference to supervised | open_auroc | mismatch |")
    assert lines[3].count("-:") == 5
    assert any(
        line.startswith("| vat | 30.00") and line.endswith("| 0.550 ± 0.071 | 0.300 ± 0.000 |") for line in lines
    )
    assert any(line.startswith("| supervised |") and line.endswith("|  |  |") for line in lines)
    assert "Further columns: mean ± standard deviation over the same splits." in lines[0]
    of_best = "open_auroc is of the model that was best on validation, where there was any."
    assert of_best not in lines[0]
    assert of_best in report(capsys, results, "--also", "open_auroc,mismatch", "--measure", "last").splitlines()[0]
    assert "column net holds 'small_cnn', of which there is no mean" in refusal(capsys, results, "--also", "net")
    assert "unknown column 'open_aurok'" in refusal(capsys, results, "--also", "open_aurok")


def test_another_mismatch_is_another_protocol_unless_it_names_the_line(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = {"seen_classes": 6, "mismatch_protocol": "fixed_total"}
    path = Path("results.csv")
    write(path, *[row("vat", 0, 0.7, **split, mismatch_ratio=ratio) for ratio in (0.0, 0.3)])
    write(path, row("vat", 0, 0.9))
    shown = report(capsys, "results.csv")
    assert shown.count("| algorithm |") == 3
    assert "seen_classes 6, mismatch_protocol fixed_total, mismatch_ratio 0.3." in shown
    shown = report(capsys, "results.csv", "--by", "algorithm,mismatch_ratio")
    assert "| vat | 0.0 | 30.00 | 1 |\n| vat | 0.3 | 30.00 | 1 |" in shown


def test_a_run_and_the_sweep_that_holds_it_count_once(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/a").mkdir(parents=True)
    write(Path("runs/a/results.csv"), row("supervised", 0, 0.8))
    assert "| supervised | 30.00 ± 10.00 | 3 |" in report(capsys, results, "runs/a", "runs")


def test_the_block_of_a_readme_is_rewritten_and_nothing_else(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    readme = Path("README.md")
    readme.write_text(
        "# A\n\n<!-- table one -->\nold\n<!-- /table -->\nmiddle\n<!-- table two -->\n<!-- /table -->\nend\n"
    )
    words = [results, "--update", "README.md", "--table", "two"]
    shown = report(capsys, *words)
    text = readme.read_text()
    assert text.startswith(
        "# A\n\n<!-- table one -->\nold\n<!-- /table -->\nmiddle\n<!-- table two -->\n<!-- usb-negsamp report"
    )
    assert text.endswith("\n<!-- /table -->\nend\n")
    assert shown.strip() in text
    report(capsys, *words)
    assert readme.read_text() == text
    assert update_block(readme, "one", "old") is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected one line <!-- table two --> and after it <!-- /table -->, but it has no such line"),
        ("<!-- table two -->\n<!-- table two -->\n<!-- /table -->", "it has 2 of them"),
        ("<!-- table two -->\n", "has no <!-- /table -->"),
        ("<!-- table two -->\n<!-- table one -->\n<!-- /table -->", "has no <!-- /table -->"),
    ],
)
def test_a_readme_without_the_block_is_left_alone(
    content: str, message: str, results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("README.md").write_text(content)
    assert message in refusal(capsys, results, "--update", "README.md", "--table", "two")
    assert Path("README.md").read_text() == content


def test_the_tables_go_to_a_file(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = report(capsys, results, "--markdown", "table.md")
    assert Path("table.md").read_text() == shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "report needs a run, a sweep, or a results.csv"),
        (["absent"], "absent does not exist"),
        (["."], "results.csv"),
        (["results.csv", "--baseline", "supervized"], "unknown baseline 'supervized'; did you mean 'supervised'?"),
        (["results.csv", "--baseline", "lr=3"], "--baseline: expected column=value of algorithm, but got 'lr=3'"),
        (["results.csv", "--by", "algoritm"], "unknown column 'algoritm'; did you mean 'algorithm'?"),
        (["results.csv", "--by", "algorithm,"], "--by: expected different columns"),
        (["results.csv", "--measure", "first"], "unknown --measure 'first'; expected one of: best, end, last, median"),
        (["results.csv", "--measure", "median"], "no run has the figure 'median of the last evaluations'"),
        (["results.csv", "--update", "README.md"], "--update FILE and --table NAME belong together"),
        (["results.csv", "--tabel", "x"], "unknown option '--tabel'; did you mean '--table'?"),
        (["results.csv", "--by"], "--by needs a value"),
        (["results.csv", "--markdown", "no/such/file.md"], "cannot write no/such/file.md"),
        (["empty"], "empty holds no results.csv: no run has finished there"),
        (["notes.csv"], "notes.csv is no table of results: no column 'algorithm'"),
    ],
    ids=str,
)
def test_a_report_that_cannot_be_is_one_line(
    words: list[str], message: str, results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("notes.csv").write_text("a,b\n1,2\n")
    if words == ["."]:
        Path("results.csv").write_text("")
    assert message in refusal(capsys, *words)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (1000, 1.962)])
def test_the_interval_is_that_of_the_books(degrees: int, quantile: float) -> None:
    """Half its width is the quantile of Student's distribution where the differences spread by the root of n."""
    n = degrees + 1
    values = [(-1.0) ** i * (i + 1) for i in range(n)]
    scale = math.sqrt(n) / statistics.stdev(values)
    baseline = {str(i): 7.0 for i in range(n)}
    found = paired_difference({str(i): 7.0 + scale * value for i, value in enumerate(values)}, baseline)
    assert found is not None
    assert found.interval is not None
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(scale * statistics.mean(values))
    assert (high - low) / 2 == pytest.approx(quantile, abs=6e-4)


def test_differences_that_are_all_the_same_have_an_interval_of_no_width() -> None:
    found = paired_difference({"0": 3.0, "1": 4.0}, {"0": 1.0, "1": 2.0})
    assert found is not None
    assert found.interval == (2.0, 2.0)


def test_a_spread_is_the_samples_and_one_value_has_none() -> None:
    assert spread([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).std == pytest.approx(math.sqrt(32 / 7))
    assert spread([3.0]).std is None
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_pairs_are_what_both_have() -> None:
    assert paired_difference({"0": 1.0}, {"1": 1.0}) is None
    only = paired_difference({"0": 1.0, "2": 5.0}, {"0": 3.0})
    assert only is not None
    assert (only.mean, only.interval, only.n) == (-2.0, None, 1)


@pytest.fixture
def paper_table(work_dir: Path) -> str:
    """Labels alone in batches of 100, two methods in batches of 50, on the same three splits."""
    for algorithm, batch_size, gain in (("supervised", 100, 0.0), ("pimodel", 50, 0.05), ("vat", 50, 0.1)):
        write(Path("results.csv"), *[row(algorithm, n, 0.6 + gain, batch_size=batch_size) for n in range(3)])
    return "results.csv"


def test_methods_that_were_trained_each_in_its_own_way_stand_in_one_table(
    paper_table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    caption, _, *lines = report(capsys, paper_table, "--baseline", "supervised").splitlines()
    assert lines[0].startswith("| algorithm | batch_size | test error (%), best on validation | n | difference to")
    assert lines[2].startswith("| supervised | 100 | 40.00 ± 0.00 | 3 |  |")
    assert lines[4].startswith("| vat | 50 | 30.00 ± 0.00 | 3 | -10.00 [-10.00, -10.00] |")
    assert caption.startswith("digits, 40 labels, 10 classes, small_cnn, 400 iterations, uratio 2. Test error")
    assert "The lines are of one protocol but for batch_size." in caption


def test_what_else_differs_keeps_the_tables_of_a_paper_apart(
    paper_table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path(paper_table), *[row("fixmatch", n, 0.9, batch_size=50, net="wrn_28_2") for n in range(3)])
    first, second = report(capsys, paper_table, "--baseline", "supervised").strip().split("\n\ndigits")
    assert "| vat | 50 |" in first
    assert "| fixmatch | 10.00 ± 0.00 | 3 |" in second
    assert "No line here is the baseline that was asked for." in second
    assert "No line here" not in first


def test_a_method_that_was_trained_in_several_ways_has_a_table_for_each(
    paper_table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path(paper_table), *[row("supervised", n, 0.5, batch_size=50) for n in range(3)])
    shown = report(capsys, paper_table, "--baseline", "supervised")
    assert shown.count("| algorithm | test error") == 2
    assert "| vat | 30.00 ± 0.00 | 3 | -20.00 [-20.00, -20.00] |" in shown
    shown = report(capsys, paper_table, "--by", "algorithm,batch_size", "--baseline", "batch_size=100")
    assert "| supervised | 50 | 50.00 ± 0.00 | 3 | +10.00 [+10.00, +10.00] |" in shown
    shown = report(capsys, paper_table, "--baseline", "algorithm=supervised,batch_size=100")
    assert shown.count("No line here is the baseline that was asked for.") == 1
    assert "no line is the baseline" in refusal(capsys, paper_table, "--baseline", "algorithm=vat,batch_size=100")


def test_a_row_that_stands_for_others_is_said_to(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row("supervised", 0, 0.7), "copy_of": ""}, {**row("vat", 0, 0.7), "copy_of": ""}]
    write_csv(work_dir / "results.csv", ["copy_of", *COLUMNS], rows)
    words = "A run that reads no unlabeled images stands for every value"
    assert words not in report(capsys, "results.csv")
    rows[0]["copy_of"] = "supervised_0"
    write_csv(work_dir / "results.csv", ["copy_of", *COLUMNS], rows)
    assert words in report(capsys, "results.csv")
