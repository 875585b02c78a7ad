// The kernels' sources, compiled for the host, and a table of their names.
#include "emulated_kernels.h"

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "kernels.cu"

namespace emulation {
namespace {

template <class... A, std::size_t... I>
BoundKernel bound(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  std::tuple<A...> values(*static_cast<A*>(arguments[I])...);
  return [kernel, values] { std::apply(kernel, values); };
}

template <class... A>
BoundKernel bound(void (*kernel)(A...), void** arguments) {
  return bound(kernel, arguments, std::index_sequence_for<A...>());
}

#define KERNEL(name) {#name, [](void** arguments) { return bound(name, arguments); }}

const std::map<std::string, Kernel> KERNELS = {
    KERNEL(activate),          KERNEL(addLearnedNoise),   KERNEL(addRows),           KERNEL(attentionFloat),
    KERNEL(attentionBfloat32), KERNEL(attentionBfloat48), KERNEL(attentionBfloat64), KERNEL(attentionBfloat72),
    KERNEL(attentionBfloat80), KERNEL(attentionBfloat96), KERNEL(attentionBfloat128), KERNEL(combine),
    KERNEL(copyRows),          KERNEL(linearBfloat),      KERNEL(linearFloat),       KERNEL(modulate),
    KERNEL(noise),             KERNEL(normRotate),        KERNEL(patchify),          KERNEL(reduceTokens),
    KERNEL(unpatchify),
};

}  // namespace

Kernel findKernel(const char* name) {
  auto kernel = KERNELS.find(name);
  return kernel == KERNELS.end() ? nullptr : kernel->second;
}

}  // namespace emulation
