#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images: what archives become roots, what of them, and what hostile ones do not get. The archives: images.py.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        export SKEP_IMAGES=$BATS_TEST_TMPDIR/images
        export PYTHONPATH=$top/tests/jail PYTHONDONTWRITEBYTECODE=1
        root=$SKEP_IMAGES/it/root
        outside=$BATS_TEST_TMPDIR/outside
        echo untouched > "$outside"
}

# Runs a line of Python with the functions of images.py.
make_archive() {
        python3 -c "from images import *
$1"
}

import() {
        "$build/skep-jail" image import --allow-missing="$MISSING" "$@"
}

image() {
        "$build/skep-jail" image "$@"
}

# That an archive is refused with a sentence that has this in it, and leaves nothing.
refused() {
        run import "${@:2}" a.tar it
        echo "$output"
        [ "$status" -eq 125 ]
        [[ $output == *"$1"* ]]
        [ -z "$(ls -A "$SKEP_IMAGES")" ]
        [ "$(cat "$outside")" = untouched ]
}

# The same for each archive that case() of images.py has named.
each_refused() {
        local says sentence options
        for says in case-*.says; do
                { read -r sentence; read -r options; } < "$says"
                rm -rf a.tar
                mv "${says%.says}" a.tar
                # shellcheck disable=SC2086
                refused "$sentence" $options
        done
        rm case-*
}

# ---- what becomes a root ----

@test "an archive of podman becomes a root with its configuration" {
        make_archive 'docker("a.tar", [directory("bin"), file("bin/tool", "#!", 0o755)], [file("etc/motd", "hello")],
                config={"Env": ["PATH=/bin", "A=b=c"], "WorkingDir": "/srv", "Entrypoint": ["/bin/tool"],
                        "Cmd": ["x", "y"], "User": "daemon", "Labels": {"a": "b"}})'
        import a.tar it
        [ "$(cat "$root/etc/motd")" = hello ]
        [ -x "$root/bin/tool" ]
        json=$SKEP_IMAGES/it/image.json
        [ "$(json_get environment "$json")" = '["PATH=/bin", "A=b=c"]' ]
        [ "$(json_get working_directory "$json")" = /srv ]
        [ "$(json_get entrypoint "$json")" = '["/bin/tool"]' ]
        [ "$(json_get command "$json")" = '["x", "y"]' ]
        [ "$(json_get user "$json")" = daemon ]
        [ "$(json_get files "$json")" = 5 ] # with /srv, which no layer has
        [ "$(json_get bytes "$json")" = 7 ]
        [[ $(json_get imported "$json") =~ ^20[0-9-]{8}T[0-9:]{8}Z$ ]]
        [ "$(json_get digest "$json")" = "sha256:$(tar tf a.tar | grep -v manifest | sed -n 's/\.json$//p')" ]
}

@test "the directory that an image's command starts in is made where no layer has it" {
        cp "$payload" .
        for place in /srv/deep/er /srv/ /srv//x/. /bin /work/app /tmp//deep/er/. /output/; do
                rm -rf a.tar
                PLACE=$place make_archive 'docker("a.tar", [directory("bin"), file("bin/payload", open("payload", "rb").read(), 0o755)],
                        config={"WorkingDir": os.environ["PLACE"], "Cmd": ["/bin/payload", "limits"]})'
                import --replace a.tar it
                "$build/skep-jail" --allow-missing="$MISSING" --root it </dev/null
        done
        # A link leads to a place in the image. Over that of the last one a jail has its own /tmp.
        for link in real nowhere "$outside"; do
                LINK=$link make_archive 'docker("a.tar", [directory("bin"), file("bin/payload", open("payload", "rb").read(), 0o755),
                        directory("real/in"), symlink("srv", os.environ["LINK"])], config={"WorkingDir": "/srv/in"})'
                import --replace a.tar it
                run "$build/skep-jail" --allow-missing="$MISSING" --root it -- /bin/payload limits </dev/null
                [ "$status" -eq $([ $link != "$outside" ] && echo 0 || echo 125) ]
        done
        [ "$(cat "$outside")" = untouched ]
}

@test "an OCI archive, with gzip and with zstd, and an OCI directory" {
        make_archive 'oci("a.tar", [file("a", "one")], [file("b", "two")], config={"Cmd": None})'
        import a.tar it
        [ "$(cat "$root/a" "$root/b")" = onetwo ]
        command -v zstd >/dev/null || skip "zstd is not here"
        make_archive 'oci("b.tar", [file("a", "three")], compress="zstd")
o = Oci(); o.add(o.image([file("a", "four")])).write_directory("layout")'
        import --replace b.tar it
        [ "$(cat "$root/a")" = three ]
        import layout four
        [ "$(cat "$SKEP_IMAGES/four/root/a")" = four ]
}

