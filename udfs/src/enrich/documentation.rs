//! What the functions say of themselves. An example is a block of SQL and one with its result, which
//! the SQL tests run.

use std::sync::LazyLock;

use datafusion::logical_expr::{DocSection, Documentation};

const REQUESTS: DocSection = DocSection {
    include: true,
    label: "Requests",
    description: Some(
        "Functions over one value of a request, for queries and for series keys, such as \
         `site || ' ' || user_agent_class(user_agent)`. What they return depends on the value alone, and on a \
         file where one is named; each distinct value of a batch is looked at once. Values come from whoever \
         sends requests, and no text is an error.",
    ),
};

/// The documentation of a function.
pub(super) fn of(name: &str) -> Option<&'static Documentation> {
    match name {
        "user_agent_class" => Some(&USER_AGENT_CLASS),
        "path_group" => Some(&PATH_GROUP),
        "path_patterns" => Some(&PATH_PATTERNS),
        "client_network" => Some(&CLIENT_NETWORK),
        "country" => Some(&COUNTRY),
        "asn" => Some(&ASN),
        _ => None,
    }
}

static USER_AGENT_CLASS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Tells what kind of program a user agent says that it is. The result is a STRING and never NULL: \
         `browser`; `app` (another program that a person looks through, pages inside of apps included); \
         `crawler` (search engines, previews, archives, feeds); `ai_crawler` (for language models); `tool` \
         (libraries, command line programs, browsers without a screen, health checks); `scanner` (programs \
         that look for weaknesses, and attacks in the place of a user agent); `empty` for NULL, blank text \
         and `-`; `other` for what no pattern knows. A program can say anything of itself: a class is a \
         claim. The patterns are those of `udfs/src/enrich/user_agents.txt`; a file of your own in the same \
         form, named by `--user-agents FILE` or `[enrichment] user_agents`, goes before them, its first line \
         that matches deciding.",
        "user_agent_class(user_agent)",
    )
    .with_argument("user_agent", "STRING: the header. NULL is a request without one.")
    .with_sql_example(
        "\
```sql
SELECT user_agent, user_agent_class(user_agent) AS class
FROM   (VALUES ('Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0'),
               ('Mozilla/5.0 (compatible; GPTBot/1.2)'), ('curl/8.5.0'), (NULL)) AS t(user_agent)
ORDER  BY user_agent
```

```text
+------------------------------------------------------------------------+------------+
| user_agent                                                             | class      |
+------------------------------------------------------------------------+------------+
| Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0 | browser    |
| Mozilla/5.0 (compatible; GPTBot/1.2)                                   | ai_crawler |
| curl/8.5.0                                                             | tool       |
|                                                                        | empty      |
+------------------------------------------------------------------------+------------+
```",
    )
    .build()
});

static PATH_GROUP: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Finds what a path has in common with others: values become placeholders. The result is a STRING, \
         NULL for NULL. Query, fragment, `;` parameters, the host of a proxy's request and empty parts are \
         left out, escapes are undone. In each part `2026/03/04` and dates become `{date}`, UUIDs `{uuid}`, \
         random letters and digits `{token}`, `3.6.0` `{number}`, hexadecimal words of eight digits or more \
         `{hash}`, digits by themselves and four or more inside of a word `{id}`; a part of more than 48 \
         bytes, or with a character that names do not have, becomes `{text}`. Behind `depth` parts stands \
         `*`. One path is looked at alone, so that the same path gives the same group everywhere; a name that \
         no rule knows as a value, such as that of a person, stays, unless a file of patterns has a placeholder \
         in its place: `--path-groups FILE` or `[enrichment] path_groups`, a pattern such as \
         `/blog/{title}` a line, written by hand or learned by `path_patterns`.",
        "path_group(path [, depth])",
    )
    .with_argument("path", "STRING: the path of a request.")
    .with_argument(
        "depth",
        "A whole number from 1 to 32, as a constant: how many parts are kept; 8 without it.",
    )
    .with_sql_example(
        "\
```sql
SELECT path, path_group(path) AS path_group, path_group(path, 2) AS short
FROM   (VALUES ('/api/v1/users/4711/orders'), ('/blog/2026/03/04/a-title'), ('/assets/main.3f2a1b9c.js'),
               ('/watch/dQw4w9WgXcQ')) AS t(path)
ORDER  BY path
```

```text
+---------------------------+---------------------------+------------------------+
| path                      | path_group                | short                  |
+---------------------------+---------------------------+------------------------+
| /api/v1/users/4711/orders | /api/v1/users/{id}/orders | /api/v1/*              |
| /assets/main.3f2a1b9c.js  | /assets/main.{hash}.js    | /assets/main.{hash}.js |
| /blog/2026/03/04/a-title  | /blog/{date}/a-title      | /blog/{date}/*         |
| /watch/dQw4w9WgXcQ        | /watch/{token}            | /watch/{token}         |
+---------------------------+---------------------------+------------------------+
```",
    )
    .build()
});

static PATH_PATTERNS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Learns which places of paths have names without end: those with more than so many different names, \
         values aside. What stood behind the names counts as standing behind all of them. The result is a LIST \
         of STRING, a pattern for each such place, in order, for a file that `path_group` reads; it is empty \
         without such places. It depends on the set of paths alone: neither on their order nor on how often \
         each came.",
        "path_patterns(path [, names])",
    )
    .with_argument("path", "STRING: the path of a request. NULL is no path.")
    .with_argument(
        "names",
        "A whole number from 1 to 10,000, as a literal: how many names of a place are told apart; 50 without \
         it.",
    )
    .with_sql_example(
        "\
```sql
SELECT path_patterns(path, 2) AS patterns
FROM   (VALUES ('/blog/how-to/share'), ('/blog/why/share'), ('/blog/when'), ('/shop/cart'), ('/shop/17'))
       AS t(path)
```

```text
+---------------+
| patterns      |
+---------------+
| [/blog/{any}] |
+---------------+
```",
    )
    .build()
});

static CLIENT_NETWORK: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Finds the network of a client: the /24 of an IPv4 address, also where it is written as IPv6, and \
         the /48 of an IPv6 address, or prefixes of other lengths. The result is a STRING, NULL for NULL and \
         for what is no address.",
        "client_network(client_ip [, ipv4_bits [, ipv6_bits]])",
    )
    .with_argument("client_ip", "STRING: an address without a port.")
    .with_argument(
        "ipv4_bits",
        "A whole number from 0 to 32, as a constant: the length of IPv4 prefixes; 24 without it.",
    )
    .with_argument(
        "ipv6_bits",
        "A whole number from 0 to 128, as a constant: the length of IPv6 prefixes; 48 without it.",
    )
    .with_sql_example(
        "\
```sql
SELECT client_ip, client_network(client_ip) AS network, client_network(client_ip, 16, 32) AS wider
FROM   (VALUES ('203.0.113.77'), ('2001:db8:7:1::9'), ('localhost')) AS t(client_ip)
ORDER  BY client_ip
```

```text
+-----------------+-----------------+---------------+
| client_ip       | network         | wider         |
+-----------------+-----------------+---------------+
| 2001:db8:7:1::9 | 2001:db8:7::/48 | 2001:db8::/32 |
| 203.0.113.77    | 203.0.113.0/24  | 203.0.0.0/16  |
| localhost       |                 |               |
+-----------------+-----------------+---------------+
```",
    )
    .build()
});

static COUNTRY: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Finds the country of a client in a file of your own in MaxMind's format (`.mmdb`), named by \
         `--country-database FILE`, `ANOMALOG_COUNTRY_DATABASE` or `[enrichment] country_database`; without \
         one, a query is an error when it is planned. The result is a STRING, the two letters of ISO 3166-1, \
         NULL for NULL, for what is no address and for one that the file does not know. Read are the fields \
         `country.iso_code`, `country_code` and `country`. The example is of a file that knows \
         203.0.113.0/24 as DE.",
        "country(client_ip)",
    )
    .with_argument("client_ip", "STRING: an address without a port, IPv4 or IPv6.")
    .with_sql_example(
        "\
```sql
SELECT client_ip, country(client_ip) AS country
FROM   (VALUES ('203.0.113.77'), ('198.51.100.3'), ('localhost')) AS t(client_ip)
ORDER  BY client_ip
```

```text
+--------------+---------+
| client_ip    | country |
+--------------+---------+
| 198.51.100.3 |         |
| 203.0.113.77 | DE      |
| localhost    |         |
+--------------+---------+
```",
    )
    .build()
});

static ASN: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        REQUESTS,
        "Finds the autonomous system of a client in a file of your own in MaxMind's format (`.mmdb`), named \
         by `--asn-database FILE`, `ANOMALOG_ASN_DATABASE` or `[enrichment] asn_database`; without one, a \
         query is an error when it is planned. The result is a BIGINT, the number of the system, NULL for \
         NULL, for what is no address and for one that the file does not know. Read are the fields \
         `autonomous_system_number`, `traits.autonomous_system_number` and `asn`. The example is of a file \
         that knows 203.0.113.0/24 as 64500.",
        "asn(client_ip)",
    )
    .with_argument("client_ip", "STRING: an address without a port, IPv4 or IPv6.")
    .with_sql_example(
        "\
```sql
SELECT client_ip, asn(client_ip) AS asn
FROM   (VALUES ('203.0.113.77'), ('198.51.100.3'), ('localhost')) AS t(client_ip)
ORDER  BY client_ip
```

```text
+--------------+-------+
| client_ip    | asn   |
+--------------+-------+
| 198.51.100.3 |       |
| 203.0.113.77 | 64500 |
| localhost    |       |
+--------------+-------+
```",
    )
    .build()
});
