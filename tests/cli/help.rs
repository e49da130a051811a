//! What each command says of itself, and how faulty command lines are met.

use crate::Workplace;

fn help(command: &str) -> String {
    let all = Workplace::new().run(&[command, "--help"]);
    // The global options are the same everywhere.
    let (own, rest) = all.split_once("Global options:").unwrap();
    let (_, notes) = rest.split_once("[default: one per core]\n\n").unwrap();
    format!("{own}{notes}")
}

#[test]
fn top_level() {
    insta::assert_snapshot!(Workplace::new().run(&["--help"]), @"
    Finds anomalies in web traffic: access logs in, anomaly scores as SQL columns out

    Usage: anomalog [OPTIONS] <COMMAND>

    Commands:
      try          Look at logs at once: incidents on the terminal, and a page; nothing is configured
      run          Bring a warehouse up to date with its logs: what a scheduler starts every night
      init         Write a job file for `anomalog run`
      ingest       Read access logs into the warehouse, or link Parquet logs in place
      windows      Count traffic per series and time window, gaps filled
      train        Train detectors on the traffic windows
      score        Score every traffic window
      incidents    List incidents, the worst first; show one, label one, or find them
      report       Write a page on what happened: incidents with pictures and causes, all series, the
                   data
      export       Write the tables for BI tools to one folder
      sql          Query the warehouse
      detectors    List the detectors, or show one
      simulate     Write made-up access logs with labelled anomalies
      evaluate     Judge detectors on series whose anomalies are known, beside scores that need no
                   training
      demo         Ingest and score a sample of simulated logs, and show what was found
      completions  Print what makes a shell complete commands and options
      man          Write a man page for every command
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --warehouse <PATH>         Folder that holds the tables and the detectors [default: that of
                                     `ANOMALOG_WAREHOUSE`, else that of the job file in `ANOMALOG_JOB`
                                     or the current folder, else `warehouse`]
          --json                     Print the command's summary as one JSON object on standard output
      -q, --quiet                    Print nothing but data and errors
      -v, --verbose                  Say what each step did, and how long it took
          --message-format <FORM>    How to write messages: `human`, or `json` for one object a line,
                                     with progress [env: ANOMALOG_MESSAGE_FORMAT] [default: human]
          --color <WHEN>             When to colour messages: `auto` (on a terminal, unless `NO_COLOR`
                                     is set), `always` or `never` [default: auto]
          --memory-limit <SIZE>      Memory that queries may use before they spill to disk, such as
                                     `1GB` [default: no limit]
          --wait                     Wait while another command changes the warehouse, instead of
                                     refusing
          --country-database <FILE>  Countries of addresses for the SQL function `country`, in MaxMind's
                                     format (.mmdb) [env: ANOMALOG_COUNTRY_DATABASE]
          --asn-database <FILE>      Autonomous systems of addresses for the SQL function `asn`, in
                                     MaxMind's format (.mmdb) [env: ANOMALOG_ASN_DATABASE]
          --user-agents <FILE>       User agents of your own for the SQL function `user_agent_class`: a
                                     class and a pattern a line [env: ANOMALOG_USER_AGENTS]
          --path-groups <FILE>       Patterns of paths for the SQL function `path_group`, such as
                                     `/blog/{title}`, one a line [env: ANOMALOG_PATH_GROUPS]
          --threads <N>              Threads that work at once [default: one per core]

    Examples:
      anomalog try /var/log/nginx
      anomalog init --logs /var/log/nginx; anomalog run
      anomalog incidents --since yesterday
      anomalog score -o scored.parquet
      anomalog sql 'SELECT site, count(*) FROM access_logs GROUP BY site'

    Exit status:
      0  success
      1  the data, the query or the machine stood in the way
      2  the command line was not understood; nothing was done
      3  `run` or `ingest` did what it could: some logs could not be read, or the export not written
      4  another command is changing the warehouse; nothing was done
      5  `run --fail-on`: all was done, and there are new incidents
    ");
}

#[test]
fn ingest() {
    insta::assert_snapshot!(help("ingest"), @r#"
    Read access logs into the warehouse, or link Parquet logs in place

    Usage: anomalog ingest [OPTIONS] <INPUT>...

    Arguments:
      <INPUT>...  Log files (plain, gzip or zstd), folders of them, Parquet files, or `-` for standard
                  input

    Options:
          --format <FORMAT>              How the lines are written: nginx' `log_format`, Apache's
                                         `LogFormat`, or a name such as `combined`, `json`, `w3c`, `alb`
                                         or `haproxy` [default: told from the lines]
          --trusted-proxies <NETWORK,…>  Networks of proxies that may say who the client is, such as
                                         `10.0.0.0/8`
          --site <NAME>                  Site of every request [default: the virtual host of the line,
                                         else the folder or file name]
          --columns <OURS=THEIRS,…>      Which column of the input holds which of ours, such as
                                         `timestamp=ts,status=code`
          --delimiter <CHARACTER>        Character between two columns of a CSV or TSV log
          --pseudonymise <KEYFILE>       File with a key: clients' addresses are kept as pseudonyms that
                                         share the prefixes which the addresses share, and no line that
                                         is rejected is kept [env: ANOMALOG_PSEUDONYMISE]
          --earliest <DATE>              Set aside rows before this date [default: 1990-01-01]
          --ahead-of-file <DURATION>     Set aside rows so much later than their file was last written
                                         [default: 1d]
          --before-log <DURATION>        Set aside rows so much earlier than most of the first rows of
                                         their log [default: 1826d]
          --step <DURATION>              Length of a window, such as `30s`, `1m`, `5m` or `1h` [default:
                                         the last build's, or 1m]
          --series-key <EXPRESSION>      SQL expression over `access_logs` that names a request's series
                                         [default: the last build's, or site]
          --extra-metrics <METRICS>      Further metrics of windows: `unique_paths`, `top_client_share`
                                         and `bot_requests`; `none` for none [default: the last build's,
                                         or none]
          --no-windows                   Leave the traffic windows as they are
          --explain                      Say how each log would be read, and why, with a few of its
                                         rows; write nothing
          --again                        Read logs anew that were read before in another format, with
                                         other columns or another site
      -h, --help                         Print help
      -V, --version                      Print version

    Reading a log again changes nothing, so a nightly job may name every log it finds; one that has
    grown takes the place of what was read of it. Lines that are no requests go to the table
    `quarantine`. Afterwards the traffic windows are rebuilt.

    Examples:
      anomalog ingest --explain access.log
      anomalog ingest --format '$remote_addr [$time_local] "$request" $status $request_time' access.log
      anomalog ingest access.log access.log.1.gz --site shop
      anomalog ingest --format tsv --columns timestamp=time,client_ip=host,status=response log.tsv
      anomalog ingest --columns timestamp=ts,status=code requests.parquet
    "#);
}

#[test]
fn windows() {
    insta::assert_snapshot!(help("windows"), @r#"
    Count traffic per series and time window, gaps filled

    Usage: anomalog windows [OPTIONS]

    Options:
          --step <DURATION>          Length of a window, such as `30s`, `1m`, `5m` or `1h` [default: the
                                     last build's, or 1m]
          --series-key <EXPRESSION>  SQL expression over `access_logs` that names a request's series
                                     [default: the last build's, or site]
          --extra-metrics <METRICS>  Further metrics of windows: `unique_paths`, `top_client_share` and
                                     `bot_requests`; `none` for none [default: the last build's, or
                                     none]
      -h, --help                     Print help
      -V, --version                  Print version

    All options are remembered in the warehouse and hold for later builds.

    Examples:
      anomalog windows
      anomalog windows --step 5m
      anomalog windows --series-key "site || ' ' || CAST(status / 100 AS VARCHAR) || 'xx'"
    "#);
}

#[test]
fn train() {
    insta::assert_snapshot!(help("train"), @"
    Train detectors on the traffic windows

    Usage: anomalog train [OPTIONS]

    Options:
          --arch <NAME>
              Architectures to train [default: rnn,lstm,gru,clstm, that of `--from`, or for `--objective
              gate` that of the shipped detector that decides]

              Possible values:
              - rnn:   Plain recurrent network (Elman)
              - lstm:  Long short-term memory
              - gru:   Gated recurrent unit
              - clstm: Causal convolution in front of an LSTM

          --objective <NAME>
              What detectors learn

              Possible values:
              - forecast: To forecast normal traffic, without labels
              - gate:     To tell anomalies from nuisances, by labels, as the shipped detectors do
                without
              
              [default: forecast]

          --labels <FILE>
              Labels that `--objective gate` learns from: Parquet or CSV [default: the warehouse's table
              `labels`]

          --include-anomalies
              Learn from the windows of incidents, labels and the calendar of the warehouse too; gates
              always do

          --from <DETECTOR>
              Begin with the weights of a detector

          --metrics <COLUMN>
              Columns to learn
              
              [default: requests]

          --until <TIME>
              Learn only from windows until this time: a date, which is a part of it, an RFC 3339 time,
              `yesterday`, or how long ago, such as `7d`

          --seed <N>
              Seed of every random choice
              
              [default: 0]

          --steps <N>
              Optimiser steps per detector at most [default: 200, with `--from` 60, of a gate 300]

          --name <NAME>
              Name of the detector; with several architectures, theirs is added [default: the
              architecture, or the name of the detector that it begins with]

          --hidden <N>
              Width of the recurrent state of a forecaster [default: 48, or that of `--from`]

          --alarms-per-week <X>
              Windows per series and week that may be anomalous by chance: what the threshold is for;
              `anomalog run` goes by its job file instead
              
              [default: 1]

          --max-rows <N>
              Windows to read at most; of more, some series are drawn [default: 4000000]

          --time-zone <ZONE>
              Where the users of the series live, such as `Europe/Berlin` or `+02:00`: times of day are
              local there, and move when clocks change
              
              [default: UTC]

          --windows <FILE|FOLDER>
              Parquet file or folder of windows to use instead of `traffic_windows`

          --series-column <NAME>
              Column of `--windows` that names the series
              
              [default: site]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Each architecture becomes one detector over all series; one that comes out other than the current
    version becomes a new one. The end of the training range is held back to calibrate the scores.

    With `--objective gate` a shipped detector, or that of `--from`, learns from labels what is a
    nuisance and what is an anomaly. They have the columns site, start, end and kind: `normal` where an
    alarm was none, anything else where something was wrong.

    Examples:
      anomalog train
      anomalog train --arch lstm,gru --metrics requests,server_errors --until 2026-10-31
      anomalog train --from nightly --until yesterday
      anomalog train --objective gate --labels labels.csv
      anomalog train --windows metrics.parquet --series-column host --metrics value --arch gru --name
      hosts
    ");
}

#[test]
fn score() {
    insta::assert_snapshot!(help("score"), @"
    Score every traffic window

    Usage: anomalog score [OPTIONS]

    Options:
          --windows <FILE|FOLDER>  Parquet file or folder of windows to use instead of `traffic_windows`
          --series-column <NAME>   Column of `--windows` that names the series [default: site]
      -o, --output <FILE>          Parquet file to write instead of the warehouse's table
          --detector <DETECTOR>    Detector that decides `is_anomaly`, as `name` or `name@version`
                                   [default: the one with the most metrics, then the best forecast]
          --metrics <COLUMN>       Columns that shipped detectors score, where none was trained
                                   [default: requests, `client_errors`, `server_errors` and
                                   `latency_p95`, as far as there are such, or the only column]
          --time-zone <ZONE>       Where the users of the series live, such as `Europe/Berlin` or
                                   `+02:00`: times of day are local there, and move when clocks change
                                   [default: UTC]
      -h, --help                   Print help
      -V, --version                Print version

    Range of time:
          --since <TIME>  From this time on: a date, an RFC 3339 time, `today`, `yesterday`, or how long
                          ago, such as `24h` or `7d`
          --until <TIME>  Until this time, written likewise; a date is a part of the range

    Writes the table `scored_windows`, replacing whole UTC dates; `--output` writes the rows of exactly
    the range asked for to one Parquet file instead. Where no detector was trained for the columns
    there, the shipped ones score, in the step of the windows; `--detector pretrained-lstm:5m` tells
    them another.

    Examples:
      anomalog score
      anomalog score --since 2026-11-01 -o scored.parquet
      anomalog score --windows metrics.parquet --series-column host --detector hosts -o out.parquet
    ");
}

#[test]
fn incidents() {
    insta::assert_snapshot!(help("incidents"), @"
    List incidents, the worst first; show one, label one, or find them

    Usage: anomalog incidents [OPTIONS]
           anomalog incidents <COMMAND>

    Commands:
      show   Show all that is known of an incident, with a picture of its metric
      label  Say that an incident was none, or that it was one
      build  Find incidents in `scored_windows`, and say what caused them
      help   Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Range of time:
          --since <TIME>
              From this time on: a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such
              as `24h` or `7d`

          --until <TIME>
              Until this time, written likewise; a date is a part of the range

          --site <NAME>
              Only these series

          --min-severity <SEVERITY>
              Only incidents of this severity or above

              Possible values:
              - low:    Every incident
              - medium: Medium and high
              - high:   High only

          --kind <KIND>
              Only incidents of these kinds

              Possible values:
              - outage:              Hardly any request comes through
              - traffic_drop:        Fewer requests than expected
              - flood:               Many requests for one path, by few or alike
              - scraping:            Many requests for many paths, by few or alike
              - credential_stuffing: Failing logins
              - vulnerability_scan:  Requests for what does not exist, by one client or network
              - error_burst:         Requests fail
              - latency:             Answers take long
              - surge:               More visitors than expected
              - level_shift:         Another level of traffic for hours
              - odd_hour:            Traffic at a time that is usually quiet
              - unknown:             None of these, or it is not clear which

          --all
              List those too that were labelled false, are like one that was, or are suppressed

    Without a subcommand, incidents are listed, the worst first. Those that were labelled false are left
    out, and so are those like one (of the same site and kind at the same time of day, unless clearly
    worse), and those that `[[suppress]]` of the job file suppresses.

    Examples:
      anomalog incidents --since yesterday --min-severity medium
      anomalog incidents --site shop --kind flood,scraping
      anomalog incidents show 5c2b91e0
      anomalog incidents label 5c2b91e0 false --note 'the backup'
      anomalog incidents build
    ");
}

#[test]
fn export() {
    insta::assert_snapshot!(help("export"), @"
    Write the tables for BI tools to one folder

    Usage: anomalog export [OPTIONS] --output <FOLDER>

    Options:
      -o, --output <FOLDER>
              Folder to write

          --format <FORMAT>
              How to write rows

              Possible values:
              - parquet: Parquet with zstd: types and column descriptions come with the data
              - csv:     Comma-separated values with a header; NULL is empty
              - ndjson:  One JSON object a line
              - sqlite:  One SQLite database with all tables; times are text
              
              [default: parquet]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Range of time:
          --since <TIME>
              From this time on: a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such
              as `24h` or `7d`

          --until <TIME>
              Until this time, written likewise; a date is a part of the range

          --overwrite
              Replace an earlier export

          --raw
              Leave text of CSV as it is that a spreadsheet would take for a formula: it begins with
              `=`, `+`, `-` or `@`, and is else written behind an apostrophe

    Writes one file each of traffic_windows, scored_windows, incidents, incident_causes, detectors and
    runs, with `README.md` and `columns.csv`, which say what every column means, and `star.sql`, with
    views for DuckDB; with `--format sqlite`, all tables in one database. Windows are those of the dates
    asked for, incidents those that begin on them; detectors and runs come whole. The folder appears
    complete or not at all, and the same tables are the same bytes.

    Examples:
      anomalog export -o export
      anomalog export -o march --since 2026-03-01 --until 2026-03-31 --format csv
      anomalog export -o database --format sqlite
      anomalog export -o export --overwrite
    ");
}

#[test]
fn sql() {
    insta::assert_snapshot!(help("sql"), @r#"
    Query the warehouse

    Usage: anomalog sql [OPTIONS] [QUERY]

    Arguments:
      [QUERY]
              The query [default: a shell on a terminal, else what standard input has]

    Options:
      -c, --command <QUERY>
              The query, as other shells take it

      -f, --file <FILE>
              Read the query from a file, `-` for standard input

          --format <FORMAT>
              How to write the result [default: by the ending of --output, else table]

              Possible values:
              - table:   A table for people
              - csv:     Comma-separated values with a header
              - json:    One JSON array of objects
              - ndjson:  One JSON object a line
              - parquet: Parquet; needs --output

      -o, --output <FILE>
              File to write the result to

          --raw
              Leave text of CSV as it is that a spreadsheet would take for a formula: it begins with
              `=`, `+`, `-` or `@`, and is else written behind an apostrophe

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Without a query, statements are read from standard input; on a terminal that is a shell, with
    history and completion. Queries only read. Several statements are separated by `;` and run in order;
    `table` prints every result, the other formats hold one. `--json` without `--output` means `--format
    json`. A query can name files, too: Parquet, CSV with a header, JSON lines.

    Examples:
      anomalog sql
      anomalog sql -c 'SHOW TABLES'
      anomalog sql "SELECT * FROM 'export/*.parquet' LIMIT 10"
      anomalog sql --format csv 'SELECT * FROM traffic_windows ORDER BY site, window_start'
      anomalog sql -f report.sql -o report.parquet
    "#);
}

#[test]
fn detectors() {
    insta::assert_snapshot!(help("detectors"), @"
    List the detectors, or show one

    Usage: anomalog detectors [OPTIONS] <COMMAND>

    Commands:
      list      List every detector and version
      show      Show how one detector was trained, and how good it is
      promote   Make a version the one that its name alone means, once it has been verified
      rollback  Make the version before the current one current, as `promote` does
      verify    Check that detectors are whole: manifests, digests and shapes of weights
      history   List which detector has scored from when on, and how its challengers did
      help      Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      anomalog detectors list
      anomalog detectors show lstm
      anomalog detectors show lstm@3
    ");
}

#[test]
fn simulate() {
    insta::assert_snapshot!(help("simulate"), @"
    Write made-up access logs with labelled anomalies

    Usage: anomalog simulate [OPTIONS] --output <FOLDER>

    Options:
      -o, --output <FOLDER>  Folder to write the logs and labels to
          --days <N>         Days of traffic [default: 14]
          --sites <N>        Number of sites [default: 3]
          --seed <N>         Seed of every random choice [default: 0]
          --start <DATE>     First day, UTC [default: 2026-01-05]
          --scale <FACTOR>   Traffic in proportion to the default [default: 1]
      -h, --help             Print help
      -V, --version          Print version

    The same arguments write the same bytes.

    Examples:
      anomalog simulate -o sample --days 14 --sites 3 --seed 7 --start 2026-11-01
      anomalog simulate -o busy --days 1 --sites 1 --seed 1 --start 2026-11-01 --scale 20
    ");
}

#[test]
fn evaluate() {
    insta::assert_snapshot!(help("evaluate"), @"
    Judge detectors on series whose anomalies are known, beside scores that need no training

    Usage: anomalog evaluate [OPTIONS]

    Options:
          --series <FILE>...
              Lists of labelled series

          --labels <FILE>
              Judge the traffic windows instead, with these labels: Parquet or CSV

          --since <TIME>
              Judge windows from this time on, a date, an RFC 3339 time or how long ago, such as `7d`;
              detectors learn from those before

          --metrics <COLUMN>
              Columns of the windows to judge by, at once
              
              [default: requests]

          --windows <FILE|FOLDER>
              Parquet file or folder of windows to use instead of `traffic_windows`

          --series-column <NAME>
              Column of `--windows` that names the series
              
              [default: site]

          --stored <DETECTOR>
              Trained detectors of the warehouse to judge as they are, as `name` or `name@version`

          --detectors <NAME>
              Architectures and floors to judge, or `all`
              
              [default: all]

          --protocol <NAME>
              What architectures learn from before they judge a series

              Possible values:
              - per-series: The training range of that series
              - zero-shot:  The training ranges of other series
              - fine-tuned: Those, then that of the series
              - shipped:    What the shipped detectors learned from: they judge as they are
              
              [default: per-series]

          --hold <N>
              Hold peaks of all scores with this half-life in windows before judging [default: no hold]

          --seed <N>
              Seeds of every random choice; each is tried
              
              [default: 0]

          --steps <N>
              Optimiser steps per detector at most [default: 200]

          --fine-tune-steps <N>
              Optimiser steps of fine-tuning at most [default: 60]

          --hidden <N>
              Width of the recurrent state [default: 48, of classifiers 64]

          --alarms-per-week <X>
              False-alarm events per series and week that thresholds are for
              
              [default: 1]

          --markdown
              Print the tables as Markdown

          --html <FILE>
              Write a page with tables and plots, which needs no network

          --scores <FILE>
              Write the label and the score of every window to a Parquet file

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    `series.csv` has the columns file, dataset, train_points, vus_window and step_seconds; each file is
    Parquet with the columns timestamp, value and label. Detectors learn from the first `train_points`
    rows without labels, and are trained for this alone. With `--protocol shipped`, the detectors that
    come with the program judge as they are; they have seen no series but made-up ones. Labels of
    windows have the columns site, start, end and, if known, kind, as `anomalog simulate` writes them;
    detectors learn from the windows before `--since`.

    Detectors: rnn, lstm, gru and clstm are trained; baseline is what they judge by besides their
    network; random, difference, median-11, median-31, robust-z, yesterday, last-week, ewma and
    spectral-residual are scores that need no training either.

    Examples:
      anomalog evaluate --series kpi/series.csv
      anomalog evaluate --series kpi/series.csv --detectors lstm,difference --hold 10 --markdown
      anomalog evaluate --series kpi/series.csv tsbad/series.csv --protocol zero-shot,fine-tuned --seed
      1,2,3 --html report.html
      anomalog evaluate --labels labels.parquet --since 2026-11-08 --metrics requests,server_errors
    ");
}

#[test]
fn demo() {
    insta::assert_snapshot!(help("demo"), @"
    Ingest and score a sample of simulated logs, and show what was found

    Usage: anomalog demo [OPTIONS]

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Example:
      anomalog demo --warehouse /tmp/demo
    ");
}

#[test]
fn no_command() {
    let text = Workplace::new().run(&[]);
    assert!(text.ends_with("--- exit 2\n"), "{text}");
}

#[test]
fn unknown_command() {
    insta::assert_snapshot!(Workplace::new().run(&["windos"]), @"
    --- stderr
    error: unrecognized subcommand 'windos'

      tip: some similar subcommands exist: 'incidents', 'windows'

    Usage: anomalog [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn sizes_and_counts() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", "SELECT 1", "--memory-limit", "lots"]), @"
    --- stderr
    error: invalid value 'lots' for '--memory-limit <SIZE>': expected a number and a unit, such as `512MB` or `4GB`

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELECT 1", "--threads", "0"]), @"
    --- stderr
    error: invalid value '0' for '--threads <N>': 0 is not in 1..=4294967295

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(work.run(&["score", "--since", "yesterday"]), @"
    --- stderr
    error: the warehouse `warehouse` has no access logs
    hint: read some with `anomalog ingest FILE…`, or name another warehouse with `--warehouse PATH`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["ingest", "x", "--columns", "time=ts"]), @"
    --- stderr
    error: invalid value 'time=ts' for '--columns <OURS=THEIRS,…>': unknown column `time` in the column map

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn shells_and_man_learn_the_commands() {
    let work = Workplace::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = work.succeed(&["completions", shell]);
        // fish writes an option without its dashes.
        for word in ["incidents", "min-severity", "neverwhere"] {
            assert_eq!(
                script.contains(word),
                word != "neverwhere",
                "{shell}: {word}"
            );
        }
    }
    work.succeed(&["man", "-o", "man"]);
    let page = std::fs::read_to_string(work.path().join("man/anomalog-incidents-label.1")).unwrap();
    assert!(page.contains("Say that an incident was none"), "{page}");
}
