import numpy as np
import pytest

from tart_nas.tokens.ragged import row_numbers, row_places, row_starts, rows_taken


@pytest.mark.parametrize("lengths", [[2, 0, 3], [], [0], [1, 1, 1], [4]])
def test_against_rows_that_are_lists(lengths):
    lengths = np.array(lengths, dtype=np.int64)
    rows, items = [], iter(range(int(lengths.sum())))
    for length in lengths.tolist():
        rows.append([next(items) for _ in range(length)])
    assert row_numbers(lengths).tolist() == [i for i, row in enumerate(rows) for _ in row]
    assert row_places(lengths).tolist() == [place for row in rows for place in range(len(row))]
    assert [start for start, row in zip(row_starts(lengths), rows, strict=True) if row] == [
        row[0] for row in rows if row
    ]
    for chosen in (list(range(len(rows)))[::-1], [len(rows) - 1] * 2 if rows else []):
        taken = rows_taken(lengths, np.array(chosen, dtype=np.int64))
        assert taken.tolist() == [item for row in chosen for item in rows[row]]