@test "an archive of older Dockers: layers in directories, equal ones as links" {
        make_archive 'old_docker("a.tar", [file("a", "1")], [file("b", "2")], [file("a", "1")], [whiteout("b")])'
        import a.tar it
        [ "$(ls "$root")" = a ]
}

@test "an archive of newer Dockers: an OCI layout with manifest.json, indexes in the index and attestations" {
        make_archive 'o = Oci()
def of(architecture):
    return o.image([file("a", architecture)], more={"architecture": architecture},
                   descriptor={"platform": {"os": "linux", "architecture": architecture}})
other, this = of("other"), of(HERE)
about = o.blob({"layers": [], "config": o.blob({})}, platform={"os": "unknown", "architecture": "unknown"},
               annotations={"vnd.docker.reference.type": "attestation-manifest"})
index = o.blob({"manifests": [other, about, this]}, annotations={"io.containerd.image.name": "docker.io/library/t:1",
                                                                "org.opencontainers.image.ref.name": "1"})
o.index.append(index)
write("a.tar", [file(n, d) for n, d in o.members()] + [file("manifest.json", "[]")])'
        import a.tar it
        [ "$(cat "$root/a")" = "$(json_get architecture "$SKEP_IMAGES/it/image.json")" ]
        import --tag t:1 a.tar tagged
}

@test "an archive that skopeo wrote, in each of its formats" {
        command -v skopeo >/dev/null || skip "skopeo is not here"
        mkdir home
        make_archive 'docker("a.tar", [file("x/a", "1")], [file("x/b", "2"), whiteout("x/a")], config={"Env": ["A=1"]})'
        for format in oci-archive:b.tar:t:1 oci:layout:t:1 docker-archive:c.tar:t:1; do
                HOME=$PWD/home skopeo --insecure-policy --tmpdir "$PWD" copy -q docker-archive:a.tar "$format"
        done
        for archive in b.tar layout c.tar; do
                import --replace "$archive" it
                [ "$(ls "$root/x")" = b ]
                [ "$(json_get environment "$SKEP_IMAGES/it/image.json")" = '["A=1"]' ]
        done
}

@test "an archive from standard input, and compressed as a whole" {
        make_archive 'docker("a.tar", [file("a", "here")])'
        cat a.tar | import - one
        import - two < a.tar
        gzip -c a.tar > a.tar.gz
        import a.tar.gz three
        import <(cat a.tar.gz) four
        for name in one two three four; do
                [ "$(cat "$SKEP_IMAGES/$name/root/a")" = here ]
                [ "$(ls "$SKEP_IMAGES/$name/root")" = a ]
        done
}

@test "of several images one is chosen by its tag, with or without what stands before it" {
        make_archive 'o = Oci()
for n in "a:1", "example.org/b:1": o.add(o.image([file("name", n)]), n)
o.write("a.tar")
l = tar([file("name", "c")]); c = config_of([l])
docker("d.tar", [file("name", "b")], tags=["b:1", "b:2"], parts={"c.tar": l, sha(c) + ".json": c,
        "manifest.json": json.dumps([{"Config": sha(c) + ".json", "RepoTags": ["localhost/c:1"], "Layers": ["c.tar"]},
                                     {"Config": "none", "RepoTags": ["b:1"], "Layers": []}]).encode()})'
        refused "several images, say which by --tag: a:1, example.org/b:1"
        refused "no image of that tag; it has: a:1, example.org/b:1" --tag b
        import --tag b:1 a.tar it
        [ "$(cat "$root/name")" = example.org/b:1 ]
        import --tag c:1 d.tar c
        [ "$(cat "$SKEP_IMAGES/c/root/name")" = c ]
}

@test "an image for another machine is refused, by the index or by the configuration" {
        make_archive 'docker("a.tar", [], architecture="pdp11")'
        refused "for linux/pdp11"
        make_archive 'o = Oci()
o.add(o.image([], descriptor={"platform": {"os": "linux", "architecture": "vax"}})).write("a.tar")'
        refused "no image for this machine; it has: linux/vax"
        make_archive 'docker("a.tar", [], os="windows")'
        refused "for windows/"
}

@test "an image that says \"\" of its machine says nothing of it" {
        make_archive 'docker("a.tar", [file("a")], os="", architecture="")'
        import a.tar it
        [ -e "$root/a" ]
        make_archive 'o = Oci()
o.add(o.image([file("a")], descriptor={"platform": {"os": "", "architecture": ""}})).write("o.tar")'
        import o.tar other
        [ -e "$SKEP_IMAGES/other/root/a" ]
}

# ---- layers ----

