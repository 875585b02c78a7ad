// Fibers in lock-step, warp exchanges, and the tensor cores' products in plain loops.
#include "emulation.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "emulated_kernels.h"

namespace emulation {

thread_local Index thread;
thread_local Index block;
thread_local Index blockSize;

namespace {

constexpr int LANES = 32;
constexpr int MAX_THREADS = 1024;
constexpr int STACK_BYTES = 64 << 10;

/** Why a fiber stopped running. */
enum State { READY, AT_WARP, AT_BLOCK, DONE };

/** What a lane shows to its warp in one exchange. */
struct Shown {
  unsigned words[6];
};

struct Fiber {
  std::unique_ptr<char[]> stack;
  jmp_buf here;
  State state;
  bool started;
  int parity; // exchanges alternate between two slots, so that one barrier each is enough
  Shown shown[2];
};

/** The fibers of one thread of the host, used for block after block. */
struct Fibers {
  std::vector<Fiber> all = std::vector<Fiber>(MAX_THREADS);
  jmp_buf scheduler;
  std::function<void()> kernel;
  Fiber* current = nullptr;
};

thread_local Fibers fibers;

/** Back to the scheduler, until it resumes this fiber. _setjmp leaves the signal mask alone, which swapcontext would not. */
void stop(State state) {
  fibers.current->state = state;
  if (_setjmp(fibers.current->here) == 0) {
    _longjmp(fibers.scheduler, 1);
  }
}

/** A fiber's life: one kernel after the other. */
void live() {
  for (;;) {
    fibers.kernel();
    stop(DONE);
  }
}

void resume(Fiber& fiber, unsigned index) {
  fibers.current = &fiber;
  thread = {index, 0};
  if (_setjmp(fibers.scheduler) != 0) {
    return;
  }
  if (fiber.started) {
    _longjmp(fiber.here, 1);
  }
  fiber.started = true;
  fiber.stack = std::make_unique<char[]>(STACK_BYTES);
  ucontext_t start;
  getcontext(&start);
  start.uc_stack.ss_sp = fiber.stack.get();
  start.uc_stack.ss_size = STACK_BYTES;
  start.uc_link = nullptr;
  makecontext(&start, live, 0);
  setcontext(&start);
}

/** Runs a warp until all its lanes stand at the block's barrier or are done. */
State runWarp(unsigned first, unsigned count) {
  for (;;) {
    for (unsigned i = first; i < first + count; i++) {
      resume(fibers.all[i], i);
    }
    State state = fibers.all[first].state;
    for (unsigned i = first; i < first + count; i++) {
      if (fibers.all[i].state != state) {
        throw std::logic_error("lanes of a warp stand at different barriers");
      }
    }
    if (state != AT_WARP) {
      return state;
    }
  }
}

void runBlock(unsigned threads) {
  for (unsigned i = 0; i < threads; i++) {
    fibers.all[i].state = READY;
    fibers.all[i].parity = 0;
  }
  for (bool done = false; !done;) {
    bool waiting = false;
    for (unsigned first = 0; first < threads; first += LANES) {
      State state = runWarp(first, std::min<unsigned>(LANES, threads - first));
      waiting |= state == AT_BLOCK;
      done |= state == DONE;
    }
    if (waiting && done) {
      throw std::logic_error("some warps ended while others wait for them at a barrier");
    }
  }
}

/** Shows words to the warp and waits until all lanes have. */
int show(const Shown& own) {
  Fiber& fiber = *fibers.current;
  int slot = fiber.parity;
  fiber.parity ^= 1;
  fiber.shown[slot] = own;
  stop(AT_WARP);
  return slot;
}

const Shown& shownBy(unsigned lane, int slot) { return fibers.all[thread.x / LANES * LANES + lane].shown[slot]; }

/** Half a word as bfloat16, widened. */
float half(unsigned word, int index) { return bits<float>(index % 2 ? word & 0xFFFF0000u : word << 16); }

}  // namespace

void blockBarrier() { stop(AT_BLOCK); }

void warpBarrier() { stop(AT_WARP); }

float exchange(float own, int otherLane) {
  int slot = show({{bits<unsigned>(own)}});
  return bits<float>(shownBy(otherLane, slot).words[0]);
}

void mma(int k, float (&d)[4], const unsigned* a, const unsigned* b) {
  int wordsOfA = k / 4;
  Shown own = {};
  std::copy(a, a + wordsOfA, own.words);
  std::copy(b, b + k / 8, own.words + 4);
  int slot = show(own);
  unsigned lane = thread.x % LANES;
  for (int e = 0; e < 4; e++) {
    unsigned row = lane / 4 + e / 2 * 8;
    unsigned column = lane % 4 * 2 + e % 2;
    for (int i = 0; i < k; i++) {
      unsigned wordOfA = row / 8 + i / 8 * 2;
      float left = half(shownBy(row % 8 * 4 + i % 8 / 2, slot).words[wordOfA], i);
      float right = half(shownBy(column * 4 + i % 8 / 2, slot).words[4 + i / 8], i);
      d[e] = std::fma(left, right, d[e]);
    }
  }
}

void run(unsigned gridX, unsigned gridY, unsigned threads, const BoundKernel& kernel) {
  fibers.kernel = kernel;
  blockSize = {threads, 1};
  for (unsigned y = 0; y < gridY; y++) {
    for (unsigned x = 0; x < gridX; x++) {
      block = {x, y};
      try {
        runBlock(threads);
      } catch (...) {
        fibers.all = std::vector<Fiber>(MAX_THREADS); // they stand in the middle of the kernel
        throw;
      }
    }
  }
}

}  // namespace emulation
