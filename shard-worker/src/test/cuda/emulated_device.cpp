// The kernels on the host as a library that stands in for the CUDA driver: memory with guards, and launches by name.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "kernels.cu"

namespace emulation {
void run(unsigned gridX, unsigned gridY, unsigned threads, const std::function<void()>& kernel);
}

namespace {

/** Bytes before and after each allocation. Their value makes a NaN of what is read there; writes are found at the end. */
constexpr std::size_t GUARD_BYTES = 4096;
constexpr unsigned char GUARD = 0xFF;

thread_local std::string failure;

using Launch = std::function<void()> (*)(void** arguments);

template <class... A, std::size_t... I>
std::function<void()> bound(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  std::tuple<A...> values(*static_cast<A*>(arguments[I])...);
  return [kernel, values] { std::apply(kernel, values); };
}

template <class... A>
std::function<void()> bound(void (*kernel)(A...), void** arguments) {
  return bound(kernel, arguments, std::index_sequence_for<A...>());
}

#define KERNEL(name) {#name, [](void** arguments) { return bound(name, arguments); }}

const std::map<std::string, Launch> KERNELS = {
    KERNEL(activate),          KERNEL(addLearnedNoise),   KERNEL(addRows),           KERNEL(attentionFloat),
    KERNEL(attentionBfloat32), KERNEL(attentionBfloat48), KERNEL(attentionBfloat64), KERNEL(attentionBfloat72),
    KERNEL(attentionBfloat80), KERNEL(attentionBfloat96), KERNEL(attentionBfloat128), KERNEL(combine),
    KERNEL(copyRows),          KERNEL(linearBfloat),      KERNEL(linearFloat),       KERNEL(modulate),
    KERNEL(noise),             KERNEL(normRotate),        KERNEL(patchify),          KERNEL(reduceTokens),
    KERNEL(unpatchify),
};

}  // namespace

/** Zeroed memory between guards; null where there is none. */
extern "C" void* emulatedAllocate(std::uint64_t bytes) {
  std::size_t inner = (bytes + 255) / 256 * 256;
  void* block = std::aligned_alloc(256, inner + 2 * GUARD_BYTES);
  if (block == nullptr) {
    return nullptr;
  }
  std::memset(block, GUARD, inner + 2 * GUARD_BYTES);
  void* memory = static_cast<char*>(block) + GUARD_BYTES;
  std::memset(memory, 0, bytes);
  return memory;
}

/** Frees memory; not 0 where something was written outside of it. */
extern "C" int emulatedFree(void* memory, std::uint64_t bytes) {
  std::size_t inner = (bytes + 255) / 256 * 256;
  auto* block = static_cast<unsigned char*>(memory) - GUARD_BYTES;
  int damaged = 0;
  for (std::size_t i = 0; i < inner + 2 * GUARD_BYTES; i++) {
    bool outside = i < GUARD_BYTES || i >= GUARD_BYTES + bytes;
    damaged |= outside && block[i] != GUARD;
  }
  std::free(block);
  return damaged;
}

/** Runs a kernel to its end. Null, or what is wrong, which stands until this thread's next call. */
extern "C" const char* emulatedLaunch(const char* name, unsigned gridX, unsigned gridY, unsigned threads, void** arguments) {
  try {
    auto kernel = KERNELS.find(name);
    if (kernel == KERNELS.end()) {
      throw std::invalid_argument(std::string("no kernel ") + name);
    }
    emulation::run(gridX, gridY, threads, kernel->second(arguments));
    return nullptr;
  } catch (const std::exception& e) {
    failure = e.what();
    return failure.c_str();
  }
}
