// SPDX-License-Identifier: MIT
// The machine under both models: words of shared memory, a store buffer for each thread, deaths, membarrier. One step
// of a model is one access to shared memory. Between any two steps others may run, buffered stores may reach memory,
// and the thread may be killed.
//
// Stores. A store goes to the end of its thread's buffer and reaches memory later, in order (x86-64). With WEAK_STORES
// a relaxed store may overtake up to two older stores to other words, a release store none (the stores of aarch64;
// early loads are not modelled). A thread sees its own buffered stores. Compare-and-swap, exchange and the system calls
// that synchronise wait until the buffer is empty. A buffer holds DEPTH stores; a full one makes its thread wait.
//
// Deaths. A thread stands for a process with one thread. KILL ends it between two steps. What is in its buffer reaches
// memory after that (or before: both orders are among the interleavings), and only then the kernel reports it dead.
// At most DEATHS are killed. The machine may also decide that the killing is over: else a deadlock of the living would
// hide behind a death that could still come.
//
// A model defines before it includes this file: THREADS, DEATHS, DEPTH, WORDS, FIRST_VICTIM(thread) (who may be killed
// first; narrow it only where the threads are alike), RELAXED(word, value), CHECK_STORE(word, value) (asserted when a
// store reaches memory) and ON_REPORT(thread). Its threads have a label `dead`.

#define RUNNING 0
#define KILLED 1
#define REPORTED 2

byte memory[WORDS];
byte buffer[THREADS * DEPTH];  // word * 16 + value, oldest first, then zeros
byte pending[THREADS];         // stores in the buffer
byte life[THREADS];
byte deaths;
#ifdef MUTANT_DEATH_TOO_EARLY
bool slandered[THREADS];  // reported dead while it runs
#define DEAD(q) (life[q] == REPORTED || slandered[q])
#else
#define DEAD(q) (life[q] == REPORTED)
#endif

hidden byte word, value, k, n;  // scratch within one step

#define BUFFERED(q, j) buffer[(q) * DEPTH + (j)]
#define WORD(entry) ((entry) / 16)
#define VALUE(entry) ((entry) % 16)

// ---- Steps of thread p; each may be replaced by its death.
#define KILL atomic { deaths < DEATHS && (deaths > 0 || FIRST_VICTIM(p)) -> deaths++; life[p] = KILLED; goto dead }
#define STEP(guard, action) if :: d_step { (guard) -> action } :: KILL fi
#define ROOM (pending[p] < DEPTH)
#define PUSH(w, v) BUFFERED(p, pending[p]) = (w) * 16 + (v); pending[p]++
#define STORE(w, v) STEP(ROOM, PUSH(w, v))
#define FENCE STEP(pending[p] == 0, skip)

// value = what p sees in word w.
inline load(w) {
  value = memory[w]; k = 0;
  do
  :: k < pending[p] ->
     if
     :: WORD(BUFFERED(p, k)) == w -> value = VALUE(BUFFERED(p, k))
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0  // a d_step must not end with the exit of a loop
}

// The j-th store in q's buffer reaches memory.
inline perform(q, j) {
  word = WORD(BUFFERED(q, j)); value = VALUE(BUFFERED(q, j));
  assert(CHECK_STORE(word, value));
  memory[word] = value;
  k = j + 1;
  do
  :: k < DEPTH -> BUFFERED(q, k - 1) = BUFFERED(q, k); k++
  :: else -> break
  od;
  BUFFERED(q, DEPTH - 1) = 0;
  pending[q] = pending[q] - 1
}

// q's core executes a full barrier. So does that of a thread which is killed and not yet reported: as long as it is on
// its core the core is interrupted, and the kernel has a full barrier where a thread leaves its core.
inline barrier_on(q) {
  do
#ifdef MUTANT_BARRIER_SKIPS_KILLED
  :: pending[q] > 0 && life[q] == RUNNING -> perform(q, 0)
#else
  :: pending[q] > 0 -> perform(q, 0)
#endif
  :: else -> break
  od;
  k = 0
}

// os::global_membarrier by p: a barrier of its own and one on each other core, at different moments. An arena without
// membarrier (FENCED) has a fence on either side instead.
#if defined(FENCED) || defined(MUTANT_FENCE_FOR_MEMBARRIER)
#define MEMBARRIER FENCE
#elif defined(MUTANT_NO_MEMBARRIER)
#define MEMBARRIER skip
#elif THREADS == 2
#define MEMBARRIER FENCE; STEP(true, barrier_on(1 - p))
#else
#define MEMBARRIER FENCE; STEP(true, barrier_on((p + 1) % 3)); STEP(true, barrier_on((p + 2) % 3))
#endif

// ---- What happens by itself.
#define DRAINS(q) :: d_step { pending[q] > 0 -> perform(q, 0) }

#ifdef WEAK_STORES
#define MAY_PASS(q, j, i) (WORD(BUFFERED(q, j)) != WORD(BUFFERED(q, i)))
#define IS_RELAXED(q, j) RELAXED(WORD(BUFFERED(q, j)), VALUE(BUFFERED(q, j)))
#define OVERTAKES(q) \
  :: d_step { pending[q] > 1 && IS_RELAXED(q, 1) && MAY_PASS(q, 1, 0) -> perform(q, 1) } \
  :: d_step { pending[q] > 2 && IS_RELAXED(q, 2) && MAY_PASS(q, 2, 0) && MAY_PASS(q, 2, 1) -> perform(q, 2) }
#else
#define OVERTAKES(q)
#endif

#ifdef MUTANT_DEATH_BEFORE_STORES
#define STORES_DONE(q) true
#else
#define STORES_DONE(q) (pending[q] == 0)
#endif
#define IS_REPORTED(q) :: d_step { life[q] == KILLED && STORES_DONE(q) -> life[q] = REPORTED; ON_REPORT(q) }

#ifdef MUTANT_DEATH_TOO_EARLY
#define IS_SLANDERED(q) :: d_step { deaths < DEATHS && !slandered[q] -> deaths++; slandered[q] = true }
#else
#define IS_SLANDERED(q)
#endif

#define CORE(q) DRAINS(q) OVERTAKES(q) IS_REPORTED(q) IS_SLANDERED(q)

active proctype machine() {
end:
  do
  CORE(0)
  CORE(1)
#if THREADS == 3
  CORE(2)
#endif
  :: d_step { deaths < DEATHS -> deaths = DEATHS }
  od
}
