#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Roots other than the host's, and roots that may be written.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
        export tree=$BATS_FILE_TMPDIR/tree
        mkdir -p "$tree/bin" "$tree/etc" "$tree/app" "$tree/.app" "$tree/usr"
        ln -s usr/lib "$tree/lib"
        ln -s usr/lib64 "$tree/lib64"
        cp "$payload" "$tree/bin/payload"
        echo inside | tee "$tree/etc/name" "$tree/.name" > "$tree/.app/name"
        cp "$payload" "$tree/.app/payload"
        # What would lead out, were it followed on the host.
        ln -s /etc "$tree/work"
        ln -s ../../../../../../etc "$tree/tmp"
        ln -s /etc/hostname "$tree/escape"
        chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

jail() {
        timeout 60 "$build/skep-jail" --allow-missing="$MISSING" "$@" </dev/null
}

writable() {
        write_policy writable '{"extends": "python", "filesystem": {"writable": ["/"]}}'
}

# A root needs programs: the host's, bound read-only, are enough.
with_programs() {
        jail --bind /usr "$@"
}

# The host has a program at /srv/shown/payload then.
with_shown() {
        unshare --mount sh -c 'mount -t tmpfs -o mode=755 none /srv && mkdir -m 755 /srv/shown && cp "$1" /srv/shown/payload && shift && exec "$@"' \
                sh "$payload" timeout 60 "$build/skep-jail" --allow-missing="$MISSING" "$@" </dev/null
}

@test "what a policy shows of the host is executed only where it says so, wherever in a root that is" {
        mkdir -m 755 -p root/srv/own root/bin root/data
        for place in srv srv/own bin data; do cp "$payload" root/$place/payload; done
        shown=$(write_policy shown '{"extends": "strict", "filesystem": {"read_only": ["/srv/shown"]}}')
        executed=$(write_policy executed '{"extends": "strict", "filesystem": {"read_only": ["/srv/shown"], "execute": ["/srv/shown"]}}')
        run -126 with_shown --policy "$shown" --root ./root -- /srv/shown/payload true
        with_shown --policy "$executed" --root ./root -- /srv/shown/payload true
        for place in srv srv/own bin data; do
                with_shown --policy "$shown" --root ./root -- /$place/payload true
        done
        below=$(write_policy below '{"extends": "strict", "filesystem": {"read_only": ["/usr"]}}')
        jail --policy "$below" --root "$tree" -- /usr/bin/true
        rm -r root/srv
        ln -s data root/srv
        run -126 with_shown --policy "$shown" --root ./root -- /data/shown/payload true
        with_shown --policy "$shown" --root ./root -- /srv/payload true
}

@test "a directory is the root, and nothing of the host is there" {
        run jail --root "$tree" -- /bin/payload true
        [ "$status" -eq 0 ]
        run with_programs --root "$tree" -- /usr/bin/cat /etc/name
        [ "$output" = inside ]
        # whatever its names begin with
        run with_programs --root "$tree" -- /usr/bin/cat /.name /.app/name
        [ "$output" = $'inside\ninside' ]
        jail --root "$tree" -- /.app/payload true
        run with_programs --root "$tree" -- /usr/bin/cat /etc/passwd
        [ "$status" -eq 1 ]
}

@test "devices of the policy are there over another root, too" {
        policy=$(write_policy device '{"extends": "python", "devices": ["/dev/tty"]}')
        for root in "$tree" host; do
                run with_programs --policy "$policy" --root "$root" -- /usr/bin/stat -c %t:%T /dev/tty
                [ "$output" = 5:0 ]
        done
}

@test "links in a root lead nowhere but into it" {
        before=$(ls -la /etc | sha256sum)
        run with_programs --root "$tree" -- /usr/bin/sh -c 'echo x > /work/x && echo x > /tmp/x && ls /work; cat /escape'
        [ "${lines[0]}" = x ]
        [[ $output == *"/escape: No such file"* ]]
        [ "$(ls -la /etc | sha256sum)" = "$before" ]
        [ -L "$tree/work" ]
}

@test "a link that leads nowhere is no place to bind at" {
        mkdir -p root/bin
        ln -s /nowhere/at/all root/link
        run jail --root ./root --bind "$payload:/link" -- /link true
        [ "$status" -eq 125 ]
        [[ $output == *"binding at /link: No such file"* ]]
}

@test "a root is read-only" {
        run with_programs --root "$tree" -- /usr/bin/touch /etc/x
        [ "$status" -eq 1 ]
        [[ $output == *"Read-only file system"* ]]
}

