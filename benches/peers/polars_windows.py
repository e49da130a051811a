"""Polars from requests to windows, without filling gaps: distinct clients and quantiles are exact.

    polars_windows.py PARQUET OUT
"""

import os
import sys

os.environ["POLARS_MAX_THREADS"] = "2"

import polars as pl  # noqa: E402


def windows(requests: str, out: str) -> None:
    status, latency = pl.col("status"), pl.col("latency_ms")
    (
        pl.scan_parquet(requests)
        .group_by("site", pl.col("timestamp").dt.truncate("1m").alias("window_start"))
        .agg(
            pl.len().alias("requests"),
            pl.col("bytes").sum(),
            status.is_between(400, 499).sum().alias("client_errors"),
            status.is_between(500, 599).sum().alias("server_errors"),
            pl.col("client_ip").n_unique().alias("unique_clients"),
            latency.quantile(0.5, "linear").alias("latency_p50"),
            latency.quantile(0.95, "linear").alias("latency_p95"),
        )
        .sort("site", "window_start")
        .sink_parquet(out, compression="zstd")
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case "version", :
            print(pl.__version__)
        case requests, out:
            windows(requests, out)
        case _:
            sys.exit(__doc__)
