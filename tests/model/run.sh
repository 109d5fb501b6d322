#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Verifies the models of this folder exhaustively with SPIN, and that each mutant of the algorithms is caught, so that a
# model which proves everything is noticed. One line for each: name, states, verdict. Fails when one fails.
# With --deep also larger models (some minutes, up to 3.5 GB).
set -euo pipefail

models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for tool in spin "${CC:=cc}"; do
  command -v "$tool" >/dev/null && continue
  echo "tests/model: $tool is not installed (Debian packages: spin, gcc)" >&2
  exit 2
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

failures=0
runs=0

# search OPTIMISE MODEL FLAGS: builds the verifier of a model with these -D flags and runs it; it leaves ./report.
search() {
  local optimise=$1 model=$2
  shift 2
  [ -f "$models/$model.pml" ] || { echo "tests/model: there is no model $model.pml" >&2; exit 2; }
  rm -f pan* ./*.trail report
  if ! spin -a "$@" "$models/$model.pml" >build 2>&1 ||
    ! "$CC" "$optimise" -w -DSAFETY -DMEMLIM=3500 -o pan pan.c >>build 2>&1; then
    cat build >&2
    echo "tests/model: $model $* does not build" >&2
    exit 2
  fi
  ./pan -m1000000 -w22 >report 2>&1 || true
  runs=$((runs + 1))
}

say() {  # NAME VERDICT
  local states
  states=$(awk '/states, stored/ { print $1; exit }' report)
  printf '%-62s %9s states  %s\n' "$1" "${states:-?}" "$2"
}

fail() {  # NAME REASON
  say "$1" "FAILED: $2"
  grep -E '^pan|error|unreached|state [0-9]+,' report >&2 || true
  failures=$((failures + 1))
}

# Neither an error, nor a search that was cut short by its depth, by memory or by a crash of the verifier.
verified() {
  grep -q 'errors: 0' report && grep -q '^pan: elapsed time' report &&
    ! grep -qE 'search depth too small|out of memory|Search not completed|reached -DMEMLIM' report
}

# verify NAME MODEL FLAGS
verify() {
  local name=$1
  shift
  search -O1 "$@"
  if verified; then say "$name" verified; else fail "$name" 'not verified'; fi
}

# The same, and every statement of the model was executed: nothing is proved by never being tried.
verify_all_reached() {
  local name=$1
  shift
  search -O1 "$@"
  if ! verified; then fail "$name" 'not verified'
  elif grep -E 'state [0-9]+, "' report | grep -qv '"-end-"'; then fail "$name" 'statements are never reached'
  else say "$name" verified
  fi
}

# caught NAME MODEL FLAGS: the search must end with a violated assertion or a deadlock.
caught() {
  local name=$1
  shift
  search -O0 "$@"
  if grep -qE '^pan:1: (assertion violated|invalid end state)' report; then say "mutant: $name" 'mutant caught'
  else fail "mutant: $name" 'the mutant survives'
  fi
}

lock=biased_mutex
two='-DTHREADS=2 -DDEATHS=1'
four='-DTHREADS=2 -DDEATHS=2'

# shellcheck disable=SC2086  # $two and $four are two flags each
verify_models() {
  verify_all_reached 'biased mutex: 2 threads, 2 deaths' $lock $four -DDEPTH=8 -DCOUNTS=2
  verify 'biased mutex: 3 threads, 1 death' $lock -DCOUNTS=2
  verify 'biased mutex: 3 threads, 1 ends and gives its slot away' $lock -DDEATHS=0 -DENDS=1 -DCOUNTS=2
  verify 'biased mutex: 2 threads, 1 death, 1 ends' $lock $two -DENDS=1 -DCOUNTS=2
  verify 'biased mutex: 2 threads, 2 deaths, relaxed stores overtake' $lock $four -DWEAK_STORES -DCOUNTS=2
  verify 'biased mutex: 2 threads, 1 death, lock orders no older store' $lock $two -DWEAK_STORES \
    -DLOCK_ACQUIRES_ONLY -DATTACH_FENCE
  verify 'biased mutex: 2 threads, 1 death, revoker ignores the id' $lock $two -DWAIT_IGNORES_ID
  verify 'biased mutex: 2 threads, 1 death, in_cs not cleared for newcomers' $lock $two -DSLOT_NOT_CLEARED
  verify 'sleeper: 2 producers, 1 consumer, no death, no slice' sleeper -DDEATHS=0 -DSPURIOUS
  verify 'sleeper: 1 producer, 2 consumers, no death, no slice' sleeper -DPRODUCERS=1 -DDEATHS=0 -DSPURIOUS
  verify_all_reached 'sleeper: 2 producers, 1 consumer, 1 death' sleeper
  verify_all_reached 'sleeper: 1 producer, 2 consumers, 1 death' sleeper -DPRODUCERS=1
  verify_all_reached 'sleeper: 2 producers, 1 consumer, 1 death, fences' sleeper -DFENCED
  verify 'watch: 2 publishers, 2 objects, no death, no slice' watch -DDEATHS=0
  verify 'watch: 2 publishers, 1 object, no death, no slice' watch -DONE_OBJECT -DDEATHS=0
  verify_all_reached 'watch: 2 publishers, 2 objects, 1 death' watch -DCAPACITY=1
  verify_all_reached 'watch: 2 publishers, 1 object, 1 death' watch -DONE_OBJECT -DCAPACITY=1
  verify_all_reached 'watch: 1 publisher, 2 watchers, 1 death' watch -DWATCHERS=2
  verify_all_reached 'watch: 2 publishers, 1 object, 1 death, fences' watch -DONE_OBJECT -DCAPACITY=1 -DFENCED
  verify 'lock: 3 threads, no death, no slice' lock -DDEATHS=0 -DNO_SLICE
  verify 'lock: 3 threads, 1 death' lock
  verify 'lock: 3 threads, 2 deaths' lock -DDEATHS=2
  verify 'condition: 2 waiters, 1 notifier, no death, no slice' condition -DDEATHS=0 -DNO_SLICE
  verify 'condition: 2 waiters, 1 notifier, 1 death' condition
  verify_all_reached 'condition: 2 waiters, 1 with a deadline, 1 death' condition -DDEADLINE
  verify_all_reached 'condition: 2 waiters, 1 notifier, 2 deaths' condition -DDEATHS=2 -DDEADLINE
  verify 'semaphore: 3 processes, no death, no slice' semaphore -DDEATHS=0 -DNO_SLICE
  verify 'semaphore: 3 processes, 1 death' semaphore
}

verify_larger_models() {
  verify_all_reached 'biased mutex: 3 threads, 2 deaths' $lock -DDEATHS=2 -DCOUNTS=2
  verify 'biased mutex: 3 threads, 1 death, 1 ends' $lock -DENDS=1 -DCOUNTS=2 -DDEPTH=4
  verify 'biased mutex: 3 threads, 1 death, deeper buffers' $lock -DDEPTH=10
  verify 'biased mutex: 3 threads, 1 death, relaxed stores overtake' $lock -DWEAK_STORES \
    -DLOCK_ACQUIRES_ONLY -DATTACH_FENCE
  verify 'sleeper: 2 producers, 1 consumer, 2 deaths' sleeper -DDEATHS=2
  verify 'sleeper: 1 producer, 2 consumers, 2 deaths' sleeper -DPRODUCERS=1 -DDEATHS=2
  verify 'watch: 2 publishers, 2 objects, 2 deaths' watch -DDEATHS=2
  verify 'watch: 2 publishers, 1 object, 1 death, 2 items' watch -DONE_OBJECT
  verify 'watch: 1 publisher, 2 watchers, 2 deaths' watch -DWATCHERS=2 -DDEATHS=2
  verify_all_reached 'semaphore: 3 processes, 2 deaths' semaphore -DDEATHS=2
  verify 'semaphore: 3 processes, 2 permits, 1 death' semaphore -DPERMITS=2
}

# shellcheck disable=SC2086
catch_mutants() {
  caught 'no membarrier in revoke' $lock $two -DMUTANT_NO_MEMBARRIER
  caught 'the revoker fences only itself' $lock $two -DMUTANT_FENCE_FOR_MEMBARRIER
  caught 'membarrier skips a killed, not yet reported thread' $lock $two -DMUTANT_BARRIER_SKIPS_KILLED
  caught 'no wait for in_cs' $lock $two -DMUTANT_NO_WAIT
  caught 'the wait does not ask whether the owner died' $lock $two -DMUTANT_WAIT_IGNORES_DEATH
  caught 'owner cleared before the wait, the revoker dies' $lock $two -DPATIENT -DMUTANT_OWNER_CLEARED_FIRST
  caught 'owner cleared before the wait, the revoker gives up' $lock -DTHREADS=2 -DDEATHS=0 \
    -DMUTANT_OWNER_CLEARED_FIRST
  caught 'death reported before the last instruction' $lock $two -DMUTANT_DEATH_TOO_EARLY
  caught 'death reported before the last store is performed' $lock $two -DMUTANT_DEATH_BEFORE_STORES
  caught 'ids without generation: deadlock' $lock $two -DMUTANT_NO_GENERATION
  caught 'ids without generation: two inside' $lock -DCOUNTS=2 -DDEPTH=4 -DMUTANT_NO_GENERATION
  caught 'revoker ignores the id, in_cs not cleared for newcomers' $lock $two -DWAIT_IGNORES_ID -DSLOT_NOT_CLEARED
  caught 'lock orders no older store, no fence after attaching' $lock $two -DLOCK_ACQUIRES_ONLY
  caught 'the lock of a dead holder is not taken over' $lock $two -DMUTANT_NOT_ROBUST
  caught 'in_cs kept on the way to the slow path' $lock $two -DMUTANT_IN_CS_KEPT
  caught 'bias taken without in_cs' $lock $two -DMUTANT_GRANT_WITHOUT_IN_CS
  caught 'bias taken after the lock is released' $lock $two -DMUTANT_RELEASE_BEFORE_BIAS
  caught 'in_cs cleared before the commit' $lock $two -DMUTANT_LEAVE_BEFORE_COMMIT
  caught 'another biased mutex entered inside' $lock $two -DMUTANT_NESTED
  caught 'no membarrier in the sleeper' sleeper -DDEATHS=0 -DMUTANT_NO_MEMBARRIER
  caught 'the sleeper fences only itself' sleeper -DDEATHS=0 -DMUTANT_FENCE_FOR_MEMBARRIER
  caught 'no second look after the announcement' sleeper -DDEATHS=0 -DMUTANT_NO_RECHECK
  caught 'bit read before the commit' sleeper -DDEATHS=0 -DMUTANT_BIT_READ_FIRST
  caught 'no second wake after the bit was cleared' sleeper -DDEATHS=0 -DMUTANT_NO_SECOND_WAKE
  caught 'bit not cleared after another announcement, one round only' sleeper -DDEATHS=0 -DMUTANT_ONE_ROUND
  caught 'bit cleared first, one of two sleepers woken' sleeper -DPRODUCERS=1 -DDEATHS=0 -DMUTANT_CLEAR_FIRST
  caught 'bit cleared also after another announcement' sleeper -DPRODUCERS=1 -DDEATHS=0 -DMUTANT_BLIND_CLEAR
  caught 'sleep on the bit, not on the announcement' sleeper -DPRODUCERS=1 -DDEATHS=0 -DMUTANT_SLEEP_ON_THE_BIT
  caught 'armed before the membarrier' sleeper -DPRODUCERS=1 -DMUTANT_ARMED_TOO_EARLY
  caught 'armed although the word has changed' sleeper -DPRODUCERS=1 -DDEATHS=0 -DMUTANT_BLIND_ARMING
  caught 'who was woken gives up and tells nobody' sleeper -DPRODUCERS=1 -DDEATHS=0 -DMUTANT_WOKEN_GIVES_UP
  caught 'sleep without end' sleeper -DMUTANT_NO_SLICE
  caught 'the lock of a dead consumer is not taken over' sleeper -DPRODUCERS=1 -DMUTANT_NOT_ROBUST
  caught 'no membarrier in the watcher' watch -DDEATHS=0 -DMUTANT_NO_MEMBARRIER
  caught 'the watcher fences only itself' watch -DDEATHS=0 -DMUTANT_FENCE_FOR_MEMBARRIER
  caught 'no look after entering' watch -DDEATHS=0 -DMUTANT_NO_LOOK
  caught 'the bell noted after entering' watch -DDEATHS=0 -DONE_OBJECT -DMUTANT_NOTED_LATE
  caught 'the bit set before the mask is entered' watch -DDEATHS=0 -DMUTANT_BIT_FIRST
  caught 'the mask taken before the bit is cleared' watch -DDEATHS=0 -DMUTANT_MASK_FIRST
  caught 'woken before the bell is counted up' watch -DDEATHS=0 -DMUTANT_WAKE_FIRST
  caught 'only the first bell is rung' watch -DWATCHERS=2 -DDEATHS=0 -DMUTANT_ONE_BELL
  caught 'watch without end' watch -DMUTANT_NO_SLICE
  caught 'a reserved lock wakes one' lock -DDEATHS=0 -DNO_SLICE -DMUTANT_WAKES_ONE
  caught 'a reserved lock is taken by who comes' lock -DMUTANT_BARGES
  caught 'who leaves the order passes nothing on' lock -DDEATHS=0 -DNO_SLICE -DMUTANT_LEAVES_SILENTLY
  caught 'in order without end' lock -DNO_SLICE
  caught 'what the dead were told is gone' condition -DMUTANT_DEAD_KEEP_IT
  caught 'who is told is not woken' condition -DDEATHS=0 -DNO_SLICE -DMUTANT_NO_WAKE
  caught 'sleep without a second look' condition -DDEATHS=0 -DNO_SLICE -DMUTANT_SLEEPS_BLINDLY
  caught 'wait without end' condition -DNO_SLICE
  caught 'the record taken out before the lock is held' condition -DMUTANT_LEAVES_FIRST
  caught 'permits of the dead are gone' semaphore -DMUTANT_DEAD_KEEP_IT
  caught 'who is given a permit is not woken' semaphore -DDEATHS=0 -DNO_SLICE -DMUTANT_NO_WAKE
  caught 'a permit taken the short way while it is closed' semaphore -DDEATHS=0 -DMUTANT_TAKES_PAST_THE_BIT
  caught 'a permit given the short way while it is closed' semaphore -DDEATHS=0 -DNO_SLICE -DMUTANT_GIVES_PAST_THE_BIT
  caught 'the short way opened while somebody waits' semaphore -DDEATHS=0 -DNO_SLICE -DMUTANT_OPENS_BLINDLY
  caught 'in turn without end' semaphore -DNO_SLICE
}

verify_models
if [ "${1:-}" = --deep ]; then verify_larger_models; fi
catch_mutants
echo "tests/model: $runs searches, $failures failed"
[ "$failures" -eq 0 ]
