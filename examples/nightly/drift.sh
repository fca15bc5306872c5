#!/usr/bin/env bash
# Reconcile the drift of every root module given (default: this one). Ends with the worst of their exit codes: 1, then 3, then 2, then 0.
set -uo pipefail

worst=0
for root in "${@:-.}"; do
    iacagent -C "$root" drift reconcile --auto-approve --branch "${DRIFT_BRANCH:-drift/adopt}" ${DRIFT_NOTIFY:+--notify}
    code=$?
    case "$worst,$code" in
        1,*) ;;
        *,1) worst=1 ;;
        3,*) ;;
        *,3) worst=3 ;;
        *,2) worst=2 ;;
        *,0) ;;
        *) worst=1 ;;
    esac
done

if [ -n "${DRIFT_PUSH:-}" ] && git rev-parse --quiet --verify "refs/heads/${DRIFT_BRANCH:-drift/adopt}" > /dev/null; then
    git push --force-with-lease "$DRIFT_PUSH" "${DRIFT_BRANCH:-drift/adopt}" || worst=1
fi
exit "$worst"