@test "whiteouts hide what lower layers have, wherever they stand, and nothing of their own layer" {
        make_archive 'docker("a.tar",
                [file("a"), file("b"), file("d/old"), file("d/sub/old"), file("o/old"), file("o/x/old")],
                [file("a", "new"), whiteout("a"), whiteout("b"), whiteout("none"), whiteout("no/where"),
                 whiteout("d/sub"), file("o/new"), file("o/x/new"), file("o/.wh..wh..opq"), file(".wh..wh.plnk/1.2"),
                 file(".wh..wh.aufs")])'
        import a.tar it
        [ "$(cd "$root" && find . -mindepth 1 | sort | tr '\n' ' ')" = "./a ./d ./d/old ./o ./o/new ./o/x ./o/x/new " ]
        [ "$(cat "$root/a")" = new ]
        [ "$(json_get files "$SKEP_IMAGES/it/image.json")" = 7 ]
}

@test "a directory that takes the place of a link hides nothing of what that led to" {
        make_archive 'docker("a.tar",
                [file("b/kept"), file("c/kept"), symlink("a", "b"), symlink("d", "c"), symlink("l", "l"), symlink("s/a", "../b")],
                [directory("a"), file("a/.wh..wh..opq"), file("a/new"), directory("d"), whiteout("d/kept"), directory("l"),
                 file("l/.wh..wh..opq"), symlink("e", "s"), directory("s/a"), whiteout("s/a/kept")])'
        import a.tar it
        [ "$(cd "$root" && find . -mindepth 1 | sort | tr '\n' ' ')" = "./a ./a/new ./b ./b/kept ./c ./c/kept ./d ./e ./l ./s ./s/a " ]
        [ "$(json_get files "$SKEP_IMAGES/it/image.json")" = 11 ]
}

@test "an image without layers is an empty root" {
        make_archive 'c = config_of([], {"Cmd": ["/bin/x"]})
docker("a.tar", config={"Cmd": ["/bin/x"]})
docker("b.tar", parts={sha(c) + ".json": c, "manifest.json": json.dumps([{"Config": sha(c) + ".json", "Layers": None}]).encode()})
oci("c.tar", config={"Cmd": ["/bin/x"]})
o = Oci(); o.add(o.blob({"schemaVersion": 2, "config": o.blob(c), "layers": None})).write("d.tar")'
        for archive in a b c d; do
                import --replace $archive.tar it
                [ -z "$(ls -A "$root")" ]
                [ "$(json_get command "$SKEP_IMAGES/it/image.json")" = '["/bin/x"]' ]
        done
}

@test "a layer without a byte adds nothing, compressed or not" {
        for compress in '"gzip"' '"zstd"' None; do
                make_archive "oci('a.tar', [file('f')], b'', [file('g')], compress=$compress)"
                import --replace a.tar it
                [ "$(ls "$root")" = $'f\ng' ]
        done
}

@test "an opaque top hides everything below" {
        make_archive 'docker("a.tar", [file("a"), file("d/e")], [file(".wh..wh..opq"), file("b")])'
        import a.tar it
        [ "$(ls -A "$root")" = b ]
}

@test "a kind of file takes the place of every other" {
        make_archive 'kinds = {"f": lambda n: file(n, "x"), "d": directory, "l": lambda n: symlink(n, "/etc")}
names = [a + b for a in kinds for b in kinds]
docker("a.tar", [kinds[n[0]](n) for n in names] + [file("dd/kept"), file("df/gone"), file("dl/gone")],
       [kinds[n[1]](n) for n in names])'
        import a.tar it
        for n in ff df lf; do [ -f "$root/$n" ] && [ ! -L "$root/$n" ]; done
        for n in fd dd ld; do [ -d "$root/$n" ] && [ ! -L "$root/$n" ]; done
        for n in fl dl ll; do [ "$(readlink "$root/$n")" = /etc ]; done
        [ -f "$root/dd/kept" ]
}

@test "hard links hold within a layer and across layers" {
        make_archive 'docker("a.tar", [file("a", "12345"), hardlink("b", "a"), file("s/t", "x")],
                [hardlink("d/c", "a"), hardlink("a", "b"), whiteout("s")])'
        import a.tar it
        [ "$(stat -c %h "$root/d/c")" = 3 ]
        [ "$(json_get bytes "$SKEP_IMAGES/it/image.json")" = 5 ]
        [ "$(json_get files "$SKEP_IMAGES/it/image.json")" = 4 ]
}

@test "symbolic links stay as they are, also those that lead nowhere good" {
        make_archive 'docker("a.tar", [symlink("a", "/etc/passwd"), symlink("b", "../../../x"), symlink("c", "c"),
                symlink("d", "ä")])'
        import a.tar it
        [ "$(readlink "$root/a")" = /etc/passwd ]
        [ "$(readlink "$root/b")" = ../../../x ]
        [ "$(readlink "$root/c")" = c ]
        [ "$(readlink "$root/d")" = ä ]
}