@test "a writable root is the job's, and forgets" {
        run with_programs --policy "$(writable)" --root "$tree" -- \
                /usr/bin/sh -c 'echo changed > /etc/name; rm /bin/payload; mkdir /new; cat /etc/name; ls -d /new; ls /bin/payload'
        [ "${lines[0]}" = changed ]
        [ "${lines[1]}" = /new ]
        [[ ${lines[2]} == *"No such file"* ]]
        [ "$(cat "$tree/etc/name")" = inside ]
        [ -e "$tree/bin/payload" ]
        [ ! -e "$tree/new" ]
}

@test "what a job changes in a writable root counts against its disk" {
        run with_programs --policy "$(writable)" --root "$tree" --disk 4M -- \
                /usr/bin/sh -c 'head -c 8M /dev/zero > /etc/large; wc -c < /etc/large'
        [[ $output == *"No space left"* ]]
}

@test "the host's root may be written, and forgets too" {
        run jail --policy "$(writable)" -- sh -c 'touch /usr/lib/skep-was-here /etc/here && rm /usr/bin/cat && ls /usr/bin/cat'
        [[ $output == *"No such file"* ]]
        [ ! -e /usr/lib/skep-was-here ]
        [ -e /usr/bin/cat ]
}

@test "what is mounted below /usr is there, in the tree that all have then" {
        mkdir -p /usr/local/share/skep-test-mount
        run unshare --mount sh -c 'mount -t tmpfs none /usr/local/share/skep-test-mount &&
                echo below > /usr/local/share/skep-test-mount/file && exec "$@"' sh \
                "$build/skep-jail" --policy python --allow-missing="$MISSING" -- \
                sh -c 'cat /usr/local/share/skep-test-mount/file; grep -c " /usr .* overlay " /proc/self/mountinfo'
        rmdir /usr/local/share/skep-test-mount
        [ "${lines[0]}" = below ]
        [ "${lines[1]}" -eq 0 ]
}

@test "under a root of its own, a job's locks, watches and flushes reach nobody else" {
        run "$top/tests/jail/escapes.sh" --tap --only 'files: (lock-|watch-|flush|lease)' --policy "$(writable)"
        echo "$output"
        [ "$status" -eq 0 ]
        [ "$(grep -c '^ok ' <<< "$output")" -eq 9 ]
        [ "$(grep -c '^not ok ' <<< "$output")" -eq 0 ]
}

@test "an image file is the root: squashfs and erofs" {
        command -v mksquashfs >/dev/null && command -v mkfs.erofs >/dev/null || skip "squashfs-tools or erofs-utils are not installed"
        mksquashfs "$tree" tree.squashfs -quiet -no-progress >/dev/null
        mkfs.erofs --quiet tree.erofs "$tree" >/dev/null 2>&1
        for image in tree.squashfs tree.erofs; do
                run jail --root "$PWD/$image" -- /bin/payload true
                [ "$status" -eq 0 ]
                run with_programs --policy "$(writable)" --root "$PWD/$image" -- /usr/bin/sh -c 'echo new > /etc/name; cat /etc/name'
                [[ $status -eq 0 && $output = new || $output == *"cannot be id-mapped"* ]]
        done
        for i in $(seq 50); do losetup -a | grep -q "$PWD" || break; sleep 0.1; done
        ! losetup -a | grep "$PWD"
}

@test "what has a slash is a path from here" {
        mkdir -p here/bin
        cp "$payload" here/bin/
        chmod 755 .
        for root in ./here here/ ../"${PWD##*/}"/here; do
                run jail --root "$root" -- /bin/payload true
                [ "$status" -eq 0 ]
        done
        run "$build/skep-jail" explain --root ./here
        [[ $output == *"the directory $PWD/here"* ]]
        run jail --root ./nowhere -- true
        [ "$status" -eq 125 ]
        [[ $output == *"$PWD/./nowhere: No such file"* ]]
}

@test "a root that is none is refused by name, with 125" {
        echo text > file
        run jail --root "$PWD/file" -- true
        [[ $output == *"root $PWD/file: it is neither a squashfs nor an erofs image"* ]]
        for root in "$PWD/nowhere" "$PWD/file" nosuchimage ../etc etc/../x ""; do
                run jail --root "$root" -- true
                [ "$status" -eq 125 ]
                [ -n "$output" ]
        done
        # One that begins as an image does, and breaks off.
        printf hsqs > short
        truncate -s 200 short
        run jail --root "$PWD/short" -- true
        [ "$status" -eq 125 ]
        [[ $output == *"root $PWD/short: mounting it as squashfs: "* ]]
        run jail --root nosuchimage -- true
        [[ $output == *'no image "nosuchimage"'*"a path has a slash, as in ./nosuchimage" ]]
        run jail --policy "$(write_policy bad '{"extends": "python", "filesystem": {"root": "a/b"}}')" -- true
        [ "$status" -eq 125 ]
        [[ $output == *"filesystem.root"* ]]
}

@test "nothing is left of all this" {
        nothing_is_left
}
