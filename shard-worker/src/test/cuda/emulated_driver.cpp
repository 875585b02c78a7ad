// The calls of CUDA's driver that Longtake makes, as libcuda.so.1 has them, for GPUs that are emulated on the host. What the binding
// imports beyond these is never called, and lazy linking does without it.
#include <cstdio>
#include <cstring>
#include <exception>

#include "emulated_gpu.h"
#include "emulated_kernels.h"

namespace {

using namespace emulation;

using Lock = std::lock_guard<std::recursive_mutex>;

/** What nvcc's fat binaries begin with. */
constexpr std::uint32_t FATBIN_MAGIC = 0xBA55ED50u;

/** The context of the thread, as CUDA has it: a GPU's primary one. */
thread_local Gpu* current = nullptr;

struct Function {
  std::string name;
  Kernel kernel;
};

/** Host and device rows of a copy, the driver API's CUDA_MEMCPY2D. */
struct Copy2D {
  std::size_t sourceX, sourceY;
  int sourceType;
  const void* sourceHost;
  void* sourceDevice;
  void* sourceArray;
  std::size_t sourcePitch;
  std::size_t targetX, targetY;
  int targetType;
  void* targetHost;
  void* targetDevice;
  void* targetArray;
  std::size_t targetPitch;
  std::size_t width, height;
};

constexpr int HOST = 1;
constexpr int DEVICE = 2;

/** A call without a context: its fault, if it is to have one. */
template <class Work>
int plainCall(const char* name, Work work) {
  Lock guard(world().lock);
  if (!world().initialized && std::strcmp(name, "cuInit") != 0 && std::strcmp(name, "cuDriverGetVersion") != 0) {
    return NOT_INITIALIZED;
  }
  int fault = faultOf(name);
  return fault != SUCCESS ? fault : static_cast<int>(work());
}

/** A call in the thread's context: nothing works on a GPU that is lost. */
template <class Work>
int call(const char* name, Work work) {
  return plainCall(name, [&]() -> int {
    if (current == nullptr) {
      return INVALID_CONTEXT;
    }
    return current->lost != SUCCESS ? current->lost : static_cast<int>(work(*current));
  });
}

/** The same, where a fault that nothing survives loses the GPU. */
template <class Work>
int fragileCall(const char* name, Work work) {
  Lock guard(world().lock);
  int result = call(name, work);
  if (current != nullptr && isFatal(result)) {
    current->lost = result;
  }
  return result;
}

bool isGpu(int device) { return device >= 0 && device < static_cast<int>(world().gpus.size()); }

bool rowsAreInside(const std::map<std::uintptr_t, std::uint64_t>& blocks, const void* start, std::size_t pitch,
                   std::size_t width, std::size_t height) {
  return isInside(blocks, start, pitch * (height - 1) + width);
}

int copyRows(Gpu& gpu, Stream& stream, void* target, std::size_t targetPitch, const void* source, std::size_t sourcePitch,
             std::size_t width, std::size_t height, bool toDevice) {
  const auto& targets = toDevice ? gpu.blocks : world().pinned;
  const auto& sources = toDevice ? world().pinned : gpu.blocks;
  if (width == 0 || height == 0 || targetPitch < width || sourcePitch < width) {
    return INVALID_VALUE;
  }
  if (!rowsAreInside(targets, target, targetPitch, width, height) ||
      !rowsAreInside(sources, source, sourcePitch, width, height)) {
    std::fprintf(stderr, "emulated CUDA: expected a copy between memory of the GPU and pinned memory\n");
    return INVALID_VALUE;
  }
  submit(stream, [=] {
    for (std::size_t row = 0; row < height; row++) {
      std::memcpy(static_cast<char*>(target) + row * targetPitch, static_cast<const char*>(source) + row * sourcePitch, width);
    }
    return static_cast<int>(SUCCESS);
  });
  return SUCCESS;
}

}  // namespace

