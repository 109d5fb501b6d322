// SPDX-License-Identifier: MIT
// Semaphores: permits taken and given by compare-and-swap, and handed over in turn once somebody's patience has ended, with processes killed
// between any two steps: proof by exhaustion for three that take and give for ever.
//
// The model beside src/sync/semaphore.cpp. All that matters here is read-modify-write or done with the arena's lock held, so memory is one and
// the same for all; a step is one access to the word, or one commit of a transaction, which is done or not done (tests/arena).
//   short       take_free: a permit, where there is one and the bit is clear. Patience may end at any moment.
//   HandingOver the arena's lock, taken over from the dead; then the bit is set. Between setting and clearing it by the same section, the word is read
//               and written in two steps, as Transaction::set(word, word.load() + ...) does.
//   run         perhaps bury_dead: records of the dead go, and their permits come back; then each permit goes to the first that waits; when nobody waits
//               the bit is cleared.
//   in turn     a record, then run, until it was told. By hold() it stays in the list until the permit is given back; by acquire() it goes.
//   release     by compare-and-swap while the bit is clear, else in a hand-over.
//   trier       try_lock, and the hook of what is watched: nothing, where the list is empty; else run with a look for the dead.
// Who has a permit by acquire() is not killed but at the end of acquire itself: such a permit stays taken, as documented (`lost`).
//
// Proved, where the run ends without error:
// - Permits are exact: those in the word, those told to somebody in the list and those taken are always as many as at the beginning.
// - No deadlock: nobody sleeps in turn beside a permit, also one that the dead have. A slice ends only when a look would find something to do; a run without a
//   death needs no slice (NO_SLICE).
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#define N 3

byte permits = PERMITS;
bool closed;
byte taken;    // by acquire()
byte list[N];  // process + 1, in order
byte length;
bool told[N], asleep[N], dead[N];
byte holder;   // of the arena's lock: process + 1; 0: free
byte deaths;
bool lost;     // with one that was killed when it had its permit by acquire()
hidden byte i, j;

#define KILL :: atomic { deaths < DEATHS -> deaths++; dead[p] = true; asleep[p] = false; lost = lost || is_done; goto end_dead }
#define STEP(action) if :: d_step { action } KILL fi
#define LOCK_IS_FREE (holder == 0 || dead[holder - 1])
#define IS_DEAD(at) (length > at && dead[list[at] - 1])
#define A_DEAD_ONE_IS_LISTED (IS_DEAD(0) || IS_DEAD(1) || IS_DEAD(2))
#define TOLD(q) (told[q] -> 1 : 0)
#define EXACT assert(permits + taken + TOLD(0) + TOLD(1) + TOLD(2) == PERMITS)

inline take_out(at) {
  j = at;
  do
  :: j + 1 < length -> list[j] = list[j + 1]; j++
  :: else -> break
  od;
  length--; list[length] = 0; j = 0
}
inline take_out_own() {
  i = 0;
  do
  :: list[i] != p + 1 -> i++
  :: else -> break
  od;
  take_out(i); i = 0
}
// first: the place of the first that waits, `length` where there is none.
inline find_first() {
  first = 0;
  do
  :: first < length && told[list[first] - 1] -> first++
  :: else -> break
  od
}

// A hand-over: what it is to do first, `job`, then run.
#define NOTHING 0
#define ENTER 1
#define LEAVE_TAKING 2
#define LEAVE_GIVING 3

