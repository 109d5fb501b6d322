// SPDX-License-Identifier: MIT
// How who waits for several objects sleeps on a bell and is woken, with threads killed between any two steps: proof by
// exhaustion for three threads that publish and take for ever, on the machine of machine.pml.
//
// The model beside src/sync/watch.cpp and wait_for_bell in wait.cpp; a line is one access to shared memory:
//   publisher  publishes (PUT, a plain store), loads the object's bit `watched` with no fence between; set:
//              ring_watchers: clears it, takes the mask, and for each bell in it counts up, then wakes all who sleep.
//   watcher    notes its bell's count; for each object enters its mask, unless it is there, and sets the bit, unless it
//              is set; membarrier; looks at each object; takes what is there, else sleeps while the bell's count is what
//              it noted, for a bounded slice; then begins again. A watcher takes one item at a time.
// The count never repeats; the model keeps `fresh`: the bell has not been counted up since this watcher noted it.
// Each publisher counts in a PUT of its own, also where both publish to one object.
//
// Who takes the mask rings what was in it; another one that finds the mask empty, or the bit clear, rings nothing,
// though a watcher sleeps or is about to. That is right only because somebody else has still to ring that watcher, after
// it noted its count: it notes before it enters, enters the mask before the bit, and the bit is cleared before the mask is
// taken. All bells are rung: the watcher that is woken may want no more.
//
// The slice: a run in which nobody dies must not need it. It may end only after the death of a publisher between its
// publication and the end of its rings.
//
// Proved, where the run ends without error: no watcher sleeps for ever while one of its objects is ready (an invalid end
// state: a sleeper ends only when nothing is there and the publishers are done).
//
// Options: WATCHERS 1 (two publishers) or 2 (one publisher, one object), ONE_OBJECT (both publish to the first), DEATHS,
// CAPACITY, FENCED (an arena without membarrier), and the mutants.
#ifndef WATCHERS
#define WATCHERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#define DEPTH CAPACITY
#define THREADS 3
#define COUNTS (CAPACITY + 1)  // PUT and GOT wrap there

#if WATCHERS == 2 || defined(ONE_OBJECT)
#define OBJECTS 1
#define OBJECT(item) 0
#else
#define OBJECTS 2
#define OBJECT(item) (item)
#endif

#define PUT(i) (i)
#define GOT(i) (2 + (i))
#define BIT(o) (4 + (o))
#define MASK(o) (6 + (o))
#define WORDS 8

#define NEXT(c) (((c) + 1) % COUNTS)
#define ITEMS(i) ((memory[PUT(i)] + COUNTS - memory[GOT(i)]) % COUNTS)
#define NOTHING (ITEMS(0) + ITEMS(1) == 0)
#define RELAXED(w, v) false
#define CHECK_STORE(w, v) (w < 2 && v == NEXT(memory[w]) && ITEMS(w) < CAPACITY)
#define ON_REPORT(q) done[q] = true; asleep[q] = false
#define FIRST_VICTIM(p) true

bool asleep[THREADS];    // in the kernel's queue of this watcher's bell
bool fresh[THREADS];     // the bell was not counted up since this watcher noted it
bool carrying[THREADS];  // this publisher has published, and has not rung all bells
bool done[THREADS];      // retired, or reported dead
bool wake_lost;

#include "machine.pml"

#ifdef MUTANT_NO_SLICE
#define SLICE_ENDS false
#else
#define SLICE_ENDS wake_lost
#endif
#define BELL(q) (1 << (q))
#if WATCHERS == 1
#define PUBLISHERS_DONE (done[0] && done[1] && pending[0] + pending[1] == 0)
#else
#define PUBLISHERS_DONE (done[0] && pending[0] == 0)
#endif

// The bell of watcher q, if it was in the mask.
#define COUNT_UP(q) STEP(pending[p] == 0, if :: (mask & BELL(q)) != 0 -> fresh[q] = false :: else fi)
#define WAKE_ALL(q) STEP(pending[p] == 0, if :: (mask & BELL(q)) != 0 -> asleep[q] = false :: else fi)
#ifdef MUTANT_WAKE_FIRST
#define RING(q) WAKE_ALL(q); COUNT_UP(q)
#else
#define RING(q) COUNT_UP(q); WAKE_ALL(q)
#endif

