#!/bin/sh
# Run a command under Xvfb, whatever display there is: tests never touch a person's screen.
set -eu
command -v xvfb-run >/dev/null 2>&1 || exec "$@"
exec xvfb-run -a -s "-screen 0 1400x900x24" "$@"