@test "modes: the owner's reading and executing for all, no set-user-id, sticky directories; times are kept" {
        make_archive 'docker("a.tar", [file("shadow", "", 0o600), file("tool", "", 0o700), file("su", "", 0o4755),
                file("sg", "", 0o2711), file("none", "", 0), directory("tmp", 0o1777), directory("private", 0o700),
                directory("closed", 0), file("closed/in", "x")])'
        run --separate-stderr import a.tar it
        [ "$status" -eq 0 ]
        [[ $stderr == *"2 set-user-id"* ]]
        modes=$(cd "$root" && stat -c '%n %a' shadow tool su sg none tmp private closed | tr '\n' ' ')
        [ "$modes" = "shadow 604 tool 705 su 755 sg 715 none 604 tmp 1777 private 705 closed 705 " ]
        [ "$(stat -c %Y "$root/tool")" = 1234567890 ]
        [ "$(find "$root" ! -uid 0 -o ! -gid 0)" = "" ]
}

@test "devices, FIFOs and attributes are left out, counted and said, and hide what they stand for" {
        make_archive 'attributes = {"SCHILY.xattr.security.capability": "x", "SCHILY.xattr.user.a": "b"}
docker("a.tar", [file("dev/null"), file("f")], tar([device("dev/null"), device("zero"), fifo("f"),
       file("ping", "x", 0o755, pax_headers=attributes)], tarfile.PAX_FORMAT))'
        run --separate-stderr import a.tar it
        [ "$status" -eq 0 ]
        [[ $stderr == *"left out: 2 device nodes, 1 FIFOs and sockets, 1 files' extended attributes" ]]
        [ "$(ls -A "$root" | tr '\n' ' ')" = "dev ping " ]
        [ -z "$(ls -A "$root/dev")" ]
        [ "$(json_get left_out.devices "$SKEP_IMAGES/it/image.json")" = 2 ]
        [ -z "$(python3 -c 'import os, sys; print(*os.listxattr(sys.argv[1]))' "$root/ping")" ]
}

@test "names: doubled slashes, ./, long ones, bytes that are not UTF-8" {
        make_archive 'docker("a.tar", [directory("./"), file(".//a///b/./c", "x"), file("n" * 255),
                file("d/" * 100 + "deep"), file("\udcff\udcfe")], tar([file("ü/" + "p" * 200)], tarfile.PAX_FORMAT))'
        import a.tar it
        [ "$(cat "$root/a/b/c")" = x ]
        [ -e "$root/$(printf 'n%.0s' $(seq 255))" ]
        [ -e "$root/$(printf 'd/%.0s' $(seq 100))deep" ]
        [ -e "$root/"$'\xff\xfe' ]
        [ -d "$root/ü" ]
}

# ---- hostile archives ----

@test "members that lead out are refused" {
        make_archive '
for sentence, *entries in [
        ("\"..\"", file("../evil", "x")),
        ("\"..\"", file("d/../../evil", "x")),
        ("\"..\"", directory("..")),
        ("\"..\"", hardlink("h", "../../outside")),
        ("No such file", hardlink("h", "/etc/passwd")),
        ("No such file", symlink("l", "/etc"), hardlink("h", "l/passwd")),
        ("through a file", file("f"), file("f/g")),
        ("through a file", file("f"), symlink("l", "f"), file("l/g")),
        ("Too many levels", symlink("l", "m"), symlink("m", "l"), file("l/g")),
        ("Too many levels", symlink("l", "l/l"), file("l/g")),
        ("too deep", *[e for i in range(4) for e in (directory((f"l{i - 1}/" if i else "") + "/".join("d" * 40)),
                symlink(f"l{i}", (f"l{i - 1}/" if i else "") + "/".join("d" * 40)))]),
        ("not there", hardlink("h", "none")),
        ("hard link to a directory", hardlink("h", "d")),
        ("hides what is no name", file("d/.wh...", "")),
        ("hides what is no name", file(".wh..", "")),
        ("hides what is no name", file(".wh.", "")),
        ("below a whiteout", file(".wh.d/x", "")),
]:
    docker(case(sentence), [directory("d"), *entries])'
        each_refused
}

@test "a name that leads through a link means what it would mean in the image, and never anything outside" {
        mkdir -p victim/lib
        make_archive "docker('a.tar',
                [directory('usr/lib'), symlink('lib', 'usr/lib'), symlink('out', '$PWD/victim'), symlink('up', '../../../../..$PWD/victim'),
                 symlink('a', '/usr/./lib/../b'), symlink('usr/b', 'c'), directory('usr/c'), file('usr/lib/old', 'x')],
                [file('lib/one', '1'), file('/lib/two', '2'), hardlink('/lib/three', '/lib/one'), whiteout('lib/old'), symlink('lib/four', 'one'),
                 file('out/evil', '3'), file('up/evil2', '4'), file('a/five', '5'), directory('lib/six/seven'), file('lib/eight', '8')])"
        import a.tar it
        [ -L "$root/lib" ]
        [ "$(ls "$root/usr/lib")" = $'eight\nfour\none\nsix\nthree\ntwo' ]
        [ "$(cat "$root/usr/lib/three" "$root/usr/lib/two" "$root/usr/c/five")" = 125 ]
        [ "$(readlink "$root/usr/lib/four")" = one ]
        [ -d "$root/usr/lib/six/seven" ]
        [ "$(find victim)" = $'victim\nvictim/lib' ]
        [ "$(cat "$root$PWD/victim/evil" "$root$PWD/victim/evil2")" = 34 ]
}

