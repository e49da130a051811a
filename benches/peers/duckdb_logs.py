"""DuckDB from text to Parquet, and from requests to windows.

    duckdb_logs.py ingest  LOGS  OUT      combined logs to Parquet (zstd): the columns of access_logs
    duckdb_logs.py windows PARQUET OUT    access_logs to traffic_windows, without filling gaps
"""

import sys

import duckdb

THREADS = 2

# The request time at the end is part of the format that `benches/data.py` writes.
LINE = (
    r'^(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) ([^ ?"]*)\??([^ "]*) ([^"]*)" (\d+) (\S+)'
    r' "([^"]*)" "([^"]*)" (\S+)$'
)
NAMES = [
    "client_ip", "time", "method", "path", "query", "protocol", "status", "bytes", "referer",
    "user_agent", "seconds",
]


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    connection.execute("SET preserve_insertion_order = false")
    return connection


def ingest(connection: duckdb.DuckDBPyConnection, logs: str, out: str) -> None:
    connection.execute(
        f"""
        COPY (
            SELECT
                strptime(fields.time, '%d/%b/%Y:%H:%M:%S %z') AS timestamp,
                split_part(filename, '/', -2) AS site,
                fields.client_ip AS client_ip,
                fields.method AS method,
                fields.path AS path,
                fields.query AS query,
                fields.protocol AS protocol,
                CAST(fields.status AS INTEGER) AS status,
                TRY_CAST(fields.bytes AS BIGINT) AS bytes,
                TRY_CAST(fields.seconds AS DOUBLE) * 1000 AS latency_ms,
                nullif(fields.referer, '-') AS referer,
                nullif(fields.user_agent, '-') AS user_agent
            FROM (
                SELECT filename, regexp_extract(line, '{LINE}', {NAMES}) AS fields
                FROM read_csv(
                    '{logs}', columns = {{'line': 'VARCHAR'}}, header = false, delim = '\x01',
                    quote = '', escape = '', auto_detect = false, filename = true
                )
            )
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 131072)
        """
    )


def windows(connection: duckdb.DuckDBPyConnection, requests: str, out: str) -> None:
    connection.execute(
        f"""
        COPY (
            SELECT
                site,
                time_bucket(INTERVAL '1 minute', timestamp) AS window_start,
                count(*) AS requests,
                sum(bytes) AS bytes,
                count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS client_errors,
                count(*) FILTER (WHERE status BETWEEN 500 AND 599) AS server_errors,
                approx_count_distinct(client_ip) AS unique_clients,
                approx_quantile(latency_ms, [0.5, 0.95]) AS latency
            FROM '{requests}'
            GROUP BY ALL
            ORDER BY ALL
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
        """
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case "ingest", logs, out:
            ingest(connect(), logs, out)
        case "windows", requests, out:
            windows(connect(), requests, out)
        case "version", :
            print(duckdb.__version__)
        case _:
            sys.exit(__doc__)
