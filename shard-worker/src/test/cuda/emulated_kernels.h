// The kernels' own sources by their names.
#pragma once
#include <functional>

namespace emulation {

/** A kernel with its arguments, which are copied at once, as a launch does it. */
using BoundKernel = std::function<void()>;

/** Binds arguments, an address for each parameter. */
using Kernel = BoundKernel (*)(void** arguments);

/** Null where there is no kernel of that name. */
Kernel findKernel(const char* name);

/** Runs every block of a grid, one after the other. Throws std::logic_error at a barrier that not all of a block reach. */
void run(unsigned gridX, unsigned gridY, unsigned threads, const BoundKernel& kernel);

}  // namespace emulation
