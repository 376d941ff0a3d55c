#!/usr/bin/env python3
"""The poller that one would write in an afternoon, with nothing but Python's standard library: a
coroutine a job that submits, then sleeps and asks until its job has ended, all behind one limiter
of questions a second and a pool of kept connections. What bench/tasks sets leat beside."""
import argparse
import asyncio
import json
import ssl
import urllib.parse

CONNECTIONS = 64
FINAL = {"success", "succeeded", "completed", "failure", "failed", "expired", "cancelled"}
PATH = "/v1/video/generations"


class Limiter:
    """So many a second, spaced evenly, first come first served."""

    def __init__(self, limit):
        self.spacing, self.next = 1.03 / limit, 0.0

    async def turn(self):
        now = asyncio.get_running_loop().time()
        at = max(now, self.next)
        self.next = at + self.spacing
        await asyncio.sleep(at - now)


class Pool:
    def __init__(self, url, ca):
        self.at = urllib.parse.urlsplit(url)
        self.trust = ssl.create_default_context(cafile=ca)
        self.idle = []
        self.free = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, method, path, body=b""):
        async with self.free:
            reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(
                self.at.hostname, self.at.port, ssl=self.trust)
            writer.write((f"{method} {path} HTTP/1.1\r\nHost: {self.at.netloc}\r\n"
                          "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            answer = await self.read_body(reader, head.lower())
            self.idle.append((reader, writer))
            return int(head.split(" ", 2)[1]), answer

    @staticmethod
    async def read_body(reader, head):
        for line in head.split("\r\n"):
            name, _, value = line.partition(":")
            if name == "content-length":
                return await reader.readexactly(int(value))
        body = b""
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            body += await reader.readexactly(size)
            await reader.readline()
            if size == 0:
                return body


async def run_job(pool, limiter, job, args):
    status, answer = await pool.ask("POST", PATH, json.dumps(job["body"]).encode())
    name = json.loads(answer)["id"]
    while True:
        await asyncio.sleep(args.floor)
        await limiter.turn()
        status, answer = await pool.ask("GET", f"{PATH}/{name}")
        if status == 200 and json.loads(answer).get("status", "").lower() in FINAL:
            return {"custom_id": job["custom_id"], "response":
                    {"status_code": status, "body": json.loads(answer)}, "error": None}


async def main(args):
    pool, limiter = Pool(args.url, args.ca), Limiter(args.limit)
    with open(args.input, encoding="utf-8") as file:
        jobs = [json.loads(line) for line in file]
    with open(args.output, "w", encoding="utf-8") as out:
        for ended in asyncio.as_completed([run_job(pool, limiter, j, args) for j in jobs]):
            out.write(json.dumps(await ended) + "\n")
            out.flush()


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("--url", "--ca", "--input", "--output"):
        parser.add_argument(name, required=True)
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--floor", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
