#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The engine on a message bus of its own, for several users, with and without polkit; and the private socket for a group.

bats_require_minimum_version 1.5.0
load ../helper
load engine

GROUP_ID=64990

setup_file() {
        export MISSING=$(find_missing)
        # Others than root come here.
        export place=$(mktemp -d /tmp/skep-bus.XXXXXX)
        chmod 755 "$place"
        mkdir "$place/tenants"
        echo '{"users": ["games"], "weight": 3}' > "$place/tenants/players.json"
        echo '{"users": ["daemon"]}' > "$place/tenants/daemons.json"
        echo "{\"tenants_directory\": \"$place/tenants\", \"workers\": {\"start\": \"embedded\"}}" > "$place/skepd.json"
        export BUS=unix:path=$place/bus
        start_bus
        # A group "skep" that only this supervisor sees, and that one of the users is in by the kernel's word.
        { grep -v '^skep:' /etc/group; echo "skep:x:$GROUP_ID:"; } > "$place/group"
        start_supervisor
}

teardown_file() {
        kill -TERM "$(cat "$place/pid")"
        for i in $(seq 150); do kill -0 "$(cat "$place/pid")" 2>/dev/null || break; sleep 0.1; done
        kill "$(cat "$place/bus.pid")"
        end_workers "$place/state"
        rm -rf "$place"
}

start_bus() {
        cat > "$place/bus.conf" <<C
<busconfig>
  <type>system</type>
  <listen>$BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
C
        dbus-daemon --config-file="$place/bus.conf" --nofork --nopidfile 2> "$place/bus.log" 3>&- &
        echo $! > "$place/bus.pid"
        for i in $(seq 100); do [ -S "$place/bus" ] && return; sleep 0.1; done
        cat "$place/bus.log" >&2
        return 1
}

start_supervisor() {
        unshare --mount sh -c 'mount --bind "$0/group" /etc/group && exec "$@"' "$place" \
                "$build/skepd" --bus "$BUS" --config "$place/skepd.json" --state "$place/state" --socket "$place/engine.sock" \
                --allow-missing="$MISSING" 2> "$place/log" 3>&- &
        echo $! > "$place/pid"
        for i in $(seq 100); do
                as root GetConfig > /dev/null 2>&1 && return
                sleep 0.1
        done
        cat "$place/log" >&2
        return 1
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

as() { # USER METHOD [ARGUMENT]...
        local user=$1
        shift
        run_as "$user" busctl --address="${ADDRESS:-$BUS}" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager "$@"
}
run_as() {
        local user=$1
        shift
        timeout 30 setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups ${BOUND:+--bounding-set -all} "$@"
}
property() { # USER PATH INTERFACE NAME
        run_as "$1" busctl --address="${ADDRESS:-$BUS}" get-property org.skep.Engine1 "$2" "$3" "$4"
}
submit() { # USER [COMMAND]: prints the id
        as "$1" Submit 'sa(sh)' "{\"command\": ${2:-[\"true\"]}, \"environment\": {\"SECRET\": \"hidden\"}, \"stdin\": \"quiet\"}" 0 | cut -d'"' -f2
}
start_polkit() { # ANSWER
        echo "$1" > answer
        "$build/polkit" "$BUS" answer asked > ready 3>&- &
        polkit=$!
        for i in $(seq 100); do grep -q ready ready && return; sleep 0.1; done
}

teardown() {
        for pid in ${polkit:-} ${listener:-}; do kill "$pid" 2>/dev/null || true; done
}

@test "jobs are their tenant's, who is known by the uid that the bus says" {
        id=$(submit games)
        [ -n "$id" ]
        as games Wait 'ast' 1 "$id" 20000000
        [ "$(property games "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Tenant)" = 's "players"' ]
        run as daemon GetJob s "$id"
        [ "$status" -ne 0 ]
        [[ $output == *"no such job"* ]]
        run property daemon "/org/skep/Engine1/job/$id" org.skep.Engine1.Job State
        [ "$status" -ne 0 ]
        run as daemon Cancel s "$id"
        [[ $output == *"no such job"* ]]
        run as daemon ListJobs 'a{sv}su' 0 '' 0
        [ "$output" = 'aa{sv}s 0 ""' ]
        run as games ListJobs 'a{sv}su' 0 '' 0
        [[ $output == *"$id"* ]]
        as root GetJob s "$id"
}

@test "a user without a tenant is refused, with a sentence" {
        run run_as nobody "$build/submit-raw" "$BUS" '{"command": ["true"]}'
        [ "$status" -ne 0 ]
        [[ $output == *AccessDenied* ]]
        [[ $output == *"nobody"* || $output == *"65534"* ]]
}

@test "a user without a tenant is refused also where no answer is wanted" {
        run run_as nobody busctl --address="$BUS" --expect-reply=no call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Subscribe
        [ "$status" -eq 0 ]
        as root GetConfig > /dev/null
        kill -0 "$(cat "$place/pid")"
}

@test "what a call brings beside its arguments is not kept until it is answered" {
        echo text > file
        id=$("$build/submit-raw" "$BUS" '{"command": ["cat", "/input/a"], "stdin": "x"}' a 0 < file)
        as root Wait ast 1 "$id" 20000000
        id=$(SKEP_ADDRESS=$BUS ctl submit - --input a=file <<< '[{"command": ["grep", "text", "/input/a"]}]')
        SKEP_ADDRESS=$BUS ctl wait "$id"
        python3 -B - "$BUS" "$(cat "$place/pid")" "$BATS_TEST_DIRNAME" <<'P'
import json, os, sys, time
sys.path.insert(0, sys.argv[3])
import wire

def held():
    return len(os.listdir(f"/proc/{sys.argv[2]}/fd"))

c = wire.Connection(sys.argv[1])
c.manager("Pause")
id = c.manager("Submit", "sa(sh)", json.dumps({"command": ["true"]}), []).body[0]
before = held()
fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(16)]
for _ in range(40):
    reply = c.manager("Wait", "ast", [id], 1 << 40, fds=fds)
    assert reply.error == "org.freedesktop.DBus.Error.LimitsExceeded", (reply.error, reply.body)
for _ in range(200): # those of the last one go behind its answer
    if held() < before + 16:
        break
    time.sleep(0.01)
assert held() < before + 16, (held(), before)
wait = c.send(wire.NAME, wire.PATH, wire.MANAGER, "Wait", "ast", ([id], 1 << 40))
c.send(wire.NAME, wire.PATH, wire.MANAGER, "Resume")
assert c.answer(wait).body == [[(id, "succeeded")]]
P
}