@test "a link of a lower layer is not followed by a whiteout, a file or a directory above it" {
        mkdir victim
        echo x > victim/file
        make_archive "v = '$PWD/victim'
docker('a.tar', [symlink('l', v), symlink('m', '..')],
       [whiteout('l/file'), file('l/.wh..wh..opq'), whiteout('m/victim')])"
        import a.tar it
        [ "$(cat victim/file)" = x ]
        make_archive "docker('a.tar', [symlink('l', '$PWD/victim')], [directory('l'), file('l/file', 'y')])"
        import --replace a.tar it
        [ "$(cat victim/file)" = x ]
        [ "$(cat "$root/l/file")" = y ]
        rm -r "$SKEP_IMAGES"/*
        make_archive "v = '$PWD/victim/file'
docker('a.tar', [symlink('l', v)], [file('l', 'y')], [symlink('k', v), hardlink('l', 'k')])"
        import a.tar it
        [ "$(cat victim/file)" = x ]
}

@test "digests are verified: of manifests, configurations, layers as they are and as they unpack" {
        make_archive '
def spoil(sentence, which, change, **more):
    o = Oci(); o.add(o.image([file("a", "x" * 5000)], **more), "t")
    for name, data in o.blobs.items():
        if which(data): o.blobs[name] = change(data)
    o.write(case(sentence))
spoil("another than its index says", lambda d: b"schemaVersion" in d, lambda d: d.replace(b"schema", b"SCHEMA"))
spoil("another than its manifest says", lambda d: b"rootfs" in d, lambda d: d.replace(b"linux", b"Linux"))
spoil("digest is another than its configuration says", lambda d: d[:1] == b"a", lambda d: tar([file("b")]),
      compress=None)
spoil("digest is another than its manifest says", lambda d: d[:2] == b"\x1f\x8b",
      lambda d: gzip.compress(gzip.decompress(d), 1, mtime=7))
layer, c = tar([file("a")]), config_of([])
more = layer + b"more"
docker(case("digest is another than its configuration says"), more, parts={sha(more) + ".tar": layer})
docker(case("another than its manifest says"), parts={sha(c) + ".json": c + b" "})'
        each_refused
}

@test "documents that are wrong are refused by name" {
        make_archive '
docker(case("neither index.json"), [], parts={"manifest.json": None})
docker(case("manifest.json: not JSON"), [], parts={"manifest.json": b"{"})
docker(case("must be an array"), [], parts={"manifest.json": b"{}"})
docker(case("has no image"), [], parts={"manifest.json": b"[]"})
docker(case("\"Config\" is missing"), [], parts={"manifest.json": b"[{}]"})
docker(case("is missing in the archive"), [], parts={"manifest.json": b"[{\"Config\": \"x\"}]"})
c = config_of([])
docker(case("1 layers, and digests of 0"), parts={sha(c) + ".json": c, "l": tar([]),
       "manifest.json": json.dumps([{"Config": sha(c) + ".json", "Layers": ["l"]}]).encode()})
o = Oci(); o.add(o.blob({"manifests": [], "layers": [], "config": o.blob({})})).write(case("not both"))
o = Oci(); o.add(o.blob({})).write(case("not both"))
o = Oci(); d = o.image([]); [d := o.blob({"manifests": [d]}) for _ in range(6)]; o.add(d).write(case("nested too deep"))
o = Oci(); o.add({"digest": "sha512:" + 128 * "0", "size": 1}).write(case("others are not built"))
o = Oci(); o.add({"digest": "sha256:" + "../" * 21 + "x", "size": 1}).write(case("others are not built"))
o = Oci(); o.add({"digest": "sha256:" + 64 * "0", "size": 1}).write(case("is missing in the archive"))
docker(case("more than 512 layers"), *[[file(str(i))] for i in range(513)])
docker(case("Env[0]: must be NAME=value"), [], config={"Env": ["=x"]})
docker(case("config.Env: must be an array"), [], config={"Env": "A=b"})
docker(case("config.Env[0]: must be a string"), [], config={"Env": ["a=\0"]})
docker(case("absolute path"), [], config={"WorkingDir": "../.."})
docker(case("Env: more than"), [], config={"Env": ["A=" + "x" * 300000]})
docker(case("is too long"), [], parts={"manifest.json": b" " * 5000000})
docker(case("twice"), [], last=[file("manifest.json", "[]")])
docker(case("not a tar archive"), b"x" * 2000)
import bz2, lzma
for by, compress in ("bzip2", bz2.compress), ("xz", lzma.compress):
    l = tar([file("a")])
    docker(case(f"compressed by {by}, and only gzip and zstd are read"), l, parts={sha(l) + ".tar": compress(l)})
os.makedirs(case("no plain file") + "/manifest.json")
docker(case("is missing"), [], parts={"manifest.json": None},
       last=[symlink("manifest.json", "a"), symlink("a", "manifest.json")])'
        each_refused
}

@test "an OCI directory's links lead nowhere" {
        make_archive 'o = Oci(); o.add(o.image([])).write_directory("a.tar")
os.rename("a.tar/index.json", "index.json"); os.symlink("../index.json", "a.tar/index.json")'
        refused "neither index.json nor manifest.json"
}

@test "an OCI directory that not everybody may read is refused as such" {
        [ "$(id -u)" -eq 0 ] || skip "a user's own unpacking has his id"
        make_archive 'Oci().add(Oci().image([])).write_directory("a.tar"); os.chmod("a.tar/index.json", 0o600)'
        refused '"index.json": Permission denied'
}

@test "what is no archive, or ends too early, is refused" {
        head -c 100000 /dev/urandom > a.tar
        refused "not an image's archive"
        : > a.tar
        refused "not an image's archive"
        make_archive 'docker("c.tar", [file("a", os.urandom(100000))])'
        head -c 50000 c.tar > a.tar
        refused "a.tar: "
        make_archive 'l = tar([file("a", "x" * 9)]); docker("a.tar", l, parts={sha(l) + ".tar": gzip.compress(l)[:40]})'
        refused "a.tar: "
        run import /nowhere/at/all it
        [ "$status" -eq 125 ]
}

@test "bombs end at their limits: bytes, holes, files, levels, members" {
        make_archive '
docker(case("see --disk", "--disk 1M"), [file("a", bytes(3 << 20))], compress="gzip")
docker(case("see --disk", "--disk 1M"), [file("a", bytes(600 << 10)), file("b", bytes(600 << 10))])
docker(case("see --files", "--files 20"), [file(f"f{i}") for i in range(30)])
docker(case("see --files", "--files 20"), [file("d/" * 30 + "f")])
docker(case("nested too deep"), [file("d/" * 200 + "f")])
docker(case("File name too long"), [file("n" * 300)])
docker(case("path is too long"), tar([file("d/" * 20000 + "f")], tarfile.PAX_FORMAT))
docker(case("more than 16384 members"), [], last=[file(f"f{i}") for i in range(17000)])
# 20 MiB of nothing after the end of the archive, in a layer and around it
docker(case("too large when decompressed", "--disk 1M --files 10"), tar([file("a")]) + bytes(20 << 20), compress="gzip")
open(case("too large when decompressed", "--disk 1M --files 10"), "wb").write(gzip.compress(bytes(20 << 20)))
# an exabyte of holes, and a file that says that it has so much
sparse = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a", "GNU.sparse.size": str(1 << 60),
          "GNU.sparse.map": f"{1 << 59},1"}
docker(case("see --disk"), tar([file("a", b"x", pax_headers=sparse)], tarfile.PAX_FORMAT))
docker(case("a.tar: "), tar([file("a", b"x", pax_headers={"size": str(1 << 60)})], tarfile.PAX_FORMAT))'
        each_refused
}

@test "files that replace each other are counted once" {
        make_archive 'docker("a.tar", *[[file("a", bytes(600 << 10)), hardlink("b", "a")] for _ in range(5)],
                [whiteout("a"), whiteout("b"), file("c", bytes(600 << 10))])'
        import --disk 1300K --files 2 a.tar it
        [ "$(json_get bytes "$SKEP_IMAGES/it/image.json")" = 614400 ]
        [ "$(json_get files "$SKEP_IMAGES/it/image.json")" = 1 ]
}

# The program that unpacks is another one here.
hostile_import() {
        [ -d own ] || mkdir -p own/build
        cp -r "$top/policies" own/
        cp "$build"/{skep-jail,skep-launcher,skep-scope} own/build/
        cp "$build/hostile-unpacker" own/build/skep-image-unpack
        timeout 300 own/build/skep-jail image import --allow-missing="$MISSING" "$@"
}

@test "an archive that takes the unpacking over cannot fill the disk" {
        for attack in bytes:--disk nameless:--disk mapped:"mmap: Operation not permitted" files:--files names:--files \
                links:--files deep:"too deep"; do
                echo "${attack%%:*}" > a.tar
                run hostile_import --disk 4M --files 200 a.tar it
                echo "$attack: $output"
                [ "$status" -eq 125 ]
                [[ $output == *"${attack#*:}"* ]]
                [ -z "$(ls -A "$SKEP_IMAGES")" ]
        done
}

@test "what an import may have follows the archive, unless it is said" {
        make_archive 'docker("a.tar", [file("a", bytes(70 << 20))], compress="gzip")
docker("b.tar", [file(f"f{i}") for i in range(20000)], compress="gzip")'
        run import a.tar it
        [ "$status" -eq 125 ]
        [[ $output == *"see --disk"* ]]
        import --disk 70M a.tar it
        [ "$(stat -c %s "$root/a")" -eq $((70 << 20)) ]
        run import b.tar files
        [ "$status" -eq 125 ]
        [[ $output == *"see --files"* ]]
        import --files 20000 b.tar files
        run import --disk 0 b.tar none
        [ "$status" -eq 125 ]
}

@test "what an archive says reaches no terminal as it is" {
        make_archive 'docker("a.tar", [file("a\x1b[2J\n../x/../y")])'
        run import a.tar it
        [ "$status" -eq 125 ]
        [[ $output == *'\x1b[2J\x0a'* ]]
        make_archive 'docker("a.tar", [], config={"Cmd": ["\x1b[2J"]})'
        import a.tar it
        run image list
        [[ $output == *'\x1b[2J'* ]]
}

# ---- what runs in it ----

# An image that has the payload, and a command.
import_payload() {
        make_archive "docker('a.tar', [file('bin/payload', open('$payload', 'rb').read(), mode=0o755)],
                config={'Cmd': ['/bin/payload', 'true']})"
        import a.tar it
}

@test "an image's own command runs, also where it is the policy's root" {
        import_payload
        run "$build/skep-jail" --allow-missing="$MISSING" --root it </dev/null
        [ "$status" -eq 0 ]
        echo '{"extends": "python", "filesystem": {"root": "it"}}' > it.json
        run "$build/skep-jail" --allow-missing="$MISSING" --policy ./it.json </dev/null
        [ "$status" -eq 0 ]
        run "$build/skep-jail" --allow-missing="$MISSING" --policy ./it.json --root host </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"which command"* ]]
        mkdir -p tree/bin
        run "$build/skep-jail" --allow-missing="$MISSING" --root ./tree </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"the root names none"* ]]
}

@test "an empty word is an argument of an image's entry point, and no name of a program" {
        make_archive "docker('a.tar', [file('bin/payload', open('$payload', 'rb').read(), mode=0o755)],
                config={'Entrypoint': ['/bin/payload', 'true']})
docker('b.tar', config={'Entrypoint': [''], 'Cmd': ['true']})"
        import a.tar it
        import b.tar nameless
        run "$build/skep-jail" --allow-missing="$MISSING" --root it -- '' </dev/null
        [ "$status" -eq 0 ]
        for job in "--root nameless --" "--root it --root host -- "; do
                # shellcheck disable=SC2086
                run "$build/skep-jail" --allow-missing="$MISSING" $job '' </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"command: its name is empty"* ]]
        done
}

@test "an image's own command is learnt" {
        import_payload
        "$build/skep-jail" learn --allow-missing="$MISSING" --write learnt.json --root it </dev/null
        [ "$(json_get filesystem.root <(grep -v '^ *//' learnt.json))" = it ]
        grep -q 'learnt from: the command of it' learnt.json
        "$build/skep-jail" --allow-missing="$MISSING" --policy ./learnt.json -- /bin/payload true </dev/null
}

