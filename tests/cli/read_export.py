"""Reads an export as BI tools do, and prints what each reader finds, as JSON.

Usage: read_export.py FOLDER parquet|csv|ndjson|sqlite

{"duckdb": {"traffic_windows": {"rows": 2880, "columns": {"site": "VARCHAR", …}}, …}, "polars": …}

A reader that cannot be imported has the reason instead of tables, and one that cannot read the form
has none.
"""

import glob
import json
import os
import sys

TABLES = (
    "traffic_windows",
    "scored_windows",
    "incidents",
    "incident_causes",
    "detectors",
    "runs",
)


def files(folder, table, form):
    """The file of a table, or those of its dates."""
    single = os.path.join(folder, f"{table}.{form}")
    if os.path.exists(single):
        return [single]
    return sorted(glob.glob(os.path.join(folder, table, f"*.{form}")))


def database(folder):
    import sqlite3

    return sqlite3.connect(f"file:{folder}/anomalog.sqlite?mode=ro", uri=True)


def with_sqlite3(folder, form):
    found = {}
    for table in TABLES if form == "sqlite" else ():
        connection = database(folder)
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        found[table] = {"rows": len(rows), "columns": {name: kind for _, name, kind, *_ in columns}}
    return found


def with_duckdb(folder, form):
    import duckdb

    if form == "sqlite":
        return {}
    os.chdir(folder)
    connection = duckdb.connect()
    connection.execute(open("star.sql", encoding="utf-8").read())
    found = {}
    for table in TABLES:
        columns = connection.execute(f"DESCRIBE {table}").fetchall()
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        # Every value is read, not only counted.
        connection.execute(f"SELECT * FROM {table}").fetchall()
        found[table] = {"rows": rows, "columns": {name: kind for name, kind, *_ in columns}}
    return found


def with_polars(folder, form):
    import polars

    if form == "sqlite":
        return {}
    words = {
        "Boolean": "BOOLEAN",
        "Int32": "INTEGER",
        "Int64": "BIGINT",
        "Float64": "DOUBLE",
        "String": "VARCHAR",
        "Datetime(time_unit='us', time_zone='UTC')": "TIMESTAMP WITH TIME ZONE",
    }
    read = {
        "parquet": polars.read_parquet,
        "csv": lambda path: polars.read_csv(path, try_parse_dates=True, infer_schema_length=None),
        "ndjson": lambda path: polars.read_ndjson(path, infer_schema_length=None),
    }[form]
    found = {}
    for table in TABLES:
        rows, columns = 0, {}
        for path in files(folder, table, form):
            # No rows at all are no JSON lines, and have no columns.
            if form == "ndjson" and os.path.getsize(path) == 0:
                continue
            frame = read(path)
            rows += frame.height
            columns = {name: words.get(str(kind), str(kind)) for name, kind in frame.schema.items()}
        found[table] = {"rows": rows, "columns": columns}
    return found


def with_pandas(folder, form):
    import pandas

    if form == "sqlite":
        connection = database(folder)
        frames = {table: pandas.read_sql_query(f"SELECT * FROM {table}", connection) for table in TABLES}
        return {
            table: {"rows": len(frame), "columns": {name: str(frame.dtypes[name]) for name in frame.columns}}
            for table, frame in frames.items()
        }
    read = {
        "parquet": pandas.read_parquet,
        "csv": pandas.read_csv,
        "ndjson": lambda path: pandas.read_json(path, lines=True),
    }[form]
    found = {}
    for table in TABLES:
        frames = [read(path) for path in files(folder, table, form)]
        found[table] = {
            "rows": sum(len(frame) for frame in frames),
            "columns": {name: str(frame.dtypes[name]) for frame in frames for name in frame.columns},
        }
    return found


def with_pyarrow(folder, form):
    import pyarrow.parquet

    words = {
        "bool": "BOOLEAN",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "string": "VARCHAR",
        "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    }
    found = {}
    for table in TABLES if form == "parquet" else ():
        tables = [pyarrow.parquet.read_table(path) for path in files(folder, table, form)]
        schema = tables[0].schema
        for field in schema:
            assert field.metadata[b"description"], (table, field.name)
        found[table] = {
            "rows": sum(table.num_rows for table in tables),
            "columns": {field.name: words.get(str(field.type), str(field.type)) for field in schema},
        }
    return found


def main():
    folder, form = os.path.abspath(sys.argv[1]), sys.argv[2]
    readers = {
        "pyarrow": with_pyarrow,
        "pandas": with_pandas,
        "polars": with_polars,
        "duckdb": with_duckdb,
        "sqlite3": with_sqlite3,
    }
    found = {}
    for name, read in readers.items():
        try:
            __import__(name)
        except ImportError as error:
            found[name] = str(error)
            continue
        found[name] = read(folder, form)
    json.dump(found, sys.stdout)


main()
