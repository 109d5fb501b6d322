// SPDX-License-Identifier: MIT
// How a queue's consumers sleep and are woken, with threads killed between any two steps: proof by exhaustion for three
// threads (two producers and a consumer, or one and two) that put and get for ever, on the machine of machine.pml.
//
// The model beside src/sync/sleepers.cpp; a line is one access to shared memory:
//   producer  inside the put end commits (PUT, one release store), leaves; then wake_sleepers: loads SLEEPERS with
//             no fence between; bit set: wake_announced: wakes one. When the kernel finds none, it clears the bits
//             by compare-and-swap and wakes once more; if somebody has announced itself since, it begins again.
//   consumer  finds nothing inside the get end, leaves; announce_sleeper: changes SLEEPERS and sets its bit; unless the
//             word is armed, membarrier, and arms it if nobody has changed it since; looks once more;
//             sleep_announced: sleeps while SLEEPERS is what it announced, for a bounded slice; then begins again.
//             Nobody holds a lock while it sleeps.
// SLEEPERS is announcements << 3 | watched << 2 | armed << 1 | bit. The number never repeats; the model keeps the two bits, and
// `fresh`: whose last seen value still is the word's, but for the armed bit, which is no change to who clears the bits.
// Armed: a membarrier has run since the bit was set. The locks of the two ends are robust words that a plain store releases, as the biased
// mutex is left. A producer's wait for room is the same protocol with the roles changed.
//
// The second wake is needed. A consumer announces itself and looks; a producer publishes, and wakes nobody, because the
// consumer does not sleep yet; now it falls asleep, the word being unchanged; the producer clears the bit. Without the
// second wake the consumer would sleep beside the item, unseen by the producers to come. One wake is enough: between
// the first one and the clearing only who announced itself last can fall asleep. Beginning again is needed because who
// announces itself in an armed word has no barrier before its look: it may miss what was published before it.
//
// The slice: a run in which nobody dies must not need it. It may end only after a death that took a wake-up along: of
// a producer between its commit and the end of its wake-ups, of a consumer that was woken and had not yet looked, or of
// one that was killed in its sleep and woken. With SPURIOUS one return without a reason is allowed besides.
//
// Proved, where the run ends without error: no consumer sleeps for ever while an item is in the queue (it would be an
// invalid end state: threads may retire, a sleeper ends only when the queue is empty and the producers are done); PUT
// and GOT grow by exactly one at each store, within the capacity.
//
// Options: PRODUCERS 1 or 2, DEATHS, CAPACITY, SPURIOUS, FENCED (an arena without membarrier), and the mutants.
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef DEPTH
#define DEPTH 2  // nobody has more stores under way
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#define THREADS 3
#define COUNTS (CAPACITY + 1)  // PUT and GOT wrap there

#define PUT 0
#define GOT 1
#define SLEEPERS 2
#define PUT_LOCK 3
#define GET_LOCK 4
#define WORDS 5

#define NEXT(c) (((c) + 1) % COUNTS)
#define ITEMS ((memory[PUT] + COUNTS - memory[GOT]) % COUNTS)
#define PUT_OK(v) (v == NEXT(memory[PUT]) && ITEMS < CAPACITY)
#define GOT_OK(v) (v == NEXT(memory[GOT]) && ITEMS > 0)
#define RELAXED(w, v) false
#define CHECK_STORE(w, v) ((w != PUT || PUT_OK(v)) && (w != GOT || GOT_OK(v)))
#define ON_REPORT(q) done[q] = true; asleep[q] = false
#define FIRST_VICTIM(p) true

bool asleep[THREADS];    // in the kernel's queue of SLEEPERS
bool armed[THREADS];     // the word that this thread announced itself in was armed
bool fresh[THREADS];     // nobody has announced itself since this thread saw or wrote SLEEPERS
bool carrying[THREADS];  // a wake-up is on its way through this thread
bool done[THREADS];      // retired, or reported dead
bool wake_lost;
#ifdef SPURIOUS
bool startled;           // the spurious return has happened, or will not
#endif

#include "machine.pml"

#ifdef MUTANT_NOT_ROBUST
#define IS_FREE(w) (memory[w] == 0)
#else
#define IS_FREE(w) (memory[w] == 0 || DEAD(memory[w] - 1))
#endif
#define LOCK(w) STEP(pending[p] == 0 && IS_FREE(w), memory[w] = p + 1)
#define UNLOCK(w) STORE(w, 0)

#if PRODUCERS == 2
#define PRODUCERS_DONE (done[0] && done[1] && pending[0] + pending[1] == 0)
#else
#define PRODUCERS_DONE (done[0] && pending[0] == 0)
#endif
#ifdef MUTANT_NO_SLICE
#define SLICE_ENDS false
#else
#define SLICE_ENDS wake_lost
#endif

#define CHANGED fresh[0] = false; fresh[1] = false; fresh[2] = false; fresh[p] = true

// futex_wake of one; it finds also who was killed in its sleep and has not yet left it. The kernel has a full barrier
// before it looks for sleepers.
#define TELL(q) asleep[q] = false; carrying[q] = (life[q] == RUNNING); wake_lost = wake_lost || life[q] != RUNNING
#define WAKE_ONE(q, then) :: atomic { pending[p] == 0 && asleep[q] -> TELL(q); then }
#define NOBODY_ASLEEP pending[p] == 0 && !asleep[1] && !asleep[2]