@test "environment and standard input are shown to the owner alone" {
        id=$(submit games)
        run property games "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Spec
        [[ $output == *hidden* && $output == *quiet* ]]
        run property root "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Spec
        [[ $output == *command* && $output != *hidden* && $output != *quiet* ]]
}

@test "without polkit only root manages the pool, the configuration and the jobs of others" {
        for method in Pause Resume Drain Reload; do
                run as games $method
                [ "$status" -ne 0 ]
                [[ $output == *"Access denied"* ]]
        done
        # That is said once.
        [[ $(property games /org/skep/Engine1 org.skep.Engine1.Manager Troubles) == *"polkit does not answer"*"install and start polkitd"* ]]
        [ "$(grep -c "polkit does not answer" "$place/log")" -eq 1 ]
        as root Pause
        [ "$(property games /org/skep/Engine1 org.skep.Engine1.Manager Paused)" = "b true" ]
        id=$(submit games)
        [ "$(property games "/org/skep/Engine1/job/$id" org.skep.Engine1.Job State)" = 's "queued"' ]
        as root Cancel s "$id"
        as root Resume
        [ "$(property games /org/skep/Engine1 org.skep.Engine1.Manager Paused)" = "b false" ]
}

@test "polkit decides for others, by the name of the caller on the bus" {
        start_polkit yes
        as daemon Pause
        as daemon Resume
        grep -q '^org.skep.engine1.manage-pool system-bus-name name=:1\.[0-9]* 1$' asked
        id=$(submit games '["sleep", "20"]')
        as daemon Cancel s "$id"
        as daemon Reload
        grep -q '^org.skep.engine1.manage-jobs ' asked
        grep -q '^org.skep.engine1.configure ' asked
        echo no > answer
        run as daemon Pause
        [ "$status" -ne 0 ]
        run as daemon Cancel s "$id"
        [[ $output == *"no such job"* ]]
        # That it is asked does not tell that there is such a job.
        : > asked
        run as daemon Cancel s 00000000000000000000000000
        [[ $output == *"no such job"* ]]
        [ "$(grep -c '^org.skep.engine1.manage-jobs ' asked)" -eq 1 ]
        # One's own needs no asking.
        : > asked
        as games GetJob s "$id"
        [ ! -s asked ]
}

