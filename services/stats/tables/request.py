"""The request that a table and the parameters beside it make up."""

from typing import Any, TypeVar

from pydantic import ValidationError

from services.stats.tables.layout import Query, TableBody, as_value, parameters_of, refuse_parameter
from services.stats.tables.reading import open_table
from shared.errors import Malformed
from shared.handlers import refusal

M = TypeVar("M", bound=TableBody)


def parse_table(model: type[M], kind: str, body: bytes, query: Query, most: int) -> M:
    """`kind` is the table's media type, `most` the values it may have.

    Raises Malformed, Unprocessable and TooLarge, naming the line or row and the column, or the parameter, at fault.
    """
    given = [name for name, _ in query]
    for name in given:
        if name != model.layout.rest and given.count(name) > 1:
            raise refuse_parameter(name, "is given more than once; give it once", Malformed)
    columns, text = model.layout.arrange(open_table(kind, body, most), query)
    parameters = {name: _value(model, name, value) for name, value in text.items()}
    try:
        return model.model_validate({**parameters, **columns})
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
        of_query = [each for each in faults if each["loc"] and each["loc"][0] in parameters]
        raise refusal(of_query or faults, "query" if of_query else "body") from None


def _value(model: type[TableBody], name: str, text: str) -> str | list[str]:
    schema = parameters_of(model).get(name)
    if schema is None:
        raise refuse_parameter(name, f"is no parameter here; there are {_known(model)}", Malformed)
    return as_value(schema, text)


def _known(model: type[TableBody]) -> str:
    return ", ".join(sorted({*model.layout.choices, *parameters_of(model)}))
