"""The scripts of benchmarks/ that studies are evaluated with, and the plugin that one of them needs."""

from __future__ import annotations

import csv
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from repository_script import load_script

from usb_negsamp import ConfigError
from usb_negsamp.run.sweep.studies.study_file import read_study
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


def test_a_variant_of_the_gate_at_its_defaults_is_the_gate(tmp_path, monkeypatch, no_plugin_stays):
    monkeypatch.chdir(BENCHMARKS.parent)
    load_script(BENCHMARKS / "gate_variants.py").register()
    keys = {"ns3l_gate": "neighbors", "ns3l_ramp": 0.0, "ns3l_threshold": 0.09}
    ends = [
        parameters_of(train_tiny(f"fixmatch_{name}", tmp_path / name, **keys, **more))
        for name, more in (
            ("ns3l", {}),
            ("variant", {}),
            ("variant", {"ns3l_gate_by_class": True}),
            ("variant", {"ns3l_gate_class_agrees": True}),
            ("variant", {"ns3l_agreed_negatives": True}),
            ("variant", {"ns3l_gate_power": 2.0}),
            ("variant", {"ns3l_start": 0.5}),
        )
    ]
    alike = [all(torch.equal(tensor, end[name]) for name, tensor in ends[0].items()) for end in ends]
    assert alike == [True, True, False, False, False, False, False]


def test_of_the_gate_by_densities_a_variant_has_agreed_negatives_alone(tmp_path, monkeypatch, no_plugin_stays):
    monkeypatch.chdir(BENCHMARKS.parent)
    load_script(BENCHMARKS / "gate_variants.py").register()
    keys = {"ns3l_gate": "density_ratio", "ns3l_ramp": 0.0, "ns3l_threshold": 0.09}
    gate, variant, agreed = (
        parameters_of(train_tiny(f"fixmatch_{name}", tmp_path / f"{name}{len(more)}", **keys, **more))
        for name, more in (("ns3l", {}), ("variant", {}), ("variant", {"ns3l_agreed_negatives": True}))
    )
    assert all(torch.equal(tensor, variant[name]) for name, tensor in gate.items())
    assert not all(torch.equal(tensor, agreed[name]) for name, tensor in gate.items())
    with pytest.raises(ConfigError, match="ns3l_gate: expected neighbors for its variants"):
        build_tiny("fixmatch_variant", tmp_path, **keys, ns3l_gate_by_class=True)


