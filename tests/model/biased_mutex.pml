// SPDX-License-Identifier: MIT
// The biased mutex and its revocation, with threads killed between any two steps: proof by exhaustion for two and
// three threads that enter and leave for ever, on the machine of machine.pml.
//
// The model beside src/sync/biased_mutex.hpp and .cpp; a line of a function is one access to shared memory:
//   enter       `idle`: in_cs = tag, compiler barrier, load bias; ours: inside (BiasedSection::enter_biased). Else
//               in_cs = 0, then enter_slow.
//   enter_slow  `enter_slow`: takes m (compare-and-swap on the robust word; that of a dead holder is taken over),
//               calls revoke when another thread owns the bias, then takes the bias itself (owner, in_cs, bias, in
//               this order, all before m is released), or stays inside by holding m, the bias left alone.
//               A thread may begin here, also when it owns the bias.
//   revoke      `revoke`, m held: bias = none; membarrier; wait until the owner's slot says that it is out, or has
//               another id, or its process is reported dead; owner = none. A caller with a deadline may give up in
//               the wait: it releases m and leaves owner as it is.
//   leave       the last step of `fast` (in_cs = 0, a release store) and of `plain` (m released).
//   slots       `ending` is ArenaCore::free_thread_slot, `attach` ArenaCore::make_thread_slot with what recovery does
//               to a dead process's slot before: no id, in_cs = 0, the next id.
// Words: IN_CS and ID are the thread slot's `inside` and `id`; BIAS, OWNER, M the mutex's. An id is slot + 1 + 4 *
// generation. M holds it too (in C++ the process's identity, which has a generation of its own).
// The waits for m and in the revocation block in the model; in C++ they sleep in bounded slices and look again. When a
// bias is worth granting is left open: any thread may take it or not.
//
// Proved, where the run ends without error:
// - Never two threads inside, one of them perhaps killed and not yet reported; nobody enters while a store of another
//   thread's section is still in a buffer (asserted at each entry, go_inside).
// - Each section adds one to COUNT by a read and a single store. Each such store that reaches memory adds exactly one
//   (CHECK_STORE): nothing is lost or doubled, a death inside counts as 0 or 1.
// - No deadlock. Every loop of a thread passes `idle`, where it may retire, and whatever else could help a blocked
//   thread (a death, a newcomer) may also fail to come; so a thread that could wait for ever would be reported as an
//   invalid end state. Fairness is not claimed: others may overtake a waiter.
//
// Options: THREADS 2 or 3, DEATHS, ENDS (threads that end in order and give their slot to another), DEPTH of the
// store buffers, COUNTS (COUNT wraps there), WEAK_STORES, LOCK_ACQUIRES_ONLY (taking m does not wait for older stores,
// as acquire alone allows on aarch64) with ATTACH_FENCE, WAIT_IGNORES_ID and SLOT_NOT_CLEARED (either alone is
// harmless), PATIENT (nobody gives up), and the mutants.
#ifndef THREADS
#define THREADS 3
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef ENDS
#define ENDS 0
#endif
#ifndef DEPTH
#define DEPTH 6
#endif
#ifndef COUNTS
#define COUNTS 4
#endif

#define NONE 0
#define TAG 1        // of this mutex
#define OTHER_TAG 2  // of another one
#define SLOT(id) (((id) - 1) & 3)

#define BIAS 0
#define OWNER 1
#define M 2
#define COUNT 3
#define IN_CS(q) (4 + (q))
#define ID(q) (4 + THREADS + (q))
#define WORDS (4 + 2 * THREADS)

#define NEXT(c) (((c) + 1) % COUNTS)
#define IS_IN_CS(w) (w >= IN_CS(0) && w < ID(0))
#define RELAXED(w, v) (w == OWNER || (w == BIAS && v == NONE) || (IS_IN_CS(w) && v != NONE))
#define CHECK_STORE(w, v) (w != COUNT || v == NEXT(memory[COUNT]))
#define ON_REPORT(q) inside[q] = false
#define FIRST_VICTIM(p) (ends > 0 || p == 0)  // the threads are alike: the first to go is thread 0
#define FIRST_TO_END(p) (deaths + ends > 0 || p == 0)

bool inside[THREADS];
byte me[THREADS];  // the id of the thread in the slot
byte ends;

#include "machine.pml"

#define ENDED 3  // `life` of a slot whose thread ended in order
#define VACANT (DEAD(p) || life[p] == ENDED)
#ifdef MUTANT_NO_GENERATION
#define NEXT_ID me[p]
#else
#define NEXT_ID me[p] + 4
#endif

#ifdef MUTANT_NOT_ROBUST
#define HOLDER_DEAD(holder) false
#else
#define HOLDER_DEAD(holder) (memory[ID(SLOT(holder))] != (holder) || DEAD(SLOT(holder)))
#endif
#ifdef LOCK_ACQUIRES_ONLY
#define OLDER_STORES_DONE true
#else
#define OLDER_STORES_DONE (pending[p] == 0)
#endif

