"""What dashboards ask, of DuckDB: the median time of a query, over the same files.

    duckdb_queries.py QUERIES SCORED INCIDENTS    the statements of QUERIES, over patterns of Parquet files
"""

import json
import statistics
import sys
import time

import duckdb
import duckdb_logs


def main() -> None:
    queries, scored, incidents = sys.argv[1:]
    statements = [text for text in open(queries).read().split(";") if text.strip()]
    connection = duckdb_logs.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, files in (("scored_windows", scored), ("incidents", incidents)):
        view = f"read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
        connection.execute(f"CREATE VIEW {name} AS FROM {view}")
    print(json.dumps({"ready": {"duckdb": duckdb.__version__}}), flush=True)
    for _ in sys.stdin:
        times = []
        for statement in statements:
            start = time.perf_counter()
            connection.execute(statement).fetchall()
            times.append(time.perf_counter() - start)
        print(json.dumps({"seconds": statistics.median(times)}), flush=True)


main()
