// SPDX-License-Identifier: MIT
// Conditions: who waits, who is told, and what becomes of it when one of them is killed between any two steps: proof by exhaustion for
// two that wait and one that notifies, NOTIFIES times.
//
// The model beside src/sync/condition.cpp. The list and what each in it was told change in transactions, which are done or not done
// (tests/arena): one step each. The lock is not in it: a notification is kept for who waits from the moment at which its record is in the list, which is
// before the lock is released.
//   waiter      Waiting::Waiting: a record at the end of the list. Waiting::sleep: a transaction that takes the dead out (bury_dead), then
//               looks whether this one was told; else it sleeps on `told` for a slice.
//   notifier    notify: the same burial, then the first that was told nothing is told, and woken after the transaction.
//   bury_dead   takes each dead one out; what it had been told goes to the next that was told nothing.
//
// Proved, where the run ends without error: when nothing moves any more, no notification has been swallowed by a dead one while a living one waits. A
// slice ends only when a look would find something to do; a run without a death needs no slice (NO_SLICE).
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef NOTIFIES
#define NOTIFIES 2
#endif
#define N 3

byte list[N];  // process + 1, in order
byte length;
bool told[N], asleep[N], dead[N];
byte deaths;
byte given;  // notifications that went to somebody who waited
byte heard;  // by who then lived on
byte died_after;  // heard by one that died afterwards
hidden byte i, j, next;

#define KILL :: atomic { deaths < DEATHS -> deaths++; dead[p] = true; asleep[p] = false; goto end_dead }

inline take_out(at) {
  j = at;
  do
  :: j + 1 < length -> list[j] = list[j + 1]; j++
  :: else -> break
  od;
  length--; list[length] = 0; j = 0
}
// next: the place of the first that was told nothing, `length` where there is none.
inline find_next() {
  next = 0;
  do
  :: next < length && told[list[next] - 1] -> next++
  :: else -> break
  od
}
inline tell_next() {
  find_next();
  if
  :: next < length -> told[list[next] - 1] = true;
#ifndef MUTANT_NO_WAKE
     asleep[list[next] - 1] = false;
#endif
     given++
  :: else  // nobody is left to hear it
  fi;
  next = 0
}
inline bury_dead() {
  i = 0;
  do
  :: i < length && dead[list[i] - 1] ->
     if
     :: told[list[i] - 1] -> told[list[i] - 1] = false; take_out(i);
#ifndef MUTANT_DEAD_KEEP_IT
        given--; tell_next()
#endif
     :: else -> take_out(i)
     fi
  :: i < length && !dead[list[i] - 1] -> i++
  :: else -> break
  od;
  i = 0
}
#define A_DEAD_ONE_IS_LISTED ((length > 0 && dead[list[0] - 1]) || (length > 1 && dead[list[1] - 1]) || (length > 2 && dead[list[2] - 1]))

proctype waiter(byte p) {
  if
  :: d_step { list[length] = p + 1; length++; told[p] = false }
  KILL
  fi;
look:
  if
  :: atomic {
       d_step {
         bury_dead();
         if
         :: told[p] ->
            i = 0;
            do
            :: list[i] != p + 1 -> i++
            :: else -> break
            od;
            take_out(i); i = 0; heard++
         :: else
         fi
       }
       if
       :: told[p] -> goto end_heard
       :: else
       fi
     }
  KILL
  fi;
  if
#ifdef MUTANT_SLEEPS_BLINDLY
  :: d_step { true -> asleep[p] = true }
#else
  :: d_step { !told[p] -> asleep[p] = true }  // the kernel compares the word
  :: atomic { told[p] -> goto look }
#endif
  KILL
  fi;
end_asleep:
  if
  :: atomic { !asleep[p] -> goto look }
#ifndef NO_SLICE
  :: atomic { asleep[p] && A_DEAD_ONE_IS_LISTED -> asleep[p] = false; goto look }
#endif
  KILL
  fi;
end_heard:
  if
  :: atomic { deaths < DEATHS -> deaths++; dead[p] = true; heard--; died_after++ }
  :: true
  fi;
end_dead:
  skip
}

proctype notifier(byte p) {
  byte times;
  do
  :: times < NOTIFIES ->
     if
     :: d_step { bury_dead(); find_next(); if :: next < length -> tell_next() :: else -> next = 0 fi; times++ }
     KILL
     fi
  :: else -> break
  od;
end_dead:
  skip
}

// When nothing moves any more, whoever lives and waits was told nothing, and no notification is with the dead.
#define LIVES_AND_WAITS(q) (!dead[q] && (list[0] == q + 1 || list[1] == q + 1 || list[2] == q + 1))
active proctype judge() {
end_wait:
  if
  :: true -> deaths = DEATHS  // the killing is over: else a death that could still come would hide a deadlock
  :: timeout
  fi;
end_last:
  timeout ->
  assert(!LIVES_AND_WAITS(0) || (!told[0] && given == heard + died_after));
  assert(!LIVES_AND_WAITS(1) || (!told[1] && given == heard + died_after))
}

init {
  atomic { run waiter(0); run waiter(1); run notifier(2) }
}