# ---- the store ----

@test "list and list --json say what there is, rm removes it" {
        [ -z "$(image list)" ]
        make_archive 'docker("a.tar", [file("a", bytes(5000))], config={"Entrypoint": ["/bin/a"], "Cmd": ["b c"]})'
        import a.tar one
        import a.tar two
        run image list
        [ "${#lines[@]}" -eq 3 ]
        [[ ${lines[0]} =~ ^NAME\ +SIZE\ +FILES\ +IMPORTED\ +COMMAND$ ]]
        [[ ${lines[1]} =~ ^one\ +4.9K\ +1\ +20[0-9\ :-]+\ /bin/a\ b\ c$ ]]
        [ "$(image list --json | json_get name)" = one ] || [ "$(image list --json | head -1 | json_get name)" = one ]
        import a.tar three
        image rm one two
        run image rm nope three neither
        [ "$status" -eq 125 ]
        [ "${#lines[@]}" -eq 2 ]
        [[ $output == *'"nope"'*'"neither"'* ]]
        [ -z "$(image list --json)" ]
        [ -z "$(ls -A "$SKEP_IMAGES")" ]
        run image rm one
        [ "$status" -eq 125 ]
        [[ $output == *'no image "one"'* ]]
}

@test "an image that is damaged does not hide the others, and can be removed" {
        make_archive 'docker("a.tar", [file("f", "x")])'
        for name in a b c; do import a.tar $name; done
        echo '{' > "$SKEP_IMAGES/b/image.json"
        run --separate-stderr image list
        [ "$status" -eq 125 ]
        [ "$(awk 'NR > 1 { print $1 }' <<< "$output")" = $'a\nc' ]
        [[ $stderr == *"image b: image.json: not JSON"* ]]
        image rm b
        image list
}

