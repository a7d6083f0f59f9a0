from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from services.stats.columns import Column, Columns, OneOrNamed


class Table(BaseModel):
    column: Column | None = None
    columns: Columns | None = None
    series: OneOrNamed | None = None


def faults(text: str) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate_json(text)
    return [(*each["loc"], each["type"]) for each in caught.value.errors()]


def test_numbers_become_doubles() -> None:
    table = Table.model_validate_json('{"column": [1, 2.5, -3e2, 12345678901234567890123]}')
    assert table.column is not None
    assert table.column.dtype == np.float64
    assert table.column.tolist() == [1.0, 2.5, -300.0, 12345678901234567890123.0]


def test_one_column_or_many() -> None:
    one = Table.model_validate_json('{"columns": [1, 2]}').columns
    many = Table.model_validate_json('{"columns": [[1, 2], [3, 4]]}').columns
    assert one is not None
    assert many is not None
    assert [each.tolist() for each in one] == [[1.0, 2.0]]
    assert [each.tolist() for each in many] == [[1.0, 2.0], [3.0, 4.0]]


def test_null_is_missing_in_a_series() -> None:
    table = Table.model_validate_json('{"series": {"a": [1, null], "b": [null, null, 3]}}')
    assert isinstance(table.series, dict)
    assert np.array_equal(table.series["a"], [1, np.nan], equal_nan=True)
    assert np.isnan(table.series["b"]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"column": 3}', ("column", "list_type")),
        ('{"column": "1,2"}', ("column", "list_type")),
        ('{"column": []}', ("column", "too_short")),
        ('{"column": [1, "2"]}', ("column", 1, "number_type")),
        ('{"column": [1, true]}', ("column", 1, "number_type")),
        ('{"column": [1, [2]]}', ("column", 1, "number_type")),
        ('{"column": [1, null]}', ("column", 1, "value_error")),
        ('{"column": [1, 2, NaN]}', ("column", 2, "finite_number")),
        ('{"column": [1.5, NaN, 2.5]}', ("column", 1, "finite_number")),
        ('{"column": [Infinity]}', ("column", 0, "finite_number")),
        ('{"column": [-1e999]}', ("column", 0, "finite_number")),
        ('{"column": [1e151]}', ("column", 0, "value_error")),
        ('{"column": [0, -1e-151]}', ("column", 1, "value_error")),
        ('{"column": [1, 1' + "0" * 400 + "]}", ("column", 1, "value_error")),
        ('{"columns": [[1, 2], [3, "x"]]}', ("columns", 1, 1, "number_type")),
        ('{"columns": [[1, 2], 3]}', ("columns", 1, "list_type")),
        ('{"columns": [[1], []]}', ("columns", 1, "too_short")),
        ('{"columns": [1, [2]]}', ("columns", 1, "number_type")),
        ('{"series": {}}', ("series", "too_short")),
        ('{"series": {"a": 1}}', ("series", "a", "list_type")),
        ('{"series": {"a": [null, NaN]}}', ("series", "a", 1, "finite_number")),
        ('{"series": {"a": [1], "b": [1, {}]}}', ("series", "b", 1, "number_type")),
    ],
)
def test_a_fault_names_its_entry(text: str, fault: tuple[Any, ...]) -> None:
    # a field that may be null adds which of its branches failed
    assert [each for each in faults(text) if each[0] != "none"] == [fault]


def test_few_of_many_faults_are_named() -> None:
    assert len(faults('{"column": [' + ",".join(['"x"'] * 1000) + "]}")) == 5
