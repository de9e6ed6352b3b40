"""The manager asks the balancer: what it answers, and what is known when it does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from understudy.adapters.running import SERVICES
from understudy.manager.balance_desk import BalanceDesk


def test_whether_it_answers_is_known_where_something_is_balanced(tmp_path: Path) -> None:
    async def work() -> None:
        desk = BalanceDesk(str(tmp_path), lambda *_: None)
        assert (await desk.services(), desk.answers) == (([], []), None)
        (tmp_path / SERVICES).write_text("{}")
        services, warnings = await desk.services()
        assert (services, desk.answers) == ([], False)
        assert warnings[0].startswith("the balancer does not answer")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(json.dumps({"services": [{"name": "web"}], "warnings": ["so"]}).encode() + b"\n")
            writer.close()

        server = await asyncio.start_unix_server(answer, tmp_path / "balancer.sock")
        assert (await desk.services(), desk.answers) == (([{"name": "web"}], ["so"]), True)
        server.close()

    asyncio.run(work())
