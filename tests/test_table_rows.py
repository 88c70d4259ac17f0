from pmrnet.table_rows import PaperRow, Row, arranged


def test_paper_rows_without_a_measured_one_come_last():
    one, two = (PaperRow(title, {}, "") for title in ("one", "two"))
    row = Row("b", "B", "", paper="two")
    items = [(Row("a", "A", ""), None, None), (row, None, None)]
    assert arranged(items, [one, two]) == [items[0], items[1], two, one]