def test_what_spl_gains_is_paired_over_the_splits(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "spl_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("method", "mismatch_ratio", "validation_size", "split_seed", "spl_test_acc", "spl_start_test_acc")
    rows = [
        ("VAT + SPL", 0.3, 91, 0, 0.9, 0.8),
        ("VAT + SPL", 0.3, 91, 1, 0.8, 0.7),
        ("VAT, fine-tuned", 0.3, 91, 0, 0.85, 0.8),
        ("VAT, fine-tuned", 0.3, 91, 1, 0.79, 0.7),
        ("VAT + SPL", 0.6, 91, 0, 0.5, 0.4),
        # A training, which has no stage.
        ("VAT", 0.6, 91, 1, "", ""),
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["spl_gain.py", str(path)])
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| trained by | mismatch | validation images | n | start | fine-tuned | SPL |")
    first = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert first[:4] == ["VAT", "0.3", "91", "2"]
    assert first[7].startswith("-10.00")
    assert first[8].startswith("-3.00")
    assert lines[3].split("|")[8].strip() == "-10.00"
    assert len(lines) == 4


def test_spl_is_set_beside_each_control_and_new_statistics_and_averaged_over_algorithms(tmp_path: Path) -> None:
    module = load_script(BENCHMARKS / "spl_gain.py")
    path = tmp_path / "rows.csv"
    columns = (
        "method", "mismatch_ratio", "validation_size", "split_seed", "spl_test_acc", "spl_start_test_acc",
        "spl_start_reestimated_test_acc",
    )  # fmt: skip
    accuracies = {"VAT + NS3L + SPL": 0.9, "VAT + NS3L, fine-tuned": 0.85, "VAT + NS3L, alternating": 0.88}
    rows = [(method, 0.6, 91, split, found, 0.8, 0.84) for method, found in accuracies.items() for split in (0, 1)]
    # Of Pi's two splits one has gone through the stage with a soft mask alone, and VAT + NS3L through none.
    rows += [("Pi + SPL", 0.6, 91, 0, 0.7, 0.7, 0.72), ("Pi, fine-tuned", 0.6, 91, 0, 0.75, 0.7, 0.72)]
    rows += [("Pi, alternating", 0.6, 91, 0, 0.72, 0.7, 0.72), ("Pi + SPL, soft", 0.6, 91, 1, 0.72, 0.6, 0.72)]
    rows += [("Pi + SPL", 0.3, 91, 0, 0.7, 0.7, 0.72), ("Pi + SPL, rate chosen", 0.3, 91, 0, 0.72, 0.7, 0.72)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    head, _, *lines = (
        [cell.strip() for cell in text.strip("|").split("|")]
        for text in module.table(module.errors_of([path])).splitlines()
    )
    vat, pi, average, other = (dict(zip(head, line, strict=True)) for line in lines)
    assert [line["trained by"] for line in (vat, pi, average, other)] == ["VAT + NS3L", "Pi", "average of 2", "Pi"]
    assert [line["mismatch"] for line in (vat, pi, average, other)] == ["0.6", "0.6", "0.6", "0.3"]
    over = [f"SPL over {other}" for other in ("start", "statistics anew", "fine-tuned", "alternating")]
    assert [vat[name].split()[0] for name in over] == ["-10.00", "-6.00", "-5.00", "-2.00"]
    assert [pi[name] for name in over] == ["+0.00", "+2.00", "+5.00", "+2.00"]
    assert [average[name] for name in over] == ["-5.00", "-2.00", "+0.00", "+0.00"]
    chosen = [other[f"SPL, rate chosen{more}"] for more in ("", " over start", " over statistics anew")]
    assert chosen == ["28.00", "-2.00", "+0.00"]
    # The start of split 1 is known from the soft mask's row: 20 and 40.
    assert [average[name] for name in ("n", "start", "SPL", "SPL, soft")] == ["1", "27.50 ± 3.54", "20.00", ""]


def test_what_spl_gains_is_shown_side_by_side_for_numbers_of_validation_images(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "spl_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("method", "mismatch_ratio", "validation_size", "split_seed", "spl_test_acc", "spl_start_test_acc")
    accuracies = {
        "VAT + SPL": (0.9, 0.89),
        "VAT, fine-tuned": (0.8, 0.8),
        "Pi + SPL": (0.7, 0.9),
        "Pi, fine-tuned": (0.8, 0.7),
    }
    rows = [
        (method, 0.3, size, split, accuracy - size / 1000, 0.75)
        for method, found in accuracies.items()
        for split, accuracy in enumerate(found)
        for size in (20, 10)
    ] + [("PL + SPL", 0.3, 10, 0, 0.8, 0.75)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["spl_gain.py", str(path), "--sizes"])
    module.main()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    differences = [f"{pair}, {size}" for pair in ("fine-tuned over start", "SPL over fine-tuned") for size in (10, 20)]
    assert lines[0] == ["trained by", "mismatch", *differences]
    assert lines[2] == ["VAT", "0.3", "-4.00*", "-3.00*", "-9.50*", "-9.50*"]
    assert lines[3] == ["Pi", "0.3", "+1.00", "+2.00", "-5.00", "-5.00"]
    assert lines[4] == ["average of 2", "0.3", "-1.50", "-0.50", "-7.25", "-7.25"]


def test_what_the_gate_gains_is_chosen_on_some_splits_and_reported_on_others(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "gate_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("data", "method", "mismatch_ratio", "split_seed", "eval_last_acc", "test_acc_last", "weight_seen")
    rows = [
        ("usps", method, share, seed, accuracy + gain, accuracy + gain + other, weight)
        for seed, accuracy in enumerate((0.8, 0.9, 0.7))
        for share in ("0.0", "0.6")
        for method, gain, other, weight in (
            ("VAT", 0.0, 0.0, ""),
            ("VAT + NS3L", 0.02, -0.02 * (seed > 0), ""),
            ("VAT + NS3L gate", 0.01, 0.01 * (seed > 0) + 0.01 * (seed > 1), 0.5 + seed / 10),
        )
    ]
    # One that was not run on all data is not chosen by what it has.
    rows.append(("usps", "VAT + NS3L late", "0.6", 0, 0.99, 0.99, ""))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["gate_gain.py", str(path), "--choose", "0"])
    module.main()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["**VAT + NS3L**", "0", "-2.00", "1", "+0.00 [+0.00, +0.00]", "2", "", ""]
    assert lines[4] == ["VAT + NS3L gate", "0", "-1.00", "1", "-2.50 [-3.00, -2.00]", "2", "0.60", ""]
    assert lines[6][:4] == ["VAT + NS3L late", "0.6", "-19.00", "1"]
    assert len(lines) == 7


def test_the_curve_of_a_file_is_named_by_what_its_rows_were_trained_on() -> None:
    module = load_script(BENCHMARKS / "mismatch_figure.py")
    curve = module.curve_of_rows(BENCHMARKS / "open_set" / "usps.csv", ["supervised", "VAT"])
    assert curve.setting == "usps, 60 labels of 6 seen classes"
    assert [(line.name, line.level) for line in curve.lines] == [("supervised", True), ("VAT", False)]


def test_the_points_of_the_picture_are_means_over_the_splits_at_one_mismatch() -> None:
    module = load_script(BENCHMARKS / "auroc_figure.py")
    rows = [
        {
            "method": method,
            "mismatch_ratio": share,
            "test_acc_at_best": accuracy,
            "open_auroc": auroc,
            "test_acc_last": "0.3",
            "open_auroc_last": "0.4" if accuracy == "0.9" else "",
        }
        for method, share, accuracy, auroc in (
            ("VAT", "0.6", "0.9", "0.7"),
            ("VAT", "0.6", "0.8", "0.9"),
            ("VAT", "0.0", "0.1", "0.1"),
            ("supervised", "0.6", "0.5", ""),
        )
    ]
    points = module.points_of_rows(rows, 0.6)
    assert list(points) == ["VAT"]
    assert round(points["VAT"].accuracy.mean, 6) == 85.0
    assert round(points["VAT"].auroc.mean, 6) == 0.8
    assert points["VAT"].accuracy.n == 2
    last = module.points_of_rows(rows, 0.6, "last")
    assert (round(last["VAT"].accuracy.mean, 6), last["VAT"].auroc.mean, last["VAT"].auroc.n) == (30.0, 0.4, 1)


def test_the_picture_has_a_panel_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_script(BENCHMARKS / "auroc_figure.py")
    rows = [str(BENCHMARKS / "open_set" / f"{name}.csv") for name in ("usps", "mnist10k")]
    widths = []
    for number in (1, 2):
        path = tmp_path / f"{number}.png"
        monkeypatch.setattr(sys, "argv", ["auroc_figure.py", *rows[:number], "--out", str(path)])
        module.main()
        widths.append(int.from_bytes(path.read_bytes()[16:20], "big"))
    assert widths[1] - widths[0] == round(4.2 * 160)


def test_what_one_method_has_over_another_is_paired_over_the_splits_that_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load_script(BENCHMARKS / "pairs.py")
    path, page = tmp_path / "rows.csv", tmp_path / "page.md"
    page.write_text("<!-- table gains -->\n<!-- /table -->\n")
    accuracies = {
        ("usps", "VAT"): {0: 0.8, 1: 0.7, 2: 0.1},
        ("usps", "VAT + NS3L"): {1: 0.74, 0: 0.82},
        ("usps", "NS3L"): {0: 0.9, 1: 0.9},
        ("mnist", "VAT"): {0: 0.5},
        ("mnist", "VAT + NS3L"): {0: 0.4},
    }
    rows = [
        (data, "", method, split, accuracy, "")
        for (data, method), found in accuracies.items()
        for split, accuracy in found.items()
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("data", "setting", "method", "split_seed", "test_acc_at_best", "selection"), *rows]
        )
    words = [str(path), "--also", "NS3L=VAT"]
    assert module.main([*words, "--update", str(page), "--table", "gains"]) == 0
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["method", "over", "usps", "mnist"]
    # 2 and 4 points, of which t with one degree of freedom makes 3 +- 12.71
    assert lines[2] == ["VAT + NS3L", "VAT", "-3.00 [-15.71, +9.71]", "+10.00"]
    assert [lines[3][0], lines[3][2][:6], lines[3][3]] == ["NS3L", "-15.00", ""]
    assert "| VAT + NS3L | VAT | -3.00" in page.read_text()
    for wrong, message in (("NS3L", "expected METHOD=OTHER"), ("NS3L=Pi", "no row of 'Pi'; expected one of VAT")):
        with pytest.raises(SystemExit):
            module.main([str(path), "--also", wrong])
        assert message in capsys.readouterr().err


def test_a_tuning_study_s_choice_is_that_of_validation_whatever_the_test_images_say(tmp_path, capsys):
    module = load_script(BENCHMARKS / "tuned.py")
    path = tmp_path / "some_tuning" / "results.csv"
    path.parent.mkdir()
    rows = [
        ("VAT; lr 0.1", 0.9, 0.1),
        ("VAT; lr 0.3", 0.8, 0.9),
        ("VAT; lr 0.1", 0.6, 0.1),
        ("VAT; lr 0.3", 0.9, 0.9),
        ("Pi, twice; ulb_loss_ratio 5.0", 0.5, 0.5),
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("method", "eval_best_acc", "test_acc_at_best"), *rows])
    assert module.main([str(path)]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith(("some", "| VAT", "| Pi"))] == [
        "some_tuning",
        "| VAT | lr | 0.1: 25.00, 0.3: 15.00 | 0.3 |",
        "| Pi, twice | ulb_loss_ratio | 5.0: 50.00 | 5.0 |",
    ]
    with pytest.raises(ValueError, match="expected a method METHOD; KEY VALUE, but got VAT"):
        module.chosen_values([{"method": "VAT", "eval_best_acc": "0.5"}])
    two = [{"method": f"VAT; {key} 1", "eval_best_acc": "0.5"} for key in ("lr", "ema_m")]
    with pytest.raises(ValueError, match="expected one key of VAT, but got ema_m, lr"):
        module.chosen_values(two)


def test_a_table_has_the_values_that_its_tuning_study_chose_or_the_first_ones_before_it_was_run():
    of_tables = {
        "cifar10_tuning": ("tuning_ns3l", ("cifar10_ns3l", "cifar10_ns3l_long")),
        "cifar10_tuning_dnll": ("tuning_dnll", ("cifar10_dnll",)),
        "cifar10_tuning_open_set": ("tuning_open_set", ("cifar10_spl", "cifar10_spl_shares", "cifar10_open_set")),
    }
    compared = 0
    for name, (rows, tables) in of_tables.items():
        candidates: dict[str, dict[str, dict[str, Any]]] = {}
        for label, keys in read_study(BENCHMARKS / "studies" / f"{name}.yaml").methods.items():
            method, _, choice = label.partition("; ")
            candidates.setdefault(method, {})[choice] = {**(keys or {})}
        chosen = {method: next(iter(choices)) for method, choices in candidates.items()}
        measured = BENCHMARKS / "cifar10" / f"{rows}.csv"
        if measured.is_file():
            with measured.open(newline="") as file:
                lines = load_script(BENCHMARKS / "tuned.py").chosen_values(csv.DictReader(file))
            chosen = {method: f"{key} {value}" for method, key, _, value in lines}
        for table in tables:
            study = read_study(BENCHMARKS / "studies" / f"{table}.yaml")
            for method in candidates.keys() & study.methods.keys():
                keys = candidates[method][chosen[method]]
                of_table = {**study.common, **(study.methods[method] or {})}
                assert {key: value for key, value in keys.items() if of_table.get(key, value) != value} == {}, method
                assert chosen[method].partition(" ")[0] in keys
                compared += 1
    assert compared > 25


def test_the_set_of_real_texts_is_what_its_archive_holds_in_parts_that_share_nothing(tmp_path, monkeypatch):
    module = load_script(BENCHMARKS / "texts.py")
    monkeypatch.setattr(module, "PARTS", {"train": 5, "dev": 2, "test": 3})
    archive = tmp_path / "package.tar.gz"
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as files:
        for place in module.PLACES:
            lines = [f"{number}\t0.5\tThe {place} text {number}, of Words." for number in range(10)]
            add(files, f"hutto_ICWSM_2014/{place}_GroundTruth.txt", "\n".join([*lines, "11\t0.5\t "]).encode())
    with tarfile.open(archive, "w:gz") as files:
        add(files, f"package/{module.INNER}", inner.getvalue())
    found = module.sentences(archive)
    assert {place: len(texts) for place, texts in found.items()} == dict.fromkeys(module.PLACES, 10)
    train = module.write_texts(found, tmp_path / "texts")
    parts = {part: json.loads((tmp_path / "texts" / f"{part}.json").read_text()) for part in module.PARTS}
    assert {part: len(entries) for part, entries in parts.items()} == {"train": 20, "dev": 8, "test": 12}
    texts = [entry["ori"] for entries in parts.values() for entry in entries.values()]
    assert len(set(texts)) == 40
    assert train == [entry["ori"] for entry in parts["train"].values()]
    for entry in parts["train"].values():
        words = entry["ori"].split()
        assert module.PLACES[int(entry["label"])].lower() in words
        for view in ("aug_0", "aug_1"):
            assert entry[view]
            assert set(entry[view].split()) <= set(words)
    assert sum(len(entry["aug_1"]) for entry in parts["train"].values()) < sum(
        len(entry["aug_0"]) for entry in parts["train"].values()
    )


def add(files: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    files.addfile(member, io.BytesIO(content))
