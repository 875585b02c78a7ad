// The calls of NVIDIA's management library that Longtake makes, for the emulated GPUs, which are busy at 37 percent.
#include <cstdio>
#include <string>

#include "emulated_gpu.h"

namespace {

using namespace emulation;

using Lock = std::lock_guard<std::recursive_mutex>;

constexpr int NVML_SUCCESS = 0;
constexpr int NVML_UNINITIALIZED = 1;
constexpr int NVML_NOT_FOUND = 6;
constexpr int NVML_GPU_IS_LOST = 15;

bool isStarted = false;

/** As cuDeviceGetUuid has it. */
std::string uuidOf(std::size_t device) {
  char text[64];
  std::snprintf(text, sizeof text, "GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0%02x", static_cast<unsigned char>(device));
  return text;
}

}  // namespace

extern "C" {

struct Utilization {
  unsigned int gpu;
  unsigned int memory;
};

int nvmlInit_v2() {
  isStarted = true;
  return NVML_SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  Lock guard(world().lock);
  if (!isStarted) {
    return NVML_UNINITIALIZED;
  }
  for (std::size_t i = 0; i < world().gpus.size(); i++) {
    if (uuidOf(i) == uuid) {
      *device = reinterpret_cast<void*>(i + 1);
      return NVML_SUCCESS;
    }
  }
  return NVML_NOT_FOUND;
}

int nvmlDeviceGetUtilizationRates(void* device, Utilization* rates) {
  Lock guard(world().lock);
  std::size_t index = reinterpret_cast<std::size_t>(device) - 1;
  if (index >= world().gpus.size() || world().gpus[index].lost != SUCCESS) {
    return NVML_GPU_IS_LOST;
  }
  rates->gpu = 37;
  rates->memory = 12;
  return NVML_SUCCESS;
}

}  // extern "C"
