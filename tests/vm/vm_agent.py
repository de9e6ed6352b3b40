"""In the guest: one JSON request a line on a virtio serial port, ``{"id", "command", "limit"}``, one answer a line back.

The answer is ``{"id", "status", "output"}``; status 124 means killed at its limit. Each request has a thread and a process group.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time

PORT = "/dev/vport0p1"


def main() -> None:
    port = os.open(PORT, os.O_RDWR)
    lock = threading.Lock()

    def say(answer: dict[str, object]) -> None:
        data = json.dumps(answer).encode() + b"\n"
        with lock:
            while data:
                data = data[os.write(port, data) :]

    def work(request: dict[str, object]) -> None:
        words = ["/bin/bash", "-c", str(request["command"])]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            output, status = process.communicate(timeout=float(str(request["limit"])))[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, status = process.communicate()[0], 124
        say({"id": request["id"], "status": status, "output": output.decode(errors="replace")})

    say({"id": 0})
    rest = b""
    while True:
        data = os.read(port, 65536)
        if not data:  # nobody has connected at the other end yet
            time.sleep(0.1)
            continue
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()


main()
