#!/usr/bin/env python3
"""Lays out what cargo-deb would pack, from the same lines of Cargo.toml: PROGRAM REVISION DIRECTORY."""
import glob
import gzip
import os
import shutil
import sys
import tomllib

program, revision, tree = sys.argv[1:]
with open("Cargo.toml", "rb") as manifest:
    package = tomllib.load(manifest)["package"]
deb = package["metadata"]["deb"]


def put(source, target, mode):
    target = os.path.join(tree, target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if "/share/man/" in target:
        with open(source, "rb") as page:
            data = gzip.compress(page.read(), mtime=0)
        with open(target + ".gz", "wb") as out:
            out.write(data)
        target += ".gz"
    else:
        shutil.copyfile(source, target)
    os.chmod(target, mode)


for asset in deb["assets"]:
    if "link_name" in asset:
        link = os.path.join(tree, asset["dest"])
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(asset["link_name"], link)
        continue
    sources = [program] if asset["source"] == "target/release/sbsh" else glob.glob(asset["source"])
    assert sources, f"nothing is named {asset['source']}"
    for source in sources:
        name = os.path.basename(source)
        dest = asset["dest"]
        put(source, dest + name if dest.endswith("/") else dest, int(asset["mode"], 8))

control = os.path.join(tree, "DEBIAN")
os.makedirs(control)
for script in ("preinst", "postinst", "prerm", "postrm"):
    source = os.path.join(deb["maintainer-scripts"], script)
    if os.path.exists(source):
        shutil.copy(source, control)
with open(os.path.join(control, "control"), "w", encoding="utf-8") as out:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    text = deb["extended-description"].replace("\n", "\n ")
    out.write(
        f"Package: {package['name']}\nVersion: {package['version']}-{revision}\nArchitecture: {architecture}\n"
        f"Section: {deb['section']}\nPriority: {deb['priority']}\nMaintainer: {deb['maintainer']}\n"
        f"Depends: {deb['depends'].removeprefix('$auto, ')}\nRecommends: {deb['recommends']}\nSuggests: {deb['suggests']}\nDescription: {package['description']}\n {text}\n"
    )
