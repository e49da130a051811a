"""Makes what the benchmarks read, the same each time: logs in text, and windows in Parquet.

    data.py logs    FOLDER LINES SITES ANOMALOG    FOLDER/<site>/access.log, one day, combined format
    data.py nights  FOLDER LINES SITES ANOMALOG DAYS   FOLDER/<day>/<site>/access.log, so many lines a day
    data.py windows FILE SERIES MINUTES            one row per series and minute, ordered
    data.py counted FOLDER SERIES DAYS             FOLDER/traffic_windows of a warehouse, in 15 minutes

Lines are those of the simulator, with other clients and times: what follows the time of a line,
paths, sizes, referers and browsers included, is drawn from 200,000 simulated requests.
"""

import datetime
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = 1_772_409_600  # 2026-03-02, UTC
CLIENTS = 200_000
TAILS = 200_000
# One character that no line holds: the lines are to be written as they are.
NO_CHARACTER = "\x01"


def tails(anomalog: str) -> pa.Table:
    """The ends of simulated lines, from the request on, with the time taken last."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--days", "3", "--sites", "1", "--scale", "2", "--start", "2026-03-02"]
        command = [anomalog, "simulate", "--quiet", "--output", f"{folder}/sim", *arguments]
        subprocess.run(command, check=True)
        lines = []
        for file in sorted(Path(folder).glob("sim/logs/*/*.gz")):
            lines += gzip.open(file, "rt").read().splitlines()
    lines = [line.split("] ", 1)[1] for line in lines[:TAILS]]
    return pa.table({"number": range(len(lines)), "tail": lines})


def nights(folder: Path, lines: int, sites: int, anomalog: str, days: int) -> None:
    ends = tails(anomalog)
    for day in range(days):
        logs_of_day(folder / f"{day:02}", lines, sites, ends, day)


def logs(folder: Path, lines: int, sites: int, anomalog: str) -> None:
    logs_of_day(folder, lines, sites, tails(anomalog), 0)


def logs_of_day(folder: Path, lines: int, sites: int, ends: pa.Table, day: int) -> None:
    connection = duckdb.connect()
    connection.register("ends", ends)
    connection.execute("CREATE TABLE tails AS FROM ends")
    per_site = lines // sites
    for site in range(sites):
        path = folder / f"site-{site:03}" / "access.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        # More traffic by day than by night; hashes instead of random numbers, which depend on threads.
        connection.execute(
            f"""
            COPY (
                SELECT
                    '10.' || (client // 65536) || '.' || (client // 256 % 256) || '.'
                        || (client % 256) || ' - - ['
                        || strftime(make_timestamp(({START + 86_400 * day} + second) * 1000000), '%d/%b/%Y:%H:%M:%S')
                        || ' +0000] ' || tail
                FROM (
                    SELECT
                        line,
                        CAST(hash(line * 3) % {CLIENTS} * (hash(line * 5) % 1000) / 1000 AS BIGINT)
                            AS client,
                        CAST(floor(86399 * (share + 0.12 * sin(2 * pi() * share))) AS BIGINT) AS second,
                        hash(line * 7) % {len(ends)} AS number
                    FROM (
                        SELECT
                            {(day * sites + site) * per_site} + i AS line,
                            i / CAST({per_site} AS DOUBLE) AS share
                        FROM range({per_site}) AS _(i)
                    )
                )
                INNER JOIN tails USING (number)
                ORDER BY line
            ) TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '{NO_CHARACTER}')
            """
        )


def windows(file: Path, series: int, minutes: int) -> None:
    schema = pa.schema(
        [
            ("site", pa.string()),
            ("window_start", pa.timestamp("us", tz="UTC")),
            ("requests", pa.int64()),
        ]
    )
    starts = (START + 60 * np.arange(minutes, dtype=np.int64)) * 1_000_000
    day = 1 + 0.7 * np.sin(2 * np.pi * np.arange(minutes) / 1440)
    generator = np.random.default_rng(0)
    at_once = max(1, 1_000_000 // minutes)
    # As in the tables that anomalog writes.
    order = [pq.SortingColumn(0), pq.SortingColumn(1)]
    with pq.ParquetWriter(file, schema, compression="zstd", sorting_columns=order) as writer:
        for first in range(0, series, at_once):
            count = min(at_once, series - first)
            level = generator.lognormal(4, 1, (count, 1))
            requests = generator.poisson(level * day)
            sites = [f"site-{number:06}" for number in range(first, first + count)]
            columns = [
                pa.array(np.repeat(sites, minutes)),
                pa.array(np.tile(starts, count)).cast(schema.field(1).type),
                pa.array(requests.reshape(-1)),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def counted(folder: Path, series: int, days: int) -> None:
    """Windows with a day's rhythm and, once in a while, a spike or a dip of some hours."""
    table, generator = folder / "traffic_windows", np.random.default_rng(0)
    table.mkdir(parents=True)
    (table / "settings.json").write_text(json.dumps({"step": "15m", "series_key": "site"}))
    slots = 24 * 4
    angles = 2 * np.pi * np.arange(slots) / slots
    level = generator.lognormal(6, 1, (series, 1))
    phase = generator.uniform(0, 2 * np.pi, (series, 1))
    sites = pa.array(np.repeat([f"site-{number:04}" for number in range(series)], slots))
    for day in range(days):
        expected = level * (1 + 0.5 * np.sin(angles + phase))
        for site in np.flatnonzero(generator.random(series) < 0.01):
            first = generator.integers(0, slots - 8)
            expected[site, first : first + generator.integers(2, 8)] *= generator.choice([4, 6, 0.05])
        requests = generator.poisson(expected).reshape(-1)
        starts = START + 86_400 * day + 900 * np.arange(slots, dtype=np.int64)
        count = len(requests)
        columns = {
            "site": sites,
            "window_start": pa.array(np.tile(starts * 1_000_000, series), pa.timestamp("us", "UTC")),
            "requests": requests,
            "bytes": requests * 900,
            "client_errors": generator.poisson(requests * 0.01),
            "server_errors": generator.poisson(requests * 0.001),
            "unique_clients": (requests * 0.6).astype("int64"),
            "latency_p50": generator.normal(40, 2, count).round(1),
            "latency_p95": generator.normal(160, 10, count).round(1),
            "is_observed": np.ones(count, bool),
        }
        date = datetime.datetime.fromtimestamp(int(starts[0]), datetime.UTC).date()
        (table / f"date={date}").mkdir()
        pq.write_table(
            pa.table(columns), table / f"date={date}" / "windows.parquet", compression="zstd"
        )


def main() -> None:
    match sys.argv[1:]:
        case "logs", folder, lines, sites, anomalog:
            logs(Path(folder), int(lines), int(sites), anomalog)
        case "nights", folder, lines, sites, anomalog, days:
            nights(Path(folder), int(lines), int(sites), anomalog, int(days))
        case "counted", folder, series, days:
            counted(Path(folder), int(series), int(days))
        case "windows", file, series, minutes:
            windows(Path(file), int(series), int(minutes))
        case _:
            sys.exit(__doc__)


main()
