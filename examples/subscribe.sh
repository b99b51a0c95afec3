#!/bin/sh
# Follow a log over HTTP with curl: each event is one line of JSON on standard output.
#
#   FEED_KEY_FILE=feed.key sh examples/subscribe.sh http://127.0.0.1:8103/events last-id
#
# The file last-id says how far it came: stopped and started again, it goes on there. An event is printed again only when
# it stopped between printing it and writing the file. The key is read from a file: arguments can be seen by everybody.
set -eu
url=$1 last=$2

headers() {
  printf 'Accept: text/event-stream\nAuthorization: Bearer %s\n' "$(cat "$FEED_KEY_FILE")"
  if [ -s "$last" ]; then printf 'Last-Event-ID: %s\n' "$(cat "$last")"; fi
}

tell() {
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line#id: } ;;
      'data: '*) printf '%s\n' "${line#data: }" ;; # your work; what follows it is kept only when it is done
      '') if [ -n "${id-}" ]; then printf '%s\n' "$id" >"$last.new" && mv "$last.new" "$last"; fi ;;
      '{'*) printf '%s\n' "$line" >&2 ;; # why the feed is refused
      'end: 22') exit 22 ;;
    esac
  done
}

# curl itself tries again while the service starts (503); 22 is what else is refused, and trying again would not help.
while :; do
  { headers | curl -sS -N --fail-with-body --retry 100 --retry-connrefused --header @- "$url" || printf '\nend: %s\n' $?; } | tell
  sleep 3
done