@test "who may manage jobs lists and looks at those of others, without their secrets" {
        start_polkit yes
        id=$(submit games)
        # One connection: the word of polkit is for it.
        run run_as daemon /usr/bin/python3 "$BATS_TEST_DIRNAME/one_connection.py" "$BUS" "$id"
        echo "$output"
        [ "$status" -eq 0 ]
        [[ ${lines[0]} == *"$id"* ]]
        [[ ${lines[1]} == *command* && ${lines[1]} != *hidden* && ${lines[1]} != *quiet* ]]
}

@test "who asks for the jobs of a tenant that is not his is refused, whether there is one or not" {
        for tenant in players nobody-at-all; do
                run as daemon ListJobs 'a{sv}su' 1 tenant s $tenant '' 0
                [ "$status" -ne 0 ]
                [[ $output == *"Access denied"* ]]
                # What it says of them is the same.
                [ "$output" = "${before:-$output}" ]
                before=$output
        done
        as games ListJobs 'a{sv}su' 1 tenant s players '' 0
        as root ListJobs 'a{sv}su' 1 tenant s players '' 0
        start_polkit yes
        as daemon ListJobs 'a{sv}su' 1 tenant s players '' 0
        grep -q '^org.skep.engine1.manage-jobs ' asked
}

@test "a question that polkit does not answer holds up nobody, and ends with its caller" {
        start_polkit wait
        for i in 1 2 3 4 5; do
                run_as daemon busctl --address="$BUS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Pause 3>&- &
                callers+=($!)
        done
        for i in $(seq 50); do [ "$(wc -l < asked)" -ge 5 ] 2>/dev/null && break; sleep 0.1; done
        id=$(submit games)
        as games Wait ast 1 "$id" 20000000
        kill "${callers[@]}"
        kill "$polkit"
        as games ListJobs 'a{sv}su' 0 '' 1
        [ "$(property games /org/skep/Engine1 org.skep.Engine1.Manager Paused)" = "b false" ]
}

@test "signals come to those who have subscribed, about jobs that they may see" {
        run_as games "$build/listen" "$BUS" > games 3>&- &
        one=$!
        run_as daemon "$build/listen" "$BUS" > daemon 3>&- &
        two=$!
        run_as games "$build/listen" "$BUS" no-subscribe > deaf 3>&- &
        three=$!
        "$build/listen" "unix:path=$place/engine.sock" > root 3>&- &
        four=$!
        for file in games daemon deaf root; do
                for i in $(seq 100); do grep -q listening $file && break; sleep 0.1; done
        done
        id=$(submit games)
        for file in games root; do
                for i in $(seq 100); do grep -q "^JobFinished $id succeeded$" $file && break; sleep 0.1; done
                grep -q "^JobNew $id$" $file
                grep -q "^JobFinished $id succeeded$" $file
        done
        as root Pause
        as root Resume
        for i in $(seq 50); do grep -q PropertiesChanged root && break; sleep 0.1; done
        grep -q "^PropertiesChanged org.skep.Engine1.Manager" root
        kill $one $two $three $four
        [ "$(grep -c Job daemon)" -eq 0 ]
        [ "$(grep -c Job deaf)" -eq 0 ]
}

@test "the document has what the objects have, on the bus and on the socket" {
        id=$(submit games)
        for address in "$BUS" "unix:path=$place/engine.sock"; do
                for object in "/org/skep/Engine1 org.skep.Engine1.Manager" "/org/skep/Engine1/job/$id org.skep.Engine1.Job" \
                        "/org/skep/Engine1/worker/1 org.skep.Engine1.Worker" \
                        "/org/freedesktop/LogControl1 org.freedesktop.LogControl1"; do
                        set -- $object
                        busctl --address="$address" introspect org.skep.Engine1 "$1" > members
                        python3 "$BATS_TEST_DIRNAME/interface.py" "$top/docs/org.skep.Engine1.md" "$2" < members
                done
        done
}

