# SPDX-License-Identifier: LGPL-2.1-or-later
"""For answers.py, one a line: answers that have the types of the interface, and in them values of other types, what is not there,
and strings that a terminal would obey."""

import json

bad = "\x1b[2J"
job = "/org/skep/Engine1/job/01hf7yat000000000000000000"
report = {"reason": bad + "-limit", "not_enforced": [None, bad], "enforced": {bad: None}, "denied_syscalls": {bad: bad}}
scaling = {"mode": bad, "forecast": [7], "policies": [7, {"policy": bad}], "decisions": [{"sentence": bad}]}
spec = {"after": {"x": None}, "command": [None]}
names = ["Version", "State", "Id", "Name", "Troubles", "Trouble", "Unit", "Pressure", "Warm", "MemoryBytes", "Members", "Waiting",
         "Policy", "Workers"]
for other in ["s", bad], ["u", 7], ["ad", [1.5]], ["aas", [["x"]]], ["a{sv}", []]:
    properties = [[name, other] for name in names] + [["FinishedUSec", ["t", 1]], ["Spec", ["s", json.dumps(spec)]]]
    listed = [[name.lower(), value] for name, value in properties]
    answers = {
        "GetAll": ["a{sv}", [properties]],
        "GetManagedObjects": ["a{oa{sa{sv}}}", [[["/org/skep/Engine1/worker/3", [["org.skep.Engine1.Worker", properties]]]]]],
        "ListTenants": ["aa{sv}", [[listed, []]]],
        "ListJobs": ["aa{sv}s", [[listed, []], ""]],
        "ListPolicies": ["a(sss)", [[[bad, bad, bad]]]],
        "GetConfig": ["s", [json.dumps({bad: {"value": bad, "from": bad}, "x": 7})]],
        "GetScalingReport": ["s", [json.dumps(scaling)]],
        "GetJob": ["o", [job]],
        "Report": ["s", [json.dumps(report)]],
        "Wait": ["a(ss)", [[["01hf7yat000000000000000000", bad]]]],
        "Subscribe": ["", []],
        "Reload": ["as", [[bad]]],
        "Submit": ["so", [bad, job]],
        "SubmitBatch": ["as", [[bad]]],
    }
    print(json.dumps(answers))
