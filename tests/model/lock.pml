// SPDX-License-Identifier: MIT
// Lock and RLock with the order of those who have waited long, and with threads killed between any two steps: proof by exhaustion
// for three threads that acquire and release for ever.
//
// The model beside src/arena/robust_word.cpp and src/sync/lock.cpp. All that matters here is read-modify-write or behind a full fence, so
// memory is one and the same for all (the machine of the other models is not needed); a step is one access to the word, one look
// at the list, or one transaction, which is done or not done (tests/arena).
//   patient     acquire_slow: takes a free word, or that of a dead owner; else sets the waiters bit and sleeps on the word. Its patience
//               may end at any moment (also at once).
//   in_turn     acquire_in_turn: enters the list; the first of it takes a free or reserved word; another one that finds it free
//               reserves it and wakes all. The dead are taken out by who wakes up and finds it reserved for another, if nobody has looked lately
//               (Turn::clear); it wakes all when it has taken one out.
//   leaving     ~Turn, after the word was taken or the deadline passed: leaves the list, then pass_on.
//   release     release_word: looks whether somebody is in the list; nobody: 0, and one is woken; else reserved, and pass_on.
//   pass_on     a word that is reserved for nobody becomes 0; all are woken.
// A word: OWNER 0 free, 1 to 3 held, RESERVED; `waits` the waiters bit. Asleep: in the kernel's queue of the word, on the value it had.
//
// Proved, where the run ends without error:
// - Never two living threads inside.
// - Who is in the list is passed at most once by one that is not before it, and once more for each death.
// - No deadlock. A slice ends only when a look would find something to do, so who sleeps beside a lock that it could have is an
//   invalid end state; a run without a death needs no slice at all (NO_SLICE).
#ifndef DEATHS
#define DEATHS 1
#endif
#define N 3
#define RESERVED 4

byte owner;
bool waits;
byte list[N];  // thread + 1, in order
byte length;
bool asleep[N], inside[N], dead[N];
byte deaths;
byte passed[N];
hidden byte i, j;

#define KILL :: atomic { deaths < DEATHS -> deaths++; dead[p] = true; asleep[p] = false; goto end_dead }
#define STEP(action) if :: d_step { action } KILL fi
#define IS_FIRST (length > 0 && list[0] == p + 1)
#define FIRST_IS_DEAD (length > 0 && dead[list[0] - 1])
#define OWNER_IS_DEAD (owner >= 1 && owner <= N && dead[owner - 1])
#define WAKE_ALL asleep[0] = false; asleep[1] = false; asleep[2] = false

inline place_of(q) {  // j: where q is in the list, length where it is not
  j = 0;
  do
  :: j < length && list[j] != q + 1 -> j++
  :: else -> break
  od
}
inline remove(q) {
  place_of(q);
  do
  :: j + 1 < length -> list[j] = list[j + 1]; j++
  :: else -> break
  od;
  if
  :: length > 0 -> length--; list[length] = 0
  :: else
  fi;
  passed[q] = 0; j = 0; i = 0
}
// p takes the word: those in the list that it has passed count it.
inline enter(has_bit) {
  owner = p + 1; waits = has_bit; inside[p] = true;
  assert((!inside[0] || dead[0] || p == 0) && (!inside[1] || dead[1] || p == 1) && (!inside[2] || dead[2] || p == 2));
  place_of(p); i = 0;
  do
  :: i < length ->
     if
     :: i < j && list[i] != p + 1 && !dead[list[i] - 1] -> passed[list[i] - 1]++; assert(passed[list[i] - 1] <= 1 + deaths)
     :: else
     fi;
     i++
  :: else -> break
  od;
  i = 0; j = 0
}

#ifdef MUTANT_WAKES_ONE
#define WAKE_ON_RESERVE if :: asleep[0] -> asleep[0] = false :: asleep[1] -> asleep[1] = false :: asleep[2] -> asleep[2] = false :: else fi
#else
#define WAKE_ON_RESERVE WAKE_ALL
#endif