@test "workers come and go under the object manager, and the pool is scaled" {
        "$build/listen" "unix:path=$place/engine.sock" > peer 3>&- &
        one=$!
        "$build/listen" "$BUS" > bus 3>&- &
        two=$!
        for file in peer bus; do for i in $(seq 100); do grep -q listening $file && break; sleep 0.1; done; done
        run as games Scale u 3
        [ "$status" -ne 0 ]
        as root Scale u 3
        [ "$(property games /org/skep/Engine1 org.skep.Engine1.Manager PoolTarget)" = "u 3" ]
        for i in $(seq 100); do [ "$(property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker State)" = 's "ready"' ] && break; sleep 0.1; done
        [ "$(property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker State)" = 's "ready"' ]
        # It is no unit, and has no control group of its own.
        [ "$(property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker MemoryBytes)" = "t 18446744073709551615" ]
        [ "$(property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker Pressure)" = "a{sd} 0" ]
        busctl --address="$BUS" call org.skep.Engine1 /org/skep/Engine1 org.freedesktop.DBus.ObjectManager GetManagedObjects > objects
        grep -q '/org/skep/Engine1/worker/3' objects
        run ! grep /job/ objects
        as root Scale u 2
        for i in $(seq 100); do property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker State 2>/dev/null || break; sleep 0.1; done
        run property games /org/skep/Engine1/worker/3 org.skep.Engine1.Worker State
        [ "$status" -ne 0 ]
        for file in peer bus; do
                for i in $(seq 50); do grep -q InterfacesRemoved $file && break; sleep 0.1; done
                grep -q InterfacesAdded $file
                grep -q InterfacesRemoved $file
                grep -q '^PropertiesChanged org.skep.Engine1.Worker' $file
                grep -q '^PropertiesChanged org.skep.Engine1.Manager' $file
        done
        kill $one $two
        run busctl --address="$BUS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Scale u 51
        [ "$status" -ne 0 ]
        [[ $output == *"2 to 50"* ]]
}

@test "tenants and policies are listed" {
        run as games ListTenants
        [[ $output == *'"name" s "players" "weight" t 3 '* && $output != *daemons* ]]
        run as root ListTenants
        [[ $output == *players* ]]
        run as games ListPolicies
        for policy in strict python agent build service; do [[ $output == *"\"$policy\" \"sha256:"* ]]; done
}

@test "the log's level and target can be set, by root" {
        log() { # USER get-property|set-property ...
                local user=$1 verb=$2
                shift 2
                run_as "$user" busctl --address="$BUS" "$verb" org.skep.Engine1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 "$@"
        }
        [ "$(log games get-property LogLevel)" = 's "info"' ]
        [ "$(log root get-property SyslogIdentifier)" = 's "skepd"' ]
        run log games set-property LogLevel s debug
        [[ $status -ne 0 && $output == *"ccess denied"* ]]
        # A member of the group comes to the socket, and to this not.
        run timeout 20 setpriv --reuid bin --regid bin --groups $GROUP_ID busctl --address="unix:path=$place/engine.sock" \
                set-property org.skep.Engine1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s debug
        [[ $status -ne 0 && $output == *"ccess denied"* ]]
        run log root set-property LogLevel s loud
        [[ $output == *"no such level"* ]]
        run log root set-property LogTarget s moon
        [[ $output == *"no such target"* ]]
        log root set-property LogLevel s err
        before=$(wc -l < "$place/log")
        as root Reload
        [ "$(log games get-property LogLevel)" = 's "err"' ]
        [ "$(wc -l < "$place/log")" -eq "$before" ]
        log root set-property LogTarget s journal
        log root set-property LogLevel s info
        as root Reload
        tail -1 "$place/log" | grep -q '^<6>the configuration was read again'
        log root set-property LogTarget s console
        as root Reload
        tail -1 "$place/log" | grep -q '^skepd: the configuration was read again'
        busctl --address="$BUS" call org.skep.Engine1 /org/skep/Engine1 org.freedesktop.DBus.Peer Ping
}

@test "a name that another skepd has is not taken" {
        run timeout 20 "$build/skepd" --bus "$BUS" --config "$place/skepd.json" --state "$PWD/other" --socket "$PWD/e.sock"
        [ "$status" -eq 1 ]
        [[ $output == *"another skepd has the name org.skep.Engine1"* ]]
}

