"""Tables of test errors as LaTeX, for the package booktabs."""

from __future__ import annotations

import re

from usb_negsamp.run.report.markdown import caption, cells
from usb_negsamp.run.report.tables import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SIGN = re.compile(r"(?<![\w.])([-+])(?=\d)")


def latex(table: Table) -> str:
    """Return a ``table`` environment with the caption; it needs ``\\usepackage{booktabs}``."""
    found = cells(table)
    columns = "".join("r" if is_number else "l" for is_number in found.numbers)
    lines = [_row([escaped(name) for name in found.head])]
    rows = [
        _row(
            [numeric(text) if is_number else escaped(text) for text, is_number in zip(row, found.numbers, strict=True)]
        )
        for row in found.rows
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(caption(table))}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *lines,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def escaped(text: str) -> str:
    r"""Return a text with everything that LaTeX takes for a command written out.

    >>> escaped("vat_ns3l, 50%"), escaped("a\\b")
    ('vat\\_ns3l, 50\\%', 'a\\textbackslash{}b')
    """
    return "".join(_SPECIAL.get(character, character) for character in text)


def numeric(text: str) -> str:
    r"""Return figures with signs and brackets as LaTeX sets them.

    >>> numeric("-0.50 [-1.00, +0.00]"), numeric("3.46 ± 0.50")
    ('$-$0.50 {[}$-$1.00, $+$0.00{]}', '3.46 $\\pm$ 0.50')
    """
    signed = _SIGN.sub(r"$\1$", "".join(c if c in "-+" else escaped(c) for c in text))
    # A bracket at the beginning of a row would be an argument of the row before.
    return signed.replace("[", "{[}").replace("]", "{]}")


def _row(texts: list[str]) -> str:
    return " & ".join(texts) + r" \\"