@test "names are names" {
        make_archive 'docker("a.tar", [])'
        for name in ../it . .. .hidden -- '' a/b "$(printf 'n%.0s' $(seq 129))"; do
                run import a.tar "$name"
                [ "$status" -eq 125 ]
                run image rm "$name"
                [ "$status" -eq 125 ]
        done
        run import --replace a.tar host
        [ "$status" -eq 125 ]
        [[ $output == *"always means the host"* ]]
        [ ! -e "$SKEP_IMAGES" ] || [ -z "$(ls -A "$SKEP_IMAGES")" ]
}

@test "an image is not overwritten unless --replace, and then at once" {
        make_archive 'docker("a.tar", [file("a")]); docker("b.tar", [file("b")]); docker("c.tar", [file("../c")])'
        import a.tar it
        run import b.tar it
        [ "$status" -eq 125 ]
        [[ $output == *--replace* ]]
        run import --replace c.tar it
        [ "$status" -eq 125 ]
        [ "$(ls "$root")" = a ]
        import --replace b.tar it
        [ "$(ls "$root")" = b ]
        [ "$(ls -A "$SKEP_IMAGES")" = it ]
}

@test "an image in use is not removed; replaced, it keeps its files for whoever uses it" {
        make_archive 'docker("a.tar", [file("a", "old")])'
        import a.tar it
        exec 7< "$SKEP_IMAGES/it" 8< "$root"
        flock -s 7
        run image rm it
        [ "$status" -eq 125 ]
        [[ $output == *"in use"* ]]
        import --replace a.tar it
        [ "$(cat /proc/self/fd/8/a)" = old ]
        [ "$(ls -A "$SKEP_IMAGES" | wc -l)" -eq 2 ]
        image rm it
        exec 7<&- 8<&-
        import a.tar it
        [ "$(ls -A "$SKEP_IMAGES")" = it ]
}