@test "a client's file that does not answer keeps no name from the next engine" {
        [ -c /dev/fuse ] || skip "no FUSE here"
        mkdir endless
        python3 "$BATS_TEST_DIRNAME/endless.py" "$PWD/endless" > mounted 3>&- &
        endless=$!
        for i in $(seq 50); do [ -s mounted ] && break; sleep 0.1; done
        "$build/submit-raw" "$BUS" '{"command": ["true"]}' a 0 < endless/endless 3>&- &
        client=$!
        porter=$(reach_porter "$(cat "$place/pid")")
        kill -KILL "$(cat "$place/pid")"
        while kill -0 "$(cat "$place/pid")" 2> /dev/null; do sleep 0.02; done
        result=0
        start_supervisor || result=$?
        # It reads, and cannot be killed.
        kill -0 "$porter" || result=$?
        kill $client $endless
        wait $client $endless || true
        [ "$result" -eq 0 ]
}

@test "the private socket is for the group of those who may use the engine" {
        [ "$(stat -c %a:%g "$place/engine.sock")" = "660:$GROUP_ID" ]
        member() { # a user in the group, by the kernel's word
                timeout 20 setpriv --reuid bin --regid bin --groups $GROUP_ID busctl --address="unix:path=$place/engine.sock" \
                        call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager "$@"
        }
        id=$(member Submit 'sa(sh)' '{"command": ["true"]}' 0 | cut -d'"' -f2)
        member Wait ast 1 "$id" 20000000
        [[ $(property root "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Tenant) == 's "bin"' ]]
        # Nobody asks polkit for a peer.
        start_polkit yes
        run member Pause
        [ "$status" -ne 0 ]
        [ ! -e asked ]
        # Another one does not get in.
        run timeout 20 setpriv --reuid nobody --regid nogroup --clear-groups busctl --address="unix:path=$place/engine.sock" list
        [ "$status" -ne 0 ]
}

@test "tenants that are read again change who may do what" {
        echo '{"users": ["bin"]}' > "$place/tenants/players.json"
        as root Reload
        run as games ListJobs 'a{sv}su' 0 '' 0
        [ "$status" -ne 0 ]
        echo '{"users": ["games"], "weight": 3}' > "$place/tenants/players.json"
        as root Reload
        as games ListJobs 'a{sv}su' 0 '' 1
}

@test "when the bus goes the engine goes on, and comes back to it" {
        id=$(submit games '["sleep", "3"]')
        kill "$(cat "$place/bus.pid")"
        for i in $(seq 50); do grep -q "message bus has closed" "$place/log" && break; sleep 0.1; done
        ADDRESS=unix:path=$place/engine.sock as root Wait ast 1 "$id" 20000000 | grep -q succeeded
        rm -f "$place/bus"
        start_bus
        for i in $(seq 100); do as games GetJob s "$id" 2>/dev/null && break; sleep 0.2; done
        as games GetJob s "$id"
}

@test "skepctl finds the engine on the system bus, and people act there as who they are" {
        export DBUS_SYSTEM_BUS_ADDRESS=$BUS
        unset SKEP_ADDRESS
        chmod 755 "$PWD"
        run run_as games "$build/skepctl" run --name played -- echo hello < /dev/null
        [ "$output" = hello ]
        setpriv --reuid games --regid games --clear-groups "$build/skepctl" events --json -f -n 0 > events 3>&- &
        follower=$!
        # Until it is told of what comes.
        for i in $(seq 50); do run_as games "$build/skepctl" run -- true < /dev/null; [ ! -s events ] || break; done
        id=$(run_as games "$build/skepctl" submit - <<< '{"command": ["sh", "-c", "echo out; exit 3"]}')
        run -1 run_as games "$build/skepctl" wait "$id"
        [ "$(run_as games "$build/skepctl" logs "$id")" = out ]
        [[ $(run_as games "$build/skepctl" status "$id") == *"tenant       players"* ]]
        for i in $(seq 100); do grep "$id" events | grep -q '"finished"' && break; sleep 0.1; done
        kill $follower
        grep -q "\"id\":\"$id\".*\"tenant\":\"players\",\"state\":\"failed\",\"reason\":\"exited\"" events
        # Another's jobs, and the engine itself, are not his.
        run run_as daemon "$build/skepctl" status "$id"
        [ "$status" -eq 125 ]
        run run_as games "$build/skepctl" pause
        [ "$status" -eq 125 ]
        [ "${#lines[@]}" -eq 1 ]
        run "$build/skepctl" doctor
        [[ $output == *"system bus  yes   org.skep.Engine1 is on it"*"supervisor  yes"* ]]
}