// Any one of these reads ends the revoker's wait.
#ifdef WAIT_IGNORES_ID
#define OTHER_ID(who) false
#else
#define OTHER_ID(who) (memory[ID(SLOT(who))] != (who))
#endif
#ifdef MUTANT_WAIT_IGNORES_DEATH
#define IS_OUT(who) (memory[IN_CS(SLOT(who))] != TAG || OTHER_ID(who))
#else
#define IS_OUT(who) (memory[IN_CS(SLOT(who))] != TAG || OTHER_ID(who) || DEAD(SLOT(who)))
#endif

inline go_inside() {
  n = 0;
  do
  :: n < THREADS -> assert(!inside[n]); n++
  :: else -> break
  od;
  n = 0;
  do
  :: n < THREADS * DEPTH -> assert(n / DEPTH == p || WORD(buffer[n]) != COUNT); n++
  :: else -> break
  od;
  inside[p] = true
}

#define READ_COUNT STEP(true, load(COUNT); seen = value)
#define ADD_ONE PUSH(COUNT, NEXT(seen)); seen = 0

proctype thread(byte p) {
  byte seen;  // what the thread remembers: of M, OWNER or COUNT

idle:
  if
  :: d_step { ROOM -> PUSH(IN_CS(p), TAG) }
  :: goto enter_slow
  :: goto retired
#if ENDS > 0
  :: d_step { ends < ENDS && FIRST_TO_END(p) -> ends++ }; goto ending
#endif
  :: KILL
  fi;
  if
  :: atomic { load(BIAS); if :: value == me[p] -> go_inside(); goto fast :: else fi }
  :: KILL
  fi;
#ifndef MUTANT_IN_CS_KEPT
  STORE(IN_CS(p), NONE);
#endif

enter_slow:
  if
  :: d_step { OLDER_STORES_DONE && memory[M] == NONE -> memory[M] = me[p] }; goto locked
  :: d_step { memory[M] != NONE && HOLDER_DEAD(memory[M]) -> seen = memory[M] }
  :: KILL
  fi;
  if  // the verdict is older than the compare-and-swap
  :: d_step { pending[p] == 0 && memory[M] == seen -> memory[M] = me[p]; seen = 0 }
  :: atomic { memory[M] != seen -> seen = 0; goto enter_slow }
  :: KILL
  fi;
locked:
  if
  :: atomic { memory[OWNER] == NONE || memory[OWNER] == me[p] -> goto revoked }
  :: d_step { memory[OWNER] != NONE && memory[OWNER] != me[p] -> seen = memory[OWNER] }
  :: KILL
  fi;

  // revoke
  STORE(BIAS, NONE);
  MEMBARRIER;
#ifdef MUTANT_OWNER_CLEARED_FIRST
  STORE(OWNER, NONE);
#endif
#ifndef MUTANT_NO_WAIT
#ifndef PATIENT
  if
  :: true
  :: atomic { !IS_OUT(seen) -> seen = 0; goto release }
  :: KILL
  fi;
#endif
  STEP(IS_OUT(seen), seen = 0);
#else
  seen = 0;
#endif
#ifndef MUTANT_OWNER_CLEARED_FIRST
  STORE(OWNER, NONE);
#endif

revoked:
  if
  :: d_step { ROOM -> PUSH(OWNER, me[p]) }
  :: d_step { go_inside() }; goto plain
  :: KILL
  fi;
#ifndef MUTANT_GRANT_WITHOUT_IN_CS
  STORE(IN_CS(p), TAG);
#endif
#ifdef MUTANT_RELEASE_BEFORE_BIAS
  STORE(M, NONE);
  STEP(ROOM, PUSH(BIAS, me[p]); go_inside());
#else
  STORE(BIAS, me[p]);
  STEP(ROOM, PUSH(M, NONE); go_inside());
#endif

fast:
#ifdef MUTANT_NESTED  // enters another biased mutex while inside this one
  STORE(IN_CS(p), OTHER_TAG);
  STORE(IN_CS(p), NONE);
#endif
  READ_COUNT;
#ifdef MUTANT_LEAVE_BEFORE_COMMIT
  STORE(IN_CS(p), NONE);
  STEP(ROOM, ADD_ONE; inside[p] = false);
#else
  STEP(ROOM, ADD_ONE);
  STEP(ROOM, PUSH(IN_CS(p), NONE); inside[p] = false);
#endif
  goto idle;

plain:
  READ_COUNT;
  STEP(ROOM, ADD_ONE);
  inside[p] = false;
release:
  STORE(M, NONE);
  goto idle;

#if ENDS > 0
ending:
  STORE(ID(p), NONE);
  STEP(memory[ID(p)] == NONE, life[p] = ENDED);
  goto attach;
#endif
dead:
  seen = 0;
attach:
  if
  :: d_step { VACANT && pending[p] == 0 -> life[p] = RUNNING; me[p] = NEXT_ID }
  :: VACANT -> goto retired
  fi;
  STORE(ID(p), NONE);
#ifndef SLOT_NOT_CLEARED
  STORE(IN_CS(p), NONE);
#endif
  STORE(ID(p), me[p]);
#ifdef ATTACH_FENCE
  FENCE;
#endif
  goto idle;

retired:
end:
  false
}

init {
  d_step {
    n = 0;
    do
    :: n < THREADS -> me[n] = n + 1; memory[ID(n)] = n + 1; n++
    :: else -> break
    od;
    n = 0
  }
  atomic {
    run thread(0);
    run thread(1);
#if THREADS == 3
    run thread(2)
#endif
  }
}
