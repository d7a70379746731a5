"""XXH64 (seed 0) in plain Python, from the xxHash specification: the reference for the compiled one.

https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
P1, P2, P3, P4, P5 = PRIMES
MASK = 2**64 - 1


def xxh64(data: bytes) -> int:
    """The unsigned 64-bit hash."""
    if len(data) >= 32:
        lanes = [P1 + P2, P2, 0, -P1]
        whole = len(data) // 32 * 32
        for at in range(0, whole, 32):
            words = [int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little") for i in range(4)]
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
        h = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            h = (h ^ _round(0, lane)) * P1 + P4
        rest = data[whole:]
    else:
        h, rest = P5, data
    return _avalanche(_tail(h + len(data), rest))


def _tail(h: int, rest: bytes) -> int:
    while len(rest) >= 8:
        h = _rotate(h ^ _round(0, int.from_bytes(rest[:8], "little")), 27) * P1 + P4
        rest = rest[8:]
    if len(rest) >= 4:
        h = _rotate(h ^ (int.from_bytes(rest[:4], "little") * P1), 23) * P2 + P3
        rest = rest[4:]
    for byte in rest:
        h = _rotate(h ^ (byte * P5), 11) * P1
    return h


def _avalanche(h: int) -> int:
    h &= MASK
    h = (h ^ (h >> 33)) * P2 & MASK
    h = (h ^ (h >> 29)) * P3 & MASK
    return h ^ (h >> 32)


def _round(lane: int, word: int) -> int:
    return _rotate(lane + word * P2, 31) * P1 & MASK


def _rotate(value: int, by: int) -> int:
    value &= MASK
    return (value << by | value >> (64 - by)) & MASK
