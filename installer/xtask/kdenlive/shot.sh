# Opens Kdenlive in the Debian root, lets it make frames with Pickup, and takes the picture.
# It is the first process of namespaces of its own: whatever it starts ends with it, and there is no network.
set -eu
cd /studio
export HOME=/studio/home XDG_RUNTIME_DIR=/studio/run XDG_CURRENT_DESKTOP=KDE LC_ALL=C.UTF-8
export DISPLAY=:1 LIBGL_ALWAYS_SOFTWARE=1 SDL_AUDIODRIVER=dummy
export OFX_PLUGIN_PATH=/studio/plugins PICKUP_STORE=/studio/store PICKUP_CACHE=/studio/cache
export DBUS_SESSION_BUS_ADDRESS=unix:path=/studio/run/bus
size=1600x900

fail() {
    echo "$1" >&2
    exit 1
}

# wait_for WHAT SECONDS COMMAND…
wait_for() {
    what=$1 tries=$(($2 * 4))
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain for $what"
        sleep 0.25
    done
}

grab() {
    ffmpeg -loglevel error -y -f x11grab -draw_mouse 0 -video_size $size -i $DISPLAY -frames:v 1 "$@"
}

# Whether nothing has moved since it was last asked.
is_still() {
    before=${now-} now=$(grab -f md5 -)
    [ "$before" = "$now" ]
}

still() {
    now=
    sleep 1
    wait_for "the window to come to rest" 60 is_still
}

# Does what a menu entry or a key would do, by the action's name.
act() {
    answer=$(dbus-send --session --print-reply --dest=org.kde.kdenlive-$kdenlive /kdenlive/MainWindow_1 \
        org.kde.KMainWindow.activateAction string:"$1")
    case $answer in
    *true*) ;;
    *) fail "Kdenlive has no action $1 now" ;;
    esac
}

# The title names the project's profile once the project is open.
find_window() {
    kill -0 $kdenlive || fail "Kdenlive ended; see kdenlive.log"
    window=$(xdotool search --onlyvisible --name "$PROFILE" 2>/dev/null)
}

has_take() {
    set -- store/takes/*/*
    [ -e "$1" ]
}

# The shot, and black where it is to go on.
ffmpeg -loglevel error -y -framerate 25 -start_number 48 -i footage/%06d.webp -f lavfi -i color=black:s=640x360:r=25 \
    -filter_complex '[0:v]trim=end_frame=30[shot];[1:v]trim=end_frame=18[black];[shot][black]concat' \
    -c:v libx264 -qp 0 -pix_fmt yuv420p shot.mp4

Xvfb $DISPLAY -screen 0 ${size}x24 -nolisten tcp >xvfb.log 2>&1 &
wait_for "the display" 20 test -S /tmp/.X11-unix/X1
dbus-daemon --session --nofork --nopidfile --address=$DBUS_SESSION_BUS_ADDRESS >dbus.log 2>&1 &
wait_for "the session bus" 20 test -S run/bus
melt -query "filter=$EFFECT" >effect.yml 2>melt.log
kdenlive --no-welcome shot.kdenlive >kdenlive.log 2>&1 &
kdenlive=$!
wait_for "Kdenlive's window" 90 find_window
xdotool windowmove "$window" 0 0 windowsize --sync "$window" ${size%x*} ${size#*x}
still
# The fourth of Kdenlive's own layouts, "Effects".
act load_layout4
act select_timeline_clip
act zoom_fit
still
# The plugin needs the frames before the span in order; it makes the others when they are asked for.
act monitor_play
wait_for "a take" 120 has_take
still
act seek_end
for _ in 1 2 3 4 5 6 7 8 9 10; do act monitor_seek_backward-one-frame; done
still
grab kdenlive.png
ffmpeg -loglevel error -y -i kdenlive.png -c:v libwebp -quality 85 kdenlive.webp
