"""Tables as requests: CSV, NDJSON, Arrow streams and Parquet files to arrays, with their parameters in the query."""

from services.stats.tables.layout import Layout, TableBody
from services.stats.tables.reading import ARROW, CSV, JSON, NDJSON, PARQUET, TABLES, open_table
from services.stats.tables.request import parse_table

__all__ = ["ARROW", "CSV", "JSON", "NDJSON", "PARQUET", "TABLES", "Layout", "TableBody", "open_table", "parse_table"]