proctype producer(byte p) {
idle:
  if
  :: true
  :: goto retired
  fi;
  LOCK(PUT_LOCK);
#ifdef MUTANT_BIT_READ_FIRST
  STEP(true, fresh[p] = (memory[SLEEPERS] != 0));
#endif
  if
  :: atomic { ITEMS == CAPACITY -> goto leave }
  :: d_step { ITEMS < CAPACITY && ROOM -> PUSH(PUT, NEXT(memory[PUT])); carrying[p] = true }
  :: KILL
  fi;
  UNLOCK(PUT_LOCK);
#ifdef FENCED
  FENCE;
#endif
#ifdef MUTANT_BIT_READ_FIRST
  if
  :: fresh[p]
  :: atomic { !fresh[p] -> carrying[p] = false; goto idle }
  :: KILL
  fi;
#else
  if
  :: d_step { memory[SLEEPERS] != 0 -> fresh[p] = true }
  :: atomic { memory[SLEEPERS] == 0 -> carrying[p] = false; goto idle }
  :: KILL
  fi;
#endif
#ifdef MUTANT_CLEAR_FIRST
  STEP(pending[p] == 0, memory[SLEEPERS] = 0);
#endif
wake:
  if
  WAKE_ONE(2, goto woke)
#if PRODUCERS == 1
  WAKE_ONE(1, goto woke)
#endif
  :: NOBODY_ASLEEP
  :: KILL
  fi;
  if
#ifdef MUTANT_BLIND_CLEAR
  :: d_step { pending[p] == 0 -> memory[SLEEPERS] = 0 }
#else
  :: d_step { pending[p] == 0 && fresh[p] && memory[SLEEPERS] != 0 -> memory[SLEEPERS] = 0 }
#ifdef MUTANT_ONE_ROUND
  :: pending[p] == 0 && !fresh[p] && memory[SLEEPERS] != 0
#else
  :: atomic { pending[p] == 0 && !fresh[p] && memory[SLEEPERS] != 0 -> fresh[p] = true; goto wake }
#endif
  :: pending[p] == 0 && memory[SLEEPERS] == 0
#endif
  :: KILL
  fi;
#ifndef MUTANT_NO_SECOND_WAKE
  if
  WAKE_ONE(2, skip)
#if PRODUCERS == 1
  WAKE_ONE(1, skip)
#endif
  :: NOBODY_ASLEEP
  :: KILL
  fi;
#endif
woke:
  atomic { fresh[p] = false; carrying[p] = false };
  goto idle;

leave:
  UNLOCK(PUT_LOCK);
  fresh[p] = false;
  goto idle;
dead:
  atomic { wake_lost = wake_lost || carrying[p]; carrying[p] = false; fresh[p] = false };
  goto end;
retired:
  done[p] = true;
end:
  false
}

proctype consumer(byte p) {
idle:
  if
  :: true
#ifdef SPURIOUS
  :: startled = true
#endif
  :: goto retired
  fi;
again:
  LOCK(GET_LOCK);
  if
  :: atomic { ITEMS > 0 -> goto take }
  :: atomic { ITEMS == 0 -> carrying[p] = false }
  :: KILL
  fi;
  UNLOCK(GET_LOCK);
  if
  :: true
  :: goto idle  // its deadline has passed
  fi;

#ifdef MUTANT_ARMED_TOO_EARLY
  STEP(pending[p] == 0, armed[p] = (memory[SLEEPERS] == 3); memory[SLEEPERS] = 3; CHANGED);
#else
  STEP(pending[p] == 0, armed[p] = (memory[SLEEPERS] == 3); memory[SLEEPERS] = memory[SLEEPERS] | 1; CHANGED);
#endif
  if
  :: atomic { armed[p] -> armed[p] = false; goto announced }
  :: !armed[p]
  fi;
  MEMBARRIER;
  if
#ifdef MUTANT_BLIND_ARMING
  :: d_step { true -> memory[SLEEPERS] = 3 }
#else
  :: d_step { fresh[p] && memory[SLEEPERS] == 1 -> memory[SLEEPERS] = 3 }
  :: !(fresh[p] && memory[SLEEPERS] == 1)
#endif
  :: KILL
  fi;
announced:
#ifndef MUTANT_NO_RECHECK
  if
  :: atomic { ITEMS > 0 -> fresh[p] = false; goto again }
  :: ITEMS == 0
  :: KILL
  fi;
#endif
  if
#ifdef MUTANT_SLEEP_ON_THE_BIT  // whoever announced it
  :: d_step { memory[SLEEPERS] != 0 -> asleep[p] = true; fresh[p] = false }
  :: atomic { memory[SLEEPERS] == 0 -> fresh[p] = false; goto again }
#else
  :: d_step { fresh[p] && memory[SLEEPERS] != 0 -> asleep[p] = true; fresh[p] = false }
  :: atomic { !(fresh[p] && memory[SLEEPERS] != 0) -> fresh[p] = false; goto again }
#endif
  :: KILL
  fi;
  if
  :: !asleep[p]
  :: d_step { SLICE_ENDS && asleep[p] -> asleep[p] = false }
#ifdef SPURIOUS
  :: d_step { !startled && asleep[p] -> startled = true; asleep[p] = false }
#endif
  :: atomic { PRODUCERS_DONE && ITEMS == 0 && asleep[p] -> asleep[p] = false; goto retired }
  :: KILL
  fi;
#ifdef MUTANT_WOKEN_GIVES_UP
  carrying[p] = false;
  goto idle;
#else
  goto again;
#endif

take:
  STEP(ROOM, PUSH(GOT, NEXT(memory[GOT])); carrying[p] = false);
  UNLOCK(GET_LOCK);
  goto idle;
dead:
  atomic { wake_lost = wake_lost || carrying[p]; carrying[p] = false; fresh[p] = false };
  goto end;
retired:
  done[p] = true;
end:
  false
}

init {
  atomic {
    run producer(0);
#if PRODUCERS == 2
    run producer(1);
#else
    run consumer(1);
#endif
    run consumer(2)
  }
}
