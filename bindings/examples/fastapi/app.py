#!/usr/bin/env python3
"""FastAPI between browsers and a model: one engine for all, an answer streamed to each.

A browser that leaves has its request cancelled: Starlette then cancels the task that streams to it,
and that ends the answer. One that does not read has its request paused, once what is under way to
it is full: the server stops asking for more, and so does the engine.

usage: app.py BASE_URL MODEL [PORT]        or: uvicorn app:app, with LEAT_BASE_URL and LEAT_MODEL
LEAT_API_KEY is sent as the key, and no browser ever sees it; SSL_CERT_FILE names the CA
certificates to trust instead of the system's.
"""
from __future__ import annotations

import contextlib
import os
import sys
from typing import AsyncIterator

import leat
from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, StreamingResponse

PAGE = """<!doctype html><meta charset=utf-8><title>A model</title>
<form><input name=q size=60 placeholder=Ask autofocus></form>
<pre id=out style=white-space:pre-wrap></pre>
<script>
const out = document.getElementById('out');
let stream;
document.forms[0].onsubmit = event => {
  event.preventDefault();
  if (stream) stream.close();
  out.textContent = '';
  stream = new EventSource('/chat?prompt=' + encodeURIComponent(event.target.q.value));
  stream.onmessage = event => { out.textContent += event.data; };
  stream.addEventListener('end', event => {
    if (event.data !== 'LEAT_OK') out.textContent += ' [' + event.data + ']';
    stream.close();
  });
};
</script>
"""
client: leat.Client


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The client belongs to the server's event loop, so it is made there."""
    global client
    timeouts = leat.Timeouts(first=120, gap=60)
    async with leat.Client(os.environ.get("LEAT_BASE_URL"), os.environ.get("LEAT_API_KEY"),
                           ca_file=os.environ.get("SSL_CERT_FILE"), timeout=timeouts) as client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.get("/stats")
def stats() -> dict[str, int]:
    return client.stats()


def as_event(text: str) -> str:
    """A line end of any kind begins a line of its own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "".join(f"data: {line}\n" for line in lines) + "\n"


async def events(prompt: str) -> AsyncIterator[str]:
    """What came is sent, and then how it ended: what broke off must not look whole. Whoever leaves
    ends the request, since this generator is cancelled then."""
    end = "LEAT_OK"
    try:
        async with client.chat(prompt, model=os.environ["LEAT_MODEL"]) as stream:
            async for event in stream:
                if event.text:
                    yield as_event(event.text)
                elif event.reasoning:
                    yield ": thinking\n\n"
    except leat.LeatError as error:
        end = error.name
    yield f"event: end\ndata: {end}\n\n"


@app.get("/chat")
async def chat(prompt: str = Query(min_length=1, max_length=4096)) -> StreamingResponse:
    return StreamingResponse(events(prompt), media_type="text/event-stream",
                             headers={"Cache-Control": "no-store"})


if __name__ == "__main__":
    import uvicorn

    if not 3 <= len(sys.argv) <= 4:
        sys.exit("usage: app.py BASE_URL MODEL [PORT]")
    os.environ["LEAT_BASE_URL"], os.environ["LEAT_MODEL"] = sys.argv[1:3]
    uvicorn.run(app, port=int(sys.argv[3]) if len(sys.argv) == 4 else 0, log_level="info")
