package dev.longtake.worker.device.cuda.driver;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.DeviceChoice;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/** The GPUs that the driver shows. Every failure is the user's to correct: an INVALID_REQUEST. */
final class Gpus {
  /** The kernels' code starts with this capability, times ten. */
  private static final int LEAST_CAPABILITY = 80;

  private static final int NAME_CHARS = 256;

  private Gpus() {}

  /** Starts the driver and finds the GPU. */
  static Gpu choose(DeviceChoice.Cuda choice) {
    check(JCudaDriver.cuInit(0), "start (cuInit)");
    List<Gpu> all = list();
    Gpu chosen =
        all.stream()
            .filter(gpu ->
                switch (choice) {
                  case DeviceChoice.CudaIndex byIndex -> gpu.index() == byIndex.index();
                  case DeviceChoice.CudaUuid byUuid -> gpu.uuid().equals(byUuid.uuid());
                })
            .findFirst()
            .orElseThrow(() -> noSuch(choice, all));
    if (chosen.capability() < LEAST_CAPABILITY) {
      throw refused(
          "Expected a GPU of compute capability 8.0 or newer, but %s has %s; choose another one"
              .formatted(chosen, chosen.capabilityText()));
    }
    return chosen;
  }

  /** All of them, once the driver is started. */
  static List<Gpu> list() {
    int[] count = {0};
    check(JCudaDriver.cuDeviceGetCount(count), "count the GPUs");
    List<Gpu> all = new ArrayList<>();
    for (int index = 0; index < count[0]; index++) {
      all.add(describe(index));
    }
    if (all.isEmpty()) {
      throw refused(
          "Expected a GPU for --device cuda, but the driver shows none; look at"
              + " CUDA_VISIBLE_DEVICES and nvidia-smi, or use --device cpu");
    }
    return all;
  }

  private static Gpu describe(int index) {
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, index), "open cuda:" + index);
    byte[] name = new byte[NAME_CHARS];
    check(JCudaDriver.cuDeviceGetName(name, name.length, device), "name cuda:" + index);
    CUuuid uuid = new CUuuid();
    check(JCudaDriver.cuDeviceGetUuid(uuid, device), "identify cuda:" + index);
    int major = attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    int minor = attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    return new Gpu(
        device,
        index,
        new String(name, StandardCharsets.UTF_8).replace("\0", "").strip(),
        text(uuid),
        major * 10 + minor,
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) != 0);
  }

  private static String text(CUuuid uuid) {
    String digits = HexFormat.of().formatHex(uuid.bytes);
    return String.join(
        "-",
        digits.substring(0, 8),
        digits.substring(8, 12),
        digits.substring(12, 16),
        digits.substring(16, 20),
        digits.substring(20));
  }

  private static int attribute(CUdevice device, int attribute) {
    int[] value = {0};
    check(JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "describe a GPU");
    return value[0];
  }

  private static LongtakeException noSuch(DeviceChoice.Cuda choice, List<Gpu> all) {
    return refused(
        "Expected --device to name a GPU of this host, but there is no %s; there is %s"
            .formatted(choice, all.stream().map(Gpu::toString).collect(Collectors.joining(", "))));
  }

  private static void check(int result, String operation) {
    if (result == CUresult.CUDA_ERROR_NO_DEVICE) {
      throw refused(
          "Expected a GPU for --device cuda, but CUDA says %s; look at CUDA_VISIBLE_DEVICES and nvidia-smi, or use --device cpu"
              .formatted(CudaErrors.name(result)));
    }
    if (result != CUresult.CUDA_SUCCESS) {
      throw refused(
          "Expected NVIDIA's driver to %s, but CUDA says %s; see that nvidia-smi works on this host"
              .formatted(operation, CudaErrors.name(result)));
    }
  }

  private static LongtakeException refused(String message) {
    return LongtakeException.invalidField("--device", message);
  }
}
