#!/bin/bash
# What the virtual machines boot, made once: prepare.sh CACHE
#   CACHE/vmlinuz, CACHE/initrd.gz   Debian's stock kernel, and an initramfs that finds the root file system
#   CACHE/layer/                     its modules and kmod, laid over this machine's / inside the guest
# Debian packages are downloaded and unpacked there; nothing is installed here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
version=${kernel#linux-image-}
[ -e "$cache/ready" ] && [ "$(cat "$cache/ready")" = "$version" ] && exit 0
rm -rf "$cache"
mkdir -p "$cache/deb" "$cache/layer" "$cache/initrd/bin" "$cache/initrd/lib/modules"
cd "$cache"
chmod 777 deb # apt downloads as a user of its own
(cd deb && apt-get download -qq "$kernel" busybox-static kmod libkmod2)
for package in deb/*.deb; do
    dpkg -x "$package" unpacked
    # /bin, /sbin and /lib are links here: a real folder of that name in the layer would hide them.
    for folder in bin sbin lib lib64; do
        if [ -d unpacked/$folder ]; then
            mkdir -p unpacked/usr/$folder
            cp -a unpacked/$folder/. unpacked/usr/$folder/
            rm -rf unpacked/$folder
        fi
    done
    cp -a unpacked/. layer/
    rm -rf unpacked
done
mv "layer/boot/vmlinuz-$version" vmlinuz
rm -rf layer/boot layer/usr/share deb
tool() { (export LD_LIBRARY_PATH="$cache/layer/usr/lib/x86_64-linux-gnu"; exec -a "$1" layer/usr/bin/kmod "${@:2}"); }
tool depmod -b "$cache/layer/usr" "$version"
cp layer/usr/bin/busybox initrd/bin/
cp "$here/first-init" initrd/init
chmod 755 initrd/init
for module in virtio_pci 9pnet_virtio 9p overlay; do
    tool modprobe -d "$cache/layer/usr" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" { print $2 }' | awk '!seen[$0]++' | while read -r file; do
    cp "$file" initrd/lib/modules/
    basename "$file"
done > initrd/lib/modules/order
(cd initrd && find . | cpio -o -H newc --quiet | gzip -1) > initrd.gz
rm -rf initrd
echo "$version" > ready
