"""A whole night by DuckDB and PyTorch: text to requests, windows, four scores, Parquet.

    night.py LOGS FOLDER

It does less than ours: windows are not filled where there is no traffic, inputs are three simple
columns instead of fourteen (scaled counts and their changes instead of medians and yesterday), and
scores are absolute errors without a calibration. The recurrent work, blocks of 60 after 60 steps of
burn-in, is the same.
"""

import sys
from pathlib import Path

import duckdb_logs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn import functional

HIDDEN, BLOCK, BATCH = 48, 60, 512


class Clstm(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(features, HIDDEN, 5), nn.Conv1d(HIDDEN, HIDDEN, 5)]
        )
        self.lstm = nn.LSTM(HIDDEN, HIDDEN, batch_first=True)

    def forward(self, inputs):
        steps = inputs.transpose(1, 2)
        for conv in self.convolutions:
            steps = torch.tanh(conv(functional.pad(steps, (4, 0))))
            steps = functional.max_pool1d(functional.pad(steps, (1, 0), value=-2.0), 2, stride=1)
        return self.lstm(steps.transpose(1, 2))


def scores(model, head, inputs):
    """The absolute error of the forecast of each row that has 120 steps before it or in its block."""
    found = []
    with torch.inference_mode():
        for batch in inputs.split(BATCH):
            hidden, _ = model(batch[:, :-1])
            forecast = head(hidden[:, -BLOCK:])[..., 0]
            found.append((batch[:, -BLOCK:, 0] - forecast).abs())
    return torch.cat(found).reshape(-1)


def main() -> None:
    logs, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(duckdb_logs.THREADS)
    connection = duckdb_logs.connect()
    requests, windows = str(folder / "access_logs.parquet"), str(folder / "windows.parquet")
    duckdb_logs.ingest(connection, logs, requests)
    duckdb_logs.windows(connection, requests, windows)
    table = pq.read_table(windows)
    sites = np.array(table["site"].combine_chunks().dictionary_encode().indices)
    counts = np.sqrt(table["requests"].to_numpy())
    rows, blocks = [], []
    for site in np.unique(sites):
        places = np.flatnonzero(sites == site)
        x = counts[places]
        x = (x - np.median(x)) / (x.std() + 1e-9)
        change, long = np.diff(x, prepend=x[0]), np.cumsum(x) / np.arange(1, len(x) + 1)
        features = np.stack([x, change, x - long], axis=1).astype(np.float32)
        for end in range(2 * BLOCK + 1, len(x) + 1, BLOCK):
            rows.append(places[end - BLOCK : end])
            blocks.append(features[end - 2 * BLOCK - 1 : end])
    inputs, rows = torch.from_numpy(np.stack(blocks)), np.concatenate(rows)
    torch.manual_seed(0)
    models = {
        "rnn": nn.RNN(3, HIDDEN, batch_first=True),
        "lstm": nn.LSTM(3, HIDDEN, batch_first=True),
        "gru": nn.GRU(3, HIDDEN, batch_first=True),
        "clstm": Clstm(3),
    }
    for name, model in models.items():
        column = np.full(len(table), np.nan)
        column[rows] = scores(model.eval(), nn.Linear(HIDDEN, 6), inputs).numpy()
        table = table.append_column(f"{name}_score", pa.array(column))
    pq.write_table(table, folder / "scored_windows.parquet", compression="zstd")


main()
