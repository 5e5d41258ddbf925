"""Huffman coding of streams of small integers, in canonical codes.

Han, Mao, Dally: Deep compression, 2016, section 4. A code is known by the lengths of its words
alone: words of one length are consecutive numbers in the order of their symbols.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Mapping

import numpy as np

LONGEST = 64


@dataclasses.dataclass(frozen=True)
class Code:
    """A prefix code.

    Attributes:
        symbols: those that occur, by length of their words and then ascending.
        lengths: bits of each word, ascending. A single symbol takes none at all.
    """

    symbols: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self):
        """Raises ValueError: the lengths are not those of a complete prefix code."""
        order = sorted(zip(self.lengths, self.symbols, strict=True))
        if order != list(zip(self.lengths, self.symbols, strict=True)):
            raise ValueError("the symbols of a code are not in the order of their lengths")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a code has a symbol twice")
        lengths = self.lengths
        if any(not 0 <= length <= LONGEST for length in lengths):
            raise ValueError(f"a code has words of less than 0 or more than {LONGEST} bits")
        if lengths and sum(1 << (LONGEST - length) for length in lengths) != 1 << LONGEST:
            raise ValueError("the lengths of a code are not those of a complete prefix code")

    @property
    def words(self) -> np.ndarray:
        """The words as numbers, `(symbols,)`, uint64."""
        words, word, before = [], 0, 0
        for length in self.lengths:
            word <<= length - before
            words.append(word)
            word, before = word + 1, length
        return np.array(words, "uint64")


def code_for(counts: Mapping[int, int]) -> Code:
    """An optimal code: no prefix code takes fewer bits for these frequencies.

    Args:
        counts: how often each symbol occurs; symbols that never do are left out.
    """
    # Of equally frequent ones the first, so that equal counts give equal codes.
    heap = [(count, number, (s,)) for number, (s, count) in enumerate(sorted(counts.items()))]
    heap = [entry for entry in heap if entry[0] > 0]
    lengths = {symbol: 0 for _, _, (symbol,) in heap}
    number = len(counts)
    heapq.heapify(heap)
    while len(heap) > 1:
        (one, _, left), (two, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (one + two, number, left + right))
        number += 1
    order = sorted((length, symbol) for symbol, length in lengths.items())
    return Code(tuple(s for _, s in order), tuple(length for length, _ in order))


def code_of(stream: np.ndarray) -> Code:
    """The optimal code for a stream of integers."""
    symbols, counts = np.unique(stream, return_counts=True)
    return code_for(dict(zip(symbols.tolist(), counts.tolist(), strict=True)))


def encode(stream: np.ndarray, code: Code) -> bytes:
    """The words of a stream one after the other, the first bit highest; zeros fill the last byte.

    Args:
        stream: symbols, `(n,)`.
        code: has a word for each of them.

    Raises:
        ValueError: a symbol without a word.
    """
    stream = np.asarray(stream)
    if not stream.size:
        return b""
    symbols = np.array(code.symbols, "int64")
    order = np.argsort(symbols)
    found = np.searchsorted(symbols, stream, sorter=order)
    places = order[np.minimum(found, len(order) - 1)] if len(order) else found
    if not len(order) or (symbols[places] != stream).any():
        raise ValueError("the stream has a symbol that the code has no word for")
    lengths = np.array(code.lengths)[places]
    words = code.words[places]
    ends = np.cumsum(lengths)
    bits = np.zeros(ends[-1], "uint8")
    for bit in range(max(code.lengths)):  # from the last bit of each word
        reaching = lengths > bit
        bits[ends[reaching] - 1 - bit] = (words[reaching] >> np.uint64(bit)) & np.uint64(1)
    return np.packbits(bits).tobytes()


def decode(data: bytes, count: int, code: Code) -> np.ndarray:
    """The first `count` symbols of what `encode` wrote, int64.

    Raises:
        ValueError: the data ends before that many words.
    """
    if count == 0:
        return np.zeros(0, "int64")
    if not code.symbols:
        raise ValueError("a code without words cannot have written anything")
    symbols, longest = np.array(code.symbols, "int64"), code.lengths[-1]
    if longest == 0:
        return np.full(count, symbols[0])
    bits = np.unpackbits(np.frombuffer(data, "uint8"))
    # At each bit, the number that the next `longest` bits are: a word, followed by anything.
    padded = np.concatenate([bits, np.zeros(longest, "uint8")]).astype("uint64")
    windows = np.zeros(bits.size, "uint64")
    for bit in range(longest):
        windows = (windows << np.uint64(1)) | padded[bit : bit + bits.size]
    lengths = np.array(code.lengths)
    firsts = code.words << (longest - lengths).astype("uint64")
    words = np.searchsorted(firsts, windows, side="right") - 1
    following = (np.arange(bits.size) + lengths[words]).tolist()
    places, place = [], 0
    for _ in range(count):
        if place >= bits.size:
            raise ValueError("the coded stream ends too early")
        places.append(place)
        place = following[place]
    if place > bits.size:
        raise ValueError("the coded stream ends too early")
    return symbols[words[places]]
