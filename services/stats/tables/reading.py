"""The readers of tables, by media type; pyarrow is loaded when a table comes."""

from services.stats.tables.source import Source

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
TABLES = (CSV, NDJSON, ARROW, PARQUET)


def open_table(kind: str, body: bytes, most: int) -> Source:
    """The table that `body` is, of `most` values. Raises Malformed, Unprocessable and TooLarge."""
    if kind == CSV:
        from services.stats.tables.delimited import Delimited

        return Delimited(body, most)
    if kind == NDJSON:
        from services.stats.tables.lines import Lines

        return Lines(body, most)
    if kind == ARROW:
        from services.stats.tables.arrow import ArrowStream

        return ArrowStream(body, most)
    from services.stats.tables.parquet import ParquetFile

    return ParquetFile(body, most)
