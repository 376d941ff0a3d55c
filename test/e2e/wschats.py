#!/usr/bin/env python3
"""python3-websockets as an echo and saying chats: a gateway of a few lines.

usage: wschats.py PORT FOLDER_WITH_CERTIFICATE [plain]
What it does is what wschats.mjs does, path by path."""
import asyncio
import http
import json
import os
import ssl
import sys
import urllib.parse

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever Python runs this
from websockets.legacy import server as websockets  # noqa: E402  (what 10 and 15 share)

SEEN = {"sockets": 0, "messages": 0, "open": 0, "peak": 0, "codes": {}}


def chunk(delta, finish=None):
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


async def say(socket, query):
    def number(name, otherwise):
        return float(query.get(name, [otherwise])[0])
    await asyncio.sleep(number("ttft", 1) / 1e3)
    for i in range(int(number("n", 10))):
        if i > 0:
            await asyncio.sleep(number("ms", 1) / 1e3)
        await socket.send(chunk({"content": f"word {i} "}))
    await socket.send(chunk({}, "stop"))


async def serve(socket, path):
    url = urllib.parse.urlsplit(path)
    SEEN["sockets"] += 1
    SEEN["open"] += 1
    SEEN["peak"] = max(SEEN["peak"], SEEN["open"])
    try:
        async for message in socket:
            SEEN["messages"] += 1
            if url.path == "/echo":
                await socket.send(message)
            else:
                await say(socket, urllib.parse.parse_qs(url.query))
    finally:
        SEEN["open"] -= 1
        code = str(socket.close_code)
        SEEN["codes"][code] = SEEN["codes"].get(code, 0) + 1


async def answer(path, _):
    if path != "/stats":
        return None
    return http.HTTPStatus.OK, [("Content-Type", "application/json")], json.dumps(SEEN).encode()


async def main(port, folder, plain):
    context = None
    if not plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    async with websockets.serve(serve, "127.0.0.1", port, ssl=context, process_request=answer,
                                backlog=2048, ping_interval=None, max_size=None):
        print(f"listening on {port}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["plain"]))
