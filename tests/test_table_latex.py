from pmrnet.table_latex import escaped, latex_table
from pmrnet.table_rows import PaperRow
from test_table_cells import NAN, PROTOCOL, measured


def test_latex():
    paper = PaperRow("Our_Method & more", {"Left": 0.9, "Right": NAN}, "somewhere")
    rows = [measured("a", 0.71, seconds=0.5), measured("b", 0.61)]
    text = latex_table("100 % of it", PROTOCOL, rows, [paper])
    lines = text.splitlines()
    assert lines[1].startswith(r"\begin{tabular}{ll")
    assert lines[2] == r"\toprule"
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert r"Folding, \%" in lines[3]
    body = lines[5:-2]
    assert body[0].startswith(r"a & measured & \textbf{0.710 $\pm$ 0.010} & ")
    assert body[1].startswith(r"b & measured & 0.610 $\pm$ 0.010 & ")
    assert body[2].startswith(r"Our\_Method \& more & paper & 0.900 & -- & ")
    columns = lines[1].split("{")[-1].rstrip("}")
    assert all(line.endswith(r" \\") for line in body)
    assert {line.replace(r"\&", "").count("&") + 1 for line in [lines[3], *body]} == {len(columns)}


def test_latex_text_is_escaped():
    assert escaped(r"50 % of a_b & {c} \ #1 ~^$") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{} \#1 \textasciitilde{}\textasciicircum{}\$"
    )
