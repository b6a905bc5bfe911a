# SPDX-License-Identifier: LGPL-2.1-or-later
# One line about a report: how the job ended, and what held it. Checks what was expected: show.py REPORT KEY=VALUE...
import json
import sys

report = json.load(open(sys.argv[1]))
held = {}
for layer, by in report["enforced"].items():
    held.setdefault(by, []).append(layer)
end = report["reason"]
if end == "exited":
    end += f" with {report['exit_code']}"
elif report["signal"]:
    end += f" (signal {report['signal']})"
times = f", {report['wall_usec'] / 1000:.0f} ms" if report["wall_usec"] else ""
print(f"  ended: {end}{times}")
if report["message"]:
    print(f"  says:  {report['message']}")
if held:
    print("  held:  " + "; ".join(f"{', '.join(layers)} by {by}" for by, layers in held.items()))
if report["not_enforced"]:
    print("  not held on this host, and allowed by name: " + ", ".join(report["not_enforced"]))
if report["denied_syscalls"]:
    print("  refused calls: " + ", ".join(f"{name} {n}" for name, n in report["denied_syscalls"].items()))
for want in sys.argv[2:]:
    key, values = want.split("=")
    if str(report[key]) not in values.split("|"):
        sys.exit(f"  expected {key} to be {values}, and it is {report[key]}")
