#!/usr/bin/env bash
# Runs test programs on an emulated processor with AVX-512 and VNNI. See README.md beside it.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if [ $# -eq 0 ] || [ ! -x "${BOCHS:-}" ]; then
  echo "usage: BOCHS=PROGRAM tests/emulated/run.sh 'COMMAND'...
e.g. 'PERYTON_MAX_ISA=avx512 test_kernels --gtest_filter=Ternary*'; README.md tells which Bochs" >&2
  exit 2
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="${WORK:-$root/build/emulated}"
mkdir -p "$work/packages" && cd "$work"

# Debian's packages, unpacked beside the build: nothing is installed.
if [ ! -e debian/.done ]; then
  kernel="$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: *//p' | head -n 1)"
  (cd packages && apt-get download "$kernel" busybox-static bochsbios vgabios isolinux syslinux-common \
    xorriso libisoburn1 libburn4 libisofs6 libjte2)
  for package in packages/*.deb; do dpkg -x "$package" debian; done
  touch debian/.done
fi
debian="$work/debian" busybox="$work/debian/bin/busybox"

# The guest's root: the test programs, their libraries, and the goldens where the programs look.
guest="$work/guest"
rm -rf "$guest"
mkdir -p "$guest"/{bin,proc,sys,dev,tmp} "$guest$root/tests" iso
cp "$busybox" "$guest/bin/busybox"
cp -r "$root/tests/golden" "$guest$root/tests/"
for program in $(printf '%s\n' "$@" | grep -o '\btest_[a-z_]*\b' | sort -u); do
  strip -o "$guest/bin/$program" "$root/build/bin/$program"
  ldd "$root/build/bin/$program" | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$guest$library" ] || cp -L --parents "$library" "$guest"
  done
done
{
  cat <<'TEXT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
export PATH=/bin GTEST_COLOR=no OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive HOME=/tmp
failed=0
run() { echo "=== $1"; eval "$1"; code=$?; echo "=== exit $code"; [ $code = 0 ] || failed=1; }
run "grep -m1 -o 'avx512.*' /proc/cpuinfo"
TEXT
  for command in "$@"; do printf 'run %q\n' "$command"; done
  echo 'echo "=== all done, failed=$failed"; sleep 5; poweroff -f'
} > "$guest/init"
chmod +x "$guest/init"
(cd "$guest" && find . | "$busybox" cpio -o -H newc > "$work/iso/initrd" 2> /dev/null)

cp "$debian"/boot/vmlinuz-* iso/vmlinuz
cp "$debian/usr/lib/ISOLINUX/isolinux.bin" "$debian/usr/lib/syslinux/modules/bios/ldlinux.c32" iso/
# Without FSRM (580): the emulated processor has fast strings off, and with only one of the two the memmove of
# Linux 6.1 never ends. Without PKU (515): one part of the saved state less to agree on.
cat > iso/isolinux.cfg <<'TEXT'
default linux
label linux
  kernel vmlinuz
  append initrd=initrd console=ttyS0 quiet clearcpuid=515,580 mitigations=off nokaslr lsm=capability nowatchdog random.trust_cpu=on
TEXT
LD_LIBRARY_PATH="$debian/usr/lib/x86_64-linux-gnu" "$debian/usr/bin/xorriso" -as mkisofs -quiet -o image.iso \
  -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table iso 2> /dev/null

cat > bochsrc <<TEXT
display_library: nogui
cpu: model=${MODEL:-corei7_icelake_u}, count=1, ips=50000000
megs: ${MEGS:-1536}
romimage: file=$debian/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$debian/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$work/image.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial.txt
log: $work/bochs.log
panic: action=fatal
TEXT
: > serial.txt
timeout "${LIMIT:-3h}" "$BOCHS" -q -f bochsrc > screen.txt 2>&1 < /dev/null || true
cat serial.txt
grep -q '=== all done, failed=0' serial.txt