proctype thread(byte p) {
  bool slept, timed_out;
idle:
  slept = false; timed_out = false;
  if
  :: true
  :: goto end_retired
  fi;
patient:
  if
  :: atomic { owner == 0 -> enter(slept); goto have }
#ifdef MUTANT_BARGES
  :: atomic { owner == RESERVED -> enter(true); goto have }
#endif
  :: atomic { OWNER_IS_DEAD -> enter(true); goto have }
  :: atomic { owner != 0 && !OWNER_IS_DEAD -> waits = true; asleep[p] = true; slept = true }
  :: goto in_turn
  KILL
  fi;
  if
  :: atomic { !asleep[p] -> goto patient }
  :: atomic { asleep[p] -> asleep[p] = false; goto in_turn }  // its patience ends
  KILL
  fi;

in_turn:
  STEP(list[length] = p + 1; length++; passed[p] = 0);
turn:
  if
  :: atomic { (owner == 0 || owner == RESERVED) && IS_FIRST -> enter(true); goto leaving }
  :: atomic { owner == 0 && !IS_FIRST -> owner = RESERVED; waits = true; goto pass_on_turn }
  :: atomic { OWNER_IS_DEAD -> enter(true); goto leaving }
  :: atomic { owner != 0 && !OWNER_IS_DEAD && !(owner == RESERVED && IS_FIRST) -> waits = true; asleep[p] = true }
  KILL
  fi;
  if
  :: atomic { !asleep[p] -> goto look }
#ifndef NO_SLICE
  :: atomic { asleep[p] && ((owner == 0) || OWNER_IS_DEAD || (owner == RESERVED && (IS_FIRST || FIRST_IS_DEAD || length == 0))) -> asleep[p] = false; goto look }
#endif
  :: atomic { asleep[p] && owner != 0 && owner != RESERVED && !OWNER_IS_DEAD -> asleep[p] = false; timed_out = true; goto leaving }  // the deadline
  KILL
  fi;
look:
  if
  :: atomic { owner == RESERVED && !IS_FIRST && FIRST_IS_DEAD -> remove(list[0] - 1) }
  :: goto turn  // nobody is dead, or somebody else has looked lately
  KILL
  fi;
pass_on_turn:
  if
  :: atomic { owner == RESERVED -> if :: length == 0 -> owner = 0; waits = false :: else fi; WAKE_ALL }
  :: owner != RESERVED
  KILL
  fi;
  goto turn;

leaving:
  STEP(remove(p));
#ifdef MUTANT_LEAVES_SILENTLY
  goto left;
#endif
  if
  :: atomic { owner == RESERVED -> if :: length == 0 -> owner = 0; waits = false :: else fi; WAKE_ALL }
  :: owner != RESERVED
  KILL
  fi;
left:
  if
  :: timed_out -> goto idle
  :: else
  fi;

have:
  if
  :: atomic { length == 0 -> skip }
  :: atomic { length != 0 -> goto reserve }
  KILL
  fi;
  // release, nobody in the list when it looked
  if
  :: atomic { inside[p] = false; owner = 0; if :: waits -> waits = false :: else -> goto idle fi }
  KILL
  fi;
  if
  :: atomic { asleep[0] -> asleep[0] = false }
  :: atomic { asleep[1] -> asleep[1] = false }
  :: atomic { asleep[2] -> asleep[2] = false }
  :: atomic { !asleep[0] && !asleep[1] && !asleep[2] -> skip }
  KILL
  fi;
  goto idle;
reserve:
  STEP(inside[p] = false; owner = RESERVED; waits = true);
  if
  :: atomic { owner == RESERVED -> if :: length == 0 -> owner = 0; waits = false :: else fi; WAKE_ON_RESERVE }
  :: owner != RESERVED
  KILL
  fi;
  goto idle;

end_retired:
  skip;
end_dead:
  skip
}

init {
  atomic { run thread(0); run thread(1); run thread(2) }
}
