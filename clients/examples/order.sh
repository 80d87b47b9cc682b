#!/bin/bash
# Buys one unit of item 1 over HTTP: order.sh USER [HOST:PORT]; a user without " and \ in it.
# Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
id=$(</proc/sys/kernel/random/uuid)
for _ in {1..20}; do # silence, 202, 429 and 5xx say nothing: the same id again, it never buys twice
  reply=$(curl -s --max-time 10 -w '\n%{http_code}' "http://${2:-127.0.0.1:8080}/v1/orders" \
    -H "Idempotency-Key: $id" -H 'Content-Type: application/json' -H 'Prefer: wait=5' \
    -d "{\"item\":1,\"user\":\"$1\"}")
  case ${reply##*$'\n'} in 429) ;; 200 | 201 | 4??) break ;; esac
  sleep 0.5
done
echo "${reply%$'\n'*}" || exit 5
if [[ $reply == *'"state":"rejected"'* ]]; then exit 8; fi # other refusals decide nothing
case ${reply##*$'\n'} in 200 | 201) exit 0 ;; 429) exit 5 ;; 4??) exit 1 ;; *) exit 5 ;; esac