extern "C" {

int cuInit(unsigned) {
  return plainCall("cuInit", []() -> int {
    world().initialized = true;
    return world().gpus.empty() ? NO_DEVICE : SUCCESS;
  });
}

int cuDriverGetVersion(int* version) {
  return plainCall("cuDriverGetVersion", [&] {
    *version = world().driverVersion;
    return SUCCESS;
  });
}

int cuGetErrorName(int result, const char** name) {
  static const std::map<int, const char*> NAMES = {
      {0, "CUDA_SUCCESS"},
      {1, "CUDA_ERROR_INVALID_VALUE"},
      {2, "CUDA_ERROR_OUT_OF_MEMORY"},
      {3, "CUDA_ERROR_NOT_INITIALIZED"},
      {46, "CUDA_ERROR_DEVICE_UNAVAILABLE"},
      {100, "CUDA_ERROR_NO_DEVICE"},
      {101, "CUDA_ERROR_INVALID_DEVICE"},
      {200, "CUDA_ERROR_INVALID_IMAGE"},
      {201, "CUDA_ERROR_INVALID_CONTEXT"},
      {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
      {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
      {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
      {500, "CUDA_ERROR_NOT_FOUND"},
      {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
      {719, "CUDA_ERROR_LAUNCH_FAILED"},
      {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"},
      {999, "CUDA_ERROR_UNKNOWN"},
  };
  auto known = NAMES.find(result);
  *name = known == NAMES.end() ? nullptr : known->second;
  return known == NAMES.end() ? INVALID_VALUE : SUCCESS;
}

int cuDeviceGetCount(int* count) {
  return plainCall("cuDeviceGetCount", [&] {
    *count = static_cast<int>(world().gpus.size());
    return SUCCESS;
  });
}

int cuDeviceGet(int* device, int index) {
  return plainCall("cuDeviceGet", [&] {
    *device = index;
    return isGpu(index) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuDeviceGetName(char* name, int size, int device) {
  return plainCall("cuDeviceGetName", [&] {
    std::snprintf(name, size, "Emulated GPU");
    return isGpu(device) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuDeviceGetUuid(unsigned char* uuid, int device) {
  return plainCall("cuDeviceGetUuid", [&] {
    std::memset(uuid, 0xE0, 16);
    uuid[15] = static_cast<unsigned char>(device);
    return isGpu(device) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return plainCall("cuDeviceGetAttribute", [&]() -> int {
    switch (attribute) {
      case 16:
        *value = 1;
        break;
      case 20:
        *value = world().computeMode;
        break;
      case 75:
        *value = world().capability / 10;
        break;
      case 76:
        *value = world().capability % 10;
        break;
      case 115:
        *value = world().pools ? 1 : 0;
        break;
      default:
        return INVALID_VALUE;
    }
    return isGpu(device) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned) {
  return plainCall("cuDevicePrimaryCtxSetFlags", [&] { return isGpu(device) ? SUCCESS : INVALID_DEVICE; });
}

int cuDevicePrimaryCtxRetain(Gpu** context, int device) {
  return plainCall("cuDevicePrimaryCtxRetain", [&] {
    *context = isGpu(device) ? &world().gpus[device] : nullptr;
    return isGpu(device) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  return plainCall("cuDevicePrimaryCtxRelease", [&] { return isGpu(device) ? SUCCESS : INVALID_DEVICE; });
}

int cuCtxSetCurrent(Gpu* context) {
  return plainCall("cuCtxSetCurrent", [&] {
    current = context;
    return SUCCESS;
  });
}

int cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return call("cuMemGetInfo", [&](Gpu& gpu) {
    *free = world().memoryBytes - gpu.usedBytes;
    *total = world().memoryBytes;
    return SUCCESS;
  });
}

int cuModuleLoadData(int** module, const void* image) {
  return fragileCall("cuModuleLoadData", [&](Gpu&) {
    std::uint32_t magic;
    std::memcpy(&magic, image, sizeof magic);
    if (magic != FATBIN_MAGIC) {
      return INVALID_IMAGE;
    }
    *module = new int(0);
    return SUCCESS;
  });
}

int cuModuleUnload(int* module) {
  return call("cuModuleUnload", [&](Gpu&) {
    delete module;
    return SUCCESS;
  });
}

int cuModuleGetFunction(Function** function, int*, const char* name) {
  return call("cuModuleGetFunction", [&](Gpu&) {
    Kernel kernel = findKernel(name);
    if (kernel == nullptr) {
      return NOT_FOUND;
    }
    *function = new Function{name, kernel}; // lives as long as the process, as there are few
    return SUCCESS;
  });
}

int cuStreamCreate(Stream** stream, unsigned) {
  return fragileCall("cuStreamCreate", [&](Gpu& gpu) {
    *stream = new Stream{&gpu, {}, 0, 0};
    gpu.streams.push_back(*stream);
    return SUCCESS;
  });
}

int cuStreamDestroy_v2(Stream* stream) {
  return plainCall("cuStreamDestroy", [&] {
    std::erase(stream->gpu->streams, stream);
    delete stream;
    return SUCCESS;
  });
}

int cuStreamSynchronize(Stream* stream) {
  return fragileCall("cuStreamSynchronize", [&](Gpu&) { return runUntil(*stream, stream->submitted); });
}

int cuEventCreate(Event** event, unsigned) {
  return fragileCall("cuEventCreate", [&](Gpu&) {
    *event = new Event();
    return SUCCESS;
  });
}

int cuEventRecord(Event* event, Stream* stream) {
  return fragileCall("cuEventRecord", [&](Gpu&) {
    *event = {stream, stream->submitted};
    return SUCCESS;
  });
}

int cuEventSynchronize(Event* event) {
  return fragileCall("cuEventSynchronize", [&](Gpu&) {
    return event->stream == nullptr ? static_cast<int>(SUCCESS) : runUntil(*event->stream, event->mark);
  });
}

int cuEventDestroy_v2(Event* event) {
  return plainCall("cuEventDestroy", [&] {
    delete event;
    return SUCCESS;
  });
}

int cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return fragileCall("cuMemHostAlloc", [&](Gpu&) {
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    world().pinned[reinterpret_cast<std::uintptr_t>(*memory)] = bytes;
    return SUCCESS;
  });
}

int cuMemFreeHost(void* memory) {
  return plainCall("cuMemFreeHost", [&] {
    std::size_t known = world().pinned.erase(reinterpret_cast<std::uintptr_t>(memory));
    std::free(memory);
    return known == 1 ? SUCCESS : INVALID_VALUE;
  });
}

int cuMemAlloc_v2(void** memory, std::size_t bytes) {
  return fragileCall("cuMemAlloc", [&](Gpu& gpu) {
    *memory = allocate(gpu, bytes);
    return *memory == nullptr ? OUT_OF_MEMORY : SUCCESS;
  });
}

int cuMemFree_v2(void* memory) {
  return fragileCall("cuMemFree", [&](Gpu& gpu) -> int {
    for (Stream* stream : gpu.streams) {
      runUntil(*stream, stream->submitted);
    }
    return gpu.lost != SUCCESS ? gpu.lost : release(gpu, memory);
  });
}

int cuMemAllocAsync(void** memory, std::size_t bytes, Stream*) {
  return fragileCall("cuMemAllocAsync", [&](Gpu& gpu) {
    *memory = allocate(gpu, bytes);
    return *memory == nullptr ? OUT_OF_MEMORY : SUCCESS;
  });
}

int cuMemFreeAsync(void* memory, Stream* stream) {
  return fragileCall("cuMemFreeAsync", [&](Gpu& gpu) {
    submit(*stream, [&gpu, memory] { return release(gpu, memory); });
    return SUCCESS;
  });
}

int cuDeviceGetDefaultMemPool(Gpu** pool, int device) {
  return plainCall("cuDeviceGetDefaultMemPool", [&] {
    *pool = isGpu(device) ? &world().gpus[device] : nullptr;
    return isGpu(device) ? SUCCESS : INVALID_DEVICE;
  });
}

int cuMemPoolSetAttribute(Gpu*, int, void*) {
  return plainCall("cuMemPoolSetAttribute", [] { return SUCCESS; });
}

int cuMemPoolTrimTo(Gpu*, std::size_t) {
  return plainCall("cuMemPoolTrimTo", [] { return SUCCESS; });
}

int cuMemsetD8Async(void* memory, unsigned char value, std::size_t bytes, Stream* stream) {
  return fragileCall("cuMemsetD8Async", [&](Gpu& gpu) {
    if (!isInside(gpu.blocks, memory, bytes)) {
      return INVALID_VALUE;
    }
    submit(*stream, [=] {
      std::memset(memory, value, bytes);
      return static_cast<int>(SUCCESS);
    });
    return SUCCESS;
  });
}

int cuMemcpyHtoDAsync_v2(void* target, const void* source, std::size_t bytes, Stream* stream) {
  return fragileCall("cuMemcpyHtoDAsync", [&](Gpu& gpu) {
    return copyRows(gpu, *stream, target, bytes, source, bytes, bytes, 1, /* toDevice= */ true);
  });
}

int cuMemcpyDtoHAsync_v2(void* target, const void* source, std::size_t bytes, Stream* stream) {
  return fragileCall("cuMemcpyDtoHAsync", [&](Gpu& gpu) {
    return copyRows(gpu, *stream, target, bytes, source, bytes, bytes, 1, /* toDevice= */ false);
  });
}

int cuMemcpy2DAsync_v2(const Copy2D* copy, Stream* stream) {
  return fragileCall("cuMemcpy2DAsync", [&](Gpu& gpu) -> int {
    bool toDevice = copy->sourceType == HOST && copy->targetType == DEVICE;
    if (!toDevice && !(copy->sourceType == DEVICE && copy->targetType == HOST)) {
      return INVALID_VALUE;
    }
    return copyRows(gpu, *stream, toDevice ? copy->targetDevice : copy->targetHost, copy->targetPitch,
                    toDevice ? copy->sourceHost : copy->sourceDevice, copy->sourcePitch, copy->width, copy->height, toDevice);
  });
}

int cuLaunchKernel(Function* function, unsigned gridX, unsigned gridY, unsigned, unsigned threads, unsigned, unsigned, unsigned,
                   Stream* stream, void** arguments, void**) {
  return fragileCall("cuLaunchKernel", [&](Gpu&) -> int {
    constexpr unsigned MOST_Y = 65535;
    constexpr unsigned MOST_THREADS = 1024;
    if (gridX == 0 || gridY == 0 || gridY > MOST_Y || threads == 0 || threads > MOST_THREADS) {
      return INVALID_VALUE;
    }
    int fault = faultOf(function->name);
    BoundKernel kernel = function->kernel(arguments);
    submit(*stream, [=]() -> int {
      if (fault != SUCCESS) {
        return fault;
      }
      try {
        run(gridX, gridY, threads, kernel);
        return SUCCESS;
      } catch (const std::exception& e) {
        std::fprintf(stderr, "emulated CUDA: kernel %s: %s\n", function->name.c_str(), e.what());
        return LAUNCH_FAILED;
      }
    });
    return SUCCESS;
  });
}

}  // extern "C"
