#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads to replay: loads.py bursts|growth|noise DAYS prints "timestamp_seconds,count", a line a minute.

bursts  a day's curve, lower at weekends, with twelve minutes of three times as much every three hours
growth  the same without bursts, doubling each week: what no one has seen yet
noise   nothing to foresee
"""

import math
import random
import sys

START = 1704067200  # a Monday, 00:00 UTC
DAY = 1440


def rate(kind, minute):
    weekday = minute // DAY % 7
    curve = 1 + 0.6 * math.sin((minute % DAY) / DAY * 2 * math.pi - 2)
    if weekday > 4:
        curve *= 0.7
    if kind == "bursts":
        return 60 * curve * (3 if minute % 180 < 12 else 1)
    if kind == "growth":
        return 30 * curve * 2 ** (minute / (7 * DAY))
    return 60


def poisson(source, mean):
    """Near enough for a mean of 20 and more."""
    return max(0, round(source.gauss(mean, math.sqrt(mean))))


def main():
    kind, days = sys.argv[1], int(sys.argv[2])
    if kind not in ("bursts", "growth", "noise"):
        sys.exit(__doc__)
    source = random.Random(kind)
    print("timestamp_seconds,count")
    for minute in range(days * DAY):
        print(f"{START + minute * 60},{poisson(source, rate(kind, minute))}")


main()
