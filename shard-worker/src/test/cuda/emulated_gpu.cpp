// Memory, streams and faults of the emulated driver.
#include "emulated_gpu.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace emulation {
namespace {

/** Bytes before and after each allocation. Their value makes a NaN of what is read there; writes are found at the end. */
constexpr std::size_t GUARD_BYTES = 4096;
constexpr unsigned char GUARD = 0xFF;

/** Work that waits in a stream at most; the oldest runs then. */
constexpr std::size_t MOST_PENDING = 512;

std::size_t padded(std::uint64_t bytes) { return (bytes + 255) / 256 * 256; }

/** name=value words, as LONGTAKE_EMULATED_CUDA has them; see apply(). */
void applyWord(World& world, const std::string& name, const std::string& value) {
  if (name == "gpus") {
    world.gpus.resize(std::stoi(value));
  } else if (name == "memory") {
    world.memoryBytes = std::stoull(value);
  } else if (name == "driver") {
    world.driverVersion = std::stoi(value);
  } else if (name == "capability") {
    world.capability = std::stoi(value);
  } else if (name == "pools") {
    world.pools = value == "1";
  } else if (name == "mode") {
    world.computeMode = std::stoi(value);
  } else if (name == "fault") {
    std::size_t first = value.find(':');
    std::size_t second = value.find(':', first + 1);
    world.faults.push_back(
        {value.substr(0, first), std::stoi(value.substr(first + 1)), std::stoi(value.substr(second + 1))});
  } else {
    std::fprintf(stderr, "emulated CUDA: expected gpus, memory, driver, capability, pools, mode or fault, but got '%s'\n",
                 name.c_str());
    std::abort();
  }
}

/**
 * Sets the driver up anew: words of name=value, for example "gpus=2 fault=cuStreamCreate:1:999 fault=linearFloat:3:700".
 */
void apply(World& world, const char* text) {
  world.initialized = false;
  world.driverVersion = 13000;
  world.capability = 90;
  world.pools = true;
  world.computeMode = 0;
  world.memoryBytes = 1ull << 33;
  world.faults.clear();
  world.calls.clear();
  world.gpus.assign(1, Gpu());
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::size_t equals = word.find('=');
    applyWord(world, word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1));
  }
  for (std::size_t i = 0; i < world.gpus.size(); i++) {
    world.gpus[i].index = static_cast<int>(i);
  }
}

}  // namespace

World& world() {
  static World* made = [] {
    auto* fresh = new World();
    const char* text = std::getenv("LONGTAKE_EMULATED_CUDA");
    apply(*fresh, text == nullptr ? "" : text);
    return fresh;
  }();
  return *made;
}

int faultOf(const std::string& name) {
  int call = ++world().calls[name];
  for (const Fault& fault : world().faults) {
    if (fault.name == name && fault.at == call) {
      return fault.result;
    }
  }
  return SUCCESS;
}

bool isFatal(int result) {
  return result == 214 || result == 220 || (result >= 700 && result <= 720 && result != 701) || result == 999;
}

void* allocate(Gpu& gpu, std::uint64_t bytes) {
  if (bytes > world().memoryBytes - gpu.usedBytes) {
    return nullptr;
  }
  std::size_t inner = padded(bytes);
  void* block = std::aligned_alloc(256, inner + 2 * GUARD_BYTES);
  if (block == nullptr) {
    return nullptr;
  }
  std::memset(block, GUARD, inner + 2 * GUARD_BYTES);
  void* memory = static_cast<char*>(block) + GUARD_BYTES;
  gpu.usedBytes += bytes;
  gpu.blocks[reinterpret_cast<std::uintptr_t>(memory)] = bytes;
  return memory;
}

int release(Gpu& gpu, void* memory) {
  auto found = gpu.blocks.find(reinterpret_cast<std::uintptr_t>(memory));
  if (found == gpu.blocks.end()) {
    return INVALID_VALUE;
  }
  std::uint64_t bytes = found->second;
  gpu.blocks.erase(found);
  gpu.usedBytes -= bytes;
  std::size_t inner = padded(bytes);
  auto* block = static_cast<unsigned char*>(memory) - GUARD_BYTES;
  bool damaged = false;
  for (std::size_t i = 0; i < inner + 2 * GUARD_BYTES; i++) {
    bool outside = i < GUARD_BYTES || i >= GUARD_BYTES + bytes;
    damaged |= outside && block[i] != GUARD;
  }
  std::free(block);
  if (damaged) {
    std::fprintf(stderr, "emulated CUDA: something wrote outside of a buffer of %llu bytes\n",
                 static_cast<unsigned long long>(bytes));
    gpu.lost = ILLEGAL_ADDRESS;
  }
  return SUCCESS;
}

bool isInside(const std::map<std::uintptr_t, std::uint64_t>& blocks, const void* start, std::uint64_t bytes) {
  auto address = reinterpret_cast<std::uintptr_t>(start);
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) {
    return false;
  }
  auto block = std::prev(after);
  return address + bytes <= block->first + block->second;
}

void submit(Stream& stream, std::function<int()> work) {
  stream.pending.push_back(std::move(work));
  stream.submitted++;
  if (stream.pending.size() > MOST_PENDING) {
    runUntil(stream, stream.done + 1);
  }
}

int runUntil(Stream& stream, std::uint64_t mark) {
  while (stream.done < mark && !stream.pending.empty()) {
    std::function<int()> work = std::move(stream.pending.front());
    stream.pending.pop_front();
    stream.done++;
    // After a fault nothing runs any more, as on a GPU.
    if (stream.gpu->lost == SUCCESS) {
      int result = work();
      if (result != SUCCESS) {
        stream.gpu->lost = result;
      }
    }
  }
  return stream.gpu->lost;
}

}  // namespace emulation

/** Sets the emulated driver up anew; nothing of it may be in use. */
extern "C" void emulatedCudaReset(const char* text) {
  std::lock_guard<std::recursive_mutex> guard(emulation::world().lock);
  emulation::apply(emulation::world(), text);
}

/** Bytes of all GPUs that are allocated now. */
extern "C" std::uint64_t emulatedCudaUsedBytes() {
  std::lock_guard<std::recursive_mutex> guard(emulation::world().lock);
  std::uint64_t used = 0;
  for (const emulation::Gpu& gpu : emulation::world().gpus) {
    used += gpu.usedBytes;
  }
  return used;
}

/** How often a function was called, or a kernel launched, since the last reset. */
extern "C" int emulatedCudaCalls(const char* name) {
  std::lock_guard<std::recursive_mutex> guard(emulation::world().lock);
  auto calls = emulation::world().calls.find(name);
  return calls == emulation::world().calls.end() ? 0 : calls->second;
}
