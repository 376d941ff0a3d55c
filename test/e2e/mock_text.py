"""The gateway's text, once more: what an answer must say, by its seed, or by its request's place.

The fragments are read from the gateway's own source; how they are chosen is written down a second
time here, so that neither can change unseen."""
import ast
import functools
import os
import re

import mock

MASK = (1 << 64) - 1
SOURCE = os.path.join(mock.SOURCE, "bench", "mock", "text.c")
STRING = r'(?:"(?:[^"\\]|\\.)*"\s*)+'


@functools.cache
def fragments():
    with open(SOURCE, encoding="utf-8") as file:
        table = file.read().split("fragments[64] = {", 1)[1].split("\n};", 1)[0]
    found = re.findall(rf"(?:WORD|MARK)\(({STRING})", table)
    texts = [ast.literal_eval(f"({text})").encode("latin-1") for text in found]
    assert len(texts) == 64, len(texts)
    return texts


def mix(x):
    x = (x + 0x9e3779b97f4a7c15) & MASK
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK
    return x ^ (x >> 31)


class Bits:
    """64 at a time."""

    def __init__(self, state):
        self.state, self.bits, self.left = state, 0, 0

    def take(self, count):
        if self.left < count:
            self.state = self.bits = mix(self.state)
            self.left = 64
        value = self.bits & ((1 << count) - 1)
        self.bits >>= count
        self.left -= count
        return value


def piece(seed, index):
    bits, out = Bits(mix(seed) ^ mix(0x6c656174 + index)), b""
    target = 20 + bits.take(4)
    while len(out) < target:
        out += fragments()[bits.take(6)]
        bits.take(1)  # the spelling
    return out


def answer(seed, events):
    """What the gateway says to a request with this seed."""
    return b"".join(piece(seed, index) for index in range(events)).decode()


def nth_answer(place, events, seed=0):
    """And to its request number `place` (from 1) when that names no seed; `seed` is the gateway's
    own."""
    return answer(mix(seed ^ place) >> 12, events)