proctype process(byte p) {
  byte job, seen, first;
  bool by_hold, is_done;
idle:
  job = NOTHING; is_done = false;
  if
  :: goto end_retired
  :: by_hold = true; job = ENTER; goto hand_over
  :: by_hold = false
  :: length != 0 -> by_hold = false; goto hand_over  // a trier
  fi;
  // short
  if
#ifdef MUTANT_TAKES_PAST_THE_BIT
  :: atomic { permits > 0 -> permits--; taken++; EXACT; goto have }
#else
  :: atomic { permits > 0 && !closed -> permits--; taken++; EXACT; goto have }
#endif
  :: job = ENTER
  KILL
  fi;

hand_over:
  if
  :: atomic { LOCK_IS_FREE -> holder = p + 1 }
  KILL
  fi;
  STEP(closed = true);
  if
  :: atomic { job == ENTER -> list[length] = p + 1; length++; told[p] = false; job = NOTHING }
  :: atomic { job == LEAVE_TAKING -> take_out_own(); told[p] = false; taken++; job = NOTHING; is_done = true; EXACT }
  :: atomic { job == LEAVE_GIVING -> seen = permits }
  :: atomic { job == NOTHING -> skip }
  KILL
  fi;
  if
  :: atomic { job == LEAVE_GIVING -> take_out_own(); told[p] = false; permits = seen + 1; seen = 0; job = NOTHING; EXACT }
  :: atomic { job == NOTHING -> skip }
  KILL
  fi;
bury:
  if
  :: atomic { A_DEAD_ONE_IS_LISTED -> seen = permits }
  :: goto serve  // nobody is, or another has looked lately
  KILL
  fi;
  if
  :: atomic {
       i = 0;
       do
       :: !dead[list[i] - 1] -> i++
       :: else -> break
       od;
       if
       :: told[list[i] - 1] -> told[list[i] - 1] = false;
#ifndef MUTANT_DEAD_KEEP_IT
          permits = seen + 1
#endif
       :: else
       fi;
       take_out(i); i = 0; seen = 0; EXACT; goto bury
     }
  KILL
  fi;
serve:
  if
  :: atomic { find_first(); if :: first < length && permits > 0 -> seen = permits :: else -> goto served fi }
  KILL
  fi;
  if
  :: atomic {
       permits = seen - 1; told[list[first] - 1] = true;
#ifndef MUTANT_NO_WAKE
       asleep[list[first] - 1] = false;
#endif
       seen = 0; first = 0; EXACT; goto serve
     }
  KILL
  fi;
served:
#ifdef MUTANT_OPENS_BLINDLY
  STEP(closed = false);
#else
  if
  :: atomic { first < length -> skip }
  :: atomic { first == length -> closed = false }
  KILL
  fi;
#endif
  if
  :: atomic { holder = 0; first = 0 }
  KILL
  fi;

  // What it was for.
  if
  :: is_done -> goto have
  :: !is_done && length > 0 && (list[0] == p + 1 || list[1] == p + 1 || list[2] == p + 1) -> skip
  :: else -> goto idle
  fi;
turn:
  if
  :: atomic { told[p] && by_hold -> goto have }
  :: atomic { told[p] && !by_hold -> job = LEAVE_TAKING; goto hand_over }
  :: atomic { !told[p] -> asleep[p] = true }
  KILL
  fi;
end_asleep:
  if
  :: atomic { !asleep[p] -> goto turn }
#ifndef NO_SLICE
  :: atomic { asleep[p] && (A_DEAD_ONE_IS_LISTED || permits > 0) -> asleep[p] = false; job = NOTHING; goto hand_over }
#endif
  KILL
  fi;

have:
  if
  :: atomic { by_hold -> job = LEAVE_GIVING; goto hand_over }
#ifdef MUTANT_GIVES_PAST_THE_BIT
  :: atomic { !by_hold -> permits++; taken--; EXACT; goto idle }
#else
  :: atomic { !by_hold && !closed -> permits++; taken--; EXACT; goto idle }
  :: atomic { !by_hold && closed -> is_done = false; goto hand_over_having }
#endif
  fi;
hand_over_having:  // still with a permit by acquire(): not killed until it is given
  atomic { LOCK_IS_FREE -> holder = p + 1 };
  closed = true;
  seen = permits;
  atomic { taken--; permits = seen + 1; seen = 0; job = NOTHING; EXACT; goto bury };

end_retired:
  skip;
end_dead:
  skip
}

// When nothing moves any more: nobody that lives sleeps beside a permit.
#define SLEEPS(q) (asleep[q] && !dead[q])
active proctype judge() {
end_wait:
  if
  :: true -> deaths = DEATHS  // the killing is over: else a death that could still come would hide a deadlock
  :: timeout
  fi;
end_last:
  timeout -> assert(lost || (!SLEEPS(0) && !SLEEPS(1) && !SLEEPS(2)))
}

init {
  atomic { run process(0); run process(1); run process(2) }
}
