"""A client that asks over kept-open connections, as fast as answers come or at a rate; little of its own in the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Told:
    """What a load gave: seconds of each answer, answers a second, and how many were not 200."""

    seconds: np.ndarray
    rate: float
    failed: int

    def figures(self) -> dict[str, float]:
        """Milliseconds and rates."""
        p50, p99 = (float(np.quantile(self.seconds, q) * 1000) for q in (0.5, 0.99))
        return {
            "p50_ms": p50,
            "p99_ms": p99,
            "per_second": self.rate,
            "answers": len(self.seconds),
            "failed": self.failed,
        }


def asked(path: str, key: str, body: bytes) -> bytes:
    """A request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def saturate(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> Told:
    """Each connection asks again as soon as it was answered."""
    return asyncio.run(_run(port, requests, seconds, connections, None))


def at_rate(port: int, requests: Iterator[bytes], seconds: float, connections: int, per_second: float) -> Told:
    """Requests begin at their times, whether earlier ones were answered or not; waiting for a connection counts."""
    return asyncio.run(_run(port, requests, seconds, connections, per_second))


async def _run(
    port: int, requests: Iterator[bytes], seconds: float, connections: int, per_second: float | None
) -> Told:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    for one in opened:
        free.put_nowait(one)
    took: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def ask(due: float) -> None:
        nonlocal failed
        reader, writer = await free.get()
        writer.write(next(requests))
        status = await _answer(reader)
        took.append(time.perf_counter() - due)
        failed += status != 200
        free.put_nowait((reader, writer))

    if per_second is None:

        async def again() -> None:
            while time.perf_counter() - began < seconds:
                await ask(time.perf_counter())

        await asyncio.gather(*(again() for _ in range(connections)))
    else:
        tasks = []
        for n in range(int(seconds * per_second)):
            due = began + n / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(due)))
        await asyncio.gather(*tasks)
    lasted = time.perf_counter() - began
    for _, writer in opened:
        writer.close()
    return Told(np.array(took), len(took) / lasted, failed)


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
