"""Rounds of one measurement: a machine that is not still makes some of them say little."""
import statistics

LATE_P99_MS, AGAIN_MAX = 1.0, 3
WORST = ("valid", "degraded", "invalid")


def late(seen):
    """Without a schedule nothing is."""
    return seen.get("late_p99_ms", 0) > LATE_P99_MS


def in_time(given, measure):
    """A round whose gateway was in time ("late_p99_ms"), or the last of those that were not
    -> (figures, rounds that were thrown away)"""
    again = 0
    while True:
        seen = measure()
        if not late(seen) or again == (1 if given.quick else AGAIN_MAX):
            return seen, again
        again += 1


def middle(given, measure):
    """The medians of --rounds rounds, the worst of their verdicts, and how many were valid."""
    rounds, again = [], 0
    for _ in range(given.rounds):
        seen, more = in_time(given, measure)
        rounds.append(seen)
        again += more
    verdicts = [seen["verdict"] for seen in rounds]
    return {**{name: statistics.median(seen[name] for seen in rounds)
               for name in rounds[0] if name != "verdict"},
            "verdict": max(verdicts, key=WORST.index), "valid": verdicts.count("valid"),
            "rounds": len(rounds), "again": again,
            "late": any(late(seen) for seen in rounds)}


def verdict_of(row):
    """The worst, and where some were valid and some were not, how many."""
    share = f" (valid: {row['valid']} of {row['rounds']})"
    return row["verdict"] + (share if 0 < row["valid"] < row["rounds"] else "")


def again_of(row):
    return f"{row['again']}{', late' if row['late'] else ''}"
