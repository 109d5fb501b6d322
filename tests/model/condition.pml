// SPDX-License-Identifier: MIT
// Conditions: who waits, who is told, and what becomes of it when one of them is killed between any two steps: proof by exhaustion for
// two that wait and one that notifies, NOTIFIES times.
//
// The model beside src/sync/condition.cpp. The list and what each in it was told change in transactions, which are done or not done
// (tests/arena): one step each. The lock is taken over from a dead holder (lock.pml).
//   waiter      with the lock: Waiting::Waiting, a record at the end of the list; then it releases. Waiting::sleep: it may be the one that looks for
//               the dead (bury_dead), which another may also have done lately; it goes on once it was told, else it sleeps on `told` for a slice.
//               With the lock held again, Waiting::leave: the record is taken out, and only now what it was told is heard. DEADLINE: waiter
//               0 may go for its lock without having been told.
//   notifier    notify, with the lock or without: it may bury the dead, then the first that was told nothing is told, and woken after the transaction.
//   bury_dead   takes each dead one out; what it had been told goes to the next that was told nothing and came before the notification.
//
// Proved, where the run ends without error: when nothing moves any more, no notification has been swallowed by a dead one while a living one waits that
// waited when it came. A slice ends only when a look would find something to do; a run without a death needs no slice (NO_SLICE).
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
byte came[N];    // the count of arrivals when it came; once it is told, at the notification
byte arrivals;
byte holder;     // of the lock: process + 1; 0: free
byte deaths;
byte given;  // notifications that went to somebody who waited
byte heard;  // by who then lived on
byte died_after;  // heard by one that died afterwards
hidden byte i, j, next, limit;

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
  :: next < length && (told[list[next] - 1] || came[list[next] - 1] >= limit) -> next++
  :: else -> break
  od
}
inline tell_next() {
  find_next();
  if
  :: next < length -> told[list[next] - 1] = true; came[list[next] - 1] = limit;
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
     :: told[list[i] - 1] -> told[list[i] - 1] = false; limit = came[list[i] - 1]; take_out(i);
#ifndef MUTANT_DEAD_KEEP_IT
        given--; tell_next()
#endif
     :: else -> take_out(i)
     fi
  :: i < length && !dead[list[i] - 1] -> i++
  :: else -> break
  od;
  i = 0; limit = 0
}
inline take_out_own() {
  i = 0;
  do
  :: list[i] != p + 1 -> i++
  :: else -> break
  od;
  take_out(i); i = 0
}
#define LOCK_IS_FREE (holder == 0 || dead[holder - 1])
#define A_DEAD_ONE_IS_LISTED ((length > 0 && dead[list[0] - 1]) || (length > 1 && dead[list[1] - 1]) || (length > 2 && dead[list[2] - 1]))

proctype waiter(byte p) {
  if
  :: atomic { LOCK_IS_FREE -> holder = p + 1 }
  KILL
  fi;
  if
  :: d_step { list[length] = p + 1; length++; told[p] = false; came[p] = arrivals; arrivals++ }
  KILL
  fi;
  if
  :: holder = 0
  KILL
  fi;
look:
  if
  :: d_step { bury_dead() }
  :: true  // somebody else has looked lately
  KILL
  fi;
  if
  :: atomic {
       told[p] ->
#ifdef MUTANT_LEAVES_FIRST
       d_step { take_out_own() };
#endif
       goto locking
     }
#ifdef MUTANT_SLEEPS_BLINDLY
  :: d_step { true -> asleep[p] = true }
#else
  :: d_step { !told[p] -> asleep[p] = true }  // the kernel compares the word
#endif
  KILL
  fi;
end_asleep:
  if
  :: atomic { !asleep[p] -> goto look }
#ifndef NO_SLICE
  :: atomic { asleep[p] && A_DEAD_ONE_IS_LISTED -> asleep[p] = false; goto look }
#endif
#ifdef DEADLINE
  :: atomic { asleep[p] && p == 0 -> asleep[p] = false; goto locking }
#endif
  KILL
  fi;
locking:
  if
  :: atomic { LOCK_IS_FREE -> holder = p + 1 }
  KILL
  fi;
  if
  :: atomic {
       d_step {
         if
         :: !told[p] -> bury_dead()
         :: else
         fi;
#ifndef MUTANT_LEAVES_FIRST
         take_out_own();
#endif
         if
         :: told[p] -> heard++
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
  :: holder = 0
  KILL
  fi;
  goto end_dead;
end_heard:
  if
  :: atomic { deaths < DEATHS -> deaths++; dead[p] = true; heard--; died_after++ }
  :: holder = 0
  fi;
end_dead:
  skip
}

proctype notifier(byte p) {
  byte times;
  do
  :: times < NOTIFIES ->
     if
     :: atomic { LOCK_IS_FREE -> holder = p + 1 }
     :: true  // without the lock
     KILL
     fi;
     if
     :: d_step { bury_dead() }
     :: true
     KILL
     fi;
     if
     :: d_step { limit = arrivals; tell_next(); limit = 0; times++ }
     KILL
     fi;
     if
     :: atomic { if :: holder == p + 1 -> holder = 0 :: else fi }
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
