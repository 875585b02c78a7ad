// GPUs that the emulated driver has: memory between guards, streams that run as late as they may, faults by order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace emulation {

/** CUDA's numbers of results, as far as they occur here. */
enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_FAILED = 719,
};

struct Gpu;

/**
 * Work in order. Nothing runs before somebody waits for it, or for what comes after it: whoever uses memory of the host again without
 * having waited gets wrong values.
 */
struct Stream {
  Gpu* gpu;
  std::deque<std::function<int()>> pending;
  std::uint64_t submitted = 0;
  std::uint64_t done = 0;
};

struct Event {
  Stream* stream = nullptr;
  std::uint64_t mark = 0;
};

struct Gpu {
  int index;
  std::uint64_t usedBytes = 0;
  int lost = SUCCESS; // what every call returns from then on
  std::map<std::uintptr_t, std::uint64_t> blocks; // sizes by address
  std::vector<Stream*> streams;
};

/** What is to go wrong: the nth call of a function, or the nth launch of a kernel, counted from 1. */
struct Fault {
  std::string name;
  int at;
  int result;
};

/** The whole emulated driver; everything is guarded by the lock. */
struct World {
  std::recursive_mutex lock;
  bool initialized = false;
  int driverVersion = 13000;
  int capability = 90;
  bool pools = true;
  int computeMode = 0;
  std::uint64_t memoryBytes = 1ull << 33;
  std::vector<Gpu> gpus;
  std::vector<Fault> faults;
  std::map<std::string, int> calls;
  std::map<std::uintptr_t, std::uint64_t> pinned; // sizes by address
};

World& world();

/** The fault that this call or launch of a name meets, or SUCCESS. Counts it. */
int faultOf(const std::string& name);

/** Whether no call survives this result. */
bool isFatal(int result);

/** Memory between guards, all of it NaNs; null where the GPU has not so much. */
void* allocate(Gpu& gpu, std::uint64_t bytes);

/** Frees memory; the GPU is lost where something was written outside of it. */
int release(Gpu& gpu, void* memory);

/** Whether a GPU, or pinned memory, has these bytes. */
bool isInside(const std::map<std::uintptr_t, std::uint64_t>& blocks, const void* start, std::uint64_t bytes);

/** Adds work at the end of a stream. */
void submit(Stream& stream, std::function<int()> work);

/** Runs a stream up to a mark; the GPU's loss, if it is lost then. */
int runUntil(Stream& stream, std::uint64_t mark);

}  // namespace emulation
