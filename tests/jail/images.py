# SPDX-License-Identifier: LGPL-2.1-or-later
# Archives of images as podman, docker and skopeo write them, and as none of them would: for image.bats.
import functools, gzip, hashlib, io, json, os, platform, subprocess, tarfile

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---- entries of a layer ----

def entry(name, type=tarfile.REGTYPE, data=b"", mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.mtime = type, len(data), mode, 1234567890
    for key, value in more.items():
        setattr(info, key, value)
    return info, data

def file(name, data=b"", mode=0o644, **more):
    return entry(name, data=data if isinstance(data, bytes) else data.encode(), mode=mode, **more)

def directory(name, mode=0o755):
    return entry(name, tarfile.DIRTYPE, mode=mode)

def symlink(name, target):
    return entry(name, tarfile.SYMTYPE, linkname=target, mode=0o777)

def hardlink(name, target):
    return entry(name, tarfile.LNKTYPE, linkname=target)

def device(name):
    return entry(name, tarfile.CHRTYPE, devmajor=1, devminor=3)

def fifo(name):
    return entry(name, tarfile.FIFOTYPE)

def whiteout(name):
    head, _, tail = name.rpartition("/")
    return file((head + "/" if head else "") + ".wh." + tail)


def tar(entries, format=tarfile.GNU_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()

def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout

COMPRESS = {None: lambda data: data, "gzip": functools.cache(gzip.compress), "zstd": zstd}


# ---- an image ----

def config_of(layers, config={}, **more):
    return json.dumps({"architecture": HERE, "os": "linux", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(l) for l in layers]}, **more}).encode()

def as_layers(layers):
    return [l if isinstance(l, bytes) else tar(l) for l in layers]


# As podman save and skopeo's docker-archive: write it; `parts` are members over those, None takes one away.
def docker(path, *layers, config={}, tags=["test:latest"], compress=None, parts={}, last=[], **more):
    layers = as_layers(layers)
    files = COMPRESS[compress]
    c = config_of(layers, config, **more)
    names = [sha(l) + ".tar" for l in layers]
    members = {n: files(l) for n, l in zip(names, layers)}
    members[sha(c) + ".json"] = c
    members["manifest.json"] = json.dumps([{"Config": sha(c) + ".json", "RepoTags": tags, "Layers": names}]).encode()
    members.update(parts)
    write(path, [file(n, d) for n, d in members.items() if d is not None] + last)

# As docker save did before version 25: a directory a layer, equal layers as links.
def old_docker(path, *layers, config={}):
    layers = as_layers(layers)
    c = config_of(layers, config)
    entries, names, seen = [], [], {}
    for i, layer in enumerate(layers):
        entries += [directory(f"{i}/"), file(f"{i}/VERSION", "1.0"), file(f"{i}/json", "{}")]
        if layer in seen:
            entries.append(symlink(f"{i}/layer.tar", f"../{seen[layer]}/layer.tar"))
        else:
            entries.append(file(f"{i}/layer.tar", layer))
            seen[layer] = i
        names.append(f"{i}/layer.tar")
    manifest = [{"Config": sha(c) + ".json", "RepoTags": None, "Layers": names}]
    write(path, entries + [file(sha(c) + ".json", c), file("manifest.json", json.dumps(manifest))])


class Oci:
    """An OCI layout: blobs, and what index.json says."""

    def __init__(self):
        self.blobs, self.index = {}, []

    def blob(self, data, **more):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        self.blobs[sha(data)] = data
        return {"digest": "sha256:" + sha(data), "size": len(data), **more}

    def image(self, *layers, config={}, compress="gzip", more={}, descriptor={}):
        layers = as_layers(layers)
        c = self.blob(config_of(layers, config, **more), mediaType="application/vnd.oci.image.config.v1+json")
        files = [self.blob(COMPRESS[compress](l), mediaType="application/vnd.oci.image.layer.v1.tar") for l in layers]
        return self.blob({"schemaVersion": 2, "config": c, "layers": files},
                         mediaType="application/vnd.oci.image.manifest.v1+json", **descriptor)

    def add(self, descriptor, name=None):
        self.index.append({**descriptor, **({"annotations": {"org.opencontainers.image.ref.name": name}} if name else {})})
        return self

    def members(self):
        yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
        yield "index.json", json.dumps({"schemaVersion": 2, "manifests": self.index}).encode()
        for digest, data in self.blobs.items():
            yield "blobs/sha256/" + digest, data

    def write(self, path):
        write(path, [file(n, d) for n, d in self.members()])

    def write_directory(self, path):
        for name, data in self.members():
            os.makedirs(os.path.dirname(f"{path}/{name}"), exist_ok=True)
            with open(f"{path}/{name}", "wb") as f:
                f.write(data)

def oci(path, *layers, **more):
    o = Oci()
    o.add(o.image(*layers, **more), "test:latest").write(path)


def write(path, entries):
    with open(path, "wb") as f:
        f.write(tar(entries))