@test "what a crash left is tidied up, what others are making is not" {
        make_archive 'docker("a.tar", [file("a")])'
        mkdir -m 700 "$SKEP_IMAGES"
        mkdir -p "$SKEP_IMAGES"/.01arz3ndektsv4rrffq69g5fa{v,w}/root/x "$SKEP_IMAGES/.other"
        exec 7< "$SKEP_IMAGES/.01arz3ndektsv4rrffq69g5faw"
        flock -x 7
        import a.tar it
        [ "$(ls -A "$SKEP_IMAGES" | sort | tr '\n' ' ')" = ".01arz3ndektsv4rrffq69g5faw .other it " ]
        exec 7<&-
}

@test "an import that is interrupted leaves nothing" {
        make_archive 'docker("a.tar", *[tar([file(f"f{i}", bytes(1 << 20)) for i in range(8)])] * 400, compress="gzip")'
        "$build/skep-jail" image import --allow-missing="$MISSING" a.tar it 2> err &
        pid=$!
        until [ -n "$(find "$SKEP_IMAGES" -name 'f*' 2>/dev/null)" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
        kill -TERM $pid
        status=0
        wait $pid || status=$?
        [ "$status" -eq 130 ]
        [ -z "$(ls -A "$SKEP_IMAGES")" ]
}

@test "imports at the same time do not see each other" {
        make_archive 'docker("a.tar", *[[file(f"f{i}", str(i)) for i in range(50)] for _ in range(3)])'
        for i in 1 2 3 4; do import a.tar "it$i" & done
        for i in 1 2 3 4; do wait -n; done
        [ "$(image list --json | wc -l)" -eq 4 ]
        [ "$(find "$SKEP_IMAGES" -name 'f*' | wc -l)" -eq 200 ]
}

@test "a store that others could write to is not used" {
        mkdir -m 755 "$SKEP_IMAGES"
        run image list
        [ "$status" -eq 125 ]
        [[ $output == *"chmod 700"* ]]
        chmod 700 "$SKEP_IMAGES"
        chown 1 "$SKEP_IMAGES"
        run image list
        [ "$status" -eq 125 ]
}

@test "mistakes on the command line say what is meant" {
        for words in "" importt import "import a" "import a b c" "list x" rm "import --disk x a b" \
                "import --files 0 a b" "rm --all"; do
                # shellcheck disable=SC2086
                run image $words
                [ "$status" -eq 125 ]
                [ -n "$output" ]
        done
        run image import --disk 1048577T a b
        [ "$output" = "skep-jail: --disk: must be at most 1048576T" ]
        run image --help
        [ "$status" -eq 0 ]
        [[ $output == *"image import"* ]]
}

@test "nothing is left behind" {
        nothing_is_left
}
