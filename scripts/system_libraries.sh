#!/bin/sh
# Install the system libraries that Qt and the viewer need, on Debian and Ubuntu, if any is missing.
set -eu
packages="python3-venv xvfb xauth libfontconfig1 libglib2.0-bin libegl1 libgl1 libgl1-mesa-dri libopengl0 libxkbcommon-x11-0 libdbus-1-3 libxcb-icccm4
 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-xinerama0 libxcb-xfixes0 libxcb-shape0 libxcb-cursor0"
command -v dpkg-query >/dev/null 2>&1 || exit 0
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "Missing system libraries; as root run: apt-get install$missing" >&2; exit 1; }
    root="sudo"
fi
echo "Installing system libraries:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
$root apt-get install -y -qq --no-install-recommends $missing >/dev/null
