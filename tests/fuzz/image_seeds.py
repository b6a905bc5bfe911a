# SPDX-License-Identifier: LGPL-2.1-or-later
# Seeds of the targets fuzz_image and fuzz_layer: image_seeds.py DIRECTORY TARGET
import os, sys
from images import *

os.chdir(sys.argv[1])
if sys.argv[2] == "fuzz_image":
    docker("docker", [file("a")], compress="gzip")
    old_docker("old", [file("a")], [file("a")], config={"Env": ["A=b"]})
    layout = Oci()
    layout.add(layout.blob({"manifests": [layout.image([])]}), "t:1").write("oci")
    for name, data in layout.members():
        write_file = open(os.path.basename(name), "wb")
        write_file.write(data)
        write_file.close()
else:
    # Each half as long as the other: the target cuts there.
    lower = tar([directory("d"), file("d/f", "x"), symlink("l", "d"), file("e/g"), hardlink("h", "d/f")])
    upper = tar([whiteout("d/f"), file("e/.wh..wh..opq"), file("e/n"), hardlink("i", "h"), directory("l"), fifo("h")])
    with open("layers", "wb") as f:
        f.write(lower + upper)
    lower = tar([directory("d"), symlink("d/up", "../../.."), symlink("l", "/d/./up/d"), file("d/f", "x")])
    upper = tar([whiteout("l/f"), file("l/n", "y"), hardlink("/i", "/l/n"), directory("l/up/e"), symlink("l/l", "l")])
    with open("links", "wb") as f:
        f.write(lower + upper)
