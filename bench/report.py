# SPDX-License-Identifier: MIT
# From samples to rows of build/bench.json and to the tables that `make bench` prints.
import statistics

from rows import LESS_IS_BETTER


def ratio_of(unit, ours, theirs):
    """Above 1: polyproc is better."""
    return theirs / ours if unit in LESS_IS_BETTER else ours / theirs


def medians(samples):
    """{side: [values]} -> {side: median}, of sides that gave any."""
    return {side: statistics.median(values) for side, values in samples.items() if values}


def rows_of(row, samples):
    """One JSON row for each peer; one without a peer where there is none."""
    middle = medians(samples)
    ours = middle.get("polyproc")
    base = {"name": row.name, "size": row.size, "unit": row.unit, "polyproc": ours}
    rows = []
    for peer in row.peers:
        if (theirs := middle.get(peer)) is None:
            continue
        ratio = ratio_of(row.unit, ours, theirs) if ours else None
        rows.append({**base, "peer": theirs, "peer_name": peer, "ratio": ratio})
    if not rows:
        rows.append({**base, "peer": None, "peer_name": None, "ratio": None})
    if row.goal.limit is not None:
        rows = [{**entry, "limit": row.goal.limit} for entry in rows]
    return rows


def verdict_of(row, samples):
    """What was asked for, what was reached; None where there is no goal or no figure."""
    middle = medians(samples)
    ours = middle.pop("polyproc", None)
    if ours is None:
        return None
    if row.goal.limit is not None:
        less = row.unit in LESS_IS_BETTER
        met = ours <= row.goal.limit if less else ours >= row.goal.limit
        asked = f"{'<=' if less else '>='} {number(row.goal.limit)} {row.unit}"
        return {"name": row.name, "size": row.size, "goal": asked, "reached": f"{number(ours)} {row.unit}", "met": met}
    if row.goal.ratio is None or not middle:
        return None
    ratios = {peer: ratio_of(row.unit, ours, theirs) for peer, theirs in middle.items()}
    peer = row.goal.peer or min(ratios, key=ratios.get)
    if peer not in ratios:
        return None
    return {"name": row.name, "size": row.size, "goal": f">= {row.goal.ratio:.2g} x {peer}",
            "reached": f"{ratios[peer]:.2f}", "met": ratios[peer] >= row.goal.ratio}


def further_verdicts(row, samples):
    """The same for each further peer that the goal names."""
    middle = medians(samples)
    for peer, asked in row.goal.more.items():
        if "polyproc" in middle and peer in middle:
            reached = ratio_of(row.unit, middle["polyproc"], middle[peer])
            yield {"name": row.name, "size": row.size, "goal": f">= {asked:.2g} x {peer}", "reached": f"{reached:.2f}",
                   "met": reached >= asked}


def verdicts_of(row, samples):
    first = verdict_of(row, samples)
    return [*([first] if first else []), *further_verdicts(row, samples)]


def number(value):
    if value is None:
        return "-"
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.3g}"


def spread(values):
    """How far apart the samples are, as largest over smallest."""
    return f"{max(values) / min(values):.2f}" if values and min(values) > 0 else "-"


def table(head, lines):
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
                     for line in [head, ["-" * width for width in widths], *lines])


def row_lines(row, samples):
    return [[entry["name"], str(entry["size"]), entry["unit"], number(entry["polyproc"]),
             spread(samples["polyproc"]), entry["peer_name"] or "", number(entry["peer"]),
             spread(samples.get(entry["peer_name"], [])), f"{entry['ratio']:.2f}" if entry["ratio"] else "-"]
            for entry in rows_of(row, samples)]


def print_tables(measured):
    """measured: [(row, samples)]"""
    lines = [line for row, samples in measured for line in row_lines(row, samples)]
    print(table(["row", "size", "unit", "polyproc", "max/min", "peer", "figure", "max/min", "ratio"], lines))
    verdicts = [verdict for row, samples in measured for verdict in verdicts_of(row, samples)]
    if verdicts:
        print("\n" + table(["row", "size", "goal", "reached", ""],
                           [[v["name"], str(v["size"]), v["goal"], v["reached"], "met" if v["met"] else "MISSED"]
                            for v in verdicts]))
