#!/usr/bin/env python3
"""Writes docs/api.md from the code: the requests of ``manager.api``, the metrics of ``manager.metrics``.

``./dev docs`` runs it; with ``--check`` it only says (exit code 1) that the page is older than the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

from understudy.config.api import SHORTEST_TOKEN
from understudy.manager.api import ENDPOINTS, LARGEST_BODY, LONGEST_TEXT, Endpoint, Field, Kind
from understudy.manager.control import BODY_LIMIT
from understudy.manager.listener import HANDSHAKE, HEAD, MOST_CONNECTIONS
from understudy.manager.metrics import METRICS
from understudy.manager.remote import MOST_CONNECTIONS as MOST_REMOTE

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"

WRONG = f"unknown words, not JSON, too slow, longer than {LARGEST_BODY // 1024} KiB, compressed"

BEGINNING = f"""\
# The API

<!-- Written by tools/api_page.py from the code; ./dev docs writes it anew, and a test fails when it is stale. -->

Each node's manager listens at `control.sock` in its runtime directory (`/run/understudy` unless `--runtime-dir` says
otherwise) and speaks HTTP/1.1 with JSON bodies. The command line uses nothing else.

```
curl --unix-socket /run/understudy/control.sock http://localhost/v1/status
```

**Who may ask there.** root, the user that the daemon runs as, and the members of the Unix group named by `admin_group` in the
configuration; beside Heartbeat 3 those whom [`apiauth`](heartbeat.md#who-may-ask) names, most of them only for what changes
nothing. The kernel says who has connected (`SO_PEERCRED`, `SO_PEERGROUPS`); everybody else gets 403.

**Over TCP** the same is answered only where the section [`[api]`](configuration.md#api) asks for it, and only with TLS (1.2
or later) and a token of at least {SHORTEST_TOKEN} characters; a token with the right `read` gets 403 for what changes
something.

```
curl --cacert ca.pem -H "Authorization: Bearer $TOKEN" https://ha01:5695/v1/status
```

**Answers** are JSON objects. Apart from the status itself each has `"ok"`; a refusal is

```json
{{"ok": false, "text": "there is no node 'hb02'", "hint": "did you mean 'ha02'?"}}
```

| status | meaning | exit code of the command line |
|---|---|---|
| 200 | done, or shown | 0 |
| 400, 404, 405, 408, 413, 415 | the request is wrong in itself: {WRONG} | 2 |
| 401 | over TCP: a token is needed | |
| 403 | you may not ask, or not this | 4 |
| 409 | the cluster understood and refused; `text` says why | 4 |
| 429 | too many clients follow the events | 4 |
| 503 | the pulse is not running | 3 |
| 504 | no answer in time: **whether it happened is unknown** | 5 |
| 500 | a mistake in the manager; its log has it | 1 |

A request is judged completely before anything is done. A field or parameter that it does not have, one that is missing, given
twice or of the wrong type refuses it, with the nearest known word, so that a typing mistake never passes for consent. GET
takes parameters in the address and no body, POST a JSON object and no parameters. Texts have at most {LONGEST_TEXT}
characters. A request's head must have come within {HEAD:g} s and its body within {BODY_LIMIT:g} s, a TLS handshake within
{HANDSHAKE:g} s; {MOST_CONNECTIONS} connections are served at once on the socket and {MOST_REMOTE} over TCP, more wait.

## Requests
"""

METRICS_BEGINNING = """\
## Metrics

At `/metrics`, for Prometheus. Names are only ever added; units are in the names. Each value is the view of the node that is
asked. While its pulse does not answer, only what the manager knows is there. Alert rules and a Grafana dashboard that use
them are in [packaging/monitoring](../packaging/monitoring); the rules begin with a scrape configuration. Counters begin at
nought when the pulse or the manager is started anew.

| metric | kind | labels | meaning |
|---|---|---|---|
"""

END = """\

Which files there are, and what programs of a group get: [files.md](files.md).
"""


def page() -> str:
    """The whole of docs/api.md."""
    requests = "\n".join(request(endpoint) for endpoint in ENDPOINTS)
    rows = "".join(
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |\n"
        for metric in METRICS
    )
    return f"{BEGINNING}\n{requests}\n{METRICS_BEGINNING}{rows}{END}"


def request(endpoint: Endpoint) -> str:
    right = " It changes something." if endpoint.changes else ""
    lines = [f"### {endpoint.method} {endpoint.path}", "", endpoint.text + right, ""]
    if endpoint.fields:
        where = "parameter" if endpoint.method == "GET" else "field"
        lines += [f"| {where} | type | default | meaning |", "|---|---|---|---|"]
        lines += [field(item) for item in endpoint.fields] + [""]
    return "\n".join([*lines, f"Answer: {endpoint.answer}.", ""])


def field(item: Field) -> str:
    kind = f"{item.kind.value}, {item.lowest} to {item.highest}" if item.kind is Kind.NUMBER else item.kind.value
    default = "required" if item.default is None else f"`{item.default}`"
    return f"| `{item.name}` | {kind} | {default} | {item.text} |"


def main(arguments: list[str]) -> int:
    """Exit codes: 0 written, or the page is fresh; 1 it is stale; 2 wrong arguments."""
    if arguments not in ([], ["--check"]):
        print("usage: tools/api_page.py [--check]", file=sys.stderr)
        return 2
    fresh = page()
    if arguments:
        if PAGE.read_text("utf-8") == fresh:
            return 0
        print("docs/api.md is older than the code; ./dev docs writes it anew", file=sys.stderr)
        return 1
    PAGE.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
