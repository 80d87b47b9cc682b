#!/bin/bash -p
# A sale with kills in the middle, and the books checked at the end.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="A demonstration of about half a minute: 20,000 buyers want 10,000 phones while one node after
the other is killed with SIGKILL; then the books are checked."

case "${1:-}" in
  --help | -h)
    printf 'Usage: scripts/demo.sh\n%s\n' "$about"
    echo "Uses the running system (dev mode only), else starts a private one and removes it."
    echo "Exit: 0 the books agree, 4 they do not."
    exit 0
    ;;
  "") ;;
  *) wrong_use "$1" ;;
esac

STOCK=10000
CROWD=20000
RANDOM=$SEED
use_or_start_system
new_item "Phone" "$STOCK"

echo "[1/5] sale: $STOCK phones (item $ITEM), $CROWD buyers come within 12 s"
start_load "$STOCK" "$CROWD" 12
sleep 2
echo "[2/5] kill -9 backend-1 in the middle of its work"
kill_node backend-1
random_pause
echo "[3/5] kill -9 broker-1"
kill_node broker-1
random_pause
echo "[4/5] kill -9 webapp-1, then backend-1 once more"
kill_node webapp-1
kill_node backend-1
finish_load
echo "[5/5] checking the books"
check_books
sold=$("$PROJECT/scripts/sql.sh" -N -B -e \
  "SELECT COALESCE(SUM(qty), 0) FROM orders WHERE item_id = $ITEM")
left=$("$PROJECT/scripts/sql.sh" -N -B -e "SELECT amount FROM item WHERE id = $ITEM")
echo "      stock $STOCK = sold $sold + left $left"
if ((sold + left != STOCK)); then FAULTS+=("stock $STOCK is not sold $sold + left $left"); fi
verdict
