# Makes a Debian root ($1) a place to run programs in, and runs the shot there.
set -eu
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
exec chroot "$1" /usr/bin/env -i PATH=/usr/bin:/usr/sbin PROFILE="$2" EFFECT="$3" \
    /usr/bin/sh /studio/shot.sh