proctype publisher(byte p) {
  byte put, mask;
idle:
  if
  :: d_step { (put + COUNTS - memory[GOT(p)]) % COUNTS < CAPACITY && ROOM ->
     put = NEXT(put); PUSH(PUT(p), put); carrying[p] = true }
  :: goto retired
  :: KILL
  fi;
#ifdef FENCED
  FENCE;
#endif
  if
  :: memory[BIT(OBJECT(p))] != 0
  :: atomic { memory[BIT(OBJECT(p))] == 0 -> carrying[p] = false; goto idle }
  :: KILL
  fi;
#ifdef MUTANT_MASK_FIRST
  STEP(pending[p] == 0, mask = memory[MASK(OBJECT(p))]; memory[MASK(OBJECT(p))] = 0);
  STEP(true, memory[BIT(OBJECT(p))] = 0);
#else
  STEP(pending[p] == 0, memory[BIT(OBJECT(p))] = 0);
  STEP(true, mask = memory[MASK(OBJECT(p))]; memory[MASK(OBJECT(p))] = 0);
#endif
#if WATCHERS == 1
  RING(2);
#else
#ifdef MUTANT_ONE_BELL
  if
  :: d_step { (mask & BELL(1)) != 0 -> mask = BELL(1) }
  :: (mask & BELL(1)) == 0
  fi;
#endif
  RING(1);
  RING(2);
#endif
  atomic { mask = 0; carrying[p] = false };
  goto idle;
dead:
  atomic { wake_lost = wake_lost || carrying[p]; carrying[p] = false; put = 0; mask = 0 };
  goto end;
retired:
  atomic { done[p] = true; put = 0 };
end:
  false
}

#define ENTER_MASK(o) \
  if \
  :: (memory[MASK(o)] & BELL(p)) != 0 \
  :: d_step { pending[p] == 0 && (memory[MASK(o)] & BELL(p)) == 0 -> memory[MASK(o)] = memory[MASK(o)] | BELL(p) } \
  :: KILL \
  fi
#define SET_BIT(o) \
  if \
  :: memory[BIT(o)] != 0 \
  :: d_step { pending[p] == 0 && memory[BIT(o)] == 0 -> memory[BIT(o)] = 1 } \
  :: KILL \
  fi
#ifdef MUTANT_BIT_FIRST
#define ENTER(o) SET_BIT(o); ENTER_MASK(o)
#else
#define ENTER(o) ENTER_MASK(o); SET_BIT(o)
#endif
#define TAKE(i) :: atomic { pending[p] == 0 && ITEMS(i) > 0 -> memory[GOT(i)] = NEXT(memory[GOT(i)]); goto idle }

proctype watcher(byte p) {
idle:
#if WATCHERS == 2
  if
  :: true
  :: p == 1 -> goto retired  // it wants no more, woken or not
  fi;
#endif
again:
#ifndef MUTANT_NOTED_LATE
  STEP(true, fresh[p] = true);
#endif
  ENTER(0);
#if OBJECTS == 2
  ENTER(1);
#endif
#ifdef MUTANT_NOTED_LATE
  STEP(true, fresh[p] = true);
#endif
  MEMBARRIER;
#ifndef MUTANT_NO_LOOK
  if
  TAKE(0)
  :: ITEMS(0) == 0
  :: KILL
  fi;
#if WATCHERS == 1
  if
  TAKE(1)
  :: ITEMS(1) == 0
  :: KILL
  fi;
#endif
#endif
  if
  :: d_step { fresh[p] -> asleep[p] = true; fresh[p] = false }
  :: atomic { !fresh[p] -> goto again }
  :: KILL
  fi;
  if
  :: !asleep[p]
  :: d_step { SLICE_ENDS && asleep[p] -> asleep[p] = false }
  :: atomic { PUBLISHERS_DONE && NOTHING && asleep[p] -> asleep[p] = false; goto retired }
  :: KILL
  fi;
  goto again;
dead:
  fresh[p] = false;
  goto end;
retired:
  atomic { done[p] = true; fresh[p] = false };
end:
  false
}

init {
  atomic {
    run publisher(0);
#if WATCHERS == 1
    run publisher(1);
#else
    run watcher(1);
#endif
    run watcher(2)
  }
}
